/* Judging messages by their user's habits: what is asked, what is done about it, and what waits for the verdict. */
#include "relay/judge.h"

#include "relay_world.h"

#include "base/network.h"
#include "redis/events.h"

static struct judge *judge;

/* ---- habits and events: what is asked, and what the test answers */

static struct {
	score_callback *taken;
	score_mark_callback *marked;
	void *context;
	char network[64], client[200], recipients[256], reason[512];
	enum score_action action;
	struct notice_sink sink;
	unsigned notices;
	bool is_broken;
} habits;

enum status scores_take(struct scores *scores, const struct score_message *message, score_callback *callback,
			void *context)
{
	(void)scores;
	if (habits.is_broken)
		return STATUS_NO_MEMORY;
	trace_line("habits");
	snprintf(habits.network, sizeof(habits.network), "%.*s", SPAN_ARGS(message->network));
	snprintf(habits.client, sizeof(habits.client), "%.*s", SPAN_ARGS(message->client));
	snprintf(habits.recipients, sizeof(habits.recipients), "%.*s", SPAN_ARGS(message->recipients));
	habits.taken = callback;
	habits.context = context;
	return STATUS_OK;
}

enum status scores_mark(struct scores *scores, struct span user, struct span user_id, enum score_action action,
			struct span reason, score_mark_callback *callback, void *context)
{
	(void)scores, (void)user, (void)user_id;
	snprintf(habits.reason, sizeof(habits.reason), "%.*s", SPAN_ARGS(reason));
	habits.action = action;
	habits.marked = callback;
	habits.context = context;
	return STATUS_OK;
}

enum status events_publish(struct events *events, const struct event *event)
{
	(void)events;
	trace_line(event->kind == EVENT_LOCK ? "lock of %.*s" : "another event %.*s", SPAN_ARGS(event->user_id));
	return STATUS_OK;
}

static void count_notice(void *context, const struct notice *notice)
{
	(void)context, (void)notice;
	habits.notices++;
}

static const struct score_facts usual = { .now = { 1, 1, 0, 0 }, .days = 10 };
static const struct score_facts unusual = {
	.now = { 30, 30, 30, 30 }, .days = 10, .network_is_new = true, .client_is_new = true
};

static void habits_say(enum score_verdict verdict, const struct score_facts *facts)
{
	score_callback *callback = habits.taken;
	assert_non_null(callback);
	habits.taken = NULL;
	callback(habits.context, verdict, facts);
	end_turn();
}

static void mark_says(enum status status, bool is_first)
{
	score_mark_callback *callback = habits.marked;
	assert_non_null(callback);
	habits.marked = NULL;
	callback(habits.context, status, is_first);
	end_turn();
}

static int judge_begin(void **state)
{
	world_begin(state);
	memset(&habits, 0, sizeof(habits));
	config.alert.score = 100;
	config.alert.action = ALERT_LOCK;
	habits.sink.take = count_notice;
	services.loop = (struct loop *)(void *)&world;
	notices_begin(&services.notices, services.loop, NULL, &habits.sink, 1);
	assert_int_equal(judge_create(&services, NULL, NULL, &judge), STATUS_OK);
	services.judge = (struct message_judge){ judge_ask, judge };
	return 0;
}

static int judge_end(void **state)
{
	judge_free(&judge);
	return world_end(state);
}

/* A message of ann's to bob@x is charged, and waits for the verdict. */
static void bring_to_verdict(void)
{
	bring_recipient();
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("habits; charge");
	quota_says(QUOTA_GRANTED);
	expect_trace("");
}

static void nothing_leaves_before_the_verdict(void **state)
{
	(void)state;
	bring_to_verdict();
	pass_time(2000);
	expect_trace("");
	habits_say(SCORE_COUNTED, &usual);
	expect_trace("message.leaving 1; send");
}

static void the_charge_may_come_after_it(void **state)
{
	(void)state;
	bring_recipient();
	say_data(101, MESSAGE_TEXT, true);
	habits_say(SCORE_COUNTED, &usual);
	expect_trace("habits; charge");
	quota_says(QUOTA_GRANTED);
	expect_trace("message.leaving 1; send");
}

