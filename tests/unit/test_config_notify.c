/* Who is told: what the section `notify` takes, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/config.h"

#define BEFORE                                                   \
	"tls { certificate = \"cert\" private_key = \"key\" }\n" \
	"listener in { address = {\"127.0.0.1:465\"} }\n"        \
	"relay r { host = \"127.0.0.1\" user = \"u\" password_file = \"secret\" }\n"

static struct config *config;
static char faults[4096];

static enum status load_with(const char *section)
{
	char text[2048];
	memset(faults, 0, sizeof(faults));
	snprintf(text, sizeof(text), "%s%s\n", BEFORE, section);
	FILE *out = fmemopen(faults, sizeof(faults) - 1, "w");
	enum status status = config_load(span_of(text), "/etc/subgate.conf", out, &config);
	fclose(out);
	return status;
}

static void expect_fault(const char *section, const char *wanted)
{
	assert_int_equal(load_with(section), STATUS_INVALID);
	if (!strstr(faults, wanted))
		fail_msg("no \"%s\" in: %s", wanted, faults);
}

static void nobody_is_told_by_default(void **state)
{
	(void)state;
	assert_int_equal(load_with(""), STATUS_OK);
	assert_string_equal(config->notify.from, "");
	assert_int_equal(config->notify.administrators.count, 0);
	config_free(&config);
}

static void a_sender_and_administrators(void **state)
{
	(void)state;
	assert_int_equal(
		load_with("notify { from = \"postmaster@example.com\" administrators = {\"a@x.org\", \"b@y\"} }"),
		STATUS_OK);
	assert_string_equal(config->notify.from, "postmaster@example.com");
	assert_string_equal(config->notify.administrators.items[1], "b@y");
	config_free(&config);
}

static void what_is_no_address_is_refused(void **state)
{
	(void)state;
	expect_fault("notify { from = \"postmaster\" }", "notify.from: \"postmaster\" is not a mail address");
	expect_fault("notify { from = \"p@x\" administrators = {\"\"} }", "notify.administrators: \"\"\"\" is not");
	expect_fault("notify { from = \"p@x\" administrators = {\"a b\"} }", "notify.administrators: \"a b\" is not");
}

static void administrators_need_a_sender(void **state)
{
	(void)state;
	expect_fault("notify { administrators = {\"a@x.org\"} }", "notify.from: none");
}

static void thresholds_are_percentages(void **state)
{
	(void)state;
	assert_int_equal(load_with(""), STATUS_OK);
	assert_int_equal(config->quota_day.warn_at.count, 2);
	assert_string_equal(config->quota_day.warn_at.items[0], "80");
	config_free(&config);
	assert_int_equal(load_with("quota_day { warn_at = {} }"), STATUS_OK);
	assert_int_equal(config->quota_day.warn_at.count, 0);
	config_free(&config);
	expect_fault("quota_day { warn_at = {\"0\"} }", "quota_day.warn_at: \"0\" is no percentage");
	expect_fault("quota_day { warn_at = {\"101\"} }", "quota_day.warn_at: \"101\" is no percentage");
	expect_fault("quota_day { warn_at = {\"80%\"} }", "quota_day.warn_at: \"80%\" is no percentage");
	expect_fault("quota_day { warn_at = {\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"} }",
		     "quota_day.warn_at: more than 10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_told_by_default),     cmocka_unit_test(a_sender_and_administrators),
		cmocka_unit_test(what_is_no_address_is_refused), cmocka_unit_test(administrators_need_a_sender),
		cmocka_unit_test(thresholds_are_percentages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
