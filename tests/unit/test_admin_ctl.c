/* subgatectl's command line and what it shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/ctl.h"

#define WORDS_MAXIMUM 16
#define NOW_S 1000000000U
#define TEXT_SIZE 8192 /* bytes */

static char errors[TEXT_SIZE];

/* As a shell would cut it, at single spaces. */
static enum status parse_line(const char *line, struct ctl_call *out_call)
{
	static char copy[TEXT_SIZE];
	char *words[WORDS_MAXIMUM + 1] = { copy };
	int count = 1;
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *space = strchr(copy, ' '); space && count < WORDS_MAXIMUM; space = strchr(words[count - 1], ' ')) {
		*space = '\0';
		words[count++] = space + 1;
	}
	memset(errors, 0, sizeof(errors));
	FILE *out = fmemopen(errors, sizeof(errors) - 1, "w");
	enum status status = ctl_parse(count, words, NOW_S, out, out_call);
	fclose(out);
	return status;
}

static const struct {
	const char *line;
	const char *request;
} good[] = {
	{ "subgatectl status", "{\"command\":\"status\"}" },
	{ "subgatectl --json reload", "{\"command\":\"reload\"}" },
	{ "subgatectl drain --json", "{\"command\":\"drain\"}" },
	{ "subgatectl app-password create anna@example.com --label printer",
	  "{\"command\":\"app-password create\",\"user\":\"anna@example.com\",\"label\":\"printer\"}" },
	{ "subgatectl app-password create --expires 90d --from 10.0.0.0/8 --label l anna",
	  "{\"command\":\"app-password "
	  "create\",\"expires\":1007776000,\"from\":\"10.0.0.0/8\",\"label\":\"l\",\"user\":\"anna\"}" },
	{ "subgatectl app-password create --service scanner --owner bert --label l",
	  "{\"command\":\"app-password "
	  "create\",\"service\":true,\"user\":\"scanner\",\"owner\":\"bert\",\"label\":\"l\"}" },
	{ "subgatectl app-password rotate anna 7F3K --overlap 7d",
	  "{\"command\":\"app-password rotate\",\"user\":\"anna\",\"id\":\"7F3K\",\"overlap\":1000604800}" },
	{ "subgatectl app-password list", "{\"command\":\"app-password list\"}" },
	{ "subgatectl app-password list anna", "{\"command\":\"app-password list\",\"user\":\"anna\"}" },
	{ "subgatectl app-password revoke anna 7F3K",
	  "{\"command\":\"app-password revoke\",\"user\":\"anna\",\"id\":\"7F3K\"}" },
	{ "subgatectl quota show anna", "{\"command\":\"quota show\",\"user\":\"anna\"}" },
	{ "subgatectl quota reset anna", "{\"command\":\"quota reset\",\"user\":\"anna\"}" },
	{ "subgatectl quota show", "{\"command\":\"quota show\"}" },
	{ "subgatectl quota set anna bytes_per_day=1G --until 2033-05-18",
	  "{\"command\":\"quota set\",\"user\":\"anna\",\"limits\":\"bytes_per_day=1G\",\"until\":1999987200}" },
	{ "subgatectl throttle list", "{\"command\":\"throttle list\"}" },
	{ "subgatectl throttle clear", "{\"command\":\"throttle clear\"}" },
	{ "subgatectl throttle clear anna", "{\"command\":\"throttle clear\",\"user\":\"anna\"}" },
	{ "subgatectl throttle clear 192.0.2.7", "{\"command\":\"throttle clear\",\"address\":\"192.0.2.7\"}" },
	{ "subgatectl throttle clear 2001:db8::1", "{\"command\":\"throttle clear\",\"address\":\"2001:db8::1\"}" },
	{ "subgatectl relay list", "{\"command\":\"relay list\"}" },
	{ "subgatectl relay pause gmail", "{\"command\":\"relay pause\",\"relay\":\"gmail\"}" },
	{ "subgatectl relay resume gmail", "{\"command\":\"relay resume\",\"relay\":\"gmail\"}" },
	{ "subgatectl relay test gmail --to a@b", "{\"command\":\"relay test\",\"relay\":\"gmail\",\"to\":\"a@b\"}" },
};

