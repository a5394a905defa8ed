/* What administrators ask about all users: what they have sent on former days, and who sent most. */
#include "relay_commands.h"
#include "with_set_clock.h"

/* ---- day by day */

static void history_says(const char *user, uint64_t messages)
{
	const struct quota_report report = {
		.name = { .name = span_of(user) },
		.past = { 1795392000, { messages, messages, 10 * messages }, SPAN("1 1795305600 7 8 9") },
	};
	world.asked(world.asked_context, &report);
}

static void a_history_has_each_day_and_all_of_them_together(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota history\",\"user\":\" Ann@X \",\"days\":2}");
	await_text("look back at ann@x");
	history_says("ann@x", 1);
	await_text("5 {\"user\":\"ann@x\",\"messages\":8,\"recipients\":9,\"bytes\":19,\"ok\":true,\"days\":["
		   "{\"day\":\"2026-11-22\",\"messages\":7,\"recipients\":8,\"bytes\":9},"
		   "{\"day\":\"2026-11-23\",\"messages\":1,\"recipients\":1,\"bytes\":10}]}");
	send_command("{\"command\":\"quota history\",\"user\":\"ann@x\"}");
	await_text("look back at ann@x");
	world.asked(world.asked_context, NULL);
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
	send_command("{\"command\":\"quota history\",\"user\":[]}");
	await_text("5 {\"ok\":false,\"error\":\"a user is wanted\"}");
}

static void a_history_is_of_one_to_31_days(void **state)
{
	static const char *const days[] = { "0", "32", "-1", "true", "\"14\"", "9223372036854775807" };
	(void)state;
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		char line[100];
		snprintf(line, sizeof(line), "{\"command\":\"quota history\",\"days\":%s}", days[i]);
		send_command(line);
		await_text("5 {\"ok\":false,\"error\":\"days is a number from 1 to 31\"}");
	}
	send_command("{\"command\":\"quota history\",\"user\":\"ann@x\",\"days\":31}");
	await_text("look back at ann@x");
	world.asked(world.asked_context, NULL);
	await_text("\"ok\":false");
}

/* What users share is none's: neither theirs, nor the pages that have nothing else. */
static void everybody_s_history_is_listed_a_page_at_a_time(void **state)
{
	const struct quota_name names[] = { { SPAN("ann@x"), false }, { SPAN("team"), true } };
	(void)state;
	send_command("{\"command\":\"quota history\",\"days\":30}");
	await_text("list after ");
	world.asked_page(world.asked_context, names, 2, "u77");
	await_text("look back at ann@x");
	assert_null(strstr(world.trace, "team"));
	history_says("ann@x", 1);
	await_text("5 {\"ok\":true,\"users\":[{\"user\":\"ann@x\",\"messages\":8,\"recipients\":9,\"bytes\":19}],"
		   "\"next\":\"u77\"}");
	send_command("{\"command\":\"quota history\",\"after\":\"u77\"}");
	await_text("list after u77");
	world.asked_page(world.asked_context, names, 1, "s0");
	world.asked(world.asked_context, NULL);
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
	send_command("{\"command\":\"quota history\",\"after\":\"u78\"}");
	await_text("list after u78");
	world.asked_page(world.asked_context, names, 0, "s0");
	await_text("5 {\"ok\":true,\"users\":[]}");
	send_command("{\"command\":\"quota history\",\"after\":\"bad\"}");
	await_text("5 {\"ok\":false,\"error\":\"no such page\"}");
}

/* ---- who has sent most */

#define TODAY(user, used, left)                                                                                       \
	"{\"user\":\"" user "\",\"used\":" used ",\"limit\":20,\"resets_at\":\"2026-11-23T00:00:00Z\",\"left\":" left \
	",\"recipients_used\":" used "}"
#define MONTH(user, sent) "{\"user\":\"" user "\",\"messages\":" sent ",\"recipients\":8,\"bytes\":9}"

/* What was sent before today is always the same. */
static void say_sent(const char *user, uint64_t messages)
{
	const struct quota_report report = {
		.name = { .name = span_of(user) },
		.messages = messages,
		.recipients = messages,
		.resets_at = 1795392000,
		.limits = { .messages_per_day = 20 },
		.past = { 1795392000, { .messages = messages }, SPAN("1 1795305600 7 8 9") },
	};
	world.asked(world.asked_context, &report);
}

static void say_names(const char *user, const char *next)
{
	const struct quota_name name = { span_of(user), false };
	world.asked_page(world.asked_context, &name, 1, next);
	await_text(user);
}

