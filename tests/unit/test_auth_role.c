/* The auth role with the others: gates and relays that come, go and break the rules, administrators, and its end. */
#include "auth_world.h"

/* ---- gates and relays that come, go and break the rules */

static void test_a_gate_hears_the_mechanisms_first(void **state)
{
	(void)state;
	run_until(world.loop, has_mechanisms, NULL);
	assert_string_equal(world.mechanism_names, "PLAIN LOGIN ");
}

static void test_a_gate_that_goes_takes_its_exchanges_along(void **state)
{
	(void)state;
	plain("anna", "wrong");
	start("LOGIN", NULL);
	run_until(world.loop, has_challenge, NULL);
	door_free(&world.gate);
	run_for(world.loop, REPLY_LEAST_MS + 1000);
	assert_false(world.has_done);
}

/* Each is over at once, so that it is never many at a time that are too many. */
static void begin_logins(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		start("PLAIN", "!!!!");
		if (i % 200 == 199)
			run_until(world.loop, are_all_answered, NULL);
	}
	run_until(world.loop, are_all_answered, NULL);
}

static void test_a_gate_begins_so_many_logins_a_second_and_another_has_its_own(void **state)
{
	struct door *flooded, *again = NULL;
	(void)state;
	uint64_t began_ms = clock_monotonic_ms();
	begin_logins(5 * EXCHANGES_PER_GATE);
	uint64_t took_ms = clock_monotonic_ms() - began_ms;
	unsigned taken = world.answered - world.put_off;
	assert_true(taken >= EXCHANGES_PER_GATE);
	/* However slow this machine is; and its loop may know of the time a little earlier than the test. */
	assert_true(taken <= EXCHANGES_PER_GATE + (took_ms + 100) * EXCHANGES_A_SECOND / 1000);
	attach_peer(ROLE_GATE, GATE + 1, &gate_handler, &again);
	flooded = world.gate;
	world.gate = again;
	plain("anna", "wrong");
	expect_reply("535 5.7.8 Username or password not accepted");
	world.gate = flooded;
	run_for(world.loop, 100);
	plain("anna", "wrong");
	expect_reply("535 5.7.8 Username or password not accepted");
	door_free(&again);
}

static void test_a_gate_that_breaks_the_rules_loses_its_door(void **state)
{
	(void)state;
	struct door_credential_request request = { .request = 1, .relay = SPAN("gmail") };
	assert_int_equal(door_send_credential_request(world.gate, &request), STATUS_OK);
	run_until(world.loop, gate_is_gone, NULL);
	assert_int_equal(world.distrusted, 1);
}

static void test_a_relay_that_breaks_the_rules_loses_its_door(void **state)
{
	(void)state;
	struct door_control_request request = { .json = SPAN("{\"command\":\"app-password list\"}") };
	assert_int_equal(door_send_control_request(world.relay, &request), STATUS_OK);
	run_until(world.loop, relay_is_gone, NULL);
}

static void test_the_relay_gets_its_credentials(void **state)
{
	(void)state;
	struct door_credential_request request = { .request = 5, .relay = SPAN("gmail") };
	assert_int_equal(door_send_credential_request(world.relay, &request), STATUS_OK);
	run_until(world.loop, has_credential, NULL);
	assert_string_equal(world.credential, "upstream secret");
}

/* ---- control */

static void test_a_list_tells_everything_but_the_password(void **state)
{
	(void)state;
	struct made made = create("anna", ",\"from\":\"192.0.2.0/24\"");
	create("bert", "");
	plain("anna", made.password);
	expect_reply("235 2.7.0 Authentication successful");
	json_t *answer = control("{\"command\":\"app-password list\",\"user\":\"Anna\"}");
	json_t *rows = json_object_get(answer, "app_passwords");
	json_t *row = json_array_get(rows, 0);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(json_string_value(json_object_get(row, "id")), made.id);
	assert_string_equal(json_string_value(json_object_get(row, "from")), "192.0.2.0/24");
	assert_true(json_is_null(json_object_get(row, "expires")));
	assert_true(json_is_integer(json_object_get(row, "last_used")));
	assert_null(json_object_get(row, "password"));
	assert_null(json_object_get(row, "hash"));
	json_decref(answer);
}

static void test_what_cannot_be_done_is_said(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"not json",
		"[]",
		"{}",
		"{\"command\":\"dance\"}",
		"{\"command\":\"app-password create\",\"label\":\"x\"}",
		"{\"command\":\"app-password create\",\"user\":\"\",\"label\":\"x\"}",
		"{\"command\":\"app-password create\",\"user\":\"anna\",\"label\":\"a\\nb\"}",
		"{\"command\":\"app-password create\",\"user\":\"anna\",\"label\":\"x\",\"expires\":5}",
		"{\"command\":\"app-password create\",\"user\":\"anna\",\"label\":\"x\",\"expires\":\"tomorrow\"}",
		"{\"command\":\"app-password create\",\"user\":\"anna\",\"label\":\"x\",\"from\":\"everywhere\"}",
		"{\"command\":\"app-password revoke\",\"user\":\"anna\",\"id\":\"AAAAAAAA\"}",
		"{\"command\":\"app-password revoke\",\"user\":\"anna\"}",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (is_ok(control(wrong[i])))
			fail_msg("%s", wrong[i]);
}

/* ---- the end */

static void test_a_drained_role_ends_with_its_last_gate(void **state)
{
	(void)state;
	auth_role.drain(world.auth, 60000, false);
	plain("anna", "wrong"); /* what was begun goes on */
	expect_reply("535 5.7.8 Username or password not accepted");
	assert_false(world.finished);
	door_free(&world.gate);
	run_until(world.loop, is_finished, NULL);
}

static void test_a_drained_role_does_not_wait_for_ever(void **state)
{
	(void)state;
	auth_role.drain(world.auth, 50, false);
	assert_false(world.finished);
	run_until(world.loop, is_finished, NULL);
}

static bool is_former_closed(void *context)
{
	(void)context;
	return world.gate == NULL;
}

static void test_a_gate_that_comes_again_has_one_door_the_new_one(void **state)
{
	struct door *again = NULL;
	(void)state;
	attach_peer(ROLE_GATE, GATE, &gate_handler, &again);
	run_until(world.loop, is_former_closed, NULL);
	run_for(world.loop, 5);
	assert_non_null(again);
	door_free(&again);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_a_gate_hears_the_mechanisms_first),
		IN_WORLD(test_a_gate_that_goes_takes_its_exchanges_along),
		IN_WORLD(test_a_gate_that_comes_again_has_one_door_the_new_one),
		IN_WORLD(test_a_gate_begins_so_many_logins_a_second_and_another_has_its_own),
		IN_WORLD(test_a_gate_that_breaks_the_rules_loses_its_door),
		IN_WORLD(test_a_relay_that_breaks_the_rules_loses_its_door),
		IN_WORLD(test_the_relay_gets_its_credentials),
		IN_WORLD(test_a_list_tells_everything_but_the_password),
		IN_WORLD(test_what_cannot_be_done_is_said),
		IN_WORLD(test_a_drained_role_ends_with_its_last_gate),
		IN_WORLD(test_a_drained_role_does_not_wait_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
