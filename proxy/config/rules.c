/*
 * What no single value shows: whether sections name each other correctly, and whether what is asked for is safe. Adds
 * faults, changes nothing.
 */
#include <string.h>

#include "base/ascii.h"
#include "base/network.h"
#include "config/load.h"
#include "config/login_map.h"
#include "config/values.h"

static bool has_item(const struct config_list *list, const char *item)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], item) == 0)
			return true;
	}
	return false;
}

static bool is_given(const char *text)
{
	return *text != '\0';
}

/* ---- the top level, limits, the day */

static void check_global(struct load *load)
{
	const struct config_global *global = &load->config->global;
	if (!value_is_host(span_of(global->hostname)))
		load_fault(load, "global", "", "hostname",
			   "\"%.80s\" is not a host name; expected one such as \"mail.example.com\"", global->hostname);
	if (is_given(global->user) && !value_is_name(span_of(global->user)))
		load_fault(load, "global", "", "user",
			   "\"%.80s\" is not a user name; expected letters and digits, or \"\"", global->user);
	if (!is_given(global->state_dir))
		load_fault(load, "global", "", "state_dir", "\"\" is no folder; expected a path");
	if (!is_given(global->run_dir))
		load_fault(load, "global", "", "run_dir", "\"\" is no folder; expected a path");
}

static void check_limits(struct load *load)
{
	const struct config_limits *limits = &load->config->limits;
	if (limits->message_size > limits->spool)
		load_fault(load, "limits", "", "spool", "smaller than one message; expected at least message_size");
}

/* Only the form of the name: config_check finds out whether the machine knows it. */
static void check_timezone(struct load *load)
{
	const char *name = load->config->quota_day.timezone;
	bool fits = is_given(name) && name[0] != '/' && !strstr(name, "..");
	for (const char *c = name; *c && fits; c++)
		fits = ascii_is_alphanumeric(*c) || strchr("/_+-", *c);
	if (!fits)
		load_fault(load, "quota_day", "", "timezone",
			   "\"%.80s\" is not a time zone's name; expected one such as \"UTC\" or \"Europe/Berlin\"",
			   name);
}

/* ---- listeners */

static bool is_listened(const struct load *load, size_t listener, size_t address)
{
	const char *wanted = load->config->listener.items[listener].address.items[address];
	for (size_t i = 0; i <= listener; i++) {
		const struct config_list *list = &load->config->listener.items[i].address;
		size_t count = i == listener ? address : list->count;
		for (size_t j = 0; j < count; j++) {
			if (strcmp(list->items[j], wanted) == 0)
				return true;
		}
	}
	return false;
}

static void check_networks(struct load *load, const struct config_listener *listener, const char *option,
			   const struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct network network;
		if (network_parse(span_of(list->items[i]), &network) != STATUS_OK)
			load_fault(load, "listener", listener->name, option,
				   "\"%.80s\" is not a network; expected one such as \"10.0.0.0/8\", with no bit set "
				   "after "
				   "the prefix, or an address",
				   list->items[i]);
	}
}

static void check_listener(struct load *load, size_t index)
{
	const struct config_listener *listener = &load->config->listener.items[index];
	if (listener->address.count == 0)
		load_fault(load, "listener", listener->name, "address",
			   "no address; expected one such as {\"0.0.0.0:465\"}");
	for (size_t i = 0; i < listener->address.count; i++) {
		const char *address = listener->address.items[i];
		if (!value_is_endpoint(span_of(address)))
			load_fault(load, "listener", listener->name, "address",
				   "\"%.80s\" is not an address and a port; expected \"0.0.0.0:465\" or \"[::]:465\"",
				   address);
		else if (is_listened(load, index, i))
			load_fault(load, "listener", listener->name, "address", "\"%.80s\" is listened on already",
				   address);
	}
	rules_check_client_certificate(load, listener);
	check_networks(load, listener, "networks", &listener->networks);
	check_networks(load, listener, "proxy_protocol_from", &listener->proxy_protocol_from);
	if (listener->legacy && listener->networks.count == 0)
		load_fault(load, "listener", listener->name, "legacy",
			   "this would offer old TLS to everybody; expected networks = {\"…\"} with the devices' "
			   "addresses too");
}

static void check_listeners(struct load *load)
{
	if (load->config->listener.count == 0)
		load_fault(
			load, "global", "", NULL,
			"no listener; expected a section such as listener submissions { address = {\"0.0.0.0:465\"} }");
	for (size_t i = 0; i < load->config->listener.count; i++)
		check_listener(load, i);
}

