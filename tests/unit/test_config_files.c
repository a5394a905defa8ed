/*
 * Configuration and files: those that come with Subgate load, the reference is
 * that of options.def, a dump loads as the same, and --check sees what is wrong
 * on this machine. Runs in the repository's folder; with
 * SUBGATE_UPDATE_REFERENCE=1 it writes conf/options.md anew.
 */
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

#define TEXT_SIZE 65536 /* bytes */

static char folder[64]; /* of the files that a test makes */
static char faults[TEXT_SIZE];

static struct config *load_text(const char *file, const char *text)
{
	struct config *config = NULL;
	assert_int_equal(config_load(span_of(text), file, stderr, &config), STATUS_OK);
	return config;
}

static char *read_file(const char *path)
{
	static char text[TEXT_SIZE];
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	return text;
}

static void the_files_that_come_along_load(void **state)
{
	(void)state;
	static const char *const files[] = { "conf/subgate.conf",
					     "conf/examples/gmail.conf",
					     "conf/examples/google-directory.conf",
					     "conf/examples/microsoft365.conf",
					     "conf/examples/postfix.conf",
					     "conf/examples/gmail-then-postfix.conf",
					     "conf/examples/ses.conf",
					     "conf/examples/exchange.conf",
					     "conf/examples/client-certificates.conf",
					     "conf/examples/keycloak-login.conf",
					     "conf/examples/entra-login.conf",
					     "conf/examples/google-login.conf",
					     "conf/examples/gmail-service-account.conf",
					     "conf/examples/gmail-oauth.conf",
					     "conf/examples/microsoft365-oauth.conf" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct config *config = load_text(files[i], read_file(files[i]));
		assert_int_equal(config->listener.count, 2);
		assert_true(config->relay.count >= 1);
		assert_string_equal(config->route.items[0].relays.items[0], config->relay.items[0].name);
		config_free(&config);
	}
}

