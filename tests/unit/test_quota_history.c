/* What a user has sent on former days, on a real redis-server: whoever ends a day, and what changes it afterwards. */
#include <time.h>

#include "quota/leases.h"
#include "tests/unit/with_quota.h"

#define HOUR 3600L
#define DAY_S (24 * HOUR)
#define KEY "test:quota:{alice}"
#define DAYS 14
/* Of a report's days: the last one, and the one before. */
#define TODAY (DAYS - 1)
#define YESTERDAY (DAYS - 2)

static struct quota_history seen;
static unsigned seen_count;

static void note_history(void *context, const struct quota_report *report)
{
	assert_non_null(report);
	quota_history_of(&report->past, *(size_t *)context, &seen);
	seen_count++;
}

static bool is_seen(void *context)
{
	(void)context;
	return seen_count > 0;
}

static void look_back(struct quota_bench *bench, size_t days)
{
	const struct quota_name name = { SPAN("alice"), false };
	seen_count = 0;
	assert_int_equal(quota_look_back(bench->quota, &name, &bench->limits, true, note_history, &days), STATUS_OK);
	run_until(bench->loop, is_seen, NULL);
	assert_int_equal(seen.count, days);
}

/* Messages of these days, the last ones; all before them have none. */
#define EXPECT_DAYS(bench, ...) \
	expect_days(bench, (const unsigned[]){ __VA_ARGS__ }, sizeof((unsigned[]){ __VA_ARGS__ }))
static void expect_days(struct quota_bench *bench, const unsigned *messages, size_t size)
{
	size_t count = size / sizeof(*messages);
	look_back(bench, DAYS);
	for (size_t i = 0; i < DAYS; i++) {
		unsigned wanted = i + count < DAYS ? 0 : messages[i + count - DAYS];
		if (seen.days[i].messages != wanted)
			fail_msg("%u messages %u days ago, not %u", (unsigned)seen.days[i].messages,
				 (unsigned)(TODAY - i), wanted);
	}
}

static long held_day(struct quota_bench *bench)
{
	uint64_t day = 0;
	run_redis(bench, "HGET " KEY " day");
	assert_int_equal(span_to_u64(span_of(bench->text), &day), STATUS_OK);
	return (long)day;
}

/* The day that the hash holds was yesterday, and so were the charges that may be given back. */
static void end_day(struct quota_bench *bench)
{
	char line[256];
	long day = held_day(bench) - DAY_S;
	snprintf(line, sizeof(line), "HSET " KEY " day %ld end %ld", day, day + DAY_S);
	run_redis(bench, line);
	if (run_redis(bench, "HEXISTS " KEY " t:late")) {
		snprintf(line, sizeof(line), "HSET " KEY " t:late 2~%ld~1~10~%ld~-", day, day);
		run_redis(bench, line);
	}
}

/* Puts what is kept of former days a day back, as end_day does with the day that is held. */
static void set_past(struct quota_bench *bench, const char *past)
{
	char line[1024];
	snprintf(line, sizeof(line), "HSET " KEY " past %s", past);
	run_redis(bench, line);
}