#define ALL                                                                                                          \
	"setup, status, reload, drain, app-password, api-token, quota, user, client-settings, sessions, directory, " \
	"kick, throttle, relay, messages, audit"
#define CREATE                                                                                              \
	"app-password create USER --label LABEL [--expires 90d] [--from CIDR,...] [--senders ADDRESS,...] " \
	"[--recipients ADDRESS,...] [--quota messages_per_day=N] [--console] [--service] [--owner WHO]"
#define RELAYS "relay list, relay pause, relay resume, relay test, relay authorize"

static const struct {
	const char *line;
	const char *error;
	const char *expected;
} bad[] = {
	{ "subgatectl", "a command is missing", "one of: " ALL },
	{ "subgatectl --json", "a command is missing", "one of: " ALL },
	{ "subgatectl halt", "unknown command \"halt\"", "one of: " ALL },
	{ "subgatectl halt --help", "unknown command \"halt\"", "one of: " ALL },
	{ "subgatectl Status", "unknown command \"Status\"", "one of: " ALL },
	{ "subgatectl relay", "relay: a command is missing", "one of: " RELAYS },
	{ "subgatectl relay --json", "relay: a command is missing", "one of: " RELAYS },
	{ "subgatectl relay lst", "relay: unknown command \"lst\"", "one of: " RELAYS },
	{ "subgatectl quota set anna", "quota set: LIMIT=N,... is missing",
	  "subgatectl quota set USER LIMIT=N,... [--until 7d] [--shared]" },
	{ "subgatectl quota set anna messages_per_day=1 --until 2001-01-01", "quota set: 2001-01-01 is over",
	  "subgatectl quota set USER LIMIT=N,... [--until 7d] [--shared]" },
	{ "subgatectl quota list", "quota: unknown command \"list\"",
	  "one of: quota show, quota history, quota top, quota reset, quota set, quota unset, quota without" },
	{ "subgatectl status now", "status: unexpected word \"now\"", "subgatectl status" },
	{ "subgatectl quota reset", "quota reset: USER is missing", "subgatectl quota reset USER [--shared]" },
	{ "subgatectl relay pause", "relay pause: NAME is missing", "subgatectl relay pause NAME" },
	{ "subgatectl relay test gmail --to", "relay test: a value must follow --to",
	  "subgatectl relay test NAME [--to ADDRESS] [--from ADDRESS]" },
	{ "subgatectl relay authorize gmail --port 1", "relay authorize: unknown option --port",
	  "subgatectl relay authorize NAME" },
	{ "subgatectl throttle clear anna --address 192.0.2.7", "throttle clear: unknown option --address",
	  "subgatectl throttle clear [USER or ADDRESS]" },
	{ "subgatectl quota show --user anna", "quota show: unknown option --user",
	  "subgatectl quota show [USER] [--shared]" },
	{ "subgatectl quota show a b", "quota show: unexpected word \"b\"", "subgatectl quota show [USER] [--shared]" },
	{ "subgatectl app-password revoke anna", "app-password revoke: ID is missing",
	  "subgatectl app-password revoke USER ID" },
	{ "subgatectl app-password create --service --service", "app-password create: --service is given twice",
	  "subgatectl " CREATE },
	{ "subgatectl app-password create anna", "app-password create: --label is missing", "subgatectl " CREATE },
	{ "subgatectl app-password create anna --label", "app-password create: a value must follow --label",
	  "subgatectl " CREATE },
	{ "subgatectl app-password create anna --label a --label b", "app-password create: --label is given twice",
	  "subgatectl " CREATE },
	{ "subgatectl app-password create anna --label a --password b",
	  "app-password create: unknown option --password", "subgatectl " CREATE },
	{ "subgatectl app-password create anna --label a --expires 90",
	  "app-password create: \"90\" is not a duration such as 90d or 12h", "subgatectl " CREATE },
	{ "subgatectl app-password create anna --label a --expires 0",
	  "app-password create: \"0\" is not a duration such as 90d or 12h", "subgatectl " CREATE },
	{ "subgatectl --verbose status", "unknown option --verbose", "subgatectl [-s SOCKET] [--json] COMMAND" },
	{ "subgatectl -s", "a socket's path must follow -s", "subgatectl [-s SOCKET] [--json] COMMAND" },
	{ "subgatectl status -s", "status: a socket's path must follow -s", "subgatectl status" },
	{ "subgatectl quota show \xff", "quota show: user is not UTF-8 text",
	  "subgatectl quota show [USER] [--shared]" },
};

