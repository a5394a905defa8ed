/* What the auth role says of a running session's right where no directory is needed for it. */
#include "auth_world.h"

#include "auth/auth.h"

static enum recheck_verdict ask(const char *user_id, const char *app_password_id)
{
	const struct door_recheck message = { .gate = GATE,
					      .session = 100,
					      .user_id = span_of(user_id),
					      .login = span_of(strchr(user_id, ':') + 1),
					      .app_password_id = span_of(app_password_id) };
	world.has_rechecked = false;
	assert_int_equal(door_send_recheck(world.relay, &message), STATUS_OK);
	run_until(world.loop, has_rechecked, NULL);
	return world.rechecked;
}

static void a_right_holds_as_long_as_its_app_password(void **state)
{
	char request[TEXT];
	(void)state;
	struct made made = create("anna@example.com", "");
	assert_int_equal(ask("name:anna@example.com", made.id), RECHECK_HOLDS);
	snprintf(request, sizeof(request),
		 "{\"command\":\"app-password revoke\",\"user\":\"anna@example.com\",\"id\":\"%s\"}", made.id);
	assert_true(is_ok(control(request)));
	assert_int_equal(ask("name:anna@example.com", made.id), RECHECK_ENDED);
	assert_string_equal(world.rechecked_reason, "app password revoked");
	assert_int_equal(ask("name:anna@example.com", "AAAAAAAA"), RECHECK_ENDED);
}

static void a_lock_ends_it(void **state)
{
	(void)state;
	assert_int_equal(ask("name:anna@example.com", ""), RECHECK_HOLDS);
	locks_note(((struct auth *)world.auth)->locks, SPAN("name:anna@example.com"), true);
	assert_int_equal(ask("name:anna@example.com", ""), RECHECK_ENDED);
	assert_string_equal(world.rechecked_reason, "user locked");
	assert_int_equal(ask("name:bert@example.com", ""), RECHECK_HOLDS);
}

/* The lock is told to whoever knows the password, and to nobody else. */
static void a_locked_user_is_not_let_in(void **state)
{
	(void)state;
	struct made made = create("anna@example.com", "");
	locks_note(((struct auth *)world.auth)->locks, SPAN("name:anna@example.com"), true);
	plain("anna@example.com", made.password);
	expect_reply("525 5.7.13 This account is disabled");
	assert_int_equal(world.grants, 0);
	assert_string_equal(world.failure_reason, "locked by an administrator");
	plain("anna@example.com", "a wrong password");
	expect_reply("535 5.7.8 Username or password not accepted");
	locks_note(((struct auth *)world.auth)->locks, SPAN("name:anna@example.com"), false);
	plain("anna@example.com", made.password);
	expect_reply("235 2.7.0 Authentication successful");
}

/* "user lock printer" finds no entry, and so locks the name: no service of that name goes on. */
static void a_locked_name_is_that_of_a_service_too(void **state)
{
	(void)state;
	struct made made =
		create("printer", ",\"service\":true,\"owner\":\"anna\",\"senders\":\"printer@example.com\"");
	locks_note(((struct auth *)world.auth)->locks, SPAN("name:printer"), true);
	plain("printer", made.password);
	expect_reply("525 5.7.13 This account is disabled");
	assert_int_equal(world.grants, 0);
	locks_note(((struct auth *)world.auth)->locks, SPAN("name:printer"), false);
	plain("printer", made.password);
	expect_reply("235 2.7.0 Authentication successful");
}

static void without_redis_nobody_is_locked(void **state)
{
	(void)state;
	assert_false(is_ok(control("{\"command\":\"user lock\",\"user\":\"anna@example.com\"}")));
	assert_false(is_ok(control("{\"command\":\"user unlock\",\"user\":\"name:anna@example.com\"}")));
	assert_int_equal(ask("name:anna@example.com", ""), RECHECK_HOLDS);
}

static void a_user_and_a_reason_are_texts(void **state)
{
	static const char *const bad[] = {
		"{\"command\":\"user lock\"}",
		"{\"command\":\"user lock\",\"user\":\"\"}",
		"{\"command\":\"user lock\",\"user\":7}",
		"{\"command\":\"user lock\",\"user\":\"a\\nb\"}",
		"{\"command\":\"user lock\",\"user\":\"anna\",\"reason\":\"a\\tb\"}",
		"{\"command\":\"user forget\",\"user\":null}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(is_ok(control(bad[i])));
	assert_true(is_ok(control("{\"command\":\"user forget\",\"user\":\"anna\"}")));
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_right_holds_as_long_as_its_app_password),
		IN_WORLD(a_lock_ends_it),
		IN_WORLD(a_locked_user_is_not_let_in),
		IN_WORLD(a_locked_name_is_that_of_a_service_too),
		IN_WORLD(without_redis_nobody_is_locked),
		IN_WORLD(a_user_and_a_reason_are_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