/* ---- auth */

/* Each item must be one of the names "a|b|c" and be there once. */
static void check_names_of(struct load *load, const char *option, const struct config_list *list, const char *names,
			   const char *expected)
{
	unsigned known;
	if (list->count == 0)
		load_fault(load, "auth", "", option, "empty, so that nobody could log in; expected %s", expected);
	for (size_t i = 0; i < list->count; i++) {
		struct config_list former = { list->items, i };
		if (value_parse_choice(span_of(list->items[i]), names, &known) != STATUS_OK)
			load_fault(load, "auth", "", option, "\"%.80s\" is not known; expected %s", list->items[i],
				   expected);
		else if (has_item(&former, list->items[i]))
			load_fault(load, "auth", "", option, "\"%.80s\" is named twice", list->items[i]);
	}
}

static void check_auth(struct load *load)
{
	const struct config_auth *auth = &load->config->auth;
	check_names_of(load, "backends", &auth->backends, "app_password|ldap", "\"app_password\" or \"ldap\"");
	check_names_of(load, "mechanisms", &auth->mechanisms,
		       "PLAIN|LOGIN|SCRAM-SHA-256|SCRAM-SHA-256-PLUS|OAUTHBEARER|XOAUTH2|EXTERNAL",
		       "\"PLAIN\", \"LOGIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-256-PLUS\", \"OAUTHBEARER\", \"XOAUTH2\" "
		       "or \"EXTERNAL\"");
	rules_check_ways(load);
	for (size_t i = 0; i < auth->login_map.count; i++) {
		if (!login_map_is_line(span_of(auth->login_map.items[i])))
			load_fault(load, "auth", "", "login_map",
				   "\"%.80s\" is no rule; expected one such as \"*@corp.local -> *@example.com\"",
				   auth->login_map.items[i]);
	}
	if (load->config->app_password.required_groups.count > 0 && !has_item(&auth->backends, "app_password"))
		load_fault(load, "app_password", "", "required_groups",
			   "there are no app passwords to log in with; expected \"app_password\" in auth.backends");
	if (has_item(&auth->backends, "ldap") && load->config->ldap.count == 0)
		load_fault(load, "auth", "", "backends",
			   "\"ldap\" without an ldap section; expected one, or backends = {\"app_password\"}");
}

/* ---- directories */

static void check_uri(struct load *load, const struct config_ldap *ldap, const char *uri)
{
	struct span text = span_of(uri);
	bool secure = span_starts_with_nocase(text, SPAN("ldaps://"));
	bool plain = span_starts_with_nocase(text, SPAN("ldap://"));
	struct span host = span_slice(text, secure ? 8 : 7, text.size);
	struct span domain = span_slice(text, 4, text.size);
	if (span_starts_with_nocase(text, SPAN("srv:"))) {
		if (!span_contains_byte(domain, '.') || domain.size > 253 || span_contains_byte(domain, '/'))
			load_fault(load, "ldap", ldap->name, "uri",
				   "\"%.80s\" names no domain; expected \"srv:example.com\"", uri);
		return;
	}
	if ((!secure && !plain) || span_is_empty(host))
		load_fault(load, "ldap", ldap->name, "uri",
			   "\"%.80s\" is not a directory's address; expected \"ldaps://HOST\"", uri);
	else if (plain && !ldap->starttls)
		load_fault(load, "ldap", ldap->name, "uri",
			   "\"%.80s\" would send passwords unprotected; expected ldaps://, or starttls = true", uri);
	else if (secure && ldap->starttls)
		load_fault(load, "ldap", ldap->name, "starttls", "ldaps:// is TLS already; expected false, or ldap://");
}

/* Parentheses around it, and one that names nobody finds the same for everyone. */
static void check_filter(struct load *load, const struct config_ldap *ldap, const char *option, const char *filter,
			 bool is_personal)
{
	struct span text = span_of(filter);
	if (text.size == 0)
		return;
	if (text.data[0] != '(' || text.data[text.size - 1] != ')')
		load_fault(load, "ldap", ldap->name, option,
			   "\"%.80s\" is not a filter; expected one such as \"(member=%%d)\"", filter);
	else if (is_personal && !strstr(filter, "%u") && !strstr(filter, "%d"))
		load_fault(load, "ldap", ldap->name, option,
			   "without %%d or %%u it finds the same for everyone; expected one of them");
}