static void expect_past(struct quota_bench *bench, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void expect_past(struct quota_bench *bench, const char *format, ...)
{
	char wanted[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(wanted, sizeof(wanted), format, arguments);
	va_end(arguments);
	run_redis(bench, "HGET " KEY " past");
	assert_string_equal(bench->text, wanted);
}

static void whoever_has_sent_nothing_has_days_without_mail(void **state)
{
	struct quota_bench *bench = *state;
	char date[QUOTA_DATE_SIZE], today[QUOTA_DATE_SIZE];
	time_t now = time(NULL);
	struct tm local;
	EXPECT_DAYS(bench, 0);
	localtime_r(&now, &local);
	strftime(today, sizeof(today), "%Y-%m-%d", &local);
	quota_history_date(&seen, TODAY, date);
	assert_string_equal(date, today);
	look_back(bench, 1);
	look_back(bench, QUOTA_HISTORY_DAYS);
	assert_int_equal(run_redis(bench, "EXISTS " KEY), 0);
}

static void a_day_that_is_over_is_kept_by_the_next_charge(void **state)
{
	struct quota_bench *bench = *state;
	assert_int_equal(charge_many(bench, 3), 3);
	EXPECT_DAYS(bench, 3);
	end_day(bench);
	EXPECT_DAYS(bench, 3, 0); /* nothing was charged since */
	assert_int_equal(run_redis(bench, "HEXISTS " KEY " past"), 0);
	long day = held_day(bench);
	assert_int_equal(charge_many(bench, 2), 2);
	EXPECT_DAYS(bench, 3, 2);
	assert_int_equal(seen.days[YESTERDAY].recipients, 3);
	assert_int_equal(seen.days[YESTERDAY].bytes, 30);
	assert_int_equal(seen.days[TODAY].bytes, 20);
	expect_past(bench, "1 %ld 3 3 30", day);
}

static void days_without_mail_are_missing_and_old_ones_go(void **state)
{
	struct quota_bench *bench = *state;
	char past[512];
	charge_once(bench);
	long today = held_day(bench);
	snprintf(past, sizeof(past), "1~%ld~9~9~9;%ld~5~6~7", today - 33 * DAY_S, today - 4 * DAY_S);
	set_past(bench, past);
	end_day(bench);
	assert_int_equal(charge_many(bench, 2), 2);
	expect_past(bench, "1 %ld 5 6 7;%ld 1 1 10", today - 4 * DAY_S, today - DAY_S);
	EXPECT_DAYS(bench, 5, 0, 0, 1, 2);
	look_back(bench, QUOTA_HISTORY_DAYS);
	assert_int_equal(seen.days[QUOTA_HISTORY_DAYS - 5].messages, 5);
}

static void there_are_31_days_at_most(void **state)
{
	struct quota_bench *bench = *state;
	char past[1000] = "1~";
	charge_once(bench);
	long today = held_day(bench);
	for (int i = 32; i > 1; i--) /* some of them begin by another zone's midnight */
		snprintf(past + strlen(past), sizeof(past) - strlen(past), "%ld~1~1~1;", today - i * 23 * HOUR);
	set_past(bench, past);
	end_day(bench);
	charge_once(bench);
	run_redis(bench, "HGET " KEY " past");
	unsigned entries = 1;
	for (const char *at = bench->text; *at; at++)
		entries += *at == ';';
	assert_int_equal(entries, 31);
}

static void a_day_on_which_all_was_given_back_is_missing(void **state)
{
	struct quota_bench *bench = *state;
	charge_token(bench, "only");
	refund_token(bench, "only");
	end_day(bench);
	charge_once(bench);
	assert_int_equal(run_redis(bench, "HEXISTS " KEY " past"), 0);
}

static void a_refund_that_comes_a_day_late_puts_that_day_right(void **state)
{
	struct quota_bench *bench = *state;
	assert_int_equal(charge_many(bench, 2), 2);
	charge_token(bench, "late");
	end_day(bench);
	assert_int_equal(charge_many(bench, 2), 2);
	EXPECT_DAYS(bench, 3, 2);
	refund_token(bench, "late");
	EXPECT_DAYS(bench, 2, 2);
	assert_int_equal(seen.days[YESTERDAY].bytes, 20);
	refund_token(bench, "late");
	EXPECT_DAYS(bench, 2, 2);
	assert_int_equal(show_quota(bench, "alice", false)->messages, 2);
}

static void a_token_is_forgotten_with_the_day_after_its_own(void **state)
{
	struct quota_bench *bench = *state;
	charge_token(bench, "late");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run_redis(bench, "HEXISTS " KEY " t:late"), 1);
		long day = held_day(bench);
		char line[128];
		snprintf(line, sizeof(line), "HSET " KEY " end %ld", (long)time(NULL) - 2 + i);
		run_redis(bench, line);
		charge_once(bench);
		assert_true(held_day(bench) > day);
	}
	assert_int_equal(run_redis(bench, "HEXISTS " KEY " t:late"), 0);
}

static void what_was_sent_before_a_reset_stays_known(void **state)
{
	struct quota_bench *bench = *state;
	const struct quota_name name = { SPAN("alice"), false };
	assert_int_equal(charge_many(bench, 3), 3);
	for (int i = 0; i < 2; i++) {
		bench->answers = 0;
		assert_int_equal(quota_reset(bench->quota, &name, &bench->limits, true, note_report, bench), STATUS_OK);
		run_until(bench->loop, has_answered, bench);
		EXPECT_DAYS(bench, 3);
	}
	assert_int_equal(show_quota(bench, "alice", false)->messages, 0);
	assert_int_equal(charge_many(bench, 2), 2);
	EXPECT_DAYS(bench, 5);
	long day = held_day(bench);
	char past[100];
	snprintf(past, sizeof(past), "1~%ld~3~3~30", day - DAY_S);
	set_past(bench, past);
	end_day(bench);
	charge_once(bench);
	expect_past(bench, "1 %ld 5 5 50", day - DAY_S);
	EXPECT_DAYS(bench, 5, 1);
}

