/* What mail programs are told: every value may be hostile, and what is missing is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "setup/client_settings.h"

#define SERVERS "\"servers\":[{\"port\":465,\"tls\":\"implicit\"},{\"port\":587,\"tls\":\"starttls\"}]"
#define IMAP ",\"imap\":{\"host\":\"imap.example.com\",\"port\":993,\"tls\":\"implicit\"}"
#define ANNA "\"user\":\"anna@example.com\",\"address\":\"anna@example.com\","
#define REST "\"host\":\"mail.example.com\",\"authentication\":\"password-cleartext\"," SERVERS

static char *written;
static const char *fault;

static enum status write_facts(const char *facts, const char *format)
{
	json_t *json = json_loads(facts, 0, NULL);
	size_t size = 0;
	assert_non_null(json);
	json_object_set_new(json, "format", json_string(format));
	free(written);
	written = NULL;
	FILE *out = open_memstream(&written, &size);
	enum status status = client_settings_write(json, out, &fault);
	fclose(out);
	json_decref(json);
	return status;
}

static int free_written(void **state)
{
	(void)state;
	free(written);
	written = NULL;
	return 0;
}

static void assert_has(const char *text)
{
	if (strstr(written, text) == NULL)
		fail_msg("no \"%s\" in:\n%s", text, written);
}

static void assert_has_not(const char *text)
{
	if (strstr(written, text))
		fail_msg("\"%s\" in:\n%s", text, written);
}

static void people_read_server_port_security_and_name(void **state)
{
	(void)state;
	assert_int_equal(write_facts("{" ANNA REST "}", "text"), STATUS_OK);
	assert_has("Server:     mail.example.com\n  Port:       465\n  Security:   SSL/TLS\n");
	assert_has("User name:  anna@example.com\n");
	assert_has("Or:         port 587 with STARTTLS\n");
	assert_has_not("IMAP");
	assert_int_equal(write_facts("{" ANNA REST IMAP "}", "text"), STATUS_OK);
	assert_has("Incoming mail (IMAP)\n  Server:     imap.example.com\n");
}

/* Only Apple's form has a place for it, and there it stays text. */
static void an_app_password_is_in_a_profile_alone(void **state)
{
	(void)state;
	static const char facts[] = "{" ANNA REST IMAP ",\"password\":\"a</string>&b\"}";
	assert_int_equal(write_facts(facts, "mobileconfig"), STATUS_OK);
	assert_has("<key>OutgoingPassword</key>\n\t\t\t<string>a&lt;/string&gt;&amp;b</string>\n");
	assert_has_not("IncomingPassword</key>\n\t\t\t<string>");
	assert_int_equal(write_facts(facts, "autoconfig"), STATUS_OK);
	assert_has_not("a&lt;");
	assert_int_equal(write_facts(facts, "text"), STATUS_OK);
	assert_has_not("a</string>");
	assert_int_equal(write_facts("{" ANNA REST IMAP "}", "mobileconfig"), STATUS_OK);
	assert_has_not("OutgoingPassword<");
}

static void a_name_steers_no_terminal(void **state)
{
	(void)state;
	assert_int_equal(write_facts("{\"user\":\"a\\u001b[2Jb\\u007f\"," REST "}", "text"), STATUS_OK);
	assert_has("User name:  a?[2Jb?\n");
}

static void in_xml_a_name_stays_text(void **state)
{
	(void)state;
	static const char *const formats[] = { "mobileconfig", "autoconfig" };
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(write_facts("{\"user\":\"</string><key>&\\\"'\\u0001\\uffff\\ufffd\","
					     "\"address\":\"a@<b>.example\"," REST IMAP "}",
					     formats[i]),
				 STATUS_OK);
		assert_has("&lt;/string&gt;&lt;key&gt;&amp;&quot;&apos;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd<");
		assert_has("&lt;b&gt;.example");
		assert_has_not("<b>");
		assert_has_not("\x01");
	}
}