static void an_unusual_hour_locks_out(void **state)
{
	(void)state;
	bring_to_verdict();
	habits_say(SCORE_COUNTED, &unusual);
	assert_int_equal(habits.action, SCORE_LOCK);
	assert_int_equal(strncmp(habits.reason, "score 200: 30 messages within an hour", 37), 0);
	mark_says(STATUS_OK, true);
	expect_trace("user.alert; user.locked; lock of ann@example.com; abort; message.refused; refund; answer");
	assert_string_equal(world.message_reply, "550 5.7.1 This account is locked");
	assert_int_equal(habits.notices, 1);
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void only_the_first_tells(void **state)
{
	(void)state;
	bring_to_verdict();
	habits_say(SCORE_COUNTED, &unusual);
	mark_says(STATUS_OK, false);
	expect_trace("abort; message.refused; refund; answer");
	assert_string_equal(world.message_reply, "550 5.7.1 This account is locked");
	assert_int_equal(habits.notices, 0);
}

static void a_lock_that_fails_puts_off(void **state)
{
	(void)state;
	bring_to_verdict();
	habits_say(SCORE_COUNTED, &unusual);
	mark_says(STATUS_UNAVAILABLE, false);
	expect_trace("abort; message.refused; refund; answer");
	assert_int_equal(strncmp(world.message_reply, "451 4.7.1 Unusual mail from", 27), 0);
}

static void throttling_puts_off(void **state)
{
	(void)state;
	config.alert.action = ALERT_THROTTLE;
	bring_to_verdict();
	habits_say(SCORE_COUNTED, &unusual);
	assert_int_equal(habits.action, SCORE_THROTTLE);
	mark_says(STATUS_OK, true);
	expect_trace("user.alert; abort; message.refused; refund; answer");
	assert_int_equal(strncmp(world.message_reply, "451 4.7.1 Unusual mail from", 27), 0);
}

static void whoever_waits_waits_on(void **state)
{
	(void)state;
	config.alert.action = ALERT_THROTTLE;
	bring_to_verdict();
	habits_say(SCORE_WAITING, &usual);
	expect_trace("abort; message.refused; refund; answer");
}

static void recording_lets_the_message_go(void **state)
{
	(void)state;
	config.alert.action = ALERT_RECORD;
	bring_to_verdict();
	habits_say(SCORE_COUNTED, &unusual);
	mark_says(STATUS_OK, true);
	expect_trace("user.alert; message.leaving 1; send");
	assert_int_equal(habits.notices, 1);
}

static void nobody_is_judged_while_habits_are_learned_or_away(void **state)
{
	static const enum score_verdict verdicts[] = { SCORE_LEARNING, SCORE_UNKNOWN };
	for (size_t i = 0; i < 2; i++) {
		bring_to_verdict();
		habits_say(verdicts[i], &unusual);
		expect_trace("message.leaving 1; send");
		assert_int_equal(judge_end(state), 0);
		assert_int_equal(judge_begin(state), 0);
	}
}

static void without_memory_the_message_is_good(void **state)
{
	(void)state;
	habits.is_broken = true;
	bring_message();
	quota_says(QUOTA_GRANTED);
	expect_trace("message.leaving 1; send");
}

static void whoever_is_exempt_is_not_judged(void **state)
{
	static char *users[] = { "ann@example.com" };
	(void)state;
	config.alert.exempt_users = (struct config_list){ users, 1 };
	bring_message();
	quota_says(QUOTA_GRANTED);
	expect_trace("message.leaving 1; send");
}

static void colleagues_are_no_strangers(void **state)
{
	(void)state;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x carl@EXAMPLE.com dora@y eve@z"), STATUS_OK);
	upstream_says("250 ok|250 ok|550 no|250 ok");
	say_data(101, MESSAGE_TEXT, true);
	assert_string_equal(habits.recipients, "bob@x eve@z ");
}

static void a_kind_of_client_in_words(void **state)
{
	(void)state;
	grant->client = (struct client_facts){ .address = SPAN("203.0.113.7"),
					       .tls_version = SPAN("TLSv1.3"),
					       .tls_cipher = SPAN("TLS_AES_256_GCM_SHA384"),
					       .helo = SPAN("pc17.example.com") };
	grant->sasl_mechanism = SPAN("PLAIN");
	bring_to_verdict();
	assert_string_equal(habits.network, "203.0.113.0/24");
	assert_string_equal(habits.client, "PLAIN, TLSv1.3, TLS_AES_256_GCM_SHA384, greets as .example.com");
}

static void questions_still_open_end_with_their_owner(void **state)
{
	(void)state;
	bring_to_verdict();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, judge_begin, judge_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_leaves_before_the_verdict),
		CASE(the_charge_may_come_after_it),
		CASE(an_unusual_hour_locks_out),
		CASE(only_the_first_tells),
		CASE(a_lock_that_fails_puts_off),
		CASE(throttling_puts_off),
		CASE(whoever_waits_waits_on),
		CASE(recording_lets_the_message_go),
		CASE(nobody_is_judged_while_habits_are_learned_or_away),
		CASE(without_memory_the_message_is_good),
		CASE(whoever_is_exempt_is_not_judged),
		CASE(colleagues_are_no_strangers),
		CASE(a_kind_of_client_in_words),
		CASE(questions_still_open_end_with_their_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