/* Users' ids begin with it, as do "name:" and "service:" (auth/identity.h). */
static void check_directory_title(struct load *load, const struct config_ldap *ldap)
{
	if (strcmp(ldap->name, "name") == 0 || strcmp(ldap->name, "service") == 0)
		load_fault(load, "ldap", ldap->name, NULL,
			   "ids of users whom no directory has begin like this; expected another title");
}

static void check_directory(struct load *load, const struct config_ldap *ldap)
{
	check_directory_title(load, ldap);
	if (ldap->uri.count == 0)
		load_fault(load, "ldap", ldap->name, "uri",
			   "no server; expected one such as {\"ldaps://ldap.example.com\"}");
	for (size_t i = 0; i < ldap->uri.count; i++)
		check_uri(load, ldap, ldap->uri.items[i]);
	if (!is_given(ldap->base))
		load_fault(load, "ldap", ldap->name, "base",
			   "empty; expected where users are, such as \"ou=people,dc=example,dc=com\"");
	if (!strstr(ldap->filter, "%u"))
		load_fault(load, "ldap", ldap->name, "filter",
			   "without %%u it finds the same entry for everyone; expected %%u");
	check_filter(load, ldap, "valid_filter", ldap->valid_filter, false);
	check_filter(load, ldap, "send_as_filter", ldap->send_as_filter, true);
	check_filter(load, ldap, "group_filter", ldap->group_filter, true);
	if (!is_given(ldap->user_attribute))
		load_fault(load, "ldap", ldap->name, "user_attribute", "empty; expected an attribute such as \"mail\"");
	if (is_given(ldap->bind_dn) && !is_given(ldap->bind_password_file))
		load_fault(load, "ldap", ldap->name, "bind_dn", "no password for it; expected bind_password_file");
	if (!is_given(ldap->bind_dn) && is_given(ldap->bind_password_file))
		load_fault(load, "ldap", ldap->name, "bind_password_file", "a password for nobody; expected bind_dn");
	if (is_given(ldap->certificate_file) && !is_given(ldap->private_key_file))
		load_fault(load, "ldap", ldap->name, "certificate_file", "no key for it; expected private_key_file");
	if (!is_given(ldap->certificate_file) && is_given(ldap->private_key_file))
		load_fault(load, "ldap", ldap->name, "private_key_file",
			   "a key for nothing; expected certificate_file as well");
}

static void check_directories(struct load *load)
{
	for (size_t i = 0; i < load->config->ldap.count; i++)
		check_directory(load, &load->config->ldap.items[i]);
}

/* ---- relays and routes */

static void check_relay_login(struct load *load, const struct config_relay *relay)
{
	bool is_local = value_is_loopback_host(span_of(relay->host));
	if (relay->auth == RELAY_AUTH_NONE)
		return;
	if (!is_given(relay->user))
		load_fault(load, "relay", relay->name, "user",
			   "no account to log in with; expected user, or auth = \"none\"");
	if (config_relay_has_tokens(relay))
		rules_check_token_login(load, relay);
	else if (is_given(relay->oauth))
		load_fault(load, "relay", relay->name, "oauth",
			   "a token is not a password; expected auth = \"xoauth2\" or \"oauthbearer\"");
	else if (!is_given(relay->password_file))
		load_fault(load, "relay", relay->name, "password_file",
			   "no password to log in with; expected password_file, or auth = \"none\"");
	if (relay->tls == RELAY_TLS_NONE && !is_local)
		load_fault(load, "relay", relay->name, "tls",
			   "\"none\" would send the password unprotected; expected \"implicit\" or \"starttls\"");
	else if (!relay->tls_verify && !is_local)
		load_fault(load, "relay", relay->name, "tls_verify",
			   "false would give the password to anyone who answers; expected true, with ca_file for a "
			   "private certificate");
}

static void check_relays(struct load *load)
{
	if (load->config->relay.count == 0)
		load_fault(load, "global", "", NULL,
			   "no relay; expected a section such as relay gmail { host = \"smtp.gmail.com\" }");
	for (size_t i = 0; i < load->config->relay.count; i++) {
		const struct config_relay *relay = &load->config->relay.items[i];
		if (!is_given(relay->host))
			load_fault(load, "relay", relay->name, "host",
				   "none; expected a name such as \"smtp.gmail.com\"");
		else if (!value_is_host(span_of(relay->host)))
			load_fault(load, "relay", relay->name, "host",
				   "\"%.80s\" is not a host; expected a name or an address", relay->host);
		check_relay_login(load, relay);
		rules_check_address(load, "relay", relay->name, "rewrite_sender", relay->rewrite_sender);
		rules_check_per_sender(load, relay);
	}
}

