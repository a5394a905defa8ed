/* Sessions that are listed, and that end: by an event of another role or node, or by an administrator's word. */
#include "relay_doors.h"

#include "role/role.h"

static struct role_context role = { .node = "here" };

/* What would go to Redis. */
enum status events_publish(struct events *events, const struct event *event)
{
	(void)events;
	note_line(world.trace, "publish %u %.*s of %.*s", (unsigned)event->kind, SPAN_ARGS(event->object),
		  SPAN_ARGS(event->node));
	return STATUS_OK;
}

static void log_in(uint64_t session, const char *user, const char *user_id, const char *app_password_id)
{
	char granted[32];
	const struct door_grant message = { .request = session,
					    .gate = 7,
					    .session = session,
					    .user = span_of(user),
					    .user_id = span_of(user_id),
					    .app_password_id = span_of(app_password_id),
					    .auth_method = SPAN("ldap"),
					    .client = { .address = SPAN("192.0.2.1"),
							.listener = SPAN("submission") } };
	forget_heard();
	snprintf(granted, sizeof(granted), "granted %llu", (unsigned long long)session);
	assert_int_equal(door_send_grant(auth_peer, &message), STATUS_OK);
	await_text(granted);
}

static int begin_sessions(void **state)
{
	begin_doors(state);
	services.role = &role;
	log_in(1, "ann@x", "corp:1", "");
	log_in(2, "ann@x", "corp:1", "AAAA");
	log_in(3, "bob@x", "corp:2", "BBBB");
	forget_heard();
	return 0;
}

static void send_command(const char *json)
{
	const struct door_control_request message = { .request = 5, .json = span_of(json) };
	forget_heard();
	assert_int_equal(door_send_control_request(admin_peer, &message), STATUS_OK);
}

struct event_case {
	struct event event;
	bool ends[4]; /* of sessions 1 to 3 */
};

static const struct event_case cases[] = {
	{ { .kind = EVENT_LOCK, .user_id = { "corp:1", sizeof("corp:1") - 1 } }, { [1] = true, [2] = true } },
	{ { .kind = EVENT_FORGET, .user_id = { "corp:2", sizeof("corp:2") - 1 } }, { [3] = true } },
	{ { .kind = EVENT_FORGET, .user_id = { "name:ann@x", sizeof("name:ann@x") - 1 } }, { [1] = true, [2] = true } },
	{ { .kind = EVENT_FORGET, .user_id = { "service:ann@x", sizeof("service:ann@x") - 1 } }, { false } },
	{ { .kind = EVENT_FORGET, .user_id = { "ann@x", sizeof("ann@x") - 1 } }, { false } },
	{ { .kind = EVENT_REVOKE,
	    .user_id = { "corp:1", sizeof("corp:1") - 1 },
	    .object = { "AAAA", sizeof("AAAA") - 1 } },
	  { [2] = true } },
	{ { .kind = EVENT_REVOKE, .object = { "BBBB", sizeof("BBBB") - 1 } }, { [3] = true } },
	{ { .kind = EVENT_REVOKE,
	    .user_id = { "corp:2", sizeof("corp:2") - 1 },
	    .object = { "AAAA", sizeof("AAAA") - 1 } },
	  { false } },
	{ { .kind = EVENT_KICK, .object = { "7-1", sizeof("7-1") - 1 }, .node = { "here", sizeof("here") - 1 } },
	  { [1] = true } },
	{ { .kind = EVENT_KICK, .object = { "7-1", sizeof("7-1") - 1 }, .node = { "there", sizeof("there") - 1 } },
	  { false } },
	{ { .kind = EVENT_KICK, .node = { "here", sizeof("here") - 1 } }, { false } },
	{ { .kind = EVENT_UNLOCK, .user_id = { "corp:1", sizeof("corp:1") - 1 } }, { false } },
	{ { .kind = EVENT_LOCK }, { false } },
	{ { .kind = EVENT_FORGET }, { false } },
	{ { .kind = EVENT_REVOKE, .user_id = { "corp:1", sizeof("corp:1") - 1 } }, { false } },
};

static void an_event_ends_the_sessions_that_it_names(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		withdrawals_handler.on_event(&withdrawals, &cases[i].event);
		for (uint64_t session = 1; session <= 3; session++)
			assert_int_equal(grants_find(grants, 7, session)->has_ended, cases[i].ends[session]);
		end_doors(state);
		begin_sessions(state);
	}
}

static void what_was_seen_of_a_count_is_forgotten_when_it_was_changed(void **state)
{
	(void)state;
	const struct event event = { .kind = EVENT_COUNT, .object = SPAN("ann@x") };
	withdrawals_handler.on_event(&withdrawals, &event);
	assert_string_equal(world.trace, "forget ann@x");
	assert_false(grants_find(grants, 7, 1)->has_ended);
}

static void it_is_recorded_and_told_once(void **state)
{
	(void)state;
	withdrawals_handler.on_event(&withdrawals, &cases[8].event);
	withdrawals_handler.on_event(&withdrawals, &cases[8].event);
	await_text("session_ended");
	assert_string_equal(world.trace, "session 7-1 ends; session.ended ann@x");
	assert_string_equal(world.heard, "session_ended");
}