static void words_become_a_request_that_the_daemon_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char reason[COMMAND_REASON_SIZE];
		const struct admin_command *command;
		struct ctl_call call;
		assert_int_equal(parse_line(good[i].line, &call), STATUS_OK);
		char *request = json_dumps(call.request, JSON_COMPACT);
		assert_string_equal(request, good[i].request);
		assert_int_equal(admin_command_check(span_of(request), &command, reason), STATUS_OK);
		free(request);
		json_decref(call.request);
	}
}

static void wrong_usage_names_the_command_and_what_was_expected(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char expected[512];
		struct ctl_call call;
		assert_int_equal(parse_line(bad[i].line, &call), STATUS_INVALID);
		snprintf(expected, sizeof(expected), "subgatectl: %s; expected%s%s\n", bad[i].error,
			 strncmp(bad[i].expected, "one", 3) == 0 ? " " : ": ", bad[i].expected);
		assert_string_equal(errors, expected);
	}
}

static void global_options_stand_anywhere(void **state)
{
	(void)state;
	struct ctl_call call;
	assert_int_equal(parse_line("subgatectl -s /tmp/x status --json", &call), STATUS_OK);
	assert_string_equal(call.socket, "/tmp/x");
	assert_true(call.json);
	json_decref(call.request);
	assert_int_equal(parse_line("subgatectl status", &call), STATUS_OK);
	assert_string_equal(call.socket, "/run/subgate/admin.sock");
	assert_false(call.json);
	json_decref(call.request);
	assert_int_equal(parse_line("subgatectl relay --json list", &call), STATUS_OK);
	assert_true(call.json);
	assert_string_equal(call.topic->name, "relay list");
	json_decref(call.request);
}

/* ---- texts that need no daemon */

static const struct {
	const char *line;
	enum ctl_task task;
	const char *topic; /* NULL: none */
	bool is_group;
} own[] = {
	{ "subgatectl --help", CTL_TASK_HELP, NULL, false },
	{ "subgatectl -h", CTL_TASK_HELP, NULL, false },
	{ "subgatectl --json --help", CTL_TASK_HELP, NULL, false },
	{ "subgatectl relay --help", CTL_TASK_HELP, "relay list", true },
	{ "subgatectl --help relay", CTL_TASK_HELP, "relay list", true },
	{ "subgatectl status -h", CTL_TASK_HELP, "status", false },
	{ "subgatectl quota show --help", CTL_TASK_HELP, "quota show", false },
	{ "subgatectl relay --help test", CTL_TASK_HELP, "relay test", false },
	{ "subgatectl --help relay test", CTL_TASK_HELP, "relay test", false },
	{ "subgatectl app-password create anna --help", CTL_TASK_HELP, "app-password create", false },
	{ "subgatectl --version", CTL_TASK_VERSION, NULL, false },
	{ "subgatectl --completion", CTL_TASK_COMPLETION, NULL, false },
	{ "subgatectl --reference", CTL_TASK_REFERENCE, NULL, false },
};

static void help_is_about_what_was_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		struct ctl_call call;
		if (parse_line(own[i].line, &call) != STATUS_OK)
			fail_msg("%s: %s", own[i].line, errors);
		assert_int_equal(call.task, own[i].task);
		assert_int_equal(call.topic != NULL, own[i].topic != NULL);
		assert_true(call.topic_is_group == own[i].is_group);
		if (call.topic)
			assert_string_equal(call.topic->name, own[i].topic);
		json_decref(call.request);
	}
}

static const char *help_of(const char *name, bool is_group)
{
	static char text[TEXT_SIZE];
	memset(text, 0, sizeof(text));
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");
	ctl_write_help(name ? admin_command_find(name) : NULL, is_group, out);
	fclose(out);
	return text;
}

static void the_program_s_help_has_every_command(void **state)
{
	(void)state;
	const char *text = help_of(NULL, false);
	assert_non_null(strstr(text, "  " CREATE "\n"));
	assert_non_null(strstr(text, "3 no daemon answers"));
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		char line[128];
		snprintf(line, sizeof(line), "\n  %s", command->name);
		assert_non_null(strstr(text, line));
		assert_non_null(strstr(text, command->help));
	}
}

