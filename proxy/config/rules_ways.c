/* The part of the rules that is about ways to log in: mechanisms, and what they need. */
#include "config/load.h"
#include "config/values.h"

static void check_map(struct load *load, const struct config_listener *listener)
{
	bool maps = listener->certificate_user == CERTIFICATE_USER_MAP;
	if (maps && listener->certificate_map_file[0] == '\0')
		load_fault(load, "listener", listener->name, "certificate_user",
			   "no map; expected certificate_map_file = \"…\" too");
	else if (!maps && listener->certificate_map_file[0])
		load_fault(load, "listener", listener->name, "certificate_map_file",
			   "nothing reads it; expected certificate_user = \"map\" too");
}

void rules_check_client_certificate(struct load *load, const struct config_listener *listener)
{
	bool asks = listener->client_certificate != CLIENT_CERTIFICATE_NONE;
	if (asks && listener->client_ca_file[0] == '\0')
		load_fault(load, "listener", listener->name, "client_certificate",
			   "no authority to verify it; expected client_ca_file = \"…\" too");
	else if (!asks && listener->client_ca_file[0] != '\0')
		load_fault(load, "listener", listener->name, "client_ca_file",
			   "no client is asked for a certificate; expected client_certificate = \"request\" or "
			   "\"require\" too");
	if (!asks && listener->client_crl_file[0])
		load_fault(load, "listener", listener->name, "client_crl_file",
			   "no client is asked for a certificate; expected client_ca_file = \"…\" too");
	if (!asks && listener->certificate_user != CERTIFICATE_USER_NONE)
		load_fault(load, "listener", listener->name, "certificate_user",
			   "no client is asked for a certificate; expected client_certificate = \"request\" or "
			   "\"require\" too");
	check_map(load, listener);
}

static bool is_offered(const struct config *config, struct span mechanism)
{
	for (size_t i = 0; i < config->auth.mechanisms.count; i++) {
		if (span_equal(span_of(config->auth.mechanisms.items[i]), mechanism))
			return true;
	}
	return false;
}

static bool has_certificate_users(const struct config *config)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		if (config->listener.items[i].certificate_user != CERTIFICATE_USER_NONE)
			return true;
	}
	return false;
}

/* ---- tokens */

static void check_url(struct load *load, const struct config_bearer *bearer, const char *option, const char *url)
{
	if (*url && !value_is_https_url(span_of(url)))
		load_fault(load, "bearer", bearer->name, option,
			   "\"%.80s\" is not an address; expected one such as \"https://login.example.com/keys\"", url);
}

static void check_bearer(struct load *load, const struct config_bearer *bearer)
{
	if (!value_is_https_url(span_of(bearer->issuer)))
		load_fault(load, "bearer", bearer->name, "issuer",
			   "\"%.80s\" is no issuer; expected one such as \"https://login.example.com/realm\"",
			   bearer->issuer);
	if (bearer->audiences.count == 0)
		load_fault(
			load, "bearer", bearer->name, "audiences",
			"empty, so that tokens for anything would log in; expected what tokens for this service name");
	if (*bearer->user_claim == '\0')
		load_fault(load, "bearer", bearer->name, "user_claim", "empty; expected one such as \"email\"");
	check_url(load, bearer, "jwks_url", bearer->jwks_url);
	check_url(load, bearer, "introspection_url", bearer->introspection_url);
	if (*bearer->introspection_url && *bearer->jwks_url)
		load_fault(load, "bearer", bearer->name, "jwks_url",
			   "not used with introspection_url; expected only one of the two");
	if (*bearer->client_secret_file && *bearer->client_id == '\0')
		load_fault(load, "bearer", bearer->name, "client_id", "a secret without a name; expected it");
}

static void check_bearers(struct load *load)
{
	const struct config *config = load->config;
	size_t introspecting = 0;
	for (size_t i = 0; i < config->bearer.count; i++) {
		check_bearer(load, &config->bearer.items[i]);
		introspecting += *config->bearer.items[i].introspection_url != '\0';
	}
	if (introspecting > 1)
		load_fault(
			load, "auth", "", "mechanisms",
			"a token may not say who knows it; expected one bearer section with introspection_url at most");
	bool offered = is_offered(config, SPAN("OAUTHBEARER")) || is_offered(config, SPAN("XOAUTH2"));
	if (offered && config->bearer.count == 0)
		load_fault(load, "auth", "", "mechanisms", "tokens without a bearer section; expected one");
	else if (!offered && config->bearer.count > 0)
		load_fault(
			load, "auth", "", "mechanisms",
			"a bearer section without \"OAUTHBEARER\" or \"XOAUTH2\", so that no token logs in; expected "
			"them too");
}

static bool has_app_passwords(const struct config *config)
{
	for (size_t i = 0; i < config->auth.backends.count; i++) {
		if (span_equal(span_of(config->auth.backends.items[i]), SPAN("app_password")))
			return true;
	}
	return false;
}

static void check_scram(struct load *load)
{
	const struct config *config = load->config;
	bool offered = is_offered(config, SPAN("SCRAM-SHA-256")) || is_offered(config, SPAN("SCRAM-SHA-256-PLUS"));
	if (offered && !has_app_passwords(config))
		load_fault(load, "auth", "", "mechanisms",
			   "SCRAM proves app passwords alone; expected backends with \"app_password\"");
}

void rules_check_ways(struct load *load)
{
	bool external = is_offered(load->config, SPAN("EXTERNAL"));
	bool users = has_certificate_users(load->config);
	if (external && !users)
		load_fault(load, "auth", "", "mechanisms",
			   "\"EXTERNAL\" without a listener with certificate_user; expected one");
	else if (users && !external)
		load_fault(load, "auth", "", "mechanisms",
			   "certificate_user without \"EXTERNAL\", so that no certificate logs in; expected "
			   "\"EXTERNAL\" too");
	check_bearers(load);
	check_scram(load);
}