static bool is_domain(struct span text)
{
	struct span name = span_starts_with(text, SPAN(".")) ? span_slice(text, 1, text.size) : text;
	return value_is_host(name) && !span_contains_byte(name, ':') && name.data[0] != '.';
}

static void check_sender_domains(struct load *load, const struct config_route *route)
{
	if (strcmp(route->name, "default") == 0 && route->sender_domains.count)
		load_fault(load, "route", route->name, "sender_domains",
			   "`default` is for all others; expected no sender_domains");
	for (size_t i = 0; i < route->sender_domains.count; i++) {
		if (!is_domain(span_of(route->sender_domains.items[i])))
			load_fault(load, "route", route->name, "sender_domains",
				   "\"%.80s\" is not a domain; expected one such as \"example.com\", or "
				   "\".example.com\" for all below it",
				   route->sender_domains.items[i]);
	}
}

static void check_route(struct load *load, const struct config_route *route)
{
	bool is_default = strcmp(route->name, "default") == 0;
	check_sender_domains(load, route);
	if (is_default || route->users.count || route->groups.count)
		rules_check_members(load, "route", route->name, true, &route->users, &route->groups);
	else if (route->sender_domains.count == 0)
		load_fault(load, "route", route->name, NULL,
			   "meant for nobody; expected users, groups or sender_domains");
	if (route->relays.count == 0)
		load_fault(load, "route", route->name, "relays", "none; expected names of relay sections");
	for (size_t i = 0; i < route->relays.count; i++) {
		if (!config_find_relay(load->config, route->relays.items[i]))
			load_fault(load, "route", route->name, "relays",
				   "there is no relay \"%.80s\"; expected names of relay sections",
				   route->relays.items[i]);
	}
}

static void check_routes(struct load *load)
{
	bool has_default = false;
	for (size_t i = 0; i < load->config->route.count; i++) {
		check_route(load, &load->config->route.items[i]);
		has_default = has_default || strcmp(load->config->route.items[i].name, "default") == 0;
	}
	if (!has_default && load->config->relay.count > 1)
		load_fault(load, "global", "", NULL,
			   "several relays and no default route; expected route default { relays = {…} }");
}

/* ---- admin, files */

static void check_admin(struct load *load)
{
	const struct config_admin *admin = &load->config->admin;
	if (!is_given(admin->socket))
		load_fault(load, "admin", "", "socket", "\"\" is no socket; expected a path");
	if (is_given(admin->operator_group) && strcmp(admin->operator_group, admin->group) == 0)
		load_fault(load, "admin", "", "operator_group",
			   "\"%.80s\" is admin.group, whose members may do everything; expected another group",
			   admin->operator_group);
	if (is_given(admin->http) && !value_is_loopback_endpoint(span_of(admin->http)))
		load_fault(load, "admin", "", "http",
			   "\"%.80s\" is not a loopback address and port; expected one such as \"127.0.0.1:8587\"",
			   admin->http);
}

static void check_files(struct load *load)
{
	const struct config *config = load->config;
	if (!is_given(config->tls.certificate))
		load_fault(load, "tls", "", "certificate", "none; expected a file in PEM form");
	if (!is_given(config->tls.private_key))
		load_fault(load, "tls", "", "private_key", "none; expected a file in PEM form");
	for (size_t i = 0; i < config->certificate.count; i++) {
		const struct config_certificate *section = &config->certificate.items[i];
		if (!is_given(section->certificate))
			load_fault(load, "certificate", section->name, "certificate",
				   "none; expected a file in PEM form");
		if (!is_given(section->private_key))
			load_fault(load, "certificate", section->name, "private_key",
				   "none; expected a file in PEM form");
	}
	if (!is_given(config->app_password.path))
		load_fault(load, "app_password", "", "path", "\"\" is no file; expected a path");
	if (!is_given(config->audit.file))
		load_fault(load, "audit", "", "file", "\"\" is no file; expected a path: nothing leaves unaudited");
	if (!is_given(config->log.target))
		load_fault(load, "log", "", "target", "\"\" is no target; expected \"stderr\", \"syslog\" or a path");
}

void rules_apply(struct load *load)
{
	static void (*const rules[])(struct load *) = {
		check_global,        check_files,       check_listeners,    check_limits,       check_auth,
		check_directories,   rules_check_redis, rules_check_people, check_timezone,     check_relays,
		rules_check_oauths,  check_routes,      check_admin,        rules_check_notify, rules_check_audit,
		rules_check_console, rules_check_oidc,
	};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](load);
}