static void what_a_node_has_borrowed_is_not_sent(void **state)
{
	struct quota_bench *bench = *state;
	char line[128];
	assert_int_equal(charge_many(bench, 3), 3);
	long day = held_day(bench);
	snprintf(line, sizeof(line), "HSET " KEY " m 13 r 53 b 1030 l:node1 1~%ld~10~50~1000~0~0~0~1", day);
	run_redis(bench, line);
	EXPECT_DAYS(bench, 3);
	assert_int_equal(seen.days[TODAY].recipients, 3);
	assert_int_equal(seen.days[TODAY].bytes, 30);
	snprintf(line, sizeof(line), "HSET " KEY " l:node1 1~%ld~10~50~1000~0~0~0~1", day - DAY_S);
	run_redis(bench, line);
	end_day(bench);
	charge_once(bench);
	EXPECT_DAYS(bench, 3, 1);
}

static void days_roll_and_are_kept_by_days(void **state)
{
	struct quota_bench *bench = *state;
	quota_roll_days(bench->quota);
	assert_int_equal(charge_many(bench, 2), 2);
	charge_token(bench, "late");
	end_day(bench);
	assert_int_equal(charge_many(bench, 4), 4);
	EXPECT_DAYS(bench, 3, 4);
	refund_token(bench, "late");
	EXPECT_DAYS(bench, 2, 4);
}

/* Somebody else wrote to it; others' answers, which come with theirs, are none the worse for it. */
static void counts_of_no_day_are_of_no_day(void **state)
{
	struct quota_bench *bench = *state;
	run_redis(bench, "HSET " KEY " m 5 r 6 b 7");
	EXPECT_DAYS(bench, 0);
	run_redis(bench, "HSET " KEY " day soon end never");
	EXPECT_DAYS(bench, 0);
}

static void a_field_of_a_later_program_is_left_alone(void **state)
{
	struct quota_bench *bench = *state;
	charge_token(bench, "late");
	set_past(bench, "2~whatever");
	end_day(bench);
	charge_once(bench);
	refund_token(bench, "late");
	expect_past(bench, "2 whatever");
	EXPECT_DAYS(bench, 1);
}

/* Whatever clock was a year ahead when the day began: what was sent on it counts a day before the next. */
static void a_day_of_a_clock_set_wrong_counts_before_the_next(void **state)
{
	struct quota_bench *bench = *state;
	static const char script[] =
#include "quota/past.lua.h"
		"return add_past(ARGV[1], 2000, 1000000, 1, 1, 1) .. '|' .. add_past('1 900000 3 3 3', 2000000, "
		"1000000, 1, "
		"1, 1)\n";
	const struct span arguments[] = { SPAN("EVAL"), span_of(script), SPAN("0"), SPAN("1 ") };
	bench->answers = 0;
	assert_int_equal(redis_call(bench->redis, arguments, 4, PATIENCE_MS, note_redis_answer, bench), STATUS_OK);
	run_until(bench->loop, has_answered, bench);
	assert_string_equal(bench->text, "1 2000 1 1 1|1 900000 3 3 3;913600 1 1 1");
}

/* A message's way costs no command more for it, neither within a day nor when one turns. */
static void a_charge_runs_no_command_for_it(void **state)
{
	static const struct {
		const char *command;
		unsigned calls;
	} calls[] = { { "evalsha", 2 }, { "hmget", 2 }, { "time", 2 }, { "hset", 2 }, { "hgetall", 3 }, { "hget", 0 } };
	struct quota_bench *bench = *state;
	charge_once(bench);
	end_day(bench);
	charge_once(bench);
	end_day(bench);
	run_redis(bench, "CONFIG RESETSTAT");
	assert_int_equal(charge_many(bench, 2), 2);
	run_redis(bench, "INFO commandstats");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char field[64];
		unsigned count = 0;
		snprintf(field, sizeof(field), "cmdstat_%s:", calls[i].command);
		const char *at = strstr(bench->text, field);
		if (at && sscanf(at + strlen(field), "calls=%u", &count) != 1)
			fail_msg("%s", at);
		if (count != calls[i].calls)
			fail_msg("%s: %u calls", calls[i].command, count);
	}
	EXPECT_DAYS(bench, 2, 2);
}

