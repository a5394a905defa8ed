/* What is limited: strangers, what members share, what is set by hand; and who is shown. */
#include "with_quota.h"

#define HOUR 3600L

/* ---- strangers */

static enum status hash_words(const void *recipients, struct buf *out)
{
	struct span rest = span_of(recipients), address;
	while (span_cut(&rest, ' ', &address))
		TRY(quota_hash_recipient(address, out));
	return STATUS_OK;
}

static enum quota_verdict write_to(struct quota_bench *bench, const char *token, const char *recipients)
{
	struct span rest = span_of(recipients), address;
	bench->order.recipients = 0;
	while (span_cut(&rest, ' ', &address))
		bench->order.recipients++;
	bench->order.write_hashes = hash_words;
	bench->order.message = recipients;
	enum quota_verdict verdict = charge_token(bench, token);
	bench->order.write_hashes = NULL;
	return verdict;
}

static void a_stranger_counts_once(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .new_recipients_per_day = 3 };
	assert_int_equal(write_to(bench, "a", "bob@example.com ann@example.com"), QUOTA_GRANTED);
	assert_int_equal(bench->state.new_recipients, 2);
	assert_int_equal(write_to(bench, "b", "BOB@Example.com ann@example.com bob@example.com"), QUOTA_GRANTED);
	assert_int_equal(bench->state.new_recipients, 0);
	assert_int_equal(write_to(bench, "c", "eve@example.com mallory@example.com"), QUOTA_DAY_EXCEEDED);
	assert_string_equal(bench->state.unit, "new recipients");
	assert_int_equal(bench->state.used, 2);
	assert_int_equal(write_to(bench, "d", "eve@example.com bob@example.com"), QUOTA_GRANTED);
	assert_int_equal(bench->state.new_today, 3);
	assert_int_equal(write_to(bench, "e", "mallory@example.com"), QUOTA_DAY_EXCEEDED);
	assert_int_equal(write_to(bench, "f", "bob@example.com ann@example.com eve@example.com"), QUOTA_GRANTED);
}

static void a_refund_makes_whom_nobody_else_wrote_to_a_stranger_again(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .new_recipients_per_day = 2 };
	assert_int_equal(write_to(bench, "a", "bob@x.test ann@x.test"), QUOTA_GRANTED);
	assert_int_equal(write_to(bench, "b", "bob@x.test"), QUOTA_GRANTED);
	refund_token(bench, "a");
	assert_int_equal(show_quota(bench, "alice", false)->strangers, 1);
	assert_int_equal(write_to(bench, "c", "ann@x.test"), QUOTA_GRANTED);
	assert_int_equal(bench->state.new_recipients, 1);
	assert_int_equal(write_to(bench, "d", "eve@x.test"), QUOTA_DAY_EXCEEDED);
}

static void whom_a_settled_message_went_to_is_known_the_next_day(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .new_recipients_per_day = 5 };
	assert_int_equal(write_to(bench, "a", "bob@x.test"), QUOTA_GRANTED);
	quota_settle(bench->quota, SPAN("alice"), &bench->limits, SPAN("a"));
	assert_int_equal(write_to(bench, "b", "ann@x.test"), QUOTA_GRANTED); /* never settled: lost with its node */
	run_redis(bench, "HSET test:quota:{alice} day 1 end 2");
	assert_int_equal(write_to(bench, "c", "eve@x.test"), QUOTA_GRANTED);
	assert_int_equal(bench->state.new_today, 1);
	assert_int_equal(write_to(bench, "d", "bob@x.test ann@x.test"), QUOTA_GRANTED);
	assert_int_equal(bench->state.new_recipients, 0);
	assert_int_equal(bench->state.new_today, 1);
}

