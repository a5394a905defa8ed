/* The receipts: how long a charge is kept, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "quota/receipts.h"
#include "tests/unit/failing_memory.h"

static struct receipts receipts;
static unsigned olds;
static char old_token[32];

static void on_old(void *context, struct span name, struct span token)
{
	(void)context;
	assert_true(span_equal(name, SPAN("alice")));
	olds++;
	snprintf(old_token, sizeof(old_token), "%.*s", SPAN_ARGS(token));
}

static int set_up(void **state)
{
	(void)state;
	olds = 0;
	return receipts_init(&receipts, on_old, NULL) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	receipts_clear(&receipts);
	return 0;
}

static bool add(const char *token, uint64_t now_ms)
{
	const struct receipts_entry charge = { .name = SPAN("alice"), .token = span_of(token), .recipients = 2 };
	return receipts_add(&receipts, &charge, now_ms);
}

static size_t count_entries(void)
{
	size_t count = 0;
	receipts_rewind(&receipts);
	while (receipts_next(&receipts))
		count++;
	return count;
}

static void a_settled_charge_is_kept_until_it_is_old(void **state)
{
	(void)state;
	assert_true(add("a", 1000));
	receipts_settle(&receipts, SPAN("alice"), SPAN("a"), 2000);
	assert_true(add("b", 1000 + RECEIPTS_KEPT_MS - 1));
	assert_int_equal(olds, 0);
	assert_int_equal(count_entries(), 2);
	assert_true(add("c", 1000 + RECEIPTS_KEPT_MS));
	assert_int_equal(olds, 1);
	assert_string_equal(old_token, "a");
	assert_int_equal(count_entries(), 2);
}

static void none_goes_while_redis_has_to_be_told_of_them(void **state)
{
	(void)state;
	assert_true(add("a", 1000));
	receipts_keep_old(&receipts, true);
	receipts_settle(&receipts, SPAN("alice"), SPAN("a"), 1000 + 2 * RECEIPTS_KEPT_MS);
	assert_int_equal(olds, 0);
	assert_int_equal(count_entries(), 1);
	receipts_keep_old(&receipts, false);
	assert_true(add("b", 1000 + 2 * RECEIPTS_KEPT_MS));
	assert_int_equal(olds, 1);
}

static void one_that_may_be_given_back_stays_however_old(void **state)
{
	(void)state;
	assert_true(add("a", 1000));
	for (uint64_t i = 1; i < 5; i++)
		assert_true(add("b", 1000 + i * RECEIPTS_KEPT_MS));
	assert_int_equal(olds, 0);
	assert_int_equal(count_entries(), 2);
}

static void one_that_was_given_back_is_gone_and_not_told(void **state)
{
	(void)state;
	assert_true(add("a", 1000));
	receipts_drop(&receipts, SPAN("bob"), SPAN("a"));
	assert_int_equal(count_entries(), 1);
	receipts_drop(&receipts, SPAN("alice"), SPAN("a"));
	receipts_drop(&receipts, SPAN("alice"), SPAN("a"));
	assert_int_equal(count_entries(), 0);
	assert_int_equal(olds, 0);
}

static void one_that_is_not_there_is_old_at_once(void **state)
{
	(void)state;
	receipts_settle(&receipts, SPAN("alice"), SPAN("x"), 1000);
	assert_int_equal(olds, 1);
}

static void the_same_charge_is_there_once(void **state)
{
	(void)state;
	assert_true(add("a", 1000));
	assert_true(add("a", 1001));
	assert_int_equal(count_entries(), 1);
}

static void going_through_it_survives_what_goes_meanwhile(void **state)
{
	(void)state;
	assert_true(add("a", 1000));
	assert_true(add("b", 1001));
	assert_true(add("c", 1002));
	receipts_rewind(&receipts);
	assert_true(span_equal(receipts_next(&receipts)->token, SPAN("a")));
	receipts_drop(&receipts, SPAN("alice"), SPAN("b"));
	assert_true(span_equal(receipts_next(&receipts)->token, SPAN("c")));
	assert_null(receipts_next(&receipts));
}

static void it_is_bounded(void **state)
{
	char token[32];
	(void)state;
	for (unsigned i = 0; i < RECEIPTS_MAXIMUM + 100; i++) {
		snprintf(token, sizeof(token), "%u", i);
		assert_true(add(token, 1000));
	}
	assert_int_equal(count_entries(), RECEIPTS_MAXIMUM);
}

static void without_memory_it_is_not_there(void **state)
{
	(void)state;
#ifndef SUBGATE_SANITIZED
	memory_counts = memory_is_out = true;
	bool is_there = add("a", 1000);
	memory_counts = memory_is_out = false;
	assert_false(is_there);
#endif
	assert_int_equal(count_entries(), 0);
}

#define WITH_RECEIPTS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RECEIPTS(a_settled_charge_is_kept_until_it_is_old),
		WITH_RECEIPTS(none_goes_while_redis_has_to_be_told_of_them),
		WITH_RECEIPTS(one_that_may_be_given_back_stays_however_old),
		WITH_RECEIPTS(one_that_was_given_back_is_gone_and_not_told),
		WITH_RECEIPTS(one_that_is_not_there_is_old_at_once),
		WITH_RECEIPTS(the_same_charge_is_there_once),
		WITH_RECEIPTS(going_through_it_survives_what_goes_meanwhile),
		WITH_RECEIPTS(it_is_bounded),
		WITH_RECEIPTS(without_memory_it_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
