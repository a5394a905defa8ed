/* What a turn of the loop knows of descriptors without asking the kernel once more. */
#include <unistd.h>

#include "tests/unit/with_loop.h"

/* Two descriptors; what the callback of the first one sees of both. */
struct neighbours {
	struct watch *first, *second;
	int ends[2][2];
	bool is_first_quiet, is_second_quiet, writes, empties;
	unsigned calls;
};

static void look_around(void *context, unsigned events)
{
	struct neighbours *both = context;
	char byte;
	(void)events;
	assert_int_equal(read(both->ends[0][0], &byte, 1), 1);
	if (both->writes)
		assert_int_equal(write(both->ends[1][1], "y", 1), 1);
	if (both->empties)
		watch_note_emptied(both->first);
	both->is_first_quiet = watch_has_been_quiet(both->first);
	both->is_second_quiet = both->second && watch_has_been_quiet(both->second);
	both->calls++;
}

static void take_byte(void *context, unsigned events)
{
	struct neighbours *both = context;
	char byte;
	(void)events;
	assert_int_equal(read(both->ends[1][0], &byte, 1), 1);
}

static bool has_looked(void *context)
{
	return ((struct neighbours *)context)->calls > 0;
}

/* One look at both, in the turn that the first one's byte makes. */
static void look_once(struct loop *loop, struct neighbours *both)
{
	both->calls = 0;
	assert_int_equal(write(both->ends[0][1], "x", 1), 1);
	run_until(loop, has_looked, both);
}

static void a_watch_is_quiet_where_the_turn_has_found_nothing(void **state)
{
	struct loop *loop;
	struct neighbours both = { 0 };
	(void)state;
	assert_int_equal(loop_create(&loop), STATUS_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pipe(both.ends[i]), 0);
	assert_int_equal(watch_create(loop, both.ends[1][0], WATCH_READ, take_byte, &both, &both.second), STATUS_OK);
	assert_int_equal(watch_create(loop, both.ends[0][0], WATCH_READ, look_around, &both, &both.first), STATUS_OK);
	assert_false(watch_has_been_quiet(both.second)); /* nobody has looked */
	look_once(loop, &both);
	assert_true(both.is_second_quiet);
	assert_false(both.is_first_quiet);
	assert_false(watch_has_been_quiet(both.second)); /* and nobody looks any more */
	both.empties = true;
	look_once(loop, &both);
	assert_true(both.is_first_quiet);
	both.empties = false; /* that was of another turn */
	look_once(loop, &both);
	assert_false(both.is_first_quiet);
	both.writes = true; /* which only the next turn can find */
	look_once(loop, &both);
	assert_true(both.is_second_quiet);
	both.writes = false;
	run_for(loop, 5);
	assert_int_equal(write(both.ends[1][1], "y", 1), 1); /* found in one turn, whichever is called first */
	look_once(loop, &both);
	assert_false(both.is_second_quiet);
	watch_set(both.second, 0);
	look_once(loop, &both);
	assert_false(both.is_second_quiet);
	watch_free(&both.first);
	watch_free(&both.second);
	for (int i = 0; i < 4; i++)
		close(both.ends[i / 2][i % 2]);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_is_quiet_where_the_turn_has_found_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
