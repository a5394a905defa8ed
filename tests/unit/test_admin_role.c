/*
 * The admin role as a whole, on a loop of its own: real sockets and doors,
 * with roles played by the test at the doors' other ends. Clients are threads,
 * as they wait.
 */
#include "admin_world.h"

/* ---- control socket */

static void a_request_reaches_its_role_and_its_answer_the_client(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true,\"user\":\"a\",\"used\":3}";
	attach_role(ROLE_RELAY);
	say_to_socket("{\"command\":\"quota show\",\"user\":\"a\"}\n");
	assert_string_equal(world.asked, "{\"command\":\"quota show\",\"user\":\"a\"}");
	assert_string_equal(world.reads, "{\"ok\":true,\"user\":\"a\",\"used\":3}\n");
}

static void several_requests_of_a_connection_are_answered_in_order(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true}";
	attach_role(ROLE_AUTH);
	say_to_socket("{\"command\":\"throttle list\"}\n{\"command\":\"quota "
		      "show\",\"user\":\"a\"}\n{\"command\":\"halt\"}\n"
		      "{\"command\":\"throttle list\"}\n");
	assert_string_equal(world.reads, "{\"ok\":true}\n"
					 "{\"ok\":false,\"error\":\"relay is not running\"}\n"
					 "{\"ok\":false,\"error\":\"unknown command \\\"halt\\\"\"}\n"
					 "{\"ok\":true}\n");
}

static void a_role_that_goes_away_is_told_of(void **state)
{
	(void)state;
	attach_role(ROLE_AUTH);
	say_to_socket("{\"command\":\"throttle list\"}\n{\"command\":\"throttle list\"}\n");
	assert_string_equal(world.reads, "{\"ok\":false,\"error\":\"auth is gone; whether it was done is not known\"}\n"
					 "{\"ok\":false,\"error\":\"auth is not running\"}\n");
}

static void a_later_door_replaces_the_former(void **state)
{
	(void)state;
	attach_role(ROLE_SUPERVISOR);
	struct door *former = world.doors[ROLE_SUPERVISOR];
	world.answer = "{\"ok\":true,\"version\":\"2\"}";
	attach_role(ROLE_SUPERVISOR);
	door_free(&former);
	say_to_socket("{\"command\":\"status\"}\n");
	assert_string_equal(world.reads, "{\"ok\":true,\"version\":\"2\"}\n");
}

static void an_answer_that_is_no_json_line_does_not_pass(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true,\n\"user\":\"a\"}";
	attach_role(ROLE_RELAY);
	say_to_socket("{\"command\":\"relay list\"}\n");
	assert_string_equal(world.reads, "{\"ok\":false,\"error\":\"the answer can't be read\"}\n");
}

static void a_line_without_an_end_is_refused(void **state)
{
	(void)state;
	static char line[COMMAND_LINE_MAXIMUM + 2];
	memset(line, 'a', sizeof(line) - 1);
	say_to_socket(line);
	assert_string_equal(world.reads, "{\"ok\":false,\"error\":\"the line is too long\"}\n");
}

static void subgatectl_gets_its_answer(void **state)
{
	(void)state;
	json_t *reply = NULL;
	world.answer = "{\"ok\":true,\"relays\":[]}";
	attach_role(ROLE_RELAY);
	run_client(exchange_command, &reply);
	assert_non_null(reply);
	assert_true(json_is_true(json_object_get(reply, "ok")));
	json_decref(reply);
}

static void subgatectl_says_when_nobody_answers(void **state)
{
	(void)state;
	char text[512] = "";
	json_t *reply = NULL;
	world.errors = fmemopen(text, sizeof(text), "w");
	snprintf(world.path, sizeof(world.path), "/tmp/test-admin-%d.none", (int)getpid());
	run_client(exchange_command, &reply);
	fclose(world.errors);
	assert_null(reply);
	assert_non_null(strstr(text, "no daemon answers at /tmp/test-admin-"));
	assert_non_null(strstr(text, ": is subgate running?"));
}

static void a_drained_role_finishes(void **state)
{
	(void)state;
	admin_role.drain(world.admin, 1000, ROLE_DRAIN_ENDS);
	assert_true(world.finished);
}

/* ---- what changes something */

#define REVOKE "{\"command\":\"app-password revoke\",\"user\":\"a\",\"id\":\"7F\"}\n"
#define NOT_WRITTEN "{\"ok\":false,\"error\":\"nothing was done, as the audit can't be written\"}\n"

static void a_change_is_recorded_before_it_is_passed_on_and_once_it_is_answered(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true}";
	attach_role(ROLE_AUTH);
	attach_role(ROLE_RELAY);
	say_to_socket(REVOKE "{\"command\":\"app-password create\",\"user\":\"a\",\"label\":\"my "
			     "printer\",\"expires\":1900000000}\n");
	assert_string_equal(world.reads, "{\"ok\":true}\n{\"ok\":true}\n");
	assert_string_equal(world.trace, "app-password revoke [a 7F] [] begins\nasked\n"
					 "app-password revoke [a 7F] [] done\n"
					 "app-password create [a] [--label my printer --expires 1900000000] begins\n"
					 "asked\n"
					 "app-password create [a] [--label my printer --expires 1900000000] done\n");
}

