/* Requests between their two records: how many may be under way, and whose. The rest is in test_admin_role.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/recorder.h"
#include "role/role.h"

const char *role_kind_text(enum role_kind kind)
{
	static const char *const names[] = { "supervisor", "gate", "auth", "relay", "admin" };
	return names[kind];
}

static enum status record(void *context, const struct door_command_record *message)
{
	(void)context, (void)message;
	return STATUS_OK;
}

static enum status pass(void *context, enum role_kind role, uint64_t request, struct span json)
{
	(void)context, (void)role, (void)request, (void)json;
	return STATUS_OK;
}

static void refuse(void *context, uint64_t request, const char *error)
{
	(void)context, (void)request, (void)error;
}

static const struct recorder_handler handler = { record, pass, refuse };

static enum status begin(struct recorder *recorder, uint64_t number, const char *command, const struct caller *caller)
{
	const struct admin_request request = { number, admin_command_find(command), caller, SPAN("{}") };
	return recorder_begin(recorder, &request);
}

/* An upstream that says nothing keeps a test under way for a minute, whether its client waits or not. */
static void operators_leave_room_for_administrators(void **state)
{
	(void)state;
	const struct caller operator= { .uid = 1001, .right = CALLER_OPERATOR };
	const struct caller admin = { .uid = 0, .right = CALLER_ADMIN };
	struct recorder *recorder;
	uint64_t number = 0, first = 1;
	assert_int_equal(recorder_create(&handler, NULL, &recorder), STATUS_OK);
	while (number < 1000 && begin(recorder, ++number, "relay test", &operator) == STATUS_OK)
		;
	assert_int_equal(begin(recorder, ++number, "user lock", &admin), STATUS_OK);
	assert_int_equal(begin(recorder, ++number, "relay test", &operator), STATUS_TOO_LARGE);
	recorder_take_written(recorder, first, true);
	recorder_take_answer(recorder, first, SPAN("{\"ok\":true}"));
	assert_int_equal(begin(recorder, ++number, "relay test", &operator), STATUS_OK);
	recorder_free(&recorder);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(operators_leave_room_for_administrators) };
	return cmocka_run_group_tests_name("admin recorder", tests, NULL, NULL);
}