static void a_profile_of_the_same_user_takes_the_older_one_s_place(void **state)
{
	(void)state;
	assert_int_equal(write_facts("{" ANNA REST IMAP "}", "mobileconfig"), STATUS_OK);
	char *first = strdup(written);
	assert_int_equal(write_facts("{" ANNA REST IMAP "}", "mobileconfig"), STATUS_OK);
	assert_string_equal(written, first);
	assert_int_equal(write_facts("{\"user\":\"bob\"," REST IMAP "}", "mobileconfig"), STATUS_OK);
	const char *key = "<key>PayloadUUID</key>";
	assert_int_not_equal(strncmp(strstr(written, key), strstr(first, key), 80), 0);
	assert_has_not("EmailAddress<");
	free(first);
}

static void dns_names_what_is_there_and_what_is_not(void **state)
{
	(void)state;
	assert_int_equal(write_facts("{" ANNA REST IMAP "}", "dns"), STATUS_OK);
	assert_has("\n_submissions._tcp.example.com. IN SRV 0 1 465 mail.example.com.\n");
	assert_has("\n_submission._tcp.example.com. IN SRV 10 1 587 mail.example.com.\n");
	assert_has("\n_imaps._tcp.example.com. IN SRV 0 1 993 imap.example.com.\n");
	assert_int_equal(write_facts("{" ANNA "\"host\":\"m.example.com\",\"servers\":[{\"port\":465,"
				     "\"tls\":\"implicit\"}]}",
				     "dns"),
			 STATUS_OK);
	assert_has("\n_submission._tcp.example.com. IN SRV 0 0 0 .\n");
	assert_has_not("_imap");
}

static void into_dns_go_only_names_of_hosts(void **state)
{
	(void)state;
	static const char *const addresses[] = { "a@b c",    "a@b\\n_x",      "a@b;c",  "a@192.0.2.1",
						 "a@-b",     "a@b-.c",        "a@b..c", "a@\\u00fc.example",
						 "a@b\\\\c", "a@[192.0.2.1]", "a@b." };
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		char facts[512];
		snprintf(facts, sizeof(facts), "{\"user\":\"anna\",\"address\":\"%s\"," REST "}", addresses[i]);
		if (write_facts(facts, "dns") != STATUS_INVALID)
			fail_msg("%s: %s", addresses[i], written);
		assert_non_null(strstr(fault, "host names"));
	}
}

static void what_is_missing_is_said(void **state)
{
	(void)state;
	assert_int_equal(write_facts("{" ANNA REST "}", "mobileconfig"), STATUS_INVALID);
	assert_non_null(strstr(fault, "--imap"));
	assert_int_equal(write_facts("{" ANNA REST "}", "autoconfig"), STATUS_INVALID);
	assert_int_equal(write_facts("{\"user\":\"anna\"," REST IMAP "}", "autoconfig"), STATUS_INVALID);
	assert_non_null(strstr(fault, "--address"));
	assert_int_equal(write_facts("{" ANNA REST "}", "outlook"), STATUS_INVALID);
	assert_non_null(strstr(fault, "no such format"));
	assert_int_equal(write_facts("{" ANNA "\"host\":\"h\",\"servers\":[]}", "text"), STATUS_INVALID);
	assert_int_equal(write_facts("{}", "dns"), STATUS_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(people_read_server_port_security_and_name, free_written),
		cmocka_unit_test_teardown(an_app_password_is_in_a_profile_alone, free_written),
		cmocka_unit_test_teardown(a_name_steers_no_terminal, free_written),
		cmocka_unit_test_teardown(in_xml_a_name_stays_text, free_written),
		cmocka_unit_test_teardown(a_profile_of_the_same_user_takes_the_older_one_s_place, free_written),
		cmocka_unit_test_teardown(dns_names_what_is_there_and_what_is_not, free_written),
		cmocka_unit_test_teardown(into_dns_go_only_names_of_hosts, free_written),
		cmocka_unit_test_teardown(what_is_missing_is_said, free_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
