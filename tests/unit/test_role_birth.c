/* What a role is told at its birth, and what ps shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "role/birth.h"
#include "role/title.h"

/* ---- births */

static void put_into_environment(const struct birth_environment *environment)
{
	for (size_t i = 0; i < environment->count; i++) {
		char *equals = strchr(environment->variables[i], '=');
		*equals = '\0';
		setenv(environment->variables[i], equals + 1, 1);
	}
}

static const struct birth example = {
	.instance = 7,
	.index = 2,
	.seat = 5,
	.seats = 11,
	.parent = 4711,
	.identity = { true, 120, 130 },
	.config_file = "conf dir/subgate.conf",
	.redis_server = "unix:/run/redis.sock",
	.admin_group = 140,
	.operator_group = (gid_t)-1,
};

static void a_role_reads_what_the_supervisor_wrote(void **state)
{
	(void)state;
	struct handover list = { 0 }, read_list = { 0 };
	struct birth_environment environment = { 0 };
	struct birth birth = { 0 };
	assert_int_equal(handover_add(&list, 0, 9, "supervisor"), STATUS_OK);
	assert_int_equal(birth_write(&example, &list, &environment), STATUS_OK);
	put_into_environment(&environment);
	assert_int_equal(birth_read(&birth, &read_list), STATUS_OK);
	assert_int_equal(birth.instance, 7);
	assert_int_equal(birth.index, 2);
	assert_int_equal(birth.seat, 5);
	assert_int_equal(birth.seats, 11);
	assert_int_equal(birth.parent, 4711);
	assert_true(birth.identity.changes);
	assert_int_equal(birth.identity.uid, 120);
	assert_int_equal(birth.identity.gid, 130);
	assert_string_equal(birth.config_file, "conf dir/subgate.conf");
	assert_string_equal(birth.redis_server, "unix:/run/redis.sock");
	assert_int_equal(birth.admin_group, 140);
	assert_true(birth.operator_group == (gid_t)-1);
	assert_int_equal(handover_find(&read_list, "supervisor"), 9);
	handover_forget(&list);
	handover_forget(&read_list);
	birth_environment_free(&environment);
}

static void a_role_started_by_hand_is_refused(void **state)
{
	(void)state;
	struct handover list = { 0 };
	struct birth birth = { 0 };
	setenv("SUBGATE_PROCESS", "7 2 5 11", 1); /* one number less */
	assert_int_equal(birth_read(&birth, &list), STATUS_INVALID);
	setenv("SUBGATE_PROCESS", "7 2 5 11 12 13", 1);
	assert_int_equal(birth_read(&birth, &list), STATUS_INVALID);
	unsetenv("SUBGATE_PROCESS");
	assert_int_equal(birth_read(&birth, &list), STATUS_INVALID);
}

static void the_environment_of_a_role_holds_nothing_else(void **state)
{
	(void)state;
	struct handover list = { 0 };
	struct birth_environment environment = { 0 };
	setenv("REDIS_PASSWORD", "Redis-Secret-1", 1);
	setenv("TZ", "Europe/Berlin", 1);
	assert_int_equal(birth_write(&example, &list, &environment), STATUS_OK);
	bool has_zone = false;
	for (size_t i = 0; i < environment.count; i++) {
		assert_null(strstr(environment.variables[i], "Redis-Secret-1"));
		has_zone |= strcmp(environment.variables[i], "TZ=Europe/Berlin") == 0;
	}
	assert_true(has_zone);
	birth_environment_free(&environment);
	unsetenv("TZ");
}

static void an_identity_is_two_numbers_and_never_root(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum status status;
	} cases[] = {
		{ "", STATUS_OK },
		{ "120:130", STATUS_OK },
		{ "120:0", STATUS_OK },
		{ "0:0", STATUS_INVALID },
		{ "120", STATUS_INVALID },
		{ "120:", STATUS_INVALID },
		{ ":130", STATUS_INVALID },
		{ "a:b", STATUS_INVALID },
		{ "120:130:140", STATUS_INVALID },
		{ "4294967295:1", STATUS_INVALID },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct identity identity = { 0 };
		if (identity_read(span_of(cases[i].text), &identity) != cases[i].status)
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(identity.changes, cases[i].status == STATUS_OK && cases[i].text[0]);
	}
}

/* ---- title */

static char title_room[] = "program\0--with\0arguments";
static char *title_argv[] = { title_room, title_room + 8, title_room + 15, NULL };

static void a_title_replaces_the_arguments_and_stays_in_their_room(void **state)
{
	(void)state;
	title_init(3, title_argv);
	title_set("gate", 1);
	assert_string_equal(title_room, "subgate: gate 1");
	for (size_t i = strlen(title_room); i < sizeof(title_room); i++)
		assert_int_equal(title_room[i], '\0');
	title_set("a name that is longer than the room", 0);
	assert_string_equal(title_room, "subgate: a name that is ");
	assert_int_equal(title_room[sizeof(title_room) - 1], '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_reads_what_the_supervisor_wrote),
		cmocka_unit_test(a_role_started_by_hand_is_refused),
		cmocka_unit_test(the_environment_of_a_role_holds_nothing_else),
		cmocka_unit_test(an_identity_is_two_numbers_and_never_root),
		cmocka_unit_test(a_title_replaces_the_arguments_and_stays_in_their_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
