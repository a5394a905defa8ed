/* Logins through the auth role: what a client hears, what the relay is told, and in which order. */
#include "auth_world.h"

/* ---- logging in */

static void test_the_right_app_password_grants(void **state)
{
	(void)state;
	struct made made = create("Anna@Example.com", "");
	assert_int_equal(strlen(made.password), 29);
	plain("ANNA@example.com", made.password);
	expect_reply("235 2.7.0 Authentication successful");
	assert_true(world.granted);
	assert_string_equal(world.user, "anna@example.com");
	assert_string_equal(world.sender, "anna@example.com");
	assert_int_equal(world.grants, 1);
	assert_int_equal(world.grant_gate, GATE);
	assert_int_equal(world.grant_session, 100);
	assert_string_equal(world.grant_user, "anna@example.com");
	assert_string_equal(world.grant_user_id, "name:anna@example.com");
	assert_string_equal(world.grant_method, "app_password");
	assert_string_equal(world.grant_mechanism, "PLAIN");
	assert_string_equal(world.grant_id, made.id);
	assert_string_equal(world.grant_address, "192.0.2.1");
}

static void test_login_asks_for_name_and_password(void **state)
{
	(void)state;
	char text[TEXT] = "";
	struct buf encoded BUF_AUTO;
	struct made made = create("anna", "");
	buf_init(&encoded, TEXT);
	assert_int_equal(base64_encode(span_of(made.password), &encoded), STATUS_OK);
	keep_text(text, buf_span(&encoded));
	start("LOGIN", NULL);
	run_until(world.loop, has_challenge, NULL);
	assert_string_equal(world.challenge, "VXNlcm5hbWU6");
	step("YW5uYQ==");
	run_until(world.loop, has_challenge, NULL);
	assert_string_equal(world.challenge, "UGFzc3dvcmQ6");
	step(text);
	expect_reply("235 2.7.0 Authentication successful");
	assert_string_equal(world.user, "anna");
	assert_string_equal(world.sender, ""); /* the name is no address */
}

static void test_wrong_and_unknown_take_the_same_time_and_text(void **state)
{
	(void)state;
	create("anna", "");
	struct made other = create("bert", "");
	const char *const attempts[][2] = { { "anna", "wrong" }, { "zoe", "wrong" }, { "anna", other.password } };
	for (size_t i = 0; i < 3; i++) {
		uint64_t began_ms = clock_monotonic_ms();
		plain(attempts[i][0], attempts[i][1]);
		expect_reply("535 5.7.8 Username or password not accepted");
		uint64_t took_ms = clock_monotonic_ms() - began_ms;
		assert_true(took_ms >= REPLY_LEAST_MS - 5 && took_ms < REPLY_MOST_MS);
	}
	assert_false(world.granted);
	assert_int_equal(world.grants, 0);
	assert_int_equal(world.failures, 3);
	assert_string_equal(world.failure_user, "anna");
	assert_string_equal(world.failure_reason, "wrong app password");
}

static void test_what_is_malformed_is_said_at_once(void **state)
{
	(void)state;
	start("PLAIN", "!!!!");
	expect_reply("501 5.5.2 Invalid base64 in the authentication response");
	start("PLAIN", "YW5uYQ==");
	expect_reply("501 5.5.2 Invalid authentication response");
	start("CRAM-MD5", NULL);
	expect_reply("504 5.5.4 Unrecognized authentication mechanism");
	assert_int_equal(world.failures, 2);
	assert_string_equal(world.failure_user, "");
	assert_string_equal(world.failure_reason, "malformed response");
}

static void plain_for(const char *wanted, const char *user, const char *password)
{
	struct buf bytes BUF_AUTO, text BUF_AUTO;
	buf_init(&bytes, TEXT);
	buf_init(&text, TEXT);
	assert_int_equal(buf_printf(&bytes, "%s%c%s%c%s", wanted, 0, user, 0, password), STATUS_OK);
	assert_int_equal(base64_encode(buf_span(&bytes), &text), STATUS_OK);
	assert_int_equal(buf_append_byte(&text, '\0'), STATUS_OK);
	start("PLAIN", buf_span(&text).data);
}

