/* What --check warns of: allowed, and maybe not meant. Each case says it once, and its honest brother nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

#define PLAIN                                                    \
	"tls { certificate = \"cert\" private_key = \"key\" }\n" \
	"listener in { address = {\"127.0.0.1:465\"} %s }\n"     \
	"limits { connections = 100 }\n"                         \
	"relay r { host = \"127.0.0.1\" user = \"u\" password_file = \"secret\" }\n%s"

static char folder[64];
static char warnings[8192];

static void in_folder(const char *name, char out_path[128])
{
	snprintf(out_path, 128, "%s%s%s", folder, *name ? "/" : "", name);
}

static void make_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	in_folder(name, path);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* The configuration with `listener` within its listener, and `more` after it. */
static const char *warnings_of(const char *listener, const char *more)
{
	char text[2048], file[128];
	struct config *config = NULL;
	in_folder("subgate.conf", file);
	snprintf(text, sizeof(text), PLAIN, listener, more);
	assert_int_equal(config_load(span_of(text), file, stderr, &config), STATUS_OK);
	memset(warnings, 0, sizeof(warnings));
	FILE *out = fmemopen(warnings, sizeof(warnings) - 1, "w");
	config_warn(config, out);
	fclose(out);
	config_free(&config);
	return warnings;
}

static void expect_warning(const char *listener, const char *more, const char *wanted)
{
	if (!strstr(warnings_of(listener, more), wanted))
		fail_msg("%s %s: no \"%s\" in: %s", listener, more, wanted, warnings);
}

static void expect_none(const char *listener, const char *more)
{
	if (*warnings_of(listener, more))
		fail_msg("%s %s: %s", listener, more, warnings);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test-warnings-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	make_file("subgate.conf", "", 0644);
	make_file("cert", "certificate", 0644);
	make_file("key", "key", 0600);
	make_file("secret", "secret\n", 0600);
	make_file("ca", "certificate", 0644);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "subgate.conf", "cert", "key", "secret", "ca" };
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		in_folder(names[i], path);
		unlink(path);
	}
	return rmdir(folder);
}

static void proxies_that_are_everybody(void **state)
{
	(void)state;
	expect_none("proxy_protocol_from = {\"10.0.0.0/8\", \"2001:db8::/32\", \"192.0.2.1\"}", "");
	expect_warning("proxy_protocol_from = {\"0.0.0.0/0\"}", "",
		       "listener in.proxy_protocol_from: \"0.0.0.0/0\" holds everybody");
	expect_warning("proxy_protocol_from = {\"::/0\"}", "", "\"::/0\" holds everybody");
	expect_warning("proxy_protocol_from = {\"10.0.0.0/8\", \"128.0.0.0/1\"}", "",
		       "\"128.0.0.0/1\" holds everybody");
	expect_warning("proxy_protocol_from = {\"2000::/3\"}", "", "\"2000::/3\" holds everybody");
}

static void old_devices_that_are_everybody(void **state)
{
	(void)state;
	expect_warning("legacy = true networks = {\"0.0.0.0/0\"}", "",
		       "listener in.networks: \"0.0.0.0/0\" holds everybody");
	expect_none("networks = {\"0.0.0.0/0\"}", "");
}

static void delimiters_that_stand_in_names(void **state)
{
	static const char *const doubtful[] = { "a", "Z", "7", ".", "_" };
	static const char *const usual[] = { "", "+", "-", "=" };
	char more[64];
	(void)state;
	for (size_t i = 0; i < sizeof(doubtful) / sizeof(doubtful[0]); i++) {
		snprintf(more, sizeof(more), "sender { delimiter = \"%s\" }\n", doubtful[i]);
		expect_warning("", more, "sender.delimiter: ");
	}
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		snprintf(more, sizeof(more), "sender { delimiter = \"%s\" }\n", usual[i]);
		expect_none("", more);
	}
}

static void mail_that_goes_elsewhere(void **state)
{
	(void)state;
	expect_warning("", "recipients default { redirect = \"test@example.com\" }\n",
		       "recipients default: all mail of its users goes to test@example.com, and to nobody else");
	expect_none("", "recipients default { allow = {\"@example.com\"} }\n");
}

#define LDAP(option) "ldap corp { uri = {\"ldaps://x\"} base = \"dc=x\" " option " }\n"

static void a_name_that_most_have_several_of(void **state)
{
	(void)state;
	expect_warning("", LDAP("user_attribute = \"proxyaddresses\""),
		       "ldap corp: user_attribute \"proxyaddresses\" has several values in most entries");
	expect_none("", LDAP(""));
	expect_none("", LDAP("user_attribute = \"uid\""));
}