static void whoever_is_written_to_stays_known_and_whoever_is_not_is_forgotten(void **state)
{
	struct quota_bench *bench = *state;
	bench->quota->counts_strangers = true;
	bench->quota->is_rolling = false;
	/* The filter's generation is that of long ago, as if so much time had passed. */
	static const struct {
		const char *age;
		uint64_t strangers;
	} ages[] = { { "1", 1 }, { "2", 2 } };
	for (size_t i = 0; i < 2; i++) {
		char line[200];
		uint64_t generation = (uint64_t)time(NULL) / (45 * 24 * HOUR);
		run_redis(bench, "DEL test:known:{alice} test:quota:{alice}");
		assert_int_equal(write_to(bench, "a", "bob@x.test"), QUOTA_GRANTED);
		quota_settle(bench->quota, SPAN("alice"), &bench->limits, SPAN("a"));
		assert_int_equal(write_to(bench, "b", "bob@x.test"), QUOTA_GRANTED);
		assert_int_equal(bench->state.new_recipients, 0);
		if (i == 0) { /* one generation ago it was the other half */
			run_redis(bench, "BITFIELD test:known:{alice} GET u1 0");
			snprintf(line, sizeof(line), "SETRANGE test:known:{alice} 16384 ....");
		}
		snprintf(line, sizeof(line), "BITFIELD test:known:{alice} SET u32 131072 %llu",
			 (unsigned long long)generation - (i ? 2 : 0));
		run_redis(bench, line);
		assert_int_equal(write_to(bench, "c", "bob@x.test eve@x.test"), QUOTA_GRANTED);
		assert_int_equal(bench->state.new_recipients, ages[i].strangers);
	}
}

/* ---- shared */

static struct config_quota marketing = { .name = (char *)"marketing", .shared = true, .messages_per_day = 3 };

static void members_share_a_quota_and_each_has_their_own_besides(void **state)
{
	struct quota_bench *bench = *state;
	char text[200];
	bench->limits = (struct quota_limits){ .messages_per_day = 2, .section = "default", .shared = &marketing };
	assert_int_equal(charge_many(bench, 3), 2);
	assert_null(bench->state.shared);
	assert_int_equal(show_quota(bench, "marketing", true)->messages, 2); /* the third was given back */
	bench->order.user = SPAN("bob");
	assert_int_equal(charge_many(bench, 2), 1);
	assert_string_equal(bench->state.shared, "marketing");
	quota_format(bench->verdict, &bench->state, text, sizeof(text));
	assert_non_null(strstr(text, "Daily sending quota of marketing exceeded: 3 of 3 messages, resets at 20"));
	assert_int_equal(show_quota(bench, "bob", false)->messages, 1);
	assert_true(quota_is_exhausted(bench->quota, SPAN("carol"), &bench->limits, &bench->state));
	assert_string_equal(bench->state.shared, "marketing");
	bench->limits.shared = NULL;
	assert_false(quota_is_exhausted(bench->quota, SPAN("carol"), &bench->limits, &bench->state));
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
}

static void a_refund_gives_back_to_all_that_share(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .messages_per_day = 9, .shared = &marketing };
	assert_int_equal(charge_token(bench, "a"), QUOTA_GRANTED);
	assert_int_equal(charge_many(bench, 3), 2);
	refund_token(bench, "a");
	assert_int_equal(show_quota(bench, "marketing", true)->messages, 2);
	assert_int_equal(show_quota(bench, "alice", false)->messages, 2);
	assert_int_equal(charge_many(bench, 3), 1);
	assert_int_equal(charge_token(bench, "a"), QUOTA_UNKNOWN); /* it comes late */
}

/* ---- by hand */

static bool change_done;
static uint64_t change_count;

static void note_change(void *context, enum by_hand_outcome outcome, uint64_t changed)
{
	struct quota_bench *bench = context;
	bench->answers++;
	change_done = outcome == BY_HAND_DONE;
	change_count = changed;
}

static void set_by_hand(struct quota_bench *bench, const char *option, uint64_t limit, uint64_t until_s)
{
	const struct quota_override override = { option, limit, until_s };
	const struct quota_name name = { bench->order.user, false };
	bench->answers = 0;
	assert_int_equal(quota_set_limits(bench->quota, &name, &override, 1, note_change, bench), STATUS_OK);
	run_until(bench->loop, has_answered, bench);
	assert_true(change_done);
}