static void test_nobody_acts_for_another(void **state)
{
	static const char *const others[] = { "boss", "boss@example.com",   "@example.com",
					      "*",    "anna@other.example", "anna@example.com.evil" };
	(void)state;
	struct made made = create("anna@example.com", "");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		plain_for(others[i], "anna@example.com", made.password);
		expect_reply("535 5.7.8 Username or password not accepted");
		assert_string_equal(world.failure_reason, "acting for another user");
	}
	assert_int_equal(world.grants, 0);
	plain_for("boss", "anna@example.com", "wrong");
	expect_reply("535 5.7.8 Username or password not accepted");
	assert_string_not_equal(world.failure_reason, "acting for another user"); /* which was right would show */
}

static void test_one_acts_for_oneself_by_any_of_ones_names(void **state)
{
	static const char *const own[] = { "", "Anna@Example.COM", "\"anna\"@example.com" };
	(void)state;
	struct made made = create("anna@example.com", "");
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		plain_for(own[i], "ANNA@example.com", made.password);
		expect_reply("235 2.7.0 Authentication successful");
		assert_string_equal(world.grant_user, "anna@example.com");
	}
}

static void test_a_name_is_mapped_before_anybody_is_asked(void **state)
{
	(void)state;
	struct made made = create("anna@example.com", "");
	plain("CORP\\Anna", made.password);
	expect_reply("235 2.7.0 Authentication successful");
	assert_string_equal(world.grant_user, "anna@example.com");
	plain_for("CORP\\anna", "CORP\\anna", made.password); /* the name given, repeated */
	expect_reply("235 2.7.0 Authentication successful");
	plain("OTHER\\Anna", made.password);
	expect_reply("535 5.7.8 Username or password not accepted");
}

static void test_an_equals_sign_is_an_empty_response(void **state)
{
	(void)state;
	start("LOGIN", "=");
	run_until(world.loop, has_challenge, NULL);
	step("=");
	expect_reply("501 5.5.2 Invalid base64 in the authentication response");
}

static void test_a_cancelled_exchange_says_no_more(void **state)
{
	(void)state;
	plain("anna", "wrong");
	struct door_sasl_cancel cancel = { .request = last_request };
	assert_int_equal(door_send_sasl_cancel(world.gate, &cancel), STATUS_OK);
	run_for(world.loop, REPLY_LEAST_MS + 1000);
	assert_false(world.has_done);
}

/* ---- restrictions */

static void test_from_and_expires_are_kept(void **state)
{
	(void)state;
	struct made here = create("anna", ",\"from\":\"192.0.2.0/24\"");
	struct made elsewhere = create("anna", ",\"from\":\"198.51.100.0/24\"");
	char expires[64];
	snprintf(expires, sizeof(expires), ",\"expires\":%llu", (unsigned long long)(clock_wall_us() / 1000000 + 1));
	struct made shortly = create("anna", expires);
	plain("anna", here.password);
	expect_reply("235 2.7.0 Authentication successful");
	plain("anna", elsewhere.password);
	expect_reply("535 5.7.8 Username or password not accepted");
	assert_string_equal(world.failure_reason, "app password not allowed from this address");
	run_for(world.loop, 1000);
	plain("anna", shortly.password);
	expect_reply("535 5.7.8 Username or password not accepted");
	assert_string_equal(world.failure_reason, "app password expired");
}

static void test_a_revoked_one_is_refused(void **state)
{
	(void)state;
	char request[TEXT];
	struct made made = create("anna", "");
	snprintf(request, sizeof(request), "{\"command\":\"app-password revoke\",\"user\":\"bert\",\"id\":\"%s\"}",
		 made.id);
	assert_false(is_ok(control(request)));
	snprintf(request, sizeof(request), "{\"command\":\"app-password revoke\",\"user\":\"anna\",\"id\":\"%s\"}",
		 made.id);
	assert_true(is_ok(control(request)));
	assert_false(is_ok(control(request)));
	plain("anna", made.password);
	expect_reply("535 5.7.8 Username or password not accepted");
}

/* ---- guesses */

