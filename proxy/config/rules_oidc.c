/* The rules of logins at the console by OpenID Connect: console.login, console.url and the section oidc. */
#include <string.h>

#include "config/load.h"
#include "config/values.h"

static bool is_given(const char *text)
{
	return *text != '\0';
}

static bool has_item(const struct config_list *list, const char *item)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], item) == 0)
			return true;
	return false;
}

/* ---- the console's side */

static void check_login(struct load *load)
{
	const struct config_list *ways = &load->config->console.login;
	if (ways->count == 0)
		load_fault(load, "console", "", "login",
			   "empty, so that nobody could log in; expected {\"password\"}, {\"oidc\"} or both");
	for (size_t i = 0; i < ways->count; i++)
		if (strcmp(ways->items[i], "password") != 0 && strcmp(ways->items[i], "oidc") != 0)
			load_fault(load, "console", "", "login",
				   "\"%.80s\" is no way to log in; expected \"password\" or \"oidc\"", ways->items[i]);
}

/* Without a path, as its cookies are the whole host's. From plain HTTP browsers keep them of their own machine. */
static bool is_origin(struct span url)
{
	const struct span secure = SPAN("https://"), local = SPAN("http://localhost");
	if (value_is_https_url(url)) {
		struct span rest = span_slice(url, secure.size, url.size);
		return !span_contains_byte(rest, '/') && !span_contains_byte(rest, '?') &&
		       !span_contains_byte(rest, '&');
	}
	struct span port = span_slice(url, local.size, url.size);
	uint64_t number = 0;
	if (!span_starts_with(url, local))
		return false;
	return span_is_empty(port) ||
	       (port.data[0] == ':' && span_to_u64(span_slice(port, 1, port.size), &number) == STATUS_OK &&
		number > 0 && number < 65536);
}

static void check_console_url(struct load *load, bool is_needed)
{
	const char *url = load->config->console.url;
	if (is_needed && !is_given(url))
		load_fault(load, "console", "", "url",
			   "none, so that the provider could send nobody back; expected the console's address, such as "
			   "\"https://mail.example.com:8443\"");
	else if (is_given(url) && !is_origin(span_of(url)))
		load_fault(load, "console", "", "url",
			   "\"%.80s\" is no address of a console; expected one such as "
			   "\"https://mail.example.com:8443\", without a path",
			   url);
}

/* ---- the provider */

/* Whoever opened an account there could log in, make an app password and send mail. */
static void check_openness(struct load *load, const struct config_oidc *oidc)
{
	static const char *const shared[] = { "https://login.microsoftonline.com/common/",
					      "https://login.microsoftonline.com/organizations/",
					      "https://login.microsoftonline.com/consumers/" };
	bool has_domain = false;
	for (size_t i = 0; i < oidc->required_claims.count; i++)
		has_domain |= strncmp(oidc->required_claims.items[i], "hd=", 3) == 0;
	if (strcmp(oidc->issuer, "https://accounts.google.com") == 0 && !has_domain)
		load_fault(load, "oidc", "", "required_claims",
			   "Google logs in whoever has an account there; expected \"hd=\" and your domain among them");
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		if (strncmp(oidc->issuer, shared[i], strlen(shared[i])) == 0)
			load_fault(load, "oidc", "", "issuer",
				   "\"%.80s\" logs in everybody's accounts; expected that of one tenant, "
				   "https://login.microsoftonline.com/TENANT-ID/v2.0",
				   oidc->issuer);
}

static void check_required_claims(struct load *load, const struct config_oidc *oidc)
{
	for (size_t i = 0; i < oidc->required_claims.count; i++) {
		struct span claim = span_of(oidc->required_claims.items[i]);
		size_t at = span_find_byte(claim, '=');
		if (at == 0 || at + 1 >= claim.size)
			load_fault(load, "oidc", "", "required_claims",
				   "\"%.80s\" is no claim and its value; expected one such as \"hd=example.com\"",
				   oidc->required_claims.items[i]);
	}
}

static void check_provider(struct load *load, const struct config_oidc *oidc)
{
	if (!value_is_https_url(span_of(oidc->issuer)) || strchr(oidc->issuer, '?'))
		load_fault(load, "oidc", "", "issuer",
			   "\"%.80s\" is no issuer; expected one such as \"https://login.example.com/realms/company\"",
			   oidc->issuer);
	if (!is_given(oidc->client_id))
		load_fault(load, "oidc", "", "client_id", "none; expected what the provider calls us");
	if (!has_item(&oidc->scopes, "openid"))
		load_fault(load, "oidc", "", "scopes",
			   "without \"openid\" there is no ID token; expected it among them");
	if (!is_given(oidc->user_claim))
		load_fault(load, "oidc", "", "user_claim", "empty; expected one such as \"email\"");
	check_required_claims(load, oidc);
	check_openness(load, oidc);
}

void rules_check_oidc(struct load *load)
{
	const struct config *config = load->config;
	bool is_used = has_item(&config->console.login, "oidc");
	bool is_described = is_given(config->oidc.issuer) || is_given(config->oidc.client_id);
	check_login(load);
	check_console_url(load, is_used);
	if (is_used && !is_described)
		load_fault(load, "console", "", "login",
			   "\"oidc\" without a provider; expected a section oidc { issuer = … client_id = … }");
	else if (!is_used && is_described)
		load_fault(load, "console", "", "login",
			   "a section oidc, and nobody logs in there; expected \"oidc\" among them");
	else if (is_used)
		check_provider(load, &config->oidc);
}
