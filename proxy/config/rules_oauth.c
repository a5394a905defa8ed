/*
 * Whether tokens can be obtained as configured: each grant has what it needs, and nothing that it would ignore. Adds
 * faults, changes nothing.
 */
#include <string.h>

#include "config/load.h"
#include "config/values.h"

static bool is_given(const char *text)
{
	return *text != '\0';
}

/* ---- relays */

void rules_check_token_login(struct load *load, const struct config_relay *relay)
{
	if (is_given(relay->password_file))
		load_fault(load, "relay", relay->name, "password_file",
			   "a token takes its place; expected \"\", or auth = \"plain\"");
	if (!is_given(relay->oauth))
		load_fault(load, "relay", relay->name, "oauth",
			   "no tokens to log in with; expected the name of an oauth section");
	else if (config_find_oauth(load->config, relay->oauth) == NULL)
		load_fault(load, "relay", relay->name, "oauth",
			   "there is no oauth section \"%.80s\"; expected the name of one", relay->oauth);
}

/* The consent of one mailbox's owner gives no token for every mailbox. */
void rules_check_per_sender(struct load *load, const struct config_relay *relay)
{
	const struct config_oauth *oauth =
		config_relay_has_tokens(relay) ? config_find_oauth(load->config, relay->oauth) : NULL;
	size_t at = span_find_byte(span_of(relay->user), '@');
	if (!relay->per_sender)
		return;
	if (oauth == NULL || oauth->grant == OAUTH_REFRESH_TOKEN)
		load_fault(load, "relay", relay->name, "per_sender",
			   "needs tokens that are good for every mailbox; expected auth = \"xoauth2\" and an oauth "
			   "section with grant = \"service_account\" or \"client_credentials\"");
	if (at == 0 || at + 1 >= strlen(relay->user))
		load_fault(load, "relay", relay->name, "user",
			   "\"%.80s\" has no domain to hold senders against; expected a mailbox, as for per_sender",
			   relay->user);
	if (is_given(relay->rewrite_sender))
		load_fault(load, "relay", relay->name, "rewrite_sender",
			   "with per_sender, senders have mailboxes of their own; expected only one of the two");
}

/* ---- sections */

static void require_option(struct load *load, const struct config_oauth *oauth, const char *option, const char *value,
			   const char *what)
{
	if (!is_given(value))
		load_fault(load, "oauth", oauth->name, option, "none; expected %s", what);
}

static void refuse_option(struct load *load, const struct config_oauth *oauth, const char *option, const char *value,
			  const char *grant)
{
	if (is_given(value))
		load_fault(load, "oauth", oauth->name, option, "not used with grant = \"%s\"; expected \"\"", grant);
}

static void check_url(struct load *load, const struct config_oauth *oauth, const char *option, const char *url)
{
	if (is_given(url) && !value_is_https_url(span_of(url)))
		load_fault(load, "oauth", oauth->name, option,
			   "\"%.80s\" is not an address; expected one such as \"https://login.example.com/token\"",
			   url);
}

static void check_refresh_token(struct load *load, const struct config_oauth *oauth)
{
	static const char grant[] = "refresh_token";
	require_option(load, oauth, "client_id", oauth->client_id, "the application's id");
	if (oauth->provider == OAUTH_GOOGLE)
		require_option(load, oauth, "client_secret_file", oauth->client_secret_file,
			       "the application's secret, which Google requires");
	refuse_option(load, oauth, "service_account_file", oauth->service_account_file, grant);
	if (oauth->provider == OAUTH_CUSTOM && !is_given(oauth->refresh_token_file) && !is_given(oauth->device_url) &&
	    !is_given(oauth->authorize_url))
		load_fault(load, "oauth", oauth->name, "refresh_token_file",
			   "no way to a first token; expected this, or device_url or authorize_url for subgatectl "
			   "relay authorize");
}

static void check_client_credentials(struct load *load, const struct config_oauth *oauth)
{
	static const char grant[] = "client_credentials";
	if (oauth->provider == OAUTH_GOOGLE)
		load_fault(load, "oauth", oauth->name, "grant",
			   "Google has none for mail; expected \"refresh_token\" or \"service_account\"");
	require_option(load, oauth, "client_id", oauth->client_id, "the application's id");
	require_option(load, oauth, "client_secret_file", oauth->client_secret_file, "the application's secret");
	refuse_option(load, oauth, "service_account_file", oauth->service_account_file, grant);
	refuse_option(load, oauth, "refresh_token_file", oauth->refresh_token_file, grant);
}

static void check_service_account(struct load *load, const struct config_oauth *oauth)
{
	static const char grant[] = "service_account";
	if (oauth->provider == OAUTH_MICROSOFT)
		load_fault(load, "oauth", oauth->name, "grant",
			   "Microsoft has none; expected \"client_credentials\" or \"refresh_token\"");
	require_option(load, oauth, "service_account_file", oauth->service_account_file, "the service account's key");
	refuse_option(load, oauth, "client_id", oauth->client_id, grant);
	refuse_option(load, oauth, "client_secret_file", oauth->client_secret_file, grant);
	refuse_option(load, oauth, "refresh_token_file", oauth->refresh_token_file, grant);
}

static void check_provider(struct load *load, const struct config_oauth *oauth)
{
	if (oauth->provider == OAUTH_CUSTOM)
		require_option(load, oauth, "token_url", oauth->token_url, "the address of the token endpoint");
	if (oauth->provider == OAUTH_MICROSOFT && !value_is_name(span_of(oauth->tenant)))
		load_fault(load, "oauth", oauth->name, "tenant",
			   "\"%.80s\" is not a tenant; expected the directory's id, or a domain of it", oauth->tenant);
	if (oauth->provider != OAUTH_MICROSOFT && is_given(oauth->tenant))
		load_fault(load, "oauth", oauth->name, "tenant",
			   "only Microsoft has tenants; expected \"\", or provider = \"microsoft\"");
}

static void check_oauth(struct load *load, const struct config_oauth *oauth)
{
	check_provider(load, oauth);
	check_url(load, oauth, "token_url", oauth->token_url);
	check_url(load, oauth, "device_url", oauth->device_url);
	check_url(load, oauth, "authorize_url", oauth->authorize_url);
	switch (oauth->grant) {
	case OAUTH_REFRESH_TOKEN:
		check_refresh_token(load, oauth);
		break;
	case OAUTH_CLIENT_CREDENTIALS:
		check_client_credentials(load, oauth);
		break;
	case OAUTH_SERVICE_ACCOUNT:
		check_service_account(load, oauth);
		break;
	}
}

void rules_check_oauths(struct load *load)
{
	for (size_t i = 0; i < load->config->oauth.count; i++)
		check_oauth(load, &load->config->oauth.items[i]);
}
