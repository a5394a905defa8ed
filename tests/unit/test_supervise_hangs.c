/* The supervisor's own helper threads: one past the limit of its call is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "role/role.h"
#include "supervise/hangs.h"
#include "tests/unit/with_loop.h"

static struct supervisor supervisor;

static bool is_shown(void *context)
{
	bool wanted = *(const bool *)context;
	return (seats_gauge(supervisor.seats, SUPERVISOR_SEAT, COUNTER_ROLE_HUNG) != 0) == wanted;
}

static void a_thread_of_the_supervisor_that_hangs_is_shown(void **state)
{
	const bool hangs = true, goes_on = false;
	char text[HANGS_TEXT_SIZE];
	(void)state;
	assert_int_equal(ROLE_SUPERVISOR, 0); /* the first label of the gauge */
	assert_int_equal(loop_create(&supervisor.loop), STATUS_OK);
	assert_int_equal(seats_create(1, &supervisor.seats), STATUS_OK);
	life_use(stats_life(seats_own(supervisor.seats)));
	struct life_thread *thread = life_join(LIFE_KEEPER);
	assert_int_equal(hangs_begin(&supervisor, &supervisor.hangs), STATUS_OK);
	life_begin(thread, 1);
	run_until(supervisor.loop, is_shown, (void *)&hangs);
	hangs_list_threads(hangs_own_life(supervisor.hangs), text);
	assert_string_equal(text, "keeper");
	life_rest(thread);
	run_until(supervisor.loop, is_shown, (void *)&goes_on);
	hangs_list_threads(hangs_own_life(supervisor.hangs), text);
	assert_string_equal(text, "");
	life_use(NULL);
	hangs_free(&supervisor.hangs);
	seats_free(&supervisor.seats);
	loop_free(supervisor.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_of_the_supervisor_that_hangs_is_shown),
	};
	return cmocka_run_group_tests_name("hangs", tests, NULL, NULL);
}