static void sessions_are_listed_until_they_end(void **state)
{
	(void)state;
	send_command("{\"command\":\"sessions\",\"user\":\"bob@x\"}");
	await_text(
		"{\"session\":\"7-3\",\"user\":\"bob@x\",\"user_id\":\"corp:2\",\"address\":\"192.0.2.1\",\"listener\":"
		"\"submission\",\"method\":\"ldap\",\"app_password_id\":\"BBBB\",\"since\":");
	assert_null(strstr(world.heard, "ann@x"));
	assert_null(strstr(world.heard, "next"));
	send_command("{\"command\":\"sessions\",\"user\":\"corp:1\",\"after\":\"7-1\"}");
	await_text("7-2");
	assert_null(strstr(world.heard, "7-1"));
	withdrawals_handler.on_event(&withdrawals, &cases[0].event);
	send_command("{\"command\":\"sessions\"}");
	await_text("7-3");
	assert_null(strstr(world.heard, "ann@x"));
	send_command("{\"command\":\"sessions\",\"after\":\"x\"}");
	await_text("{\"ok\":false,\"error\":\"no such page\"}");
}

static bool has_two_pages(void *context)
{
	(void)context;
	return strstr(world.heard, "\"next\":\"7-500\"") != NULL;
}

static void more_than_a_page_comes_in_pages(void **state)
{
	(void)state;
	for (uint64_t session = 4; session <= 501; session++)
		log_in(session, "eve", "corp:3", "");
	send_command("{\"command\":\"sessions\"}");
	run_until(services.loop, has_two_pages, NULL);
	send_command("{\"command\":\"sessions\",\"after\":\"7-500\"}");
	await_text("7-501");
	assert_null(strstr(world.heard, "next"));
}

static void a_session_is_ended_by_its_name(void **state)
{
	(void)state;
	send_command("{\"command\":\"kick\",\"session\":\"7-2\"}");
	await_text("5 {\"ok\":true,\"session\":\"7-2\",\"state\":\"ended\"}");
	assert_true(grants_find(grants, 7, 2)->has_ended);
	assert_false(grants_find(grants, 7, 1)->has_ended);
}

static void one_that_is_not_here_is_looked_for_by_others(void **state)
{
	(void)state;
	send_command("{\"command\":\"kick\",\"session\":\"6-2\"}");
	await_text("not here");
	assert_string_equal(world.trace, "publish 4 6-2 of here");
	static const char *const bad[] = { "{\"command\":\"kick\"}", "{\"command\":\"kick\",\"session\":\"7\"}",
					   "{\"command\":\"kick\",\"session\":\"a-b\"}",
					   "{\"command\":\"kick\",\"session\":\"\"}" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send_command(bad[i]);
		await_text("{\"ok\":false,\"error\":\"a session is wanted");
		assert_string_equal(world.trace, "");
	}
}

static void say_rechecked(enum recheck_verdict verdict)
{
	const struct door_rechecked message = {
		.gate = 7, .session = 1, .verdict = (uint8_t)verdict, .reason = SPAN("not in the directory")
	};
	grants_find(grants, 7, 1)->is_rechecking = true;
	forget_heard();
	assert_int_equal(door_send_rechecked(auth_peer, &message), STATUS_OK);
	await_text("session 7-1 goes on");
}

static void the_auth_role_says_whether_a_right_still_holds(void **state)
{
	(void)state;
	say_rechecked(RECHECK_HOLDS);
	say_rechecked(RECHECK_UNKNOWN);
	assert_false(grants_find(grants, 7, 1)->has_ended);
	say_rechecked(RECHECK_ENDED);
	assert_true(grants_find(grants, 7, 1)->has_ended);
	assert_string_equal(world.trace, "session 7-1 ends; session.ended ann@x; session 7-1 goes on");
}

static void every_right_is_doubted_after_events_may_have_been_missed(void **state)
{
	(void)state;
	config.auth.recheck = 300000;
	recheck_note(&rechecks, grants_find(grants, 7, 1), true);
	assert_false(recheck_is_awaited(&rechecks, grants_find(grants, 7, 1)));
	withdrawals_handler.on_resumed(&withdrawals);
	assert_true(recheck_is_awaited(&rechecks, grants_find(grants, 7, 1)));
	await_text("recheck");
	config.auth.recheck = 0;
}

static void nobody_waits_for_an_auth_role_that_is_gone(void **state)
{
	(void)state;
	grants_find(grants, 7, 1)->is_rechecking = true;
	door_free(&auth_peer);
	await_text("session 7-1 goes on");
	assert_false(grants_find(grants, 7, 1)->is_rechecking);
}

#define WITH_SESSIONS(test) cmocka_unit_test_setup_teardown(test, begin_sessions, end_doors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SESSIONS(an_event_ends_the_sessions_that_it_names),
		WITH_SESSIONS(what_was_seen_of_a_count_is_forgotten_when_it_was_changed),
		WITH_SESSIONS(it_is_recorded_and_told_once),
		WITH_SESSIONS(sessions_are_listed_until_they_end),
		WITH_SESSIONS(more_than_a_page_comes_in_pages),
		WITH_SESSIONS(a_session_is_ended_by_its_name),
		WITH_SESSIONS(the_auth_role_says_whether_a_right_still_holds),
		WITH_SESSIONS(every_right_is_doubted_after_events_may_have_been_missed),
		WITH_SESSIONS(nobody_waits_for_an_auth_role_that_is_gone),
		WITH_SESSIONS(one_that_is_not_here_is_looked_for_by_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