static void a_limit_set_by_hand_holds_from_the_next_charge_on(void **state)
{
	struct quota_bench *bench = *state;
	const struct quota_name name = { SPAN("alice"), false };
	bench->limits = (struct quota_limits){ .messages_per_day = 2, .section = "default" };
	assert_int_equal(charge_many(bench, 3), 2);
	set_by_hand(bench, "messages_per_day", 4, 0);
	quota_forget_seen(bench->quota, SPAN("alice"));
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	assert_int_equal(bench->state.limit, 4);
	assert_false(quota_is_exhausted(bench->quota, SPAN("alice"), &bench->limits, &bench->state));
	assert_int_equal(charge_many(bench, 3), 1);
	assert_true(quota_is_exhausted(bench->quota, SPAN("alice"), &bench->limits, &bench->state));
	assert_int_equal(show_quota(bench, "alice", false)->limits.messages_per_day, 4);
	assert_int_equal(bench->report.override_count, 1);
	bench->answers = 0;
	assert_int_equal(quota_unset_limits(bench->quota, &name, NULL, note_change, bench), STATUS_OK);
	run_until(bench->loop, has_answered, bench);
	assert_int_equal(change_count, 1);
	assert_int_equal(charge_once(bench), QUOTA_DAY_EXCEEDED);
	assert_int_equal(bench->state.limit, 2);
}

static void every_option_can_be_set_by_hand(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ 0 };
	const char *option;
	for (size_t i = 0; (option = quota_override_option(i)) != NULL; i++) {
		run_redis(bench, "DEL test:quota:{alice} test:lock:{alice} test:known:{alice}");
		set_by_hand(bench, option, 1, 0);
		bench->order.bytes = 1;
		assert_int_equal(write_to(bench, "a", "bob@x.test"), QUOTA_GRANTED);
		bench->order.bytes = 2;
		enum quota_verdict verdict = write_to(bench, "b", "eve@x.test ann@x.test");
		assert_true(verdict == QUOTA_DAY_EXCEEDED || verdict == QUOTA_BURST_EXCEEDED);
		assert_int_equal(bench->state.limit, 1);
	}
}

static void a_limit_set_by_hand_ends_when_it_was_to(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .messages_per_day = 2 };
	set_by_hand(bench, "messages_per_day", 4, (uint64_t)time(NULL) + 2 * (uint64_t)HOUR);
	assert_int_equal(charge_many(bench, 5), 4);
	test_redis_shift_clock(&bench->server, 2 * HOUR);
	run_redis(bench, "HSET test:quota:{alice} m 0");
	assert_int_equal(charge_many(bench, 5), 2);
}

static void a_lock_stands_beside_limits_set_by_hand(void **state)
{
	struct quota_bench *bench = *state;
	set_by_hand(bench, "messages_per_day", 4, 0);
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	run_redis(bench, "HSET test:lock:{alice} corp:1 1");
	assert_int_equal(charge_once(bench), QUOTA_LOCKED);
	run_redis(bench, "HDEL test:lock:{alice} corp:1");
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	assert_int_equal(bench->state.limit, 4);
}

static void what_nobody_can_read_limits_nothing(void **state)
{
	static const char *const lines[] = {
		"HSET test:lock:{alice} limit~messages_per_day 2~1~0",
		"HSET test:lock:{alice} limit~messages_per_day 1~x~0",
		"HSET test:lock:{alice} limit~messages_per_day 1~1",
		"HSET test:lock:{alice} limit~nothing 1~1~0",
	};
	struct quota_bench *bench = *state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		run_redis(bench, lines[i]);
		assert_int_equal(charge_many(bench, 2), 2);
		assert_int_equal(show_quota(bench, "alice", false)->override_count, 0);
	}
}

/* ---- shown, everybody */

static char found[1024], next_page[QUOTA_PAGE_CURSOR_SIZE];

static void note_page(void *context, const struct quota_name *names, size_t count, const char *next)
{
	struct quota_bench *bench = context;
	bench->answers++;
	assert_non_null(names);
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(found);
		snprintf(found + used, sizeof(found) - used, "%.*s%s ", SPAN_ARGS(names[i].name),
			 names[i].is_shared ? "*" : "");
	}
	snprintf(next_page, sizeof(next_page), "%s", next);
}

static void everybody_who_has_counts_is_found(void **state)
{
	struct quota_bench *bench = *state;
	found[0] = next_page[0] = '\0';
	bench->limits = (struct quota_limits){ .messages_per_day = 9, .shared = &marketing };
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	bench->order.user = SPAN("b[o]b@example.com");
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	run_redis(bench, "HSET other:quota:{eve} m 1");
	do {
		bench->answers = 0;
		assert_int_equal(quota_list(bench->quota, next_page, note_page, bench), STATUS_OK);
		run_until(bench->loop, has_answered, bench);
	} while (next_page[0]);
	assert_true(strcmp(found, "alice b[o]b@example.com marketing* ") == 0 ||
		    strcmp(found, "b[o]b@example.com alice marketing* ") == 0);
	assert_int_equal(quota_list(bench->quota, "x0", note_page, bench), STATUS_INVALID);
	assert_int_equal(quota_list(bench->quota, "u-1", note_page, bench), STATUS_INVALID);
}

