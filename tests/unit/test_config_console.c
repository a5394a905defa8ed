/* The section console: where it may listen, and what --check says of the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define BASE                                                                        \
	"run_dir = \"/run/subgate\" listener a { address = {\"127.0.0.1:465\"} }\n" \
	"relay r { host = \"h\" user = \"u\" password_file = \"p\" }\n"

/* The faults, on the heap; "" where there are none. */
static char *load_section(const char *section, struct config **out_config)
{
	char text[1024], *said = NULL;
	size_t size;
	FILE *faults = open_memstream(&said, &size);
	snprintf(text, sizeof(text), "%s%s", BASE, section);
	enum status status = config_load(span_of(text), "/etc/subgate/c", faults, out_config);
	fclose(faults);
	assert_int_equal(status == STATUS_OK, said[0] == '\0');
	return said;
}

static void there_is_no_console_by_default(void **state)
{
	(void)state;
	struct config *config = NULL;
	char *said = load_section("", &config);
	assert_string_equal(said, "");
	assert_int_equal(config->console.address.count, 0);
	assert_true(config->console.tls);
	config_free(&config);
	free(said);
}

static void passwords_cross_no_network_in_the_clear(void **state)
{
	(void)state;
	static const struct {
		const char *section, *fault; /* "": none */
	} cases[] = {
		{ "console { address = {\"0.0.0.0:8443\", \"[::]:8443\"} }", "" },
		{ "console { address = {\"127.0.0.1:8080\", \"[::1]:8080\"} tls = false }", "" },
		{ "console { address = {\"unix:/run/subgate/console.sock\"} tls = false }", "" },
		{ "console { address = {\"0.0.0.0:8080\"} tls = false }", "console.tls: passwords would cross" },
		{ "console { address = {\"192.0.2.1:8080\"} tls = false }", "console.tls: passwords would cross" },
		{ "console { address = {\"unix:/run/subgate/console.sock\"} }", "with TLS; expected tls = false" },
		{ "console { address = {\"unix:/etc/passwd\"} tls = false }", "is no socket in run_dir" },
		{ "console { address = {\"unix:/run/subgate/../x\"} tls = false }", "is no socket in run_dir" },
		{ "console { address = {\"unix:/run/subgate/admin.sock\"} tls = false }", "is no socket in run_dir" },
		{ "console { address = {\"unix:/run/subgate/\"} tls = false }", "is no socket in run_dir" },
		{ "console { address = {\"localhost:1\"} }", "is not an address and a port" },
		{ "console { address = {\"127.0.0.1:465\"} }", "is listened on already" },
		{ "console { address = {\"127.0.0.1:8587\"} }", "is listened on already" },
		{ "console { address = {\"127.0.0.1:1\", \"127.0.0.1:1\"} }", "is listened on already" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = NULL;
		char *said = load_section(cases[i].section, &config);
		bool is_right = cases[i].fault[0] ? strstr(said, cases[i].fault) != NULL : said[0] == '\0';
		if (!is_right)
			fail_msg("%s: %s", cases[i].section, said);
		config_free(&config);
		free(said);
	}
}

#define AT "console { address = {\"0.0.0.0:8443\"} login = {\"oidc\"} url = \"https://mail.example.com:8443\" } "
#define PROVIDER "issuer = \"https://login.example.com/realms/a\" client_id = \"subgate\""

static void logins_at_a_provider_have_all_that_they_need(void **state)
{
	(void)state;
	static const struct {
		const char *section, *fault; /* "": none */
	} cases[] = {
		{ AT "oidc { " PROVIDER " }", "" },
		{ AT "oidc { " PROVIDER " required_claims = {\"hd=example.com\", \"a.b=c=d\"} }", "" },
		{ "console { login = {\"password\", \"oidc\"} url = \"http://localhost:8080\" } oidc { " PROVIDER " }",
		  "" },
		{ "console { url = \"https://a.example\" }", "" },
		{ "console { login = {} }", "c:3: console.login: empty, so that nobody could log in" },
		{ "console { login = {\"ldap\"} }", "\"ldap\" is no way to log in" },
		{ "console { login = {\"oidc\"} } oidc { " PROVIDER " }", "console.url: none, so that the provider" },
		{ "console { url = \"https://a.example/console\" }", "is no address of a console" },
		{ "console { url = \"https://a.example?b\" }", "is no address of a console" },
		{ "console { url = \"http://a.example\" }", "is no address of a console" },
		{ "console { url = \"http://localhost.evil.example\" }", "is no address of a console" },
		{ "console { url = \"http://localhost:99999\" }", "is no address of a console" },
		{ AT, "\"oidc\" without a provider" },
		{ "oidc { " PROVIDER " }", "a section oidc, and nobody logs in there" },
		{ AT "oidc { client_id = \"a\" }", "oidc.issuer: \"\" is no issuer" },
		{ AT "oidc { issuer = \"http://a.example\" client_id = \"a\" }", "is no issuer" },
		{ AT "oidc { issuer = \"https://a.example/?a\" client_id = \"a\" }", "is no issuer" },
		{ AT "oidc { issuer = \"https://a.example\" }", "oidc.client_id: none" },
		{ AT "oidc { " PROVIDER " scopes = {\"email\"} }", "oidc.scopes: without \"openid\"" },
		{ AT "oidc { " PROVIDER " user_claim = \"\" }", "oidc.user_claim: empty" },
		{ AT "oidc { " PROVIDER " required_claims = {\"hd\"} }", "\"hd\" is no claim and its value" },
		{ AT "oidc { " PROVIDER " required_claims = {\"=a\"} }", "\"=a\" is no claim and its value" },
		{ AT "oidc { " PROVIDER " required_claims = {\"a=\"} }", "\"a=\" is no claim and its value" },
		{ AT "oidc { issuer = \"https://accounts.google.com\" client_id = \"a\" }", "Google logs in whoever" },
		{ AT
		  "oidc { issuer = \"https://accounts.google.com\" client_id = \"a\" required_claims = {\"hd=a.b\"} }",
		  "" },
		{ AT "oidc { issuer = \"https://login.microsoftonline.com/common/v2.0\" client_id = \"a\" }",
		  "logs in everybody's accounts" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = NULL;
		char *said = load_section(cases[i].section, &config);
		bool is_right = cases[i].fault[0] ? strstr(said, cases[i].fault) != NULL : said[0] == '\0';
		if (!is_right)
			fail_msg("%s: %s", cases[i].section, said);
		config_free(&config);
		free(said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_no_console_by_default),
		cmocka_unit_test(logins_at_a_provider_have_all_that_they_need),
		cmocka_unit_test(passwords_cross_no_network_in_the_clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