static void guess(const char *user, const char *password, const char *address)
{
	plain_from(user, password, address);
	expect_reply("535 5.7.8 Username or password not accepted");
}

static void test_a_guessing_address_is_refused_but_its_app_passwords_are_not(void **state)
{
	(void)state;
	struct made made = create("anna", "");
	guess("u1", "x", "192.0.2.1");
	guess("u2", "x", "192.0.2.1");
	guess("u2", "x", "192.0.2.1"); /* the same once more: not counted */
	guess("u3", "x", "192.0.2.1");
	guess("u4", "x", "192.0.2.1");
	plain("u5", "x");
	expect_reply("454 4.7.0 Too many failed logins, try again later");
	plain("anna", made.password);
	expect_reply("235 2.7.0 Authentication successful");
	plain_from("u6", "x", "192.0.2.2");
	expect_reply("535 5.7.8 Username or password not accepted");

	json_t *list = control("{\"command\":\"throttle list\"}");
	json_t *row = json_array_get(json_object_get(list, "throttled"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "address")), "192.0.2.1");
	assert_true(json_integer_value(json_object_get(row, "failures")) >= 4);
	assert_true(json_integer_value(json_object_get(row, "until")) > 1000000);
	json_decref(list);

	json_t *cleared = control("{\"command\":\"throttle clear\",\"address\":\"192.0.2.1\"}");
	assert_int_equal(json_integer_value(json_object_get(cleared, "cleared")), 1);
	json_decref(cleared);
	guess("u5", "x", "192.0.2.1");
}

/* ---- without the others */

static void test_without_a_relay_nobody_gets_in(void **state)
{
	(void)state;
	struct made made = create("anna", "");
	door_free(&world.relay);
	plain("anna", made.password);
	expect_reply("454 4.7.0 Temporary authentication failure, try again later");
	assert_false(world.granted);
	attach_peer(ROLE_RELAY, 4, &relay_handler, &world.relay);
	plain("anna", made.password);
	expect_reply("235 2.7.0 Authentication successful");
}

static void test_a_relay_that_goes_before_it_confirms_grants_nothing(void **state)
{
	(void)state;
	struct made made = create("anna", "");
	world.relay_is_silent = true;
	plain("anna", made.password);
	run_until(world.loop, has_grant, NULL);
	assert_false(world.has_done);
	door_free(&world.relay);
	expect_reply("454 4.7.0 Temporary authentication failure, try again later");
}

static bool was_withdrawn(void *context)
{
	(void)context;
	return world.withdrawn > 0;
}

static void test_a_login_cancelled_before_the_relay_confirmed_is_taken_back(void **state)
{
	(void)state;
	struct made made = create("anna", "");
	world.relay_is_silent = true;
	plain("anna", made.password);
	run_until(world.loop, has_grant, NULL);
	struct door_sasl_cancel cancel = { .request = last_request };
	assert_int_equal(door_send_sasl_cancel(world.gate, &cancel), STATUS_OK);
	run_until(world.loop, was_withdrawn, NULL);
	assert_false(world.has_done);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_the_right_app_password_grants),
		IN_WORLD(test_login_asks_for_name_and_password),
		IN_WORLD(test_wrong_and_unknown_take_the_same_time_and_text),
		IN_WORLD(test_what_is_malformed_is_said_at_once),
		IN_WORLD(test_nobody_acts_for_another),
		IN_WORLD(test_one_acts_for_oneself_by_any_of_ones_names),
		IN_WORLD(test_a_name_is_mapped_before_anybody_is_asked),
		IN_WORLD(test_an_equals_sign_is_an_empty_response),
		IN_WORLD(test_a_cancelled_exchange_says_no_more),
		IN_WORLD(test_from_and_expires_are_kept),
		IN_WORLD(test_a_revoked_one_is_refused),
		IN_WORLD(test_a_guessing_address_is_refused_but_its_app_passwords_are_not),
		IN_WORLD(test_without_a_relay_nobody_gets_in),
		IN_WORLD(test_a_relay_that_goes_before_it_confirms_grants_nothing),
		IN_WORLD(test_a_login_cancelled_before_the_relay_confirmed_is_taken_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
