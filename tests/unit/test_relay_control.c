/* What administrators ask of the relay role, and what they hear. */
#include "relay_commands.h"
#include "role/role.h"

static char published[256];

enum status events_publish(struct events *events, const struct event *event)
{
	(void)events;
	snprintf(published, sizeof(published), "%s %.*s", event->kind == EVENT_COUNT ? "count" : "",
		 SPAN_ARGS(event->object));
	return STATUS_OK;
}

#define SHOWN                                                                                                   \
	"5 {\"user\":\"ann@x\",\"used\":3,\"limit\":500,\"resets_at\":\"2026-11-23T00:00:00Z\",\"left\":497,"   \
	"\"recipients_used\":4,\"recipients_limit\":2000,\"ok\":true,\"section\":\"default\",\"bytes_used\":5," \
	"\"bytes_limit\":0}"

static void quota_show_tells_what_is_used_and_when_it_ends(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota show\",\"user\":\" Ann@X \"}");
	await_text("show ann@x perhaps");
	redis_says("ann@x");
	await_text(SHOWN);
	send_command("{\"command\":\"quota show\",\"user\":\"\\u0000\"}");
	await_text("5 {\"ok\":false,\"error\":\"");
}

static void the_limits_of_the_last_login_count(void **state)
{
	(void)state;
	struct buf groups BUF_AUTO;
	buf_init(&groups, 100);
	assert_int_equal(codec_list_add(&groups, SPAN("cn=newsletter")), STATUS_OK);
	const struct door_grant message = { .request = 1,
					    .gate = 7,
					    .session = 1,
					    .user = SPAN("ann@x"),
					    .user_id = SPAN("corp:ann"),
					    .groups = codec_list_of(&groups) };
	assert_int_equal(door_send_grant(auth_peer, &message), STATUS_OK);
	await_text("granted 1");
	world.trace[0] = '\0';
	send_command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	await_text("show ann@x");
	assert_null(strstr(world.trace, "perhaps"));
	assert_int_equal(world.asked_limit, 20000);
	redis_fails();
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
}

static void quota_reset_is_told_to_all_nodes_and_says_what_was_counted(void **state)
{
	(void)state;
	published[0] = '\0';
	send_command("{\"command\":\"quota reset\",\"user\":\"ANN@x\"}");
	await_text("reset ann@x");
	assert_string_equal(published, "");
	redis_says("ann@x");
	await_text("forget ann@x; show ann@x");
	assert_string_equal(published, "count ann@x");
	redis_says("ann@x");
	await_text("\"counted_before\":3");
}

static void a_limit_is_set_and_unset_by_hand(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota set\",\"user\":\"Ann@x\",\"limits\":\"messages_per_day=7,bytes_per_day=2K\","
		     "\"until\":99}");
	await_text("set ann@x messages_per_day=7 until 99; set ann@x bytes_per_day=2048 until 99");
	world.asked_change(world.asked_context, BY_HAND_DONE, 2);
	await_text("forget ann@x; show ann@x");
	redis_says("ann@x");
	await_text(SHOWN);
	send_command("{\"command\":\"quota unset\",\"user\":\"ann@x\",\"limit\":\"bytes_per_day\"}");
	await_text("unset ann@x bytes_per_day");
	world.asked_change(world.asked_context, BY_HAND_NOT_DONE, 0);
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable; nothing was changed\"}");
	send_command("{\"command\":\"quota unset\",\"user\":\"ann@x\",\"limit\":\"bytes_per_day\"}");
	await_text("unset ann@x bytes_per_day");
	world.asked_change(world.asked_context, BY_HAND_UNKNOWN, 0);
	await_text("5 {\"ok\":false,\"error\":\"Redis has not answered; whether it was done is not known: look at it "
		   "with quota show\"}");
	send_command("{\"command\":\"quota unset\",\"user\":\"ann@x\",\"limit\":\"bytes_per_day\"}");
	await_text("unset ann@x bytes_per_day");
	world.asked_change(world.asked_context, BY_HAND_FEW, 1);
	await_text("5 {\"ok\":false,\"error\":\"done, but too few replicas have it yet: if Redis's primary "
		   "fails now, it is forgotten\"}");
	send_command("{\"command\":\"quota unset\",\"user\":\"ann@x\"}");
	await_text("unset ann@x all");
	world.asked_change(world.asked_context, BY_HAND_DONE, 0);
	redis_fails();
	await_text("5 {\"ok\":true,\"user\":\"ann@x\",\"state\":\"done, but what is used can't be shown now\"}");
}

