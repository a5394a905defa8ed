/* Requests held against the table of commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "admin/commands.h"

static const struct {
	const char *says;
	const char *line;
	enum role_kind role;
} accepted[] = {
	{ "status is the supervisor's", "{\"command\":\"status\"}", ROLE_SUPERVISOR },
	{ "reload is the supervisor's", "{\"command\":\"reload\"}", ROLE_SUPERVISOR },
	{ "drain is the supervisor's", "{\"command\":\"drain\"}", ROLE_SUPERVISOR },
	{ "an app password needs a user and a label",
	  "{\"command\":\"app-password create\",\"user\":\"a@b\",\"label\":\"printer\"}", ROLE_AUTH },
	{ "it may end, and be bound to a network",
	  "{\"command\":\"app-password "
	  "create\",\"user\":\"a\",\"label\":\"l\",\"expires\":1800000000,\"from\":\"10.0.0.0/8\"}",
	  ROLE_AUTH },
	{ "all app passwords can be listed", "{\"command\":\"app-password list\"}", ROLE_AUTH },
	{ "or those of one user", " {\"command\": \"app-password list\", \"user\": \"a\"} ", ROLE_AUTH },
	{ "one is revoked by user and id", "{\"command\":\"app-password revoke\",\"user\":\"a\",\"id\":\"7F\"}",
	  ROLE_AUTH },
	{ "throttled ones are auth's", "{\"command\":\"throttle list\"}", ROLE_AUTH },
	{ "all are forgiven", "{\"command\":\"throttle clear\"}", ROLE_AUTH },
	{ "or an address", "{\"command\":\"throttle clear\",\"address\":\"192.0.2.7\"}", ROLE_AUTH },
	{ "quotas are the relay's", "{\"command\":\"quota show\",\"user\":\"\xc3\xa4@b\"}", ROLE_RELAY },
	{ "and reset there", "{\"command\":\"quota reset\",\"user\":\"a\"}", ROLE_RELAY },
	{ "relays too", "{\"command\":\"relay list\"}", ROLE_RELAY },
	{ "a relay is paused there", "{\"command\":\"relay pause\",\"relay\":\"gmail\"}", ROLE_RELAY },
	{ "and tried", "{\"command\":\"relay test\",\"relay\":\"gmail\",\"to\":\"a@b\"}", ROLE_RELAY },
};

static const struct {
	const char *line;
	const char *reason;
} refused[] = {
	{ "", "not a request; expected a JSON object with a \"command\"" },
	{ "status", "not a request; expected a JSON object with a \"command\"" },
	{ "[\"status\"]", "not a request; expected a JSON object with a \"command\"" },
	{ "{\"command\":7}", "not a request; expected a JSON object with a \"command\"" },
	{ "{\"command\":\"status\"} x", "not a request; expected a JSON object with a \"command\"" },
	{ "{\"command\":\"status\",\"command\":\"drain\"}",
	  "not a request; expected a JSON object with a \"command\"" },
	{ "{\"command\":\"halt\"}", "unknown command \"halt\"" },
	{ "{\"command\":\"Status\"}", "unknown command \"Status\"" },
	{ "{\"command\":\"status\",\"user\":\"a\"}", "status takes no argument \"user\"" },
	{ "{\"command\":\"quota reset\"}", "quota reset: user is missing" },
	{ "{\"command\":\"quota show\",\"user\":\"\"}",
	  "quota show: user is not a text of 1 to 4096 bytes without control characters" },
	{ "{\"command\":\"quota show\",\"user\":\"a\\nb\"}",
	  "quota show: user is not a text of 1 to 4096 bytes without control characters" },
	{ "{\"command\":\"quota show\",\"user\":[]}",
	  "quota show: user is not a text of 1 to 4096 bytes without control characters" },
	{ "{\"command\":\"app-password create\",\"user\":\"a\",\"label\":\"l\",\"expires\":\"90d\"}",
	  "app-password create: expires is not a whole number from 0" },
	{ "{\"command\":\"app-password create\",\"user\":\"a\",\"label\":\"l\",\"expires\":-1}",
	  "app-password create: expires is not a whole number from 0" },
	{ "{\"command\":\"app-password create\",\"user\":\"a\",\"label\":\"l\",\"password\":\"x\"}",
	  "app-password create takes no argument \"password\"" },
};

static void known_commands_go_to_the_role_that_knows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		char reason[COMMAND_REASON_SIZE] = "";
		const struct admin_command *command = NULL;
		if (admin_command_check(span_of(accepted[i].line), &command, reason) != STATUS_OK)
			fail_msg("%s: %s\n", accepted[i].says, reason);
		assert_int_equal(command->role, accepted[i].role);
	}
}

static void anything_else_is_refused_with_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char reason[COMMAND_REASON_SIZE] = "";
		const struct admin_command *command = NULL;
		assert_int_equal(admin_command_check(span_of(refused[i].line), &command, reason), STATUS_INVALID);
		assert_string_equal(reason, refused[i].reason);
		assert_null(command);
	}
}

static void a_request_cut_short_is_no_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		size_t whole = (size_t)(strrchr(accepted[i].line, '}') - accepted[i].line) + 1;
		for (size_t size = 0; size < whole; size++) {
			char reason[COMMAND_REASON_SIZE];
			const struct admin_command *command;
			struct span part = { accepted[i].line, size };
			assert_int_equal(admin_command_check(part, &command, reason), STATUS_INVALID);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_commands_go_to_the_role_that_knows),
		cmocka_unit_test(anything_else_is_refused_with_its_reason),
		cmocka_unit_test(a_request_cut_short_is_no_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
