/* Habits: what is kept of a user's messages, what an hour is compared with, and what it is worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "played_scores.h"

#define BEGIN 1764590400 /* Mon 2025-12-01 12:00:00 UTC */
#define HOUR 3600
#define DAY (24 * HOUR)
#define ID "corp:1"

static struct redis redis;
static struct scores *scores;

static int begin(void **state)
{
	(void)state;
	played_scores_begin(&redis, BEGIN);
	assert_int_equal(scores_create((struct loop *)(void *)&redis, &redis, "test:", 0, &scores), STATUS_OK);
	return 0;
}

static int end(void **state)
{
	(void)state;
	scores_free(&scores);
	played_scores_end(&redis);
	return 0;
}

static struct played_verdict send_from(const char *network, unsigned first, unsigned count)
{
	return play_message(&redis, scores, "ann", network, "mutt", first, count);
}

/* `days` days with `a_day` messages to people they know, at this hour. */
static void get_used_to(const char *network, unsigned days, unsigned a_day)
{
	for (unsigned day = 0; day < days; day++) {
		for (unsigned i = 0; i < a_day; i++)
			(void)send_from(network, i, 1);
		redis.wall_s += DAY;
	}
}

static void an_hour_is_counted_and_no_longer(void **state)
{
	(void)state;
	(void)send_from("office", 1, 1);
	redis.wall_s += 1800;
	struct played_verdict verdict = send_from("office", 1, 1);
	assert_int_equal(verdict.verdict, SCORE_COUNTED);
	assert_int_equal(verdict.facts.now.messages, 2);
	assert_int_equal(verdict.facts.now.strangers, 1);
	redis.wall_s += 2000;
	assert_int_equal(send_from("office", 1, 1).facts.now.messages, 2);
	redis.wall_s += HOUR;
	assert_int_equal(send_from("office", 1, 1).facts.now.messages, 1);
}

static void whoever_was_written_to_is_no_stranger(void **state)
{
	(void)state;
	assert_int_equal(send_from("office", 1, 3).facts.now.strangers, 3); /* 1 + log2 of 3, rounded up */
	redis.wall_s += 2 * HOUR;
	assert_int_equal(send_from("office", 1, 3).facts.now.strangers, 0);
	assert_int_equal(send_from("office", 3, 2).facts.now.strangers, 1);
}

static void several_strangers_of_one_message_weigh_less(void **state)
{
	static const unsigned weights[][2] = { { 1, 1 }, { 2, 2 }, { 4, 3 }, { 30, 6 }, { 100, 8 } };
	(void)state;
	for (size_t i = 0; i < sizeof(weights) / sizeof(*weights); i++) {
		redis.wall_s += 2 * HOUR;
		assert_int_equal(send_from("office", (unsigned)(1000 * (i + 1)), weights[i][0]).facts.now.strangers,
				 weights[i][1]);
	}
}

static void people_are_known_for_four_weeks_and_forgotten_after_eight(void **state)
{
	(void)state;
	(void)send_from("office", 1, 1);
	redis.wall_s += 28 * DAY;
	assert_int_equal(send_from("office", 1, 1).facts.now.strangers, 0);
	redis.wall_s += 57 * DAY;
	assert_int_equal(send_from("office", 1, 1).facts.now.strangers, 1);
}

static void a_network_is_new_for_a_day(void **state)
{
	(void)state;
	assert_true(send_from("office", 1, 1).facts.network_is_new);
	redis.wall_s += DAY - 60;
	assert_true(send_from("office", 1, 1).facts.network_is_new);
	redis.wall_s += 120;
	assert_false(send_from("office", 1, 1).facts.network_is_new);
	struct played_verdict away = send_from("hotel", 2, 1);
	assert_true(away.facts.network_is_new);
	assert_int_equal(away.facts.now.far_messages, 1);
	assert_int_equal(away.facts.now.far_strangers, 1);
	assert_int_equal(away.facts.now.messages, 3);
}