static void what_is_no_limit_is_not_set(void **state)
{
	static const char *const limits[] = {
		"",
		"messages_per_day",
		"messages_per_day=",
		"messages_per_day=-1",
		"messages_per_week=1",
		"messages_per_day=1,",
		"messages_per_day=1,bytes_per_day=9999999999T",
		"messages_per_day=1,messages_per_day=1,messages_per_day=1,messages_per_day=1,"
		"messages_per_day=1,messages_per_day=1,messages_per_day=1"
	};
	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		char line[400];
		snprintf(line, sizeof(line), "{\"command\":\"quota set\",\"user\":\"ann@x\",\"limits\":\"%s\"}",
			 limits[i]);
		send_command(line);
		await_text("5 {\"ok\":false,\"error\":\"a limit is wanted");
	}
	send_command("{\"command\":\"quota unset\",\"user\":\"ann@x\",\"limit\":\"messages_per_week\"}");
	await_text("5 {\"ok\":false,\"error\":\"there is no limit");
}

static void a_shared_quota_is_named_by_its_section(void **state)
{
	static struct config_quota sections[] = { { .name = (char *)"own", .messages_per_day = 1 },
						  { .name = (char *)"team", .shared = true, .messages_per_day = 70 } };
	(void)state;
	config.quota.items = sections;
	config.quota.count = 2;
	send_command("{\"command\":\"quota reset\",\"user\":\"team\",\"shared\":true}");
	await_text("reset team shared");
	assert_int_equal(world.asked_limit, 70);
	redis_fails();
	await_text("5 {\"ok\":false,\"error\":\"Redis has not answered; whether it was done is not known");
	send_command("{\"command\":\"quota reset\",\"user\":\"own\",\"shared\":true}");
	await_text("5 {\"ok\":false,\"error\":\"there is no quota section of that name that is shared\"}");
	config.quota.count = 0;
}

static void what_they_share_is_shown_with_what_is_theirs(void **state)
{
	static struct config_quota section = { .name = (char *)"team", .shared = true, .messages_per_day = 70 };
	(void)state;
	config.quota.items = &section;
	config.quota.count = 1;
	send_command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	await_text("show ann@x perhaps");
	redis_says("ann@x");
	await_text("show team shared");
	assert_int_equal(world.asked_limit, 70);
	redis_says("team");
	await_text("\"shared_quota\":{\"user\":\"team\",\"used\":3,");
	send_command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	await_text("show ann@x perhaps");
	redis_says("ann@x");
	await_text("show team shared");
	redis_fails();
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
	config.quota.count = 0;
}

static void a_list_of_shared_quotas_names_nobody_else(void **state)
{
	const struct quota_name names[] = { { SPAN("ann@x"), false },
					    { SPAN("team"), true },
					    { SPAN("bob@x"), false } };
	(void)state;
	send_command("{\"command\":\"quota show\",\"shared\":true}");
	await_text("list after ");
	world.asked_page(world.asked_context, names, 3, "");
	await_text("show team shared perhaps");
	assert_null(strstr(world.trace, "ann@x"));
	redis_says("team");
	await_text("5 {\"ok\":true,\"users\":[{\"user\":\"team\",");
}