static char *write_reference(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	config_reference(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void the_reference_is_that_of_the_options(void **state)
{
	(void)state;
	char *reference = write_reference();
	if (getenv("SUBGATE_UPDATE_REFERENCE")) {
		FILE *out = fopen("conf/options.md", "w");
		assert_non_null(out);
		fputs(reference, out);
		assert_int_equal(fclose(out), 0);
	}
	bool same = strcmp(read_file("conf/options.md"), reference) == 0;
	assert_non_null(strstr(reference, "| `message_size` | size, 1K to 1G | `\"35M\"` |"));
	free(reference);
	if (!same)
		fail_msg("conf/options.md is out of date: run this test with SUBGATE_UPDATE_REFERENCE=1");
}

static char *dump_text(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	config_dump(config, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void a_dump_loads_as_the_same(void **state)
{
	(void)state;
	struct config *config = load_text("conf/subgate.conf", read_file("conf/subgate.conf"));
	char *first = dump_text(config);
	config_free(&config);
	config = load_text("/elsewhere/x.conf", first);
	char *second = dump_text(config);
	config_free(&config);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "\nrelay gmail {\n\thost = \"smtp.gmail.com\"\n\tport = 465\n"));
	assert_non_null(strstr(first, "\tmessage_size = \"35M\"\n"));
	assert_non_null(strstr(first, "\tbackends = {\"app_password\"}\n"));
	free(first);
	free(second);
}

/* ---- check */

static void make_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* Loads `text` as FOLDER/subgate.conf and checks it; the faults are in `faults`. */
static enum status check_text(const char *text)
{
	char file[128];
	snprintf(file, sizeof(file), "%s/subgate.conf", folder);
	struct config *config = load_text(file, text);
	memset(faults, 0, sizeof(faults));
	FILE *out = fmemopen(faults, sizeof(faults) - 1, "w");
	enum status status = config_check(config, out);
	fclose(out);
	config_free(&config);
	return status;
}

#define CHECKED                                                  \
	"user = \"\"\n"                                          \
	"tls { certificate = \"cert\" private_key = \"key\" }\n" \
	"listener in { address = {\"127.0.0.1:465\"} }\n"        \
	"auth { backends = {\"app_password\"} }\n"               \
	"admin { group = \"\" }\n"                               \
	"\n"                                                     \
	"relay r { host = \"127.0.0.1\" user = \"u\" password_file = \"secret\" }\n"

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test-config-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	make_file("cert", "certificate", 0644);
	make_file("key", "key", 0600);
	make_file("secret", "secret", 0400);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	static const char *const names[] = { "cert", "key", "secret", "bad" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		if (unlink(path) != 0)
			rmdir(path);
	}
	return rmdir(folder);
}

static void assert_fault(const char *format)
{
	char expected[512];
	snprintf(expected, sizeof(expected), "%s/subgate.conf:%s\n", folder, format);
	if (!strstr(faults, expected))
		print_error("missing: %sin: %s", expected, faults);
	assert_non_null(strstr(faults, expected));
}

static void what_is_in_order_passes(void **state)
{
	(void)state;
	enum status status = check_text(CHECKED);
	assert_string_equal(faults, "");
	assert_int_equal(status, STATUS_OK);
}

static void a_secret_that_others_can_read_is_refused(void **state)
{
	(void)state;
	char expected[256];
	make_file("secret", "secret", 0640);
	assert_int_equal(check_text(CHECKED), STATUS_INVALID);
	snprintf(expected, sizeof(expected),
		 "7: relay r.password_file: %s/secret: mode 0640 lets others at a secret; expected 0600: chmod 600 "
		 "'%s/secret'",
		 folder, folder);
	assert_fault(expected);
}

static void a_file_that_is_missing_is_named(void **state)
{
	(void)state;
	char expected[256], path[128];
	snprintf(path, sizeof(path), "%s/cert", folder);
	unlink(path);
	assert_int_equal(check_text(CHECKED), STATUS_INVALID);
	snprintf(expected, sizeof(expected), "2: tls.certificate: %s: No such file or directory; expected a file",
		 path);
	assert_fault(expected);
}

static void a_secret_is_a_file_with_something_in_it(void **state)
{
	(void)state;
	char expected[256], path[128];
	snprintf(path, sizeof(path), "%s/key", folder);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	make_file("secret", "", 0600);
	assert_int_equal(check_text(CHECKED), STATUS_INVALID);
	snprintf(expected, sizeof(expected), "2: tls.private_key: %s: not a regular file; expected one", path);
	assert_fault(expected);
	snprintf(expected, sizeof(expected), "7: relay r.password_file: %s/secret: empty; expected a secret", folder);
	assert_fault(expected);
}

static void a_password_is_one_line_of_text(void **state)
{
	static const struct {
		const char *text, *fault; /* NULL: none */
	} cases[] = {
		{ "secret", NULL },
		{ "secret\n", NULL },
		{ "secret\r\n", NULL },
		{ "s\xC3\xA9 cret\n", NULL },
		{ "\xEF\xBB\xBFsecret\n",
		  "begins with a byte order mark; expected the secret alone, saved without one" },
		{ "\xFF\xFEs", "is UTF-16, or has NUL bytes; expected the secret alone, saved as ASCII or UTF-8" },
		{ "secret\nsecond\n", "has a second line; expected the secret alone" },
		{ "secret\n\n", "has a second line; expected the secret alone" },
		{ "secret\rsecond", "has a second line; expected the secret alone" },
		{ "# password:\r\nsecret\r\n", "has a second line; expected the secret alone" },
		{ "\n", "is an empty line; expected a secret" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[256];
		make_file("secret", cases[i].text, 0600);
		assert_int_equal(check_text(CHECKED), cases[i].fault ? STATUS_INVALID : STATUS_OK);
		snprintf(expected, sizeof(expected), "7: relay r.password_file: %s/secret: %s", folder,
			 cases[i].fault ? cases[i].fault : "");
		if (cases[i].fault)
			assert_fault(expected);
	}
}

static void every_password_is_looked_at(void **state)
{
	static const char *const sections[] = {
		"redis { server = \"redis://h:1\" password_file = \"bad\" }\n",
		"ldap l { uri = {\"ldaps://h\"} base = \"b\" bind_dn = \"d\" bind_password_file = \"bad\" }\n",
		"oauth o { provider = \"microsoft\" grant = \"client_credentials\" tenant = \"t\" client_id = \"c\" "
		"client_secret_file = \"bad\" }\n",
		"oauth o { client_id = \"c\" client_secret_file = \"secret\" refresh_token_file = \"bad\" }\n",
	};
	(void)state;
	make_file("bad", "one\ntwo\n", 0600);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		char text[1024];
		snprintf(text, sizeof(text), "%s%s", CHECKED, sections[i]);
		assert_int_equal(check_text(text), STATUS_INVALID);
		assert_non_null(strstr(faults, "/bad: has a second line; expected the secret alone\n"));
	}
}

static void a_program_is_executable_and_nobody_elses(void **state)
{
	static const char text[] = CHECKED "audit { anchor = \"command\" anchor_command = \"bad\" }\n";
	static const struct {
		mode_t mode;
		const char *fault; /* NULL: none */
	} cases[] = {
		{ 0755, NULL },
		{ 0500, NULL },
		{ 0775, NULL }, /* of the group root */
		{ 0757, "mode 0757 lets others change what is run; expected 0755: chmod 755 '" },
		{ 0644, "not executable; expected a program: chmod 755 '" },
	};
	char expected[512], path[128];
	(void)state;
	snprintf(path, sizeof(path), "%s/bad", folder);
	assert_int_equal(check_text(text), STATUS_INVALID);
	snprintf(expected, sizeof(expected), "8: audit.anchor_command: %s: No such file or directory; expected a file",
		 path);
	assert_fault(expected);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_file("bad", "#!/bin/sh\n", cases[i].mode);
		if (geteuid() != 0 && cases[i].mode == 0775)
			continue;
		assert_int_equal(check_text(text), cases[i].fault ? STATUS_INVALID : STATUS_OK);
		snprintf(expected, sizeof(expected), "8: audit.anchor_command: %s: %s%s'", path,
			 cases[i].fault ? cases[i].fault : "", path);
		if (cases[i].fault)
			assert_fault(expected);
		unlink(path);
	}
}