static void only_so_many_networks_are_remembered(void **state)
{
	char name[16];
	(void)state;
	for (unsigned i = 0; i < 17; i++) {
		snprintf(name, sizeof(name), "net %u", i);
		(void)send_from(name, 1, 1);
		redis.wall_s += DAY + 60;
	}
	assert_false(send_from("net 16", 1, 1).facts.network_is_new);
	assert_false(send_from("net 1", 1, 1).facts.network_is_new);
	assert_true(send_from("net 0", 1, 1).facts.network_is_new);
}

static void former_days_are_the_measure_and_today_is_not(void **state)
{
	(void)state;
	get_used_to("office", 3, 5);
	struct played_verdict verdict = { 0 };
	for (unsigned i = 0; i < 9; i++)
		verdict = send_from("office", i, 1);
	assert_int_equal(verdict.facts.now.messages, 9);
	assert_int_equal(verdict.facts.peak.messages, 5);
	assert_int_equal(verdict.facts.days, 3);
	redis.wall_s += DAY;
	assert_int_equal(send_from("office", 1, 1).facts.peak.messages, 9);
	redis.wall_s += 27 * DAY;
	assert_int_equal(send_from("office", 1, 1).facts.peak.messages, 1);
}

/* How many messages until the score is 100, of at most `most`. */
static unsigned steal(const char *network, const char *client, unsigned each, unsigned most)
{
	for (unsigned i = 1; i <= most; i++) {
		struct played_verdict verdict =
			play_message(&redis, scores, "ann", network, client, 100000 + i * each, each);
		redis.wall_s += 20;
		if (score_compute(&verdict.facts) >= 100)
			return i;
	}
	return 0;
}

static void a_thief_is_seen_before_the_21st_message(void **state)
{
	(void)state;
	get_used_to("office", 10, 6);
	assert_in_range(steal("far away", "smtplib", 1, 21), 10, 16);
}

static void a_thief_with_the_same_kind_of_client_too(void **state)
{
	(void)state;
	get_used_to("office", 10, 6);
	assert_in_range(steal("far away", "mutt", 1, 21), 10, 20);
}

static void a_thief_at_an_account_that_nobody_used_too(void **state)
{
	(void)state;
	assert_in_range(steal("far away", "smtplib", 1, 21), 10, 20);
}

static void a_thief_at_a_newsletter_too(void **state)
{
	(void)state;
	for (unsigned day = 0; day < 10; day++) {
		for (unsigned i = 0; i < 300; i++)
			(void)send_from("office", day * 300 + i, 1);
		redis.wall_s += DAY;
	}
	assert_in_range(steal("far away", "smtplib", 1, 21), 10, 20);
}

static void a_thief_with_many_recipients_a_message_sooner(void **state)
{
	(void)state;
	get_used_to("office", 10, 6);
	assert_in_range(steal("far away", "smtplib", 100, 21), 1, 3);
}

static void a_long_day_at_the_office_is_no_alarm(void **state)
{
	(void)state;
	get_used_to("office", 10, 6);
	assert_int_equal(steal("office", "mutt", 1, 200), 0);
}

static void a_day_in_a_hotel_is_no_alarm(void **state)
{
	(void)state;
	get_used_to("office", 10, 6);
	assert_int_equal(steal("hotel", "phone", 1, 8), 0);
}

/* ---- acting upon it */

static struct {
	unsigned calls, firsts;
	enum status status;
} marks;

static void on_mark(void *context, enum status status, bool is_first)
{
	(void)context;
	marks.calls++;
	marks.firsts += is_first;
	marks.status = status;
}

static unsigned mark(enum score_action action)
{
	memset(&marks, 0, sizeof(marks));
	assert_int_equal(scores_mark(scores, SPAN("ann"), SPAN(ID), action, SPAN("because"), on_mark, NULL), STATUS_OK);
	play_answers(&redis);
	assert_int_equal(marks.calls, 1);
	return marks.firsts;
}

