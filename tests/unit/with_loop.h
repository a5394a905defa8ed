/* For tests that need a loop: runs it until something has happened, and never for ever. */
#ifndef TESTS_WITH_LOOP_H
#define TESTS_WITH_LOOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/loop.h"

#define PATIENCE_MS 30000 /* what takes longer hangs, however busy the machine is */
#define LOOK_MS 1
#define TURNS_LEAST 10 /* once a wait is over: on a busy machine its time may have passed without a turn */

struct wait {
	struct loop *loop;
	struct timer *look;
	uint64_t until_ms;
	unsigned turns_left;
	bool (*is_done)(void *context);
	void *context;
};

static inline void wait_look(void *context)
{
	struct wait *wait = context;
	bool over = loop_now_ms(wait->loop) >= wait->until_ms && wait->turns_left-- == 0;
	if (over || (wait->is_done && wait->is_done(wait->context)))
		loop_stop(wait->loop);
	else
		timer_set(wait->look, LOOK_MS);
}

static inline void wait_in(struct loop *loop, uint64_t limit_ms, bool (*is_done)(void *context), void *context)
{
	struct wait wait = { .loop = loop, .turns_left = TURNS_LEAST, .is_done = is_done, .context = context };
	wait.until_ms = loop_now_ms(loop) + limit_ms;
	assert_int_equal(timer_make(loop, wait_look, &wait, &wait.look), STATUS_OK);
	timer_set(wait.look, LOOK_MS);
	loop_run(loop);
	timer_free(&wait.look);
}

/* Fails the test when it does not come true in time. */
static inline void run_until(struct loop *loop, bool (*is_done)(void *context), void *context)
{
	wait_in(loop, PATIENCE_MS, is_done, context);
	assert_true(is_done(context));
}

/* For what must not happen. */
static inline void run_for(struct loop *loop, uint64_t ms)
{
	wait_in(loop, ms, NULL, NULL);
}

#endif