static void everybody_is_listed_a_page_at_a_time(void **state)
{
	const struct quota_name names[] = { { SPAN("ann@x"), false }, { SPAN("bob@x"), false } };
	(void)state;
	send_command("{\"command\":\"quota show\"}");
	await_text("list after ");
	void *context = world.asked_context;
	world.asked_page(context, names, 2, "u77");
	await_text("show ann@x perhaps; show bob@x perhaps");
	redis_says("bob@x");
	assert_string_equal(world.heard, "");
	redis_says("ann@x");
	await_text("\"next\":\"u77\"");
	assert_non_null(strstr(world.heard, "{\"ok\":true,\"users\":[{\"user\":\"bob@x\",\"used\":3,\"limit\":500,"));
	send_command("{\"command\":\"quota show\",\"after\":\"u77\"}");
	await_text("list after u77");
	world.asked_page(world.asked_context, names, 0, "");
	await_text("5 {\"ok\":true,\"users\":[]}");
	send_command("{\"command\":\"quota show\",\"after\":\"u78\"}");
	await_text("list after u78");
	world.asked_page(world.asked_context, names, 1, "");
	redis_fails();
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
	send_command("{\"command\":\"quota show\",\"after\":\"u79\"}");
	await_text("list after u79");
	world.asked_page(world.asked_context, NULL, 0, "");
	await_text("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
	send_command("{\"command\":\"quota show\",\"after\":\"bad\"}");
	await_text("5 {\"ok\":false,\"error\":\"no such page\"}");
}

static void the_audit_s_key_is_shown(void **state)
{
	(void)state;
	static const struct role_context here = { .node = "mx1" };
	services.role = &here;
	send_command("{\"command\":\"audit key\"}");
	await_text("5 {\"ok\":true,\"node\":\"mx1\",\"first_key\":\"4e6f7468696e67\"}");
}

static void a_node_is_done_without_only_if_it_is_waited_for(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota without\",\"node\":\"mx2\"}");
	await_text("5 {\"ok\":true}");
	send_command("{\"command\":\"quota without\",\"node\":\"mx3\"}");
	await_text("5 {\"ok\":false,\"error\":\"no counts of a node of that name are waited for\"}");
}

/* ---- the audit of commands */

static void send_record(uint64_t request, const char *result)
{
	const struct door_command_record message = { .request = request,
						     .uid = 1000,
						     .name = SPAN("eve"),
						     .command = SPAN("app-password create"),
						     .object = SPAN("ann@x"),
						     .options = SPAN("--label l"),
						     .user = SPAN("ann@x"),
						     .result = span_of(result) };
	forget_heard();
	assert_int_equal(door_send_command_record(admin_peer, &message), STATUS_OK);
}

static void the_admin_role_hears_when_its_record_is_written(void **state)
{
	(void)state;
	send_record(8, "begins");
	await_text("admin.command 1000 eve|app-password create|ann@x|--label l|begins|ann@x");
	assert_string_equal(world.heard, "");
	world.written(world.written_context, STATUS_OK);
	await_text("8 written");
	send_record(9, "begins");
	await_text("begins");
	world.written(world.written_context, STATUS_SYSTEM);
	await_text("9 not written");
}

static void a_record_that_the_audit_can_not_take_is_told_of_at_once(void **state)
{
	(void)state;
	world.audit_stuck = true;
	send_record(8, "begins");
	await_text("8 not written");
	world.audit_stuck = false;
	world.audit_full = true;
	send_record(9, "begins");
	await_text("9 not written");
	assert_int_equal(world.records, 0);
}

static void nobody_waits_for_the_record_of_a_result(void **state)
{
	(void)state;
	send_record(0, "done");
	await_text("admin.command 1000 eve|app-password create|ann@x|--label l|done|ann@x");
	assert_null(world.written);
}

static void a_record_for_an_admin_role_that_left_is_told_to_nobody(void **state)
{
	(void)state;
	send_record(8, "begins");
	await_text("begins");
	relay_admin_door_attach(&control, open_door(&admin_peer));
	forget_heard();
	world.written(world.written_context, STATUS_OK);
	send_record(9, "begins");
	await_text("begins");
	world.written(world.written_context, STATUS_OK);
	await_text("9 written");
	assert_null(strstr(world.heard, "8 "));
}

static void an_answer_for_an_admin_role_that_left_is_dropped(void **state)
{
	(void)state;
	send_command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	await_text("show ann@x");
	relay_admin_door_attach(&control, open_door(&admin_peer));
	forget_heard();
	redis_says("ann@x");
	run_for(services.loop, 20);
	assert_string_equal(world.heard, "");
}