static void a_program_belongs_to_root_or_us(void **state)
{
	char expected[512], path[128];
	(void)state;
	if (geteuid() != 0)
		skip();
	make_file("bad", "#!/bin/sh\n", 0775);
	snprintf(path, sizeof(path), "%s/bad", folder);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(check_text(CHECKED "audit { anchor = \"command\" anchor_command = \"bad\" }\n"),
			 STATUS_INVALID);
	snprintf(expected, sizeof(expected),
		 "8: audit.anchor_command: %s: mode 0775 lets others change what is run; expected 0755: chmod 755 '%s'",
		 path, path);
	assert_fault(expected);
	snprintf(expected, sizeof(expected),
		 "8: audit.anchor_command: %s: belongs to user 65534; expected root or whoever starts subgate", path);
	assert_fault(expected);
}

static void a_time_zone_must_be_known_here(void **state)
{
	(void)state;
	assert_int_equal(check_text(CHECKED "quota_day { timezone = \"Europe/Nowhere\" }\n"), STATUS_INVALID);
	assert_fault("8: quota_day.timezone: this machine does not know \"Europe/Nowhere\"; "
		     "expected a name below /usr/share/zoneinfo/");
}

#define CHECK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_files_that_come_along_load),
		cmocka_unit_test(the_reference_is_that_of_the_options),
		cmocka_unit_test(a_dump_loads_as_the_same),
		CHECK_TEST(what_is_in_order_passes),
		CHECK_TEST(a_secret_that_others_can_read_is_refused),
		CHECK_TEST(a_file_that_is_missing_is_named),
		CHECK_TEST(a_secret_is_a_file_with_something_in_it),
		CHECK_TEST(a_password_is_one_line_of_text),
		CHECK_TEST(every_password_is_looked_at),
		CHECK_TEST(a_program_is_executable_and_nobody_elses),
		CHECK_TEST(a_program_belongs_to_root_or_us),
		CHECK_TEST(a_time_zone_must_be_known_here),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
