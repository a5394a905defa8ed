/* A loop whose memory is out: nothing new is watched, what is there goes on, and the process lives. */
#include "with_loop.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failing_memory.h"

#ifdef SUBGATE_SANITIZED /* has an allocator of its own, which can't be replaced */

int main(void)
{
	return 0;
}

#else

#define PAIRS 300  /* of sockets, within the 1024 descriptors of most machines: libev's arrays double several times */
#define LIMIT_S 20 /* else the test hangs */

static struct {
	struct loop *loop;
	int fds[PAIRS][2];
	struct watch *watches[PAIRS];
	struct timer *timers[PAIRS];
	unsigned ready, expired;
} world;

static void stop_when_settled(void)
{
	if (world.ready == PAIRS && world.expired == PAIRS)
		loop_stop(world.loop);
}

static void on_ready(void *context, unsigned events)
{
	const int *fd = context;
	char byte;
	(void)events;
	world.ready += read(*fd, &byte, 1) == 1;
	stop_when_settled();
}

static void on_expired(void *context)
{
	(void)context;
	world.expired++;
	stop_when_settled();
}

/* Watches and timers that are idle: libev knows none of them yet. */
static int begin_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	alarm(LIMIT_S);
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	for (size_t i = 0; i < PAIRS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, world.fds[i]), 0);
		assert_int_equal(
			watch_create(world.loop, world.fds[i][0], 0, on_ready, world.fds[i], &world.watches[i]),
			STATUS_OK);
		assert_int_equal(timer_make(world.loop, on_expired, NULL, &world.timers[i]), STATUS_OK);
	}
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	for (size_t i = 0; i < PAIRS; i++) {
		watch_free(&world.watches[i]);
		timer_free(&world.timers[i]);
		close(world.fds[i][0]);
		close(world.fds[i][1]);
	}
	loop_free(world.loop);
	alarm(0);
	return 0;
}

/* All begin at once, and then all happen at once, without one allocation that succeeds. */
static void use_all(void)
{
	memory_counts = memory_is_out = true;
	for (size_t i = 0; i < PAIRS; i++) {
		watch_set(world.watches[i], WATCH_READ);
		timer_set(world.timers[i], 1);
	}
	for (size_t i = 0; i < PAIRS; i++)
		(void)!write(world.fds[i][1], "x", 1);
	loop_run(world.loop);
	memory_counts = memory_is_out = false;
}

static void what_is_there_goes_on_when_memory_is_out(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		world.ready = world.expired = 0;
		use_all();
		assert_int_equal(world.ready, PAIRS);
		assert_int_equal(world.expired, PAIRS);
	}
}

static void nothing_is_made_when_memory_is_out_and_all_is_well_once_it_is_back(void **state)
{
	struct timer *timer = NULL;
	struct watch *watch = NULL;
	struct wakeup *wakeup = NULL;
	(void)state;
	use_all();
	for (unsigned round = 0; round < 1000; round++) {
		memory_counts = memory_is_out = true;
		enum status made = timer_make(world.loop, on_expired, NULL, &timer);
		enum status watched = watch_create(world.loop, world.fds[0][1], 0, on_ready, NULL, &watch);
		enum status woken = wakeup_create(world.loop, on_expired, NULL, &wakeup);
		memory_counts = memory_is_out = false;
		assert_int_equal(made, STATUS_NO_MEMORY);
		assert_int_equal(watched, STATUS_NO_MEMORY);
		assert_int_equal(woken, STATUS_NO_MEMORY);
	}
	assert_int_equal(timer_make(world.loop, on_expired, NULL, &timer), STATUS_OK);
	assert_int_equal(watch_create(world.loop, world.fds[0][1], 0, on_ready, NULL, &watch), STATUS_OK);
	timer_free(&timer);
	watch_free(&watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_there_goes_on_when_memory_is_out, begin_world, end_world),
		cmocka_unit_test_setup_teardown(nothing_is_made_when_memory_is_out_and_all_is_well_once_it_is_back,
						begin_world, end_world),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