static void relay_list_shows_each_pool(void **state)
{
	(void)state;
	send_command("{\"command\":\"relay list\"}");
	await_text(
		"5 "
		"{\"ok\":true,\"relays\":[{\"name\":\"gmail\",\"address\":\"smtp.gmail.com:465\",\"user\":\"us@example."
		"com\","
		"\"state\":\"ready\",\"connections\":\"3 of 10\",\"busy\":2,\"waiting\":0,\"logins\":3,\"messages\":0,"
		"\"sent_in_24_h\":\"\",\"rest\":\"none\",\"until\":0,\"reason\":\"none "
		"\\\"yet\\\"\",\"by_consent\":false}]}");
}

static void relays_are_paused_and_resumed_by_name(void **state)
{
	(void)state;
	send_command("{\"command\":\"relay pause\",\"relay\":\"gmail\"}");
	await_text("5 {\"ok\":true}");
	assert_string_equal(world.trace, "pause");
	send_command("{\"command\":\"relay resume\",\"relay\":\"gmail\"}");
	await_text("5 {\"ok\":true}");
	assert_string_equal(world.trace, "resume");
	send_command("{\"command\":\"relay pause\",\"relay\":\"nobody\"}");
	await_text("5 {\"ok\":false,\"error\":\"there is no such relay; subgatectl relay list names them\"}");
}

static void a_test_mail_needs_addresses(void **state)
{
	(void)state;
	send_command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"to\":\"no address\"}");
	await_text("5 {\"ok\":false,\"dialog\":[],\"error\":\"--to is no mail address\"}");
	send_command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"from\":\"a@b\"}");
	await_text("5 {\"ok\":false,\"dialog\":[],\"error\":\"--from is for a mail; expected --to too\"}");
	send_command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"to\":\"a@b\\r\\nRSET\"}");
	await_text("5 {\"ok\":false,\"dialog\":[],\"error\":\"--to is no mail address\"}");
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
	{ "{\"command\":\"quota reset\"}", "a user is wanted" },
	{ "{\"command\":\"quota reset\",\"user\":\"\"}", "a user is wanted" },
	{ "{\"command\":\"quota show\",\"user\":[]}", "a user is wanted" },
};

static void what_cannot_be_done_is_answered_too(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_commands) / sizeof(*bad_commands); i++) {
		char answer[100];
		snprintf(answer, sizeof(answer), "5 {\"ok\":false,\"error\":\"%s\"}", bad_commands[i].error);
		send_command(bad_commands[i].json);
		await_text(answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(quota_show_tells_what_is_used_and_when_it_ends),
		CASE(the_limits_of_the_last_login_count),
		CASE(quota_reset_is_told_to_all_nodes_and_says_what_was_counted),
		CASE(a_limit_is_set_and_unset_by_hand),
		CASE(what_is_no_limit_is_not_set),
		CASE(a_shared_quota_is_named_by_its_section),
		CASE(what_they_share_is_shown_with_what_is_theirs),
		CASE(a_list_of_shared_quotas_names_nobody_else),
		CASE(everybody_is_listed_a_page_at_a_time),
		CASE(the_audit_s_key_is_shown),
		CASE(a_node_is_done_without_only_if_it_is_waited_for),
		CASE(the_admin_role_hears_when_its_record_is_written),
		CASE(a_record_that_the_audit_can_not_take_is_told_of_at_once),
		CASE(nobody_waits_for_the_record_of_a_result),
		CASE(a_record_for_an_admin_role_that_left_is_told_to_nobody),
		CASE(an_answer_for_an_admin_role_that_left_is_dropped),
		CASE(relay_list_shows_each_pool),
		CASE(relays_are_paused_and_resumed_by_name),
		CASE(a_test_mail_needs_addresses),
		CASE(what_cannot_be_done_is_answered_too),
	};
	return cmocka_run_group_tests_name("relay control", tests, NULL, NULL);
}