static void its_refusal_is_recorded_with_the_reason(void **state)
{
	(void)state;
	world.answer = "{\"ok\":false,\"error\":\"no such app password\"}";
	attach_role(ROLE_AUTH);
	attach_role(ROLE_RELAY);
	say_to_socket(REVOKE);
	assert_string_equal(world.trace, "app-password revoke [a 7F] [] begins\nasked\n"
					 "app-password revoke [a 7F] [] refused: no such app password\n");
}

static void what_shows_something_leaves_no_record(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true}";
	attach_role(ROLE_RELAY);
	say_to_socket("{\"command\":\"relay list\"}\n");
	assert_string_equal(world.trace, "asked\n");
}

static void a_consents_secret_is_in_no_record(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true}";
	attach_role(ROLE_AUTH);
	attach_role(ROLE_RELAY);
	say_to_socket("{\"command\":\"relay authorize\",\"relay\":\"r\",\"id\":\"1\",\"answer\":\"Secret-1\"}\n"
		      "{\"command\":\"throttle clear\",\"address\":\"192.0.2.1\"}\n");
	assert_null(strstr(world.trace, "Secret-1"));
	assert_non_null(strstr(world.trace, "relay authorize [r] [] begins\n"));
	assert_non_null(strstr(world.trace, "throttle clear [192.0.2.1] [] begins\n"));
}

static void without_its_record_nothing_is_changed(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true}";
	attach_role(ROLE_AUTH);
	say_to_socket(REVOKE);
	assert_string_equal(world.reads, NOT_WRITTEN);
	attach_role(ROLE_RELAY);
	world.audit_fails = true;
	say_to_socket(REVOKE);
	assert_string_equal(world.reads, NOT_WRITTEN);
	world.relay_dies = true;
	say_to_socket(REVOKE REVOKE);
	assert_string_equal(world.reads, NOT_WRITTEN NOT_WRITTEN);
	assert_string_equal(world.asked, "");
}

static void a_reload_may_mend_an_audit_that_cant_be_written(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true}";
	attach_role(ROLE_SUPERVISOR);
	say_to_socket("{\"command\":\"reload\"}\n");
	assert_string_equal(world.reads, "{\"ok\":true}\n");
	attach_role(ROLE_RELAY);
	world.audit_fails = true;
	say_to_socket("{\"command\":\"reload\"}\n");
	assert_string_equal(world.reads, "{\"ok\":true}\n");
	assert_string_equal(world.trace, "asked\nreload [] [] begins\nasked\nreload [] [] done\n");
}

static void what_came_of_it_may_be_unknown(void **state)
{
	(void)state;
	attach_role(ROLE_AUTH); /* which dies when it is asked */
	attach_role(ROLE_RELAY);
	say_to_socket(REVOKE);
	assert_string_equal(world.reads,
			    "{\"ok\":false,\"error\":\"auth is gone; whether it was done is not known\"}\n");
	assert_string_equal(world.trace, "app-password revoke [a 7F] [] begins\nasked\n"
					 "app-password revoke [a 7F] [] unknown: the process is gone\n");
	say_to_socket(REVOKE);
	assert_string_equal(world.reads, "{\"ok\":false,\"error\":\"auth is not running\"}\n");
	assert_non_null(strstr(world.trace, "app-password revoke [a 7F] [] refused: auth is not running\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROLE_TEST(a_request_reaches_its_role_and_its_answer_the_client),
		ROLE_TEST(several_requests_of_a_connection_are_answered_in_order),
		ROLE_TEST(a_role_that_goes_away_is_told_of),
		ROLE_TEST(a_later_door_replaces_the_former),
		ROLE_TEST(an_answer_that_is_no_json_line_does_not_pass),
		ROLE_TEST(a_line_without_an_end_is_refused),
		ROLE_TEST(subgatectl_gets_its_answer),
		ROLE_TEST(subgatectl_says_when_nobody_answers),
		ROLE_TEST(a_drained_role_finishes),
		ROLE_TEST(a_change_is_recorded_before_it_is_passed_on_and_once_it_is_answered),
		ROLE_TEST(its_refusal_is_recorded_with_the_reason),
		ROLE_TEST(what_shows_something_leaves_no_record),
		ROLE_TEST(a_consents_secret_is_in_no_record),
		ROLE_TEST(without_its_record_nothing_is_changed),
		ROLE_TEST(a_reload_may_mend_an_audit_that_cant_be_written),
		ROLE_TEST(what_came_of_it_may_be_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
