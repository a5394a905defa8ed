/* What administrators ask of the relay role, and what they hear. */
#include "relay_doors.h"

static void command(const char *json)
{
	const struct door_control_request message = { .request = 5, .json = span_of(json) };
	forget();
	assert_int_equal(door_send_control_request(admin_peer, &message), STATUS_OK);
}

static void quota_show_tells_what_is_used_and_when_it_ends(void **state)
{
	(void)state;
	command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	expect("show ann@x");
	redis_says(QUOTA_GRANTED);
	expect("5 {\"ok\":true,\"user\":\"ann@x\",\"used\":3,\"limit\":500,\"recipients_used\":4,"
	       "\"recipients_limit\":2000,\"bytes_used\":5,\"bytes_limit\":0,\"resets_at\":\"2026-11-23T00:00:00Z\"}");
}

static void the_limits_of_the_last_login_count(void **state)
{
	(void)state;
	struct buf groups BUF_AUTO;
	buf_init(&groups, 100);
	assert_int_equal(codec_list_add(&groups, SPAN("cn=newsletter")), STATUS_OK);
	const struct door_grant message = {
		.request = 1, .gate = 7, .session = 1, .user = SPAN("ann@x"), .groups = codec_list_of(&groups)
	};
	assert_int_equal(door_send_grant(auth_peer, &message), STATUS_OK);
	expect("granted 1");
	command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	expect("show ann@x");
	assert_int_equal(world.asked_limit, 20000);
	redis_says(QUOTA_UNKNOWN);
	expect("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
}

static void quota_reset_is_recorded(void **state)
{
	(void)state;
	command("{\"command\":\"quota reset\",\"user\":\"ann@x\"}");
	expect("reset ann@x");
	redis_says(QUOTA_GRANTED);
	expect("\"ok\":true");
	assert_non_null(strstr(world.trace, "admin.command ann@x"));
}

static void an_answer_for_an_admin_role_that_left_is_dropped(void **state)
{
	(void)state;
	command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	expect("show ann@x");
	relay_admin_door_attach(&control, open_door(&admin_peer));
	forget();
	redis_says(QUOTA_GRANTED);
	run_for(services.loop, 20);
	assert_string_equal(world.heard, "");
}

static void relay_list_shows_each_pool(void **state)
{
	(void)state;
	command("{\"command\":\"relay list\"}");
	expect("5 "
	       "{\"ok\":true,\"relays\":[{\"name\":\"gmail\",\"address\":\"smtp.gmail.com:465\",\"user\":\"us@example."
	       "com\","
	       "\"state\":\"ready\",\"connections\":\"3 of 10\",\"busy\":2,\"waiting\":0,\"logins\":3,\"messages\":0,"
	       "\"sent_in_24_h\":\"\",\"rest\":\"none\",\"until\":0,\"reason\":\"none \\\"yet\\\"\"}]}");
}

static void relays_are_paused_and_resumed_by_name(void **state)
{
	(void)state;
	command("{\"command\":\"relay pause\",\"relay\":\"gmail\"}");
	expect("5 {\"ok\":true}");
	assert_string_equal(world.trace, "pause; admin.command ");
	command("{\"command\":\"relay resume\",\"relay\":\"gmail\"}");
	expect("5 {\"ok\":true}");
	assert_string_equal(world.trace, "resume; admin.command ");
	command("{\"command\":\"relay pause\",\"relay\":\"nobody\"}");
	expect("5 {\"ok\":false,\"error\":\"there is no such relay; subgatectl relay list names them\"}");
}

static void a_test_mail_needs_addresses(void **state)
{
	(void)state;
	command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"to\":\"no address\"}");
	expect("5 {\"ok\":false,\"dialog\":[],\"error\":\"--to is no mail address\"}");
	command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"from\":\"a@b\"}");
	expect("5 {\"ok\":false,\"dialog\":[],\"error\":\"--from is for a mail; expected --to too\"}");
	command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"to\":\"a@b\\r\\nRSET\"}");
	expect("5 {\"ok\":false,\"dialog\":[],\"error\":\"--to is no mail address\"}");
}

struct bad_command {
	const char *json, *error;
};

static const struct bad_command bad_commands[] = {
	{ "", "not JSON" },
	{ "{", "not JSON" },
	{ "[]", "unknown command" },
	{ "{}", "unknown command" },
	{ "{\"command\":7}", "unknown command" },
	{ "{\"command\":\"shutdown\"}", "unknown command" },
	{ "{\"command\":\"quota show\"}", "a user is wanted" },
	{ "{\"command\":\"quota reset\",\"user\":\"\"}", "a user is wanted" },
	{ "{\"command\":\"quota show\",\"user\":[]}", "a user is wanted" },
};

static void what_cannot_be_done_is_answered_too(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_commands) / sizeof(*bad_commands); i++) {
		char answer[100];
		snprintf(answer, sizeof(answer), "5 {\"ok\":false,\"error\":\"%s\"}", bad_commands[i].error);
		command(bad_commands[i].json);
		expect(answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(quota_show_tells_what_is_used_and_when_it_ends),
		CASE(the_limits_of_the_last_login_count),
		CASE(quota_reset_is_recorded),
		CASE(an_answer_for_an_admin_role_that_left_is_dropped),
		CASE(relay_list_shows_each_pool),
		CASE(relays_are_paused_and_resumed_by_name),
		CASE(a_test_mail_needs_addresses),
		CASE(what_cannot_be_done_is_answered_too),
	};
	return cmocka_run_group_tests_name("relay control", tests, NULL, NULL);
}
