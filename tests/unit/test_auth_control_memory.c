/*
 * Commands of administrators under failing memory: each allocation of one on the loop's thread fails once. It is
 * answered whatever fails, with all that was asked for or with a refusal; no door breaks, and the next one is answered
 * in full.
 */
#include "auth_memory_world.h"

#ifdef SUBGATE_SANITIZED

int main(void)
{
	return 0;
}

#else

static bool has_answer;

/* Whether it was answered "ok"; fails if nothing came. */
static bool ask_admin(const char *json)
{
	const struct door_control_request request = { .request = ++world.last, .json = span_of(json) };
	renew_doors();
	free(world.answer);
	world.answer = NULL;
	has_answer = false;
	assert_int_equal(door_send_control_request(world.admin, &request), STATUS_OK);
	uint64_t until = clock_monotonic_ms() + STEP_MS;
	while (world.answer == NULL && world.doors_lost == 0 && clock_monotonic_ms() < until)
		turn();
	has_answer = world.answer != NULL;
	return has_answer && strstr(world.answer, "\"ok\":true") != NULL;
}

/* `leaves_nothing_out`: what is answered "ok" is whole. */
static void sweep_command(const char *json, bool is_done, bool leaves_nothing_out)
{
	unsigned long n, refused = 0;
	char whole[4096];
	assert_int_equal(ask_admin(json), is_done);
	snprintf(whole, sizeof(whole), "%s", world.answer);
	for (n = 1; n < FAILURES_MAXIMUM; n++) {
		memory_left = n;
		bool done = ask_admin(json);
		bool has_failed = memory_left == 0;
		memory_left = 0;
		if (!has_answer)
			fail_msg("%s: no answer after failure %lu", json, n);
		if (!has_failed)
			break;
		if (done && leaves_nothing_out && strcmp(world.answer, whole) != 0)
			fail_msg("%s: after failure %lu it hears %s in place of %s", json, n, world.answer, whole);
		refused += is_done && !done;
		if (ask_admin(json) != is_done)
			fail_msg("%s: after failure %lu the next one hears %s", json, n, world.answer);
	}
	print_message("%lu allocations, %lu of them refused it: %s\n", n - 1, refused, json);
	assert_in_range(n, 5, FAILURES_MAXIMUM - 1);
	assert_int_equal(world.doors_lost, 0);
}

static void what_lists_is_answered_whatever_fails(void **state)
{
	(void)state;
	sweep_command("{\"command\":\"app-password list\",\"user\":\"anna@example.com\"}", true, true);
	sweep_command("{\"command\":\"throttle list\"}", true, true);
}

/* Redis, which keeps locks, is away. */
static void what_is_about_a_user_is_answered_whatever_fails(void **state)
{
	(void)state;
	sweep_command("{\"command\":\"user lock\",\"user\":\"anna@example.com\",\"reason\":\"phishing\"}", false, true);
	sweep_command("{\"command\":\"user unlock\",\"user\":\"anna@example.com\"}", false, true);
	sweep_command("{\"command\":\"user forget\",\"user\":\"anna@example.com\"}", true, true);
	sweep_command("{\"command\":\"user show\",\"user\":\"anna@example.com\"}", true, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_lists_is_answered_whatever_fails, begin, end),
		cmocka_unit_test_setup_teardown(what_is_about_a_user_is_answered_whatever_fails, begin, end),
	};
	return cmocka_run_group_tests_name("auth control memory", tests, NULL, NULL);
}

#endif
