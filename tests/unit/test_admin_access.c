/* Who may run which command in the console, for every command of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "admin/access.h"

#define USER "anna@example.com"

static enum access_verdict judge(const struct admin_command *command, enum access_role role, const char *arguments,
				 char out_user[64])
{
	json_t *object = json_loads(arguments, 0, NULL);
	assert_non_null(object);
	enum access_verdict verdict = access_judge(command, role, USER, object);
	const char *user = json_string_value(json_object_get(object, "user"));
	if (out_user)
		snprintf(out_user, 64, "%s", user ? user : "");
	json_decref(object);
	return verdict;
}

/* "yes", "own", or "no". */
static const char *right_of(const struct admin_command *command, enum access_role role)
{
	char user[64];
	const enum access_verdict otherwise = role == ACCESS_USER ? ACCESS_HIDDEN : ACCESS_FORBIDDEN;
	enum access_verdict others = judge(command, role, "{\"user\":\"ben@example.com\"}", NULL);
	enum access_verdict own = judge(command, role, "{\"user\":\"" USER "\"}", user);
	assert_true(others == ACCESS_ALLOWED || others == otherwise);
	if (others == ACCESS_ALLOWED) {
		assert_int_equal(own, ACCESS_ALLOWED);
		return "yes";
	}
	assert_true(own == ACCESS_ALLOWED || own == otherwise);
	return own == ACCESS_ALLOWED ? "own" : "no";
}

/* A command that is not here is nobody's but the administrators', or shows something. */
static const char *const own_commands[] = { "app-password create", "app-password list",
					    "app-password rotate", "app-password revoke",
					    "quota show",          "quota history",
					    "user show",           "sessions",
					    "client-settings",     "messages" };

static bool is_own_command(const char *name)
{
	for (size_t i = 0; i < sizeof(own_commands) / sizeof(own_commands[0]); i++)
		if (strcmp(own_commands[i], name) == 0)
			return true;
	return false;
}

static void each_role_runs_what_it_may_of_every_command(void **state)
{
	(void)state;
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		if (command->role == ROLE_KINDS) {
			assert_int_equal(judge(command, ACCESS_ADMIN, "{}", NULL), ACCESS_HIDDEN);
			continue;
		}
		const char *rest = is_own_command(command->name) ? "own" : "no";
		bool shows = command->effect == COMMAND_EFFECT_SHOWS, tests = command->effect == COMMAND_EFFECT_TESTS;
		print_message("%-22s %-4s %-4s %-4s %-4s\n", command->name, right_of(command, ACCESS_USER),
			      right_of(command, ACCESS_AUDITOR), right_of(command, ACCESS_OPERATOR),
			      right_of(command, ACCESS_ADMIN));
		assert_string_equal(right_of(command, ACCESS_USER), rest);
		assert_string_equal(right_of(command, ACCESS_AUDITOR), shows ? "yes" : rest);
		assert_string_equal(right_of(command, ACCESS_OPERATOR), shows || tests ? "yes" : rest);
		assert_string_equal(right_of(command, ACCESS_ADMIN), "yes");
	}
}

static void nobody_is_meant_but_who_asks(void **state)
{
	(void)state;
	static const struct {
		const char *what, *command, *arguments;
		enum access_verdict verdict;
	} cases[] = {
		{ "no name", "quota show", "{}", ACCESS_ALLOWED },
		{ "another spelling", "quota show", "{\"user\":\" ANNA@Example.COM \"}", ACCESS_ALLOWED },
		{ "another one", "quota show", "{\"user\":\"anna@example.org\"}", ACCESS_HIDDEN },
		{ "an id", "user show", "{\"user\":\"corp:1234\"}", ACCESS_HIDDEN },
		{ "no text", "user show", "{\"user\":[\"" USER "\"]}", ACCESS_HIDDEN },
		{ "nothing at all", "user show", "{\"user\":null}", ACCESS_HIDDEN },
		{ "a NUL after it", "user show", "{\"user\":\"" USER "\\u0000x\"}", ACCESS_HIDDEN },
		{ "a shared quota", "quota show", "{\"user\":\"" USER "\",\"shared\":true}", ACCESS_HIDDEN },
		{ "another one's history", "quota history", "{\"user\":\"anna@example.org\"}", ACCESS_HIDDEN },
		{ "their own history", "quota history", "{\"days\":31}", ACCESS_ALLOWED },
		{ "a service", "app-password create", "{\"label\":\"x\",\"service\":true}", ACCESS_HIDDEN },
		{ "who answers for it", "app-password create", "{\"label\":\"x\",\"owner\":\"x\"}", ACCESS_HIDDEN },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char user[64];
		json_t *object = json_loads(cases[i].arguments, JSON_ALLOW_NUL, NULL);
		const struct admin_command *command = admin_command_find(cases[i].command);
		assert_non_null(object);
		enum access_verdict verdict = access_judge(command, ACCESS_USER, USER, object);
		const char *set = json_string_value(json_object_get(object, "user"));
		snprintf(user, sizeof(user), "%s", set ? set : "");
		json_decref(object);
		if (verdict != cases[i].verdict || (verdict == ACCESS_ALLOWED && strcmp(user, USER) != 0))
			fail_msg("%s: verdict %d, about \"%s\"", cases[i].what, verdict, user);
	}
}

static void roles_are_given_by_name_and_by_group(void **state)
{
	(void)state;
	static char *users[] = { "anna@example.com" }, *groups[] = { "cn=ops,dc=example" }, *seers[] = { "cleo" };
	const struct config_console console = { .admin_users = { users, 1 },
						.operator_groups = { groups, 1 },
						.auditor_users = { seers, 1 } };
	struct buf list BUF_AUTO;
	enum access_role role = ACCESS_ROLES;
	buf_init(&list, 1000);
	assert_int_equal(access_find_role(&console, SPAN("anna@example.com"), (struct codec_list){ 0 }, &role), 0);
	assert_int_equal(role, ACCESS_ADMIN);
	assert_int_equal(access_find_role(&console, SPAN("cleo"), (struct codec_list){ 0 }, &role), 0);
	assert_int_equal(role, ACCESS_AUDITOR);
	assert_int_equal(access_find_role(&console, SPAN("dan"), (struct codec_list){ 0 }, &role), 0);
	assert_int_equal(role, ACCESS_USER);
	assert_int_equal(codec_list_add(&list, SPAN("cn=all,dc=example")), STATUS_OK);
	assert_int_equal(codec_list_add(&list, SPAN("cn=ops,dc=example")), STATUS_OK);
	assert_int_equal(access_find_role(&console, SPAN("cleo"), codec_list_of(&list), &role), 0);
	assert_int_equal(role, ACCESS_OPERATOR);
	/* A user may be called as a group is. */
	assert_int_equal(access_find_role(&console, SPAN("cn=ops,dc=example"), (struct codec_list){ 0 }, &role), 0);
	assert_int_equal(role, ACCESS_USER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_role_runs_what_it_may_of_every_command),
		cmocka_unit_test(nobody_is_meant_but_who_asks),
		cmocka_unit_test(roles_are_given_by_name_and_by_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