static void a_group_s_help_has_its_commands_alone(void **state)
{
	(void)state;
	assert_string_equal(
		help_of("quota show", true),
		"Usage: subgatectl [-s SOCKET] [--json] quota COMMAND\n\nCommands:\n"
		"  quota show [USER] [--shared]\n"
		"      Show what a user has sent, may still send, and when counting starts anew; or everybody, "
		"by use.\n"
		"  quota history [USER] [--days N]\n"
		"      Show what a user has sent day by day, today included, on all nodes; or everybody, by messages "
		"of all these days.\n"
		"  quota top [--limit N]\n"
		"      Show who has sent most, of everybody on all nodes: today, and in the last 30 days.\n"
		"  quota reset USER [--shared]\n"
		"      Count a user's messages of today from zero again.\n"
		"  quota set USER LIMIT=N,... [--until 7d] [--shared]\n"
		"      Set limits for one user, on all nodes at once, in the place of those of the "
		"configuration.\n"
		"  quota unset USER [LIMIT] [--shared]\n"
		"      Let the configuration's limits hold for a user again.\n"
		"  quota without NODE\n"
		"      After Redis has lost counts: wait no more for those of a node that is gone for good.\n");
}

static void a_command_s_help_explains_its_arguments(void **state)
{
	(void)state;
	assert_string_equal(help_of("status", false),
			    "Usage: subgatectl [-s SOCKET] [--json] status\n\n"
			    "Show which processes run and since when, whether Redis, directories and the audit's disk "
			    "are there, and the last minute's mail.\n\nExample: subgatectl status\n");
	assert_string_equal(help_of("relay test", false),
			    "Usage: subgatectl [-s SOCKET] [--json] relay test NAME [--to ADDRESS] [--from ADDRESS]\n\n"
			    "Log in at a relay and show the dialog; with --to, send a test message.\n\n"
			    "  NAME\n      its name in the configuration\n"
			    "  --to ADDRESS\n      who gets a test message; none is sent if not given\n"
			    "  --from ADDRESS\n      the test message's sender\n\n"
			    "Example: subgatectl relay test gmail --to anna@example.com --from relay@example.com\n");
	/* What subgatectl adds by itself is nobody's to type. */
	assert_null(strstr(help_of("relay authorize", false), "port"));
}

/* ---- what is shown */

