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
static enum status parse(const char *line, struct ctl_call *out_call)
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
	{ "subgatectl app-password list", "{\"command\":\"app-password list\"}" },
	{ "subgatectl app-password list anna", "{\"command\":\"app-password list\",\"user\":\"anna\"}" },
	{ "subgatectl app-password revoke anna 7F3K",
	  "{\"command\":\"app-password revoke\",\"user\":\"anna\",\"id\":\"7F3K\"}" },
	{ "subgatectl quota show anna", "{\"command\":\"quota show\",\"user\":\"anna\"}" },
	{ "subgatectl quota reset anna", "{\"command\":\"quota reset\",\"user\":\"anna\"}" },
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

static const struct {
	const char *line;
	const char *error;
} bad[] = {
	{ "subgatectl", "a command is missing" },
	{ "subgatectl halt", "unknown command halt" },
	{ "subgatectl quota", "a command must follow quota" },
	{ "subgatectl quota set anna", "a command must follow quota" },
	{ "subgatectl status now", "too much: now" },
	{ "subgatectl quota show", "missing: USER" },
	{ "subgatectl relay pause", "missing: NAME" },
	{ "subgatectl relay test gmail --to", "a value must follow --to" },
	{ "subgatectl quota show a b", "too much: b" },
	{ "subgatectl app-password revoke anna", "missing: ID" },
	{ "subgatectl app-password create anna", "missing: --label" },
	{ "subgatectl app-password create anna --label", "a value must follow --label" },
	{ "subgatectl app-password create anna --label a --label b", "given twice: --label" },
	{ "subgatectl app-password create anna --label a --password b", "unknown option --password" },
	{ "subgatectl app-password create anna --label a --expires 90", "not a duration such as 90d or 12h: 90" },
	{ "subgatectl app-password create anna --label a --expires 0", "not a duration such as 90d or 12h: 0" },
	{ "subgatectl --verbose status", "unknown option --verbose" },
	{ "subgatectl -s", "-s wants the path of a socket" },
	{ "subgatectl quota show \xff", "not a text in UTF-8: user" },
};

static void words_become_a_request_that_the_daemon_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char reason[COMMAND_REASON_SIZE];
		enum role_kind role;
		struct ctl_call call;
		assert_int_equal(parse(good[i].line, &call), STATUS_OK);
		char *request = json_dumps(call.request, JSON_COMPACT);
		assert_string_equal(request, good[i].request);
		assert_int_equal(admin_command_check(span_of(request), &role, reason), STATUS_OK);
		free(request);
		json_decref(call.request);
	}
}

static void wrong_usage_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char expected[256];
		struct ctl_call call;
		assert_int_equal(parse(bad[i].line, &call), STATUS_INVALID);
		snprintf(expected, sizeof(expected), "subgatectl: %s\nTry: subgatectl --help\n", bad[i].error);
		assert_string_equal(errors, expected);
	}
}

static void global_options_stand_before_or_behind(void **state)
{
	(void)state;
	struct ctl_call call;
	assert_int_equal(parse("subgatectl -s /tmp/x status --json", &call), STATUS_OK);
	assert_string_equal(call.socket, "/tmp/x");
	assert_true(call.json);
	json_decref(call.request);
	assert_int_equal(parse("subgatectl status", &call), STATUS_OK);
	assert_string_equal(call.socket, "/run/subgate/admin.sock");
	assert_false(call.json);
	json_decref(call.request);
	assert_int_equal(parse("subgatectl quota show --help", &call), STATUS_OK);
	assert_true(call.help);
	json_decref(call.request);
	assert_int_equal(parse("subgatectl --version", &call), STATUS_OK);
	assert_true(call.version);
	assert_null(call.request);
}

static void the_usage_names_every_command(void **state)
{
	(void)state;
	static char text[TEXT_SIZE];
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");
	ctl_write_usage(out);
	fclose(out);
	assert_non_null(strstr(text, "  app-password create USER --label LABEL [--expires 90d] [--from CIDR]\n"));
	assert_non_null(strstr(text, "  status\n"));
	assert_non_null(strstr(text, "3: no daemon answers"));
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
	  "user        anna\nmessages    3 of 500\nrecipients  7, no limit\nbytes       3.0M of 1G\n"
	  "resets at   2026-11-23T00:00:00Z\n" },
	{ "status",
	  "{\"ok\":true,\"version\":\"0.1.0\",\"node\":\"mail\",\"started\":\"2026-11-22T00:00:00Z\","
	  "\"processes\":[{\"role\":\"gate\",\"index\":1,\"pid\":42,\"since\":\"2026-11-22T00:00:01Z\"}]}",
	  "subgate 0.1.0 on mail, since 2026-11-22T00:00:00Z\n\n"
	  "ROLE  INDEX  PID  SINCE\ngate  1      42   2026-11-22T00:00:01Z\n" },
	{ "quota reset",
	  "{\"ok\":true,\"user\":\"anna\",\"used\":0,\"limit\":500,\"resets_at\":\"2026-11-23T00:00:00Z\"}",
	  "user        anna\nmessages    0 of 500\nresets at   2026-11-23T00:00:00Z\n" },
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
		cmocka_unit_test(wrong_usage_is_told),
		cmocka_unit_test(global_options_stand_before_or_behind),
		cmocka_unit_test(the_usage_names_every_command),
		cmocka_unit_test(answers_are_shown_as_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
