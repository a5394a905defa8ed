/* What is allowed but may not be meant: a warning, not a fault. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "base/ascii.h"
#include "base/network.h"
#include "config/config.h"
#include "config/warnings.h"

#define DESCRIPTORS_BESIDE 256U    /* that a role has for other things than clients */
#define DESCRIPTORS_OF_UPSTREAM 2U /* its socket, and the lock of its slot */
#define IPV4_BITS 96U              /* of an address as network_parse has it, before those of IPv4 */
#define NARROWEST_IPV4 8U          /* bits: 10.0.0.0/8 may be one company's */
#define NARROWEST_IPV6 16U         /* bits */

static void warn_of_legacy(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *listener = &config->listener.items[i];
		if (listener->legacy)
			fprintf(out,
				"%s:%u: warning: listener %s: legacy = true accepts TLS 1.0 and 1.1, which are broken "
				"(RFC 8996); its clients should have app passwords of their own\n",
				config->file, listener->line, listener->name);
	}
}

static bool is_this_machine(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0;
}

static void warn_of_clear_text(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < config->relay.count; i++) {
		const struct config_relay *relay = &config->relay.items[i];
		if (relay->tls == RELAY_TLS_NONE && !is_this_machine(relay->host))
			fprintf(out, "%s:%u: warning: relay %s: tls = \"none\" sends mail to %s unprotected\n",
				config->file, relay->line, relay->name, relay->host);
		else if (relay->tls != RELAY_TLS_NONE && !relay->tls_verify)
			fprintf(out, "%s:%u: warning: relay %s: tls_verify = false takes anybody for %s\n",
				config->file, relay->line, relay->name, relay->host);
	}
}

static void warn_of_redirection(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < config->recipients.count; i++) {
		const struct config_recipients *rule = &config->recipients.items[i];
		if (rule->redirect[0])
			fprintf(out,
				"%s:%u: warning: recipients %s: all mail of its users goes to %s, and to nobody else\n",
				config->file, rule->line, rule->name, rule->redirect);
	}
}

/* Whoever has several values of it has no name, and can't log in. */
static void warn_of_several_names(const struct config *config, FILE *out)
{
	static const char *const plural[] = { "proxyAddresses", "mailAlternateAddress", "otherMailbox", "memberOf",
					      "objectClass" };
	for (size_t i = 0; i < config->ldap.count; i++) {
		const struct config_ldap *ldap = &config->ldap.items[i];
		for (size_t j = 0; j < sizeof(plural) / sizeof(plural[0]); j++) {
			if (span_equal_nocase(span_of(ldap->user_attribute), span_of(plural[j])))
				fprintf(out,
					"%s:%u: warning: ldap %s: user_attribute \"%s\" has several values in most "
					"entries, and whoever has more than one can't log in; expected one that has a "
					"single "
					"value, such as mail or uid\n",
					config->file, ldap->line, ldap->name, ldap->user_attribute);
		}
	}
}

uint64_t config_descriptors_to_spend(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return UINT64_MAX;
	return files.rlim_max < 2U * DESCRIPTORS_BESIDE ? files.rlim_max / 2 : files.rlim_max - DESCRIPTORS_BESIDE;
}

uint64_t config_descriptors_of_relays(const struct config *config)
{
	uint64_t connections = 0;
	for (size_t i = 0; i < config->relay.count; i++)
		connections += config->relay.items[i].connections;
	return connections * DESCRIPTORS_OF_UPSTREAM;
}

static void warn_of_few(const struct config *config, unsigned line, const char *option, uint64_t wanted, FILE *out)
{
	uint64_t spent = config_descriptors_to_spend();
	if (spent < wanted)
		fprintf(out,
			"%s:%u: warning: %s: they want %" PRIu64 " descriptors, and a process has no more than %" PRIu64
			" for them; expected LimitNOFILE=%" PRIu64 " (ulimit -Hn) or fewer connections\n",
			config->file, line, option, wanted, spent, wanted + DESCRIPTORS_BESIDE);
}

static void warn_of_descriptors(const struct config *config, FILE *out)
{
	uint64_t relays = config_descriptors_of_relays(config);
	warn_of_few(config, config->limits.line, "limits.connections", config->limits.connections, out);
	if (config->relay.count)
		warn_of_few(config, config->relay.items[0].line, "relay.connections (of all relays)", relays, out);
}

/* ---- what is too wide */

/* Wider than any company: mostly strangers. */
static bool is_of_strangers(const char *text)
{
	struct network network;
	if (network_parse(span_of(text), &network) != STATUS_OK)
		return false;
	bool is_ipv4 = strchr(text, ':') == NULL;
	return is_ipv4 ? network.bits < IPV4_BITS + NARROWEST_IPV4 : network.bits < NARROWEST_IPV6;
}

static void warn_of_strangers(const struct config *config, const struct config_listener *listener,
			      const struct config_list *list, const char *option, const char *what, FILE *out)
{
	for (size_t i = 0; i < list->count; i++) {
		if (is_of_strangers(list->items[i]))
			fprintf(out, "%s:%u: warning: listener %s.%s: \"%s\" holds everybody, or nearly: %s\n",
				config->file, listener->line, listener->name, option, list->items[i], what);
	}
}

static void warn_of_networks(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *listener = &config->listener.items[i];
		warn_of_strangers(config, listener, &listener->proxy_protocol_from, "proxy_protocol_from",
				  "whoever connects may claim any client address; expected only the load balancers",
				  out);
		if (listener->legacy)
			warn_of_strangers(config, listener, &listener->networks, "networks",
					  "old TLS is offered to all of them; expected only the devices'", out);
	}
}

static void warn_of_delimiter(const struct config *config, FILE *out)
{
	char c = config->sender.delimiter[0];
	if (c != '\0' && (ascii_is_alphanumeric(c) || c == '.' || c == '_' || (unsigned char)c >= 0x80))
		fprintf(out,
			"%s:%u: warning: sender.delimiter: \"%c\" occurs in names, too: the owner of ann@ may then "
			"send as any ann%c…; expected \"+\"\n",
			config->file, config->sender.line, c, c);
}

/* All else that Redis may lose is made anew from what nodes keep. */
static void warn_of_passwords_in_redis(const struct config *config, FILE *out)
{
	if (config->app_password.store == STORE_REDIS)
		fprintf(out,
			"%s:%u: warning: app_password.store: \"redis\" keeps app passwords, and the limits of each, in "
			"Redis "
			"alone: if it loses its memory, they are gone; it needs appendonly yes, and a backup\n",
			config->file, config->app_password.line);
}

void config_warn(const struct config *config, FILE *out)
{
	warn_of_files(config, out);
	warn_of_networks(config, out);
	warn_of_delimiter(config, out);
	warn_of_redirection(config, out);
	warn_of_several_names(config, out);
	warn_of_legacy(config, out);
	warn_of_clear_text(config, out);
	warn_of_descriptors(config, out);
	warn_of_quotas(config, out);
	warn_of_passwords_in_redis(config, out);
}