static const struct {
	const char *command;
	const char *reply;
	const char *shown;
} shown[] = {
	{ "app-password create",
	  "{\"ok\":true,\"id\":\"7F3K\",\"user\":\"anna\",\"label\":\"printer\",\"password\":"
	  "\"abcdefghijklmnopqrstuvwxy\"}",
	  "App password 7F3K for anna (printer):\n\n    abcde-fghij-klmno-pqrst-uvwxy\n\n"
	  "It is shown this once. Dashes, spaces and case do not matter when it is typed.\n" },
	{ "app-password create",
	  "{\"ok\":true,\"id\":\"7F3K\",\"user\":\"anna\",\"label\":\"printer\",\"password\":\"abcde-fghij\"}",
	  "App password 7F3K for anna (printer):\n\n    abcde-fghij\n\n"
	  "It is shown this once. Dashes, spaces and case do not matter when it is typed.\n" },
	{ "api-token create",
	  "{\"ok\":true,\"id\":\"1f3a9c22\",\"label\":\"ansible\",\"role\":\"operator\",\"token\":\"subgate_1f3a\"}",
	  "API token 1f3a9c22 for ansible (operator):\n\n    subgate_1f3a\n\nIt is shown this once.\n" },
	{ "app-password list", "{\"ok\":true,\"app_passwords\":[]}", "none\n" },
	{ "app-password list",
	  "{\"ok\":true,\"app_passwords\":[{\"id\":\"7F\",\"user\":\"anna\",\"created\":1000000000,\"expires\":0},"
	  "{\"id\":\"8\",\"user\":\"\xc3\xa4\",\"created\":1000000001,\"last_used\":1000000002}]}",
	  "ID  USER  CREATED               EXPIRES  LAST USED\n"
	  "7F  anna  2001-09-09T01:46:40Z  -        -\n"
	  "8   \xc3\xa4     2001-09-09T01:46:41Z  -        2001-09-09T01:46:42Z\n" },
	{ "quota show",
	  "{\"ok\":true,\"user\":\"anna\",\"used\":3,\"limit\":500,\"recipients_used\":7,\"recipients_limit\":0,"
	  "\"bytes_used\":3145728,\"bytes_limit\":1073741824,\"resets_at\":\"2026-11-23T00:00:00Z\"}",
	  "user            anna\n"
	  "messages        3 of 500          [....................]  497 left\n"
	  "recipients      7, no limit\n"
	  "bytes           3.0M of 1G        [....................]  1021.0M left\n"
	  "resets at       2026-11-23T00:00:00Z\n" },
	{ "quota set",
	  "{\"ok\":true,\"user\":\"a\\u001b\",\"section\":\"default\",\"used\":300,\"limit\":400,\"hour_used\":9,"
	  "\"hour_limit\":8,\"set_by_hand\":[{\"limit\":\"messages_per_day\",\"value\":400,\"until\":1000000000},"
	  "{\"limit\":\"messages_per_hour\",\"value\":8,\"until\":0}],\"resets_at\":\"2026-11-23T00:00:00Z\"}",
	  "user            a?\n"
	  "section         default\n"
	  "messages        300 of 400        [###############.....]  100 left\n"
	  "last hour       9 of 8            [####################]  0 left\n"
	  "set by hand     messages_per_day=400 until 2001-09-09T01:46:40Z\n"
	  "                messages_per_hour=8\n"
	  "resets at       2026-11-23T00:00:00Z\n" },
	{ "quota show", "{\"ok\":true,\"users\":[]}", "nobody has sent anything\n" },
	{ "quota history",
	  "{\"ok\":true,\"user\":\"an\\u001bna\",\"messages\":50,\"recipients\":61,\"bytes\":3145729,\"days\":["
	  "{\"day\":\"2026-11-22\",\"messages\":0,\"recipients\":0,\"bytes\":0},"
	  "{\"day\":\"2026-11-23\",\"messages\":40,\"recipients\":51,\"bytes\":3145728},"
	  "{\"day\":\"2026-11-24\",\"messages\":10,\"recipients\":10,\"bytes\":1}]}",
	  "user            an?na\n"
	  "together        50 messages, 61 recipients, 3.0M bytes\n\n"
	  "DAY         MESSAGES  OF MOST                 RECIPIENTS  BYTES\n"
	  "2026-11-22  0         [....................]  0           0\n"
	  "2026-11-23  40        [####################]  51          3.0M\n"
	  "2026-11-24  10        [#####...............]  10          1\n" },
	{ "quota history",
	  "{\"ok\":true,\"users\":[{\"user\":\"few\",\"messages\":2,\"recipients\":3,\"bytes\":4},{\"user\":\"many\","
	  "\"messages\":70,\"recipients\":71,\"bytes\":2097152},{\"user\":\"few\",\"messages\":2,\"recipients\":3,"
	  "\"bytes\":4}]}",
	  "USER  MESSAGES  RECIPIENTS  BYTES\n"
	  "many  70        71          2.0M\n"
	  "few   2         3           4\n" },
	{ "quota history", "{\"ok\":true,\"users\":[]}", "nobody has sent anything\n" },
	{ "quota top",
	  "{\"ok\":true,\"at\":\"2026-11-23T08:15:00Z\",\"looked_at\":7,\"senders\":1,\"sent\":5,\"today\":[{\"user\":"
	  "\"many\",\"used\":5,\"limit\":50,\"left\":45,\"recipients_used\":6,\"resets_at\":\"2026-11-24T00:00:00Z\"}],"
	  "\"month\":[{\"user\":\"many\",\"messages\":70,\"recipients\":71,\"bytes\":2097152}]}",
	  "not all users have been looked at yet: ask again in some seconds\n\n"
	  "Today: 5 messages by 1 senders of 7 users, as of 2026-11-23T08:15:00Z\n\n"
	  "USER  USE                           MESSAGES  LIMIT  LEFT  RECIPIENTS  RESETS AT\n"
	  "many  [##..................]  10 %  5         50     45    6           2026-11-24T00:00:00Z\n"
	  "\nThe last 30 days:\n\n"
	  "USER  MESSAGES  RECIPIENTS  BYTES\n"
	  "many  70        71          2.0M\n" },
	{ "quota top",
	  "{\"ok\":true,\"at\":\"2026-11-23T08:15:00Z\",\"whole\":true,\"looked_at\":0,\"senders\":0,\"sent\":0,"
	  "\"today\":[],\"month\":[]}",
	  "Today: 0 messages by 0 senders of 0 users, as of 2026-11-23T08:15:00Z\n\nnobody has sent anything\n"
	  "\nThe last 30 days:\n\nnobody has sent anything\n" },
	{ "quota show",
	  "{\"ok\":true,\"users\":[{\"user\":\"low\",\"used\":5,\"limit\":50,\"left\":45,\"recipients_used\":6,"
	  "\"resets_at\":\"2026-11-23T00:00:00Z\"},{\"user\":\"free\",\"used\":70,\"limit\":0,\"recipients_used\":70,"
	  "\"resets_at\":\"2026-11-23T00:00:00Z\"},{\"user\":\"high\",\"used\":9,\"limit\":10,\"left\":1,"
	  "\"recipients_used\":9,\"shared\":true,\"resets_at\":\"2026-11-23T00:00:00Z\"},{\"user\":\"low\",\"used\":5,"
	  "\"limit\":50,\"left\":45,\"recipients_used\":6,\"resets_at\":\"2026-11-23T00:00:00Z\"}]}",
	  "USER           USE                           MESSAGES  LIMIT  LEFT  RECIPIENTS  RESETS AT\n"
	  "high (shared)  [##################..]  90 %  9         10     1     9           2026-11-23T00:00:00Z\n"
	  "low            [##..................]  10 %  5         50     45    6           2026-11-23T00:00:00Z\n"
	  "free           no limit                      70        -      -     70          2026-11-23T00:00:00Z\n" },
	{ "status",
	  "{\"ok\":true,\"version\":\"0.1.0\",\"node\":\"mail\",\"started\":\"2026-11-22T00:00:00Z\","
	  "\"processes\":[{\"role\":\"gate\",\"index\":1,\"pid\":42,\"since\":\"2026-11-22T00:00:01Z\"}],"
	  "\"certificates\":[{\"certificate\":\"tls\",\"state\":\"has ended\"}]}",
	  "subgate 0.1.0 on mail, since 2026-11-22T00:00:00Z\n\n"
	  "ROLE  INDEX  PID  SINCE\ngate  1      42   2026-11-22T00:00:01Z\n\n"
	  "CERTIFICATE  STATE\ntls          has ended\n" },
	{ "quota reset",
	  "{\"ok\":true,\"user\":\"anna\",\"used\":0,\"limit\":500,\"resets_at\":\"2026-11-23T00:00:00Z\"}",
	  "user            anna\n"
	  "messages        0 of 500          [....................]  500 left\n"
	  "resets at       2026-11-23T00:00:00Z\n" },
	{ "reload", "{\"ok\":true}", "done\n" },
	{ "throttle clear", "{\"ok\":true,\"cleared\":2,\"all\":false}", "cleared: 2\n" },
	{ "relay list", "{\"ok\":true,\"relays\":[{\"name\":\"a\\u001b[31m\",\"up\":true}]}",
	  "NAME    UP\na?[31m  yes\n" },
};

static void answers_are_shown_as_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		static char text[TEXT_SIZE];
		json_t *reply = json_loads(shown[i].reply, 0, NULL);
		assert_non_null(reply);
		memset(text, 0, sizeof(text));
		FILE *out = fmemopen(text, sizeof(text) - 1, "w");
		ctl_quota_sort(reply);
		ctl_print(shown[i].command, reply, out);
		fclose(out);
		assert_string_equal(text, shown[i].shown);
		json_decref(reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_a_request_that_the_daemon_takes),
		cmocka_unit_test(wrong_usage_names_the_command_and_what_was_expected),
		cmocka_unit_test(global_options_stand_anywhere),
		cmocka_unit_test(help_is_about_what_was_named),
		cmocka_unit_test(the_program_s_help_has_every_command),
		cmocka_unit_test(a_group_s_help_has_its_commands_alone),
		cmocka_unit_test(a_command_s_help_explains_its_arguments),
		cmocka_unit_test(answers_are_shown_as_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
