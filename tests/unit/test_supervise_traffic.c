/* The last minute's mail: what is told of counters that are noted now and then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "supervise/traffic.h"
#include "tests/unit/with_loop.h"

static void note_ok(struct traffic_notes *notes, uint64_t now_ms, uint64_t ok)
{
	const uint64_t counts[TRAFFIC_KINDS] = { [TRAFFIC_OK] = ok };
	traffic_note(notes, now_ms, counts);
}

static void expect_ok(const struct traffic_notes *notes, uint64_t now_ms, uint64_t ok, uint64_t ms, uint64_t told)
{
	const uint64_t counts[TRAFFIC_KINDS] = { [TRAFFIC_OK] = ok };
	struct traffic_part part;
	traffic_tell(notes, now_ms, counts, &part);
	assert_int_equal(part.ms, ms);
	assert_int_equal(part.counts[TRAFFIC_OK], told);
	assert_int_equal(part.counts[TRAFFIC_FAILED], 0);
}

static void a_minute_is_told_and_no_more(void **state)
{
	(void)state;
	struct traffic_notes notes = { 0 };
	expect_ok(&notes, 1000, 7, 0, 0);
	for (uint64_t i = 0; i <= 40; i++)
		note_ok(&notes, 1000 + i * TRAFFIC_STEP_MS, 10 * i);
	assert_int_equal(notes.count, TRAFFIC_NOTES);
	uint64_t last_ms = 1000 + 40 * UINT64_C(5000);
	expect_ok(&notes, last_ms, 400, 60000, 120);
	expect_ok(&notes, last_ms + 2000, 403, 57000, 113);
	expect_ok(&notes, last_ms + 61000, 500, 0, 0);
}

static void what_is_not_a_minute_old_is_told_for_its_time(void **state)
{
	(void)state;
	struct traffic_notes notes = { 0 };
	note_ok(&notes, 1000, 5);
	expect_ok(&notes, 4000, 8, 3000, 3);
}

static void a_counter_that_fell_tells_nothing(void **state)
{
	(void)state;
	struct traffic_notes notes = { 0 };
	note_ok(&notes, 1000, 500);
	expect_ok(&notes, 2000, 3, 1000, 0);
}

/* A gate that is an attacker's may write what it likes into its own slab. */
static void a_gates_word_counts_for_no_message(void **state)
{
	struct loop *loop;
	struct seats *seats;
	struct traffic *traffic;
	struct traffic_part part;
	struct stats *slabs[2];
	unsigned gate, relay;
	(void)state;
	assert_int_equal(loop_create(&loop), STATUS_OK);
	assert_int_equal(seats_create(3, &seats), STATUS_OK);
	assert_int_equal(seats_take(seats, true, &gate), STATUS_OK);
	assert_int_equal(seats_take(seats, false, &relay), STATUS_OK);
	assert_int_equal(stats_map(seats_fd(seats), gate, &slabs[0]), STATUS_OK);
	assert_int_equal(stats_map(seats_fd(seats), relay, &slabs[1]), STATUS_OK);
	assert_int_equal(traffic_begin(loop, seats, &traffic), STATUS_OK);
	run_for(loop, 50);
	stats_add(slabs[0], COUNTER_MESSAGES, STATS_RESULT_OK, 1000);
	stats_add(slabs[0], COUNTER_REFUSED, REFUSAL_SYNTAX, 2);
	stats_add(slabs[1], COUNTER_MESSAGES, STATS_RESULT_OK, 3);
	stats_add(slabs[1], COUNTER_MESSAGES, 2 * STATS_SECOND_LABELS + STATS_RESULT_FAILED, 4);
	stats_add(slabs[1], COUNTER_REFUSED, REFUSAL_QUOTA, 5);
	traffic_show(traffic, &part);
	assert_int_equal(part.counts[TRAFFIC_OK], 3);
	assert_int_equal(part.counts[TRAFFIC_FAILED], 4);
	assert_int_equal(part.counts[TRAFFIC_TURNED_AWAY], 7);
	traffic_free(&traffic);
	seats_free(&seats);
	loop_free(loop);
}

static void no_gates_word_makes_a_sum_overflow(void **state)
{
	struct seats *seats;
	struct stats *slab;
	unsigned gate;
	(void)state;
	assert_int_equal(seats_create(4, &seats), STATUS_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(seats_take(seats, true, &gate), STATUS_OK);
		assert_int_equal(stats_map(seats_fd(seats), gate, &slab), STATUS_OK);
		stats_set(slab, COUNTER_SESSIONS, 0, UINT64_C(1) << 63);
	}
	assert_int_equal(seats_sum(seats, COUNTER_SESSIONS, 0, SEATS_ALL), 2 * SEATS_GATE_MAXIMUM);
	seats_free(&seats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minute_is_told_and_no_more),
		cmocka_unit_test(what_is_not_a_minute_old_is_told_for_its_time),
		cmocka_unit_test(a_counter_that_fell_tells_nothing),
		cmocka_unit_test(a_gates_word_counts_for_no_message),
		cmocka_unit_test(no_gates_word_makes_a_sum_overflow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
