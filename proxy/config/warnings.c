/* What is allowed, and may not be meant: told, and no fault. Pure but for the process's own limits. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "config/config.h"

#define DESCRIPTORS_BESIDE 256U /* that a gate has open for other things than clients */

static void warn_of_legacy(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *listener = &config->listener.items[i];
		if (listener->legacy)
			fprintf(out,
				"%s:%u: warning: listener %s: legacy = true takes TLS 1.0 and 1.1, which are broken "
				"(RFC "
				"8996); passwords of its clients should be app passwords of theirs alone\n",
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

static void warn_of_descriptors(const struct config *config, FILE *out)
{
	struct rlimit files;
	uint64_t wanted = config->limits.connections + DESCRIPTORS_BESIDE;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max == RLIM_INFINITY || files.rlim_max >= wanted)
		return;
	fprintf(out,
		"%s:%u: warning: limits.connections: %" PRIu64
		" clients may not find descriptors, as a process may open "
		"%" PRIu64 "; expected LimitNOFILE=%" PRIu64 " (ulimit -Hn) or fewer connections\n",
		config->file, config->limits.line, config->limits.connections, (uint64_t)files.rlim_max, wanted);
}

void config_warn(const struct config *config, FILE *out)
{
	warn_of_legacy(config, out);
	warn_of_clear_text(config, out);
	warn_of_descriptors(config, out);
}