/* ---- what Redis says */

static void anything_in_the_field_is_read_and_sound(void **state)
{
	(void)state;
	static const struct {
		const char *what, *past;
		unsigned messages;
	} cases[] = {
		{ "nothing", "", 0 },
		{ "another version", "2 1795305600 1 1 1", 0 },
		{ "no version", "1795305600 1 1 1", 0 },
		{ "a day", "1 1795305600 3 1 1", 3 },
		{ "two of one date", "1 1795305600 3 1 1;1795309200 4 1 1", 7 },
		{ "too few numbers", "1 1795305600 3 1;1795305600 4 1 1", 4 },
		{ "too many", "1 1795305600 3 1 1 1", 0 },
		{ "no numbers", "1 x y z -", 0 },
		{ "a sign", "1 1795305600 -3 1 1", 0 },
		{ "more than can be counted", "1 1795305600 9007199254740993 1 1", 0 },
		{ "a day to come", "1 1895305600 3 1 1", 0 },
		{ "a day out of all time", "1 18446744073709551615 3 1 1;9007199254740991 1 1 1", 0 },
		{ "a day long ago", "1 0 3 1 1", 0 },
	};
	assert_int_equal(quota_day_set_zone("UTC"), STATUS_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct quota_history history;
		uint64_t messages = 0;
		const struct quota_past past = { .day_s = 1795392000, .before = span_of(cases[i].past) };
		quota_history_of(&past, 31, &history);
		for (size_t j = 0; j < history.count; j++)
			messages += history.days[j].messages;
		if (messages != cases[i].messages)
			fail_msg("%s: %u messages", cases[i].what, (unsigned)messages);
	}
}

static void a_day_is_the_date_of_its_middle(void **state)
{
	(void)state;
	static const struct {
		const char *zone, *date;
		uint64_t begins_s;
	} cases[] = {
		{ "UTC", "2026-11-23", 1795392000 },
		{ "UTC", "2026-11-23", 1795392000 - 2 * HOUR }, /* by a node further east */
		{ "UTC", "2026-11-23", 1795392000 + 9 * HOUR },
		{ "Asia/Ho_Chi_Minh", "2026-11-23", 1795392000 - 7 * HOUR },
		{ "America/New_York", "2026-11-23", 1795392000 + 5 * HOUR },
		{ "Europe/Berlin", "2026-10-25", 1792879200 }, /* 25 hours long */
		{ "Europe/Berlin", "2027-03-28", 1806188400 }, /* 23 */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct quota_history history;
		char date[QUOTA_DATE_SIZE];
		assert_int_equal(quota_day_set_zone(cases[i].zone), STATUS_OK);
		const struct quota_past past = { .day_s = cases[i].begins_s, .before = SPAN("1 ") };
		quota_history_of(&past, 31, &history);
		quota_history_date(&history, 30, date);
		assert_string_equal(date, cases[i].date);
	}
	struct quota_history history = { .today = 20780, .count = 31 };
	char date[QUOTA_DATE_SIZE];
	quota_history_date(&history, 0, date);
	assert_string_equal(date, "2026-10-24");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_QUOTA(whoever_has_sent_nothing_has_days_without_mail),
		WITH_QUOTA(a_day_that_is_over_is_kept_by_the_next_charge),
		WITH_QUOTA(days_without_mail_are_missing_and_old_ones_go),
		WITH_QUOTA(there_are_31_days_at_most),
		WITH_QUOTA(a_day_on_which_all_was_given_back_is_missing),
		WITH_QUOTA(a_refund_that_comes_a_day_late_puts_that_day_right),
		WITH_QUOTA(a_token_is_forgotten_with_the_day_after_its_own),
		WITH_QUOTA(what_was_sent_before_a_reset_stays_known),
		WITH_QUOTA(what_a_node_has_borrowed_is_not_sent),
		WITH_QUOTA(days_roll_and_are_kept_by_days),
		WITH_QUOTA(counts_of_no_day_are_of_no_day),
		WITH_QUOTA(a_field_of_a_later_program_is_left_alone),
		WITH_QUOTA(a_day_of_a_clock_set_wrong_counts_before_the_next),
		WITH_QUOTA(a_charge_runs_no_command_for_it),
		cmocka_unit_test(anything_in_the_field_is_read_and_sound),
		cmocka_unit_test(a_day_is_the_date_of_its_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