static void files_that_others_can_write(void **state)
{
	char path[128];
	(void)state;
	make_file("subgate.conf", "", 0666);
	expect_warning("", "", "subgate.conf can be written by others; expected mode 0644, or less");
	make_file("subgate.conf", "", 0664);
	in_folder("subgate.conf", path);
	if (chown(path, (uid_t)-1, 0) == 0)
		expect_none("", ""); /* the group root is nobody else */
	if (chown(path, (uid_t)-1, 12345) == 0)
		expect_warning("", "", "subgate.conf can be written by others");
	make_file("subgate.conf", "", 0644);
	make_file("cert", "certificate", 0646);
	expect_warning("", "", "tls.certificate: ");
	make_file("cert", "certificate", 0644);
	make_file("ca", "certificate", 0666);
	expect_warning("client_certificate = \"request\" client_ca_file = \"ca\"", "", "listener in.client_ca_file: ");
	expect_warning("", "ldap l { uri = {\"ldaps://h\"} base = \"b\" ca_file = \"ca\" }\n", "ldap l.ca_file: ");
}

static void a_folder_that_others_can_write_in(void **state)
{
	char path[128];
	(void)state;
	in_folder("", path);
	assert_int_equal(chmod(path, 0777), 0);
	expect_warning("", "", "is a folder that others can write in; expected mode 0755");
	assert_int_equal(chmod(path, 01777), 0);
	expect_none("", "");
}

static void passwords_with_blanks(void **state)
{
	(void)state;
	make_file("secret", "secret \n", 0600);
	expect_warning("", "", "relay r.password_file: ");
	expect_warning("", "", "begins or ends with a blank");
	make_file("secret", "abcd efgh ijkl mnop\n", 0600);
	expect_warning("", "", "has blanks between groups of four");
	make_file("secret", "correct horse battery\n", 0600);
	expect_none("", "");
}

#define WARNING_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#define GMAIL(user, more)                                                                        \
	"relay g { host = \"smtp.gmail.com\" user = \"" user "\" password_file = \"secret\" }\n" \
	"route default { relays = {\"g\"} }\n" more

static void quotas_beyond_the_account(void **state)
{
	(void)state;
	expect_none("", GMAIL("u@example.com", ""));
	expect_warning("", GMAIL("u@gmail.com", ""),
		       "route default: its relays' accounts may send 500 messages a day, and all quotas together allow "
		       "1000 or more");
	expect_none("", GMAIL("u@gmail.com", "quota default { messages_per_day = 250 }\n"));
	expect_warning("", GMAIL("u@example.com", "quota default { messages_per_day = 1001 }\n"), "may send 2000");
	expect_warning("", GMAIL("u@example.com", "quota default { messages_per_day = 0 }\n"), "a quota has no limit");
	expect_warning("",
		       GMAIL("u@gmail.com", "quota default { messages_per_day = 100 }\n"
					    "quota few { users = {\"a\", \"b\", \"c\"} messages_per_day = 101 }\n"),
		       "allow 503 or more");
	expect_none("", GMAIL("u@gmail.com", "quota default { messages_per_day = 100 }\n"
					     "quota few { users = {\"a\"} messages_per_day = 1000 shared = true }\n"));
	expect_none("", "quota default { messages_per_day = 0 }\n"); /* nobody knows what that relay takes */
	expect_none("", "relay g { host = \"smtp.gmail.com\" user = \"u@gmail.com\" password_file = \"secret\" }\n"
			"route default { relays = {\"g\", \"r\"} }\n");
	expect_warning("",
		       "relay g { host = \"192.0.2.1\" user = \"u\" password_file = \"secret\" messages_per_day = 9 }\n"
		       "route default { relays = {\"g\"} }\n",
		       "may send 9 messages");
}

static void app_passwords_that_redis_may_lose(void **state)
{
	(void)state;
	expect_none("", "app_password { store = \"file\" }\n");
	expect_warning("", "app_password { store = \"redis\" }\n",
		       "in Redis alone: if it loses its memory, they are gone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WARNING_TEST(proxies_that_are_everybody),
		WARNING_TEST(quotas_beyond_the_account),
		WARNING_TEST(old_devices_that_are_everybody),
		WARNING_TEST(delimiters_that_stand_in_names),
		WARNING_TEST(a_name_that_most_have_several_of),
		WARNING_TEST(mail_that_goes_elsewhere),
		WARNING_TEST(files_that_others_can_write),
		WARNING_TEST(a_folder_that_others_can_write_in),
		WARNING_TEST(passwords_with_blanks),
		WARNING_TEST(app_passwords_that_redis_may_lose),
	};
	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
