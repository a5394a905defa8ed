/* Warnings of quotas: at which counts somebody is warned, how often, and what they hear. */
#include "relay/warnings.h"

#include "relay_world.h"

#include "role/role.h"

#define RESETS 1795392000 /* 2026-11-23T00:00:00Z */

static const struct role_context role = { .node = "mx.example.com" };
static char *thresholds[] = { "80", "100" };
static struct own_mail *own;
static struct warnings *warnings;

/* ---- Redis: what it is asked, and what it answers */

static struct {
	told_callback *callback;
	void *context;
	char what[64], user[64];
	unsigned asked;
	bool is_broken;
} redis;

enum status told_ask(struct told *told, struct span user, struct span what, uint64_t until_s, told_callback *callback,
		     void *context)
{
	(void)told;
	assert_int_equal(until_s, RESETS);
	if (redis.is_broken)
		return STATUS_NO_MEMORY;
	redis.callback = callback;
	redis.context = context;
	redis.asked++;
	snprintf(redis.what, sizeof(redis.what), "%.*s", SPAN_ARGS(what));
	snprintf(redis.user, sizeof(redis.user), "%.*s", SPAN_ARGS(user));
	return STATUS_OK;
}

static void redis_says(bool is_first)
{
	told_callback *callback = redis.callback;
	assert_non_null(callback);
	redis.callback = NULL;
	callback(redis.context, is_first);
}

static int warnings_begin(void **state)
{
	world_begin(state);
	memset(&redis, 0, sizeof(redis));
	services.role = &role;
	config.notify.from = "postmaster@example.com";
	config.limits.message_size = 1 << 20;
	config.quota_day.warn_at = (struct config_list){ thresholds, 2 };
	assert_int_equal(own_mail_create(&services, deliveries, &own), STATUS_OK);
	assert_int_equal(warnings_create(&services, NULL, own, (struct span){ 0 }, &warnings), STATUS_OK);
	return 0;
}

static int warnings_end(void **state)
{
	warnings_free(&warnings);
	own_mail_free(&own);
	return world_end(state);
}

/* A charge came back: so many messages of 10, recipients of 20 and bytes of 1000. */
static void charge(uint64_t messages, uint64_t recipients, uint64_t bytes)
{
	const struct quota_state state = {
		.messages = messages,
		.recipients = recipients,
		.bytes = bytes,
		.resets_at = RESETS,
		.unit = "messages",
		.limits = { .messages_per_day = 10, .recipients_per_day = 20, .bytes_per_day = 1000 },
	};
	warnings_look(warnings, grant, &state, false);
}

static void nobody_is_warned_below(void **state)
{
	(void)state;
	charge(7, 15, 799);
	assert_int_equal(redis.asked, 0);
}

static void the_first_at_a_threshold_is_recorded_and_mailed(void **state)
{
	(void)state;
	charge(8, 1, 1);
	assert_string_equal(redis.what, "messages:80");
	assert_string_equal(redis.user, "ann@example.com");
	expect_trace("");
	redis_says(true);
	expect_trace("quota.warning");
	assert_string_equal(world.record, "ann@example.com//0 /80 % of the messages of a day");
	pass_time(1);
	expect_trace("A: ann@example.com");
}

static void others_are_silent(void **state)
{
	(void)state;
	charge(8, 1, 1);
	redis_says(false);
	pass_time(1);
	expect_trace("");
	assert_int_equal(own_mail_count(own), 0);
}

static void each_threshold_and_unit_once(void **state)
{
	(void)state;
	charge(8, 1, 1);
	charge(9, 1, 1);
	assert_int_equal(redis.asked, 1);
	charge(10, 1, 1);
	assert_string_equal(redis.what, "messages:100");
	charge(10, 16, 1);
	assert_string_equal(redis.what, "recipients:80");
	charge(10, 16, 1000);
	assert_string_equal(redis.what, "bytes:100");
	assert_int_equal(redis.asked, 4);
}

static void a_jump_over_both_tells_of_the_higher(void **state)
{
	(void)state;
	charge(10, 1, 1);
	assert_string_equal(redis.what, "messages:100");
	assert_int_equal(redis.asked, 1);
}

/* A message with more recipients than there is room for leaves the count below the limit. */
static void whoever_is_refused_has_reached_all_of_it(void **state)
{
	(void)state;
	const struct quota_state state_of_refusal = { .messages = 1,
						      .recipients = 11,
						      .resets_at = RESETS,
						      .unit = "recipients",
						      .limits = { .recipients_per_day = 20 } };
	warnings_look(warnings, grant, &state_of_refusal, true);
	assert_string_equal(redis.what, "recipients:100");
}

static void what_has_no_limit_is_never_warned_of(void **state)
{
	(void)state;
	const struct quota_state unlimited = { .messages = 5000, .resets_at = RESETS, .unit = "messages" };
	warnings_look(warnings, grant, &unlimited, false);
	assert_int_equal(redis.asked, 0);
}

static void without_memory_for_the_question_they_are_told(void **state)
{
	(void)state;
	redis.is_broken = true;
	charge(8, 1, 1);
	expect_trace("quota.warning");
}

static void no_thresholds_no_warnings(void **state)
{
	(void)state;
	warnings_free(&warnings);
	config.quota_day.warn_at.count = 0;
	assert_int_equal(warnings_create(&services, NULL, own, (struct span){ 0 }, &warnings), STATUS_OK);
	charge(10, 20, 1000);
	assert_int_equal(redis.asked, 0);
}

static void a_name_that_is_no_address_is_written_to_by_their_first_sender(void **state)
{
	(void)state;
	struct span senders[] = { SPAN("@example.com"), SPAN("ben@example.com") };
	struct grant ben = { .user = SPAN("ben"), .references = 1, .senders = { senders, 2 } };
	const struct quota_state full = {
		.messages = 10, .resets_at = RESETS, .unit = "messages", .limits = { .messages_per_day = 10 }
	};
	warnings_look(warnings, &ben, &full, false);
	redis_says(true);
	expect_trace("quota.warning");
	pass_time(1);
	expect_trace("A: ben@example.com");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, warnings_begin, warnings_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nobody_is_warned_below),
		CASE(the_first_at_a_threshold_is_recorded_and_mailed),
		CASE(others_are_silent),
		CASE(each_threshold_and_unit_once),
		CASE(a_jump_over_both_tells_of_the_higher),
		CASE(whoever_is_refused_has_reached_all_of_it),
		CASE(what_has_no_limit_is_never_warned_of),
		CASE(without_memory_for_the_question_they_are_told),
		CASE(no_thresholds_no_warnings),
		CASE(a_name_that_is_no_address_is_written_to_by_their_first_sender),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
