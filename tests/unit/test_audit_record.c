/* What a line of the audit says, before it is read as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "audit/reader/record.h"

static void what_only_looks_like_a_time_is_none(void **state)
{
	static const char *const times[] = { "\xff"
					     "026-11-23T08:15:30.123456Z",
					     "2026-11-23T08:15:30,123456Z", "2026-11-23 08:15:30.123456Z",
					     "2026-11-23T08:15:30.12345xZ", "2026-11-23T08:15:30.1234567Z" };
	char line[80];
	struct span ts;
	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		snprintf(line, sizeof(line), "{\"ts\":\"%s\"}", times[i]);
		assert_int_equal(record_read_time(span_of(line), &ts), STATUS_INVALID);
	}
	assert_int_equal(record_read_time(SPAN("{\"ts\":\"2026-11-23T08:15:30.123456Z\"}"), &ts), STATUS_OK);
	assert_true(span_equal(ts, SPAN("2026-11-23T08:15:30.123456Z")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_only_looks_like_a_time_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