static bool was_no_page;

static void note_no_page(void *context, const struct quota_name *names, size_t count, const char *next)
{
	struct quota_bench *bench = context;
	bench->answers++;
	was_no_page = names == NULL && count == 0 && next[0] == '\0';
}

static void a_frozen_redis_lists_nobody(void **state)
{
	struct quota_bench *bench = *state;
	bench->answers = 0;
	kill(bench->server.pid, SIGSTOP);
	assert_int_equal(quota_list(bench->quota, "", note_no_page, bench), STATUS_OK);
	run_until(bench->loop, has_answered, bench);
	kill(bench->server.pid, SIGCONT);
	assert_true(was_no_page);
}

static void whoever_has_not_logged_in_here_is_shown_with_the_limits_of_their_last_charge(void **state)
{
	struct quota_bench *bench = *state;
	const struct quota_name name = { SPAN("alice"), false };
	const struct quota_limits by_name = { .messages_per_day = 500, .section = "default" };
	bench->limits =
		(struct quota_limits){ .messages_per_day = 7, .messages_per_hour = 6, .section = "news letter" };
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	bench->answers = 0;
	assert_int_equal(quota_show(bench->quota, &name, &by_name, false, note_report, bench), STATUS_OK);
	run_until(bench->loop, has_answered, bench);
	assert_int_equal(bench->report.limits.messages_per_day, 7);
	assert_int_equal(bench->report.limits.messages_per_hour, 6);
	assert_int_equal(bench->report.last_hour, 1);
	assert_string_equal(bench->report.section, "news letter");
}

/* ---- what an older program left */

static void a_token_of_an_older_program_is_given_back(void **state)
{
	struct quota_bench *bench = *state;
	bench->limits = (struct quota_limits){ .messages_per_day = 3, .bytes_per_day = 100 };
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	run_redis(bench, "HGET test:quota:{alice} day");
	char line[200];
	snprintf(line, sizeof(line), "HSET test:quota:{alice} t:old %.20s~2~50~29000000~PRINTER2 m 3 r 5 b 80",
		 bench->text);
	run_redis(bench, line);
	run_redis(bench, "HSET test:quota:{alice} minute 29000000 n 2 p:PRINTER2 1");
	assert_int_equal(charge_once(bench), QUOTA_DAY_EXCEEDED);
	refund_token(bench, "old");
	assert_int_equal(show_quota(bench, "alice", false)->messages, 2);
	assert_int_equal(bench->report.recipients, 3);
	assert_int_equal(bench->report.bytes, 30);
	run_redis(bench, "HGET test:quota:{alice} p:PRINTER2");
	assert_string_equal(bench->text, "0");
	assert_int_equal(charge_token(bench, "old"), QUOTA_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_QUOTA(a_stranger_counts_once),
		WITH_QUOTA(a_refund_makes_whom_nobody_else_wrote_to_a_stranger_again),
		WITH_QUOTA(whom_a_settled_message_went_to_is_known_the_next_day),
		WITH_QUOTA(whoever_is_written_to_stays_known_and_whoever_is_not_is_forgotten),
		WITH_QUOTA(members_share_a_quota_and_each_has_their_own_besides),
		WITH_QUOTA(a_refund_gives_back_to_all_that_share),
		WITH_QUOTA(a_limit_set_by_hand_holds_from_the_next_charge_on),
		WITH_QUOTA(every_option_can_be_set_by_hand),
		WITH_QUOTA(a_limit_set_by_hand_ends_when_it_was_to),
		WITH_QUOTA(a_lock_stands_beside_limits_set_by_hand),
		WITH_QUOTA(what_nobody_can_read_limits_nothing),
		WITH_QUOTA(everybody_who_has_counts_is_found),
		WITH_QUOTA(a_frozen_redis_lists_nobody),
		WITH_QUOTA(whoever_has_not_logged_in_here_is_shown_with_the_limits_of_their_last_charge),
		WITH_QUOTA(a_token_of_an_older_program_is_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