static void an_alert_is_one_in_an_hour(void **state)
{
	(void)state;
	(void)send_from("office", 1, 1);
	assert_int_equal(mark(SCORE_RECORD), 1);
	redis.wall_s += HOUR - 10;
	assert_int_equal(mark(SCORE_RECORD), 0);
	redis.wall_s += 20;
	assert_int_equal(mark(SCORE_RECORD), 1);
	assert_int_equal(send_from("office", 1, 1).verdict, SCORE_COUNTED);
}

static void whoever_is_throttled_waits_for_an_hour(void **state)
{
	(void)state;
	(void)send_from("office", 1, 1);
	assert_int_equal(mark(SCORE_THROTTLE), 1);
	redis.wall_s += HOUR - 10;
	assert_int_equal(send_from("office", 2, 1).verdict, SCORE_WAITING);
	redis.wall_s += 20;
	struct played_verdict verdict = send_from("office", 2, 1);
	assert_int_equal(verdict.verdict, SCORE_COUNTED);
	assert_int_equal(verdict.facts.now.strangers, 1); /* who was written to in vain is a stranger still */
}

static void run_redis(const char *command)
{
	struct span words[8], rest = span_of(command);
	size_t count = 0;
	while (span_cut(&rest, ' ', &words[count]))
		count++;
	freeReplyObject(play_command(&redis, words, count));
}

static void a_lock_is_where_locks_are(void **state)
{
	(void)state;
	assert_int_equal(mark(SCORE_LOCK), 1);
	assert_int_equal(mark(SCORE_LOCK), 0);
	const char *dump = played_redis_dump(&redis.played);
	assert_non_null(strstr(dump, "test:lock:{ann}"));
	assert_non_null(strstr(dump, "test:auth:1:locks"));
	assert_non_null(strstr(dump, "\tann\tbecause"));
}

static void whoever_is_unlocked_begins_anew(void **state)
{
	(void)state;
	get_used_to("office", 10, 6);
	assert_in_range(steal("far away", "smtplib", 1, 21), 10, 20);
	assert_int_equal(mark(SCORE_LOCK), 1);
	run_redis("HDEL test:lock:{ann} " ID);
	struct played_verdict verdict = send_from("office", 1, 1);
	assert_int_equal(verdict.facts.now.messages, 1);
	assert_int_equal(verdict.facts.days, 10);
	redis.wall_s += DAY + 60;
	assert_true(send_from("far away", 1, 1).facts.network_is_new);
}

static void refused_recipients_count(void **state)
{
	(void)state;
	get_used_to("office", 10, 6);
	char command[64];
	snprintf(command, sizeof(command), "HSET test:refused:{ann} %u 50", (unsigned)(redis.wall_s / 60));
	run_redis(command);
	struct played_verdict verdict = send_from("office", 1, 1);
	assert_int_equal(verdict.facts.refused, 50);
	assert_int_equal(score_compute(&verdict.facts), 40);
}

static void without_redis_nobody_is_suspected(void **state)
{
	(void)state;
	redis.is_away = true;
	assert_int_equal(send_from("office", 1, 1).verdict, SCORE_UNKNOWN);
	assert_int_equal(mark(SCORE_LOCK), 0);
	assert_int_equal(marks.status, STATUS_UNAVAILABLE);
}

static void habits_are_learned_before_anybody_is_judged(void **state)
{
	struct scores *learning;
	(void)state;
	assert_int_equal(scores_create((struct loop *)(void *)&redis, &redis, "test:", 7 * DAY, &learning), STATUS_OK);
	assert_int_equal(play_message(&redis, learning, "ann", "a", "b", 1, 1).verdict, SCORE_LEARNING);
	redis.wall_s += 6 * DAY;
	(void)play_message(&redis, learning, "ann", "a", "b", 1, 1);
	assert_int_equal(play_message(&redis, learning, "ann", "a", "b", 1, 1).verdict, SCORE_LEARNING);
	redis.wall_s += 2 * DAY;
	(void)play_message(&redis, learning, "ann", "a", "b", 1, 1);
	assert_int_equal(play_message(&redis, learning, "ann", "a", "b", 1, 1).verdict, SCORE_COUNTED);
	scores_free(&learning);
}

