/* Where the audit goes beside its file: what names a syslog server, and what makes no sense together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

#define BEFORE                                              \
	"hostname = \"mail.example.com\"\n"                 \
	"tls { certificate = \"c\" private_key = \"k\" }\n" \
	"listener a { address = {\"127.0.0.1:465\"} }\n"    \
	"relay r { host = \"127.0.0.1\" user = \"u\" password_file = \"p\" }\n"

static const struct {
	const char *text, *host; /* NULL: it names no server */
	enum config_syslog_transport transport;
	unsigned port;
} servers[] = {
	{ "tls://siem.example.com:6514", "siem.example.com", CONFIG_SYSLOG_TLS, 6514 },
	{ "tcp://192.0.2.1:601", "192.0.2.1", CONFIG_SYSLOG_TCP, 601 },
	{ "udp://[2001:db8::1]:514", "2001:db8::1", CONFIG_SYSLOG_UDP, 514 },
	{ "tls://a:1", "a", CONFIG_SYSLOG_TLS, 1 },
	{ "tls://a:65535", "a", CONFIG_SYSLOG_TLS, 65535 },
	{ "siem.example.com:6514", NULL, 0, 0 },
	{ "https://a:1", NULL, 0, 0 },
	{ "TLS://a:1", NULL, 0, 0 },
	{ "tls://a", NULL, 0, 0 },
	{ "tls://a:", NULL, 0, 0 },
	{ "tls://:1", NULL, 0, 0 },
	{ "tls://a:0", NULL, 0, 0 },
	{ "tls://a:65536", NULL, 0, 0 },
	{ "tls://a:1/", NULL, 0, 0 },
	{ "tls://a:1 ", NULL, 0, 0 },
	{ "tls://u@a:1", NULL, 0, 0 },
	{ "tls://[::1]", NULL, 0, 0 },
	{ "tls://[::1:1", NULL, 0, 0 },
	{ "tls://", NULL, 0, 0 },
};

static void a_syslog_server_is_named_with_its_port(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		struct config_syslog syslog;
		enum status status = config_read_syslog(servers[i].text, &syslog);
		assert_int_equal(status, servers[i].host ? STATUS_OK : STATUS_INVALID);
		if (status != STATUS_OK)
			continue;
		assert_true(span_equal(syslog.host, span_of(servers[i].host)));
		assert_int_equal(syslog.transport, servers[i].transport);
		assert_int_equal(syslog.port, servers[i].port);
	}
}

/* Empty: none. */
static const struct {
	const char *section, *fault;
} sections[] = {
	{ "audit { syslog = \"tls://a:1\" syslog_ca_file = \"ca\" }\n", "" },
	{ "audit { syslog = \"udp://a:1\" stream = true }\n", "" },
	{ "audit { syslog = \"a:1\" }\n", "5: audit.syslog: \"a:1\" is no syslog server; expected one such as "
					  "\"tls://siem.example.com:6514\", or tcp:// or "
					  "udp:// with a host and a port\n" },
	{ "audit { syslog = \"tcp://a:1\" syslog_ca_file = \"ca\" }\n",
	  "5: audit.syslog_ca_file: of use only with syslog = \"tls://…\"\n" },
	{ "audit { syslog_ca_file = \"ca\" }\n", "5: audit.syslog_ca_file: of use only with syslog = \"tls://…\"\n" },
	{ "audit { stream_length = 10 }\n", "5: audit.stream_length: " },
	{ "audit { anchor = \"syslog\" }\n", "" },
	{ "audit { anchor = \"syslog\" chain = false }\n",
	  "5: audit.anchor: there are no heads without a chain; expected chain = true\n" },
	{ "audit { anchor = \"command\" anchor_command = \"/usr/local/sbin/keep-head\" }\n", "" },
	{ "audit { anchor = \"command\" }\n",
	  "5: audit.anchor_command: no program gets the heads; expected its path\n" },
	{ "audit { anchor_command = \"/usr/local/sbin/keep-head\" }\n",
	  "5: audit.anchor_command: of use only with anchor = \"command\"\n" },
	{ "audit { anchor = \"syslog\" anchor_command = \"/usr/local/sbin/keep-head\" }\n",
	  "5: audit.anchor_command: of use only with anchor = \"command\"\n" },
	{ "audit { anchor = \"command\" anchor_command = \"/usr/local/sbin/keep-head\" chain = false }\n",
	  "5: audit.anchor: there are no heads without a chain; expected chain = true\n" },
	{ "audit { required = true stream = true }\n", "" },
	{ "audit { required = true syslog = \"tcp://a:1\" }\n", "" },
	{ "audit { required = true }\n",
	  "5: audit.required: records go nowhere; expected syslog = \"…\" or stream = true\n" },
	{ "audit { required = true syslog = \"udp://a:1\" }\n",
	  "5: audit.required: nobody knows whether a datagram arrives; expected syslog = \"tls://…\" or "
	  "\"tcp://…\"\n" },
};

static void what_makes_no_sense_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		char text[1024], *told = NULL;
		size_t size = 0;
		struct config *config = NULL;
		FILE *faults = open_memstream(&told, &size);
		snprintf(text, sizeof(text), "%s%s", BEFORE, sections[i].section);
		enum status status = config_load(span_of(text), "f", faults, &config);
		fclose(faults);
		const char *expected = sections[i].fault;
		assert_int_equal(status, *expected ? STATUS_INVALID : STATUS_OK);
		assert_int_equal(strncmp(told, "f:", *expected ? 2 : 0), 0);
		assert_int_equal(strncmp(told + (*expected ? 2 : 0), expected, strlen(expected)), 0);
		if (status == STATUS_OK)
			config_free(&config);
		free(told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_syslog_server_is_named_with_its_port),
		cmocka_unit_test(what_makes_no_sense_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