static void who_has_sent_most_is_found_among_all_users(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota top\"}");
	await_text("list after ");
	say_names("ann@x", "u77");
	say_sent("ann@x", 3);
	await_text("list after u77");
	say_names("bob@x", "u78");
	say_sent("bob@x", 5);
	await_text("list after u78");
	say_names("cleo@x", "s0"); /* what users share is not asked for */
	say_sent("cleo@x", 0);
	await_text("\"whole\":true,\"looked_at\":3,\"senders\":2,\"sent\":8,\"today\":[" TODAY(
		"bob@x", "5", "15") "," TODAY("ann@x", "3",
					      "17") "],\"month\":[" MONTH("bob@x",
									  "12") "," MONTH("ann@x",
											  "10") "," MONTH("cleo@x",
													  "7") "]}");
}

static void so_many_are_shown_as_are_asked_for(void **state)
{
	static const char *const limits[] = { "0", "201", "-1", "true", "\"20\"" };
	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		char line[100];
		snprintf(line, sizeof(line), "{\"command\":\"quota top\",\"limit\":%s}", limits[i]);
		send_command(line);
		await_text("5 {\"ok\":false,\"error\":\"limit is a number from 1 to 200\"}");
	}
	send_command("{\"command\":\"quota top\",\"limit\":1}");
	await_text("list after ");
	say_names("ann@x", "u77");
	say_sent("ann@x", 3);
	await_text("list after u77");
	say_names("bob@x", "");
	say_sent("bob@x", 5);
	await_text("\"today\":[" TODAY("bob@x", "5", "15") "],\"month\":[" MONTH("bob@x", "12") "]}");
}

/* A look that takes its time keeps nobody waiting: they see a part of it, and then the one before. */
static void nobody_waits_for_a_long_look(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota top\"}");
	await_text("list after ");
	say_names("ann@x", "u77");
	say_sent("ann@x", 3);
	await_text("\"looked_at\":1,\"senders\":1,\"sent\":3,");
	assert_null(strstr(world.heard, "whole"));
	await_text("list after u77");
	say_names("bob@x", "");
	say_sent("bob@x", 5);
	send_command("{\"command\":\"quota top\"}"); /* it is kept for twenty times those 40 ms */
	await_text("\"whole\":true,\"looked_at\":2,");
	assert_null(strstr(world.trace, "list after u77\nlist"));
}

static void ask_until_another_look_begins(void)
{
	for (unsigned i = 0; i < 200 && strstr(world.trace, "list after ") == NULL; i++) {
		send_command("{\"command\":\"quota top\"}");
		run_for(services.loop, 80); /* longer than anybody waits */
	}
}

static void what_was_found_long_ago_is_not_shown(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota top\"}");
	await_text("list after ");
	say_names("ann@x", "");
	say_sent("ann@x", 3);
	await_text("\"whole\":true,\"looked_at\":1,");
	forget_heard();
	ask_until_another_look_begins();
	await_text("\"whole\":true,\"looked_at\":1,");
	clock_ahead_s = 301;
	send_command("{\"command\":\"quota top\"}");
	await_text("\"looked_at\":0,");
	assert_null(strstr(world.heard, "whole"));
	clock_ahead_s = 0;
	say_names("ann@x", "");
	say_sent("ann@x", 4);
	send_command("{\"command\":\"quota top\"}");
	await_text("\"whole\":true,\"looked_at\":1,\"senders\":1,\"sent\":4,");
}

static void a_look_that_fails_is_said_to_all_who_wait(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota top\"}");
	await_text("list after ");
	send_command("{\"command\":\"quota top\"}");
	run_for(services.loop, 10);
	world.asked_page(world.asked_context, NULL, 0, "");
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
	/* From then on they wait until they know. */
	world.trace[0] = '\0';
	send_command("{\"command\":\"quota top\"}");
	await_text("list after ");
	run_for(services.loop, 80);
	assert_string_equal(world.heard, "");
	say_names("ann@x", "");
	redis_fails();
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_history_has_each_day_and_all_of_them_together),
		CASE(a_history_is_of_one_to_31_days),
		CASE(everybody_s_history_is_listed_a_page_at_a_time),
		CASE(who_has_sent_most_is_found_among_all_users),
		CASE(so_many_are_shown_as_are_asked_for),
		CASE(nobody_waits_for_a_long_look),
		CASE(what_was_found_long_ago_is_not_shown),
		CASE(a_look_that_fails_is_said_to_all_who_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