/* A minute back, a day back, and a year ahead: nothing breaks, and nobody is suspected for it. */
static void a_clock_that_steps_makes_no_suspects(void **state)
{
	static const int64_t steps[] = { -60, -DAY, 400 * DAY, -400 * DAY, 40 * DAY };
	(void)state;
	get_used_to("office", 10, 6);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		redis.wall_s += (uint64_t)steps[i];
		struct played_verdict verdict = send_from("office", 1, 1);
		assert_int_equal(verdict.verdict, SCORE_COUNTED);
		assert_true(score_compute(&verdict.facts) < 60);
	}
}

/* Whoever has once written to ten strangers in an hour from afar, too. */
static void nineteen_strangers_and_nobody_else_from_a_new_network_are_enough(void **state)
{
	struct score_facts facts = {
		.now = { 19, 19, 19, 19 }, .peak = { 10, 10, 10, 10 }, .days = 20, .network_is_new = true
	};
	(void)state;
	assert_true(score_compute(&facts) >= 100);
	facts.now = (struct score_hour){ 18, 18, 18, 18 };
	assert_true(score_compute(&facts) < 100);
	facts.now = (struct score_hour){ 24, 19, 24, 19 }; /* some of them are known */
	assert_true(score_compute(&facts) < 100);
}

static void the_reason_is_in_words(void **state)
{
	const struct score_facts facts = { .now = { 20, 17, 20, 17 },
					   .peak = { 6, 1, 0, 0 },
					   .days = 2,
					   .refused = 7,
					   .network_is_new = true,
					   .client_is_new = true };
	char text[SCORE_REASON_SIZE];
	(void)state;
	score_explain(&facts, SPAN("203.0.113.0/24"), SPAN("PLAIN, TLSv1.3"), text);
	assert_string_equal(
		text, "20 messages within an hour (at most 6 in any of the last 28 days), strangers with a weight of "
		      "17 (at most 1), a network not known before (203.0.113.0/24), a kind of client not known "
		      "before (PLAIN, TLSv1.3), 7 recipients refused, only 2 days with mail before");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_hour_is_counted_and_no_longer),
		CASE(whoever_was_written_to_is_no_stranger),
		CASE(several_strangers_of_one_message_weigh_less),
		CASE(people_are_known_for_four_weeks_and_forgotten_after_eight),
		CASE(a_network_is_new_for_a_day),
		CASE(only_so_many_networks_are_remembered),
		CASE(former_days_are_the_measure_and_today_is_not),
		CASE(a_thief_is_seen_before_the_21st_message),
		CASE(a_thief_with_the_same_kind_of_client_too),
		CASE(a_thief_at_an_account_that_nobody_used_too),
		CASE(a_thief_at_a_newsletter_too),
		CASE(a_thief_with_many_recipients_a_message_sooner),
		CASE(a_long_day_at_the_office_is_no_alarm),
		CASE(a_day_in_a_hotel_is_no_alarm),
		CASE(an_alert_is_one_in_an_hour),
		CASE(whoever_is_throttled_waits_for_an_hour),
		CASE(a_lock_is_where_locks_are),
		CASE(whoever_is_unlocked_begins_anew),
		CASE(refused_recipients_count),
		CASE(without_redis_nobody_is_suspected),
		CASE(habits_are_learned_before_anybody_is_judged),
		CASE(a_clock_that_steps_makes_no_suspects),
		CASE(nineteen_strangers_and_nobody_else_from_a_new_network_are_enough),
		CASE(the_reason_is_in_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
