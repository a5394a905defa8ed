/* The loop: turns and their ends, timers, watches, wakeups and signals. */
#include "with_loop.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- the end of a turn */

struct trace {
	struct loop *loop;
	struct turn_end hooks[3];
	char text[32];  /* a letter for each thing that happened */
	unsigned again; /* so often hook a queues itself anew */
};

static void add_letter(struct trace *trace, char letter)
{
	size_t size = strlen(trace->text);
	assert_true(size < sizeof(trace->text) - 1);
	trace->text[size] = letter;
}

static void run_a(void *context)
{
	struct trace *trace = context;
	add_letter(trace, 'a');
	if (trace->again) {
		trace->again--;
		loop_at_turn_end(trace->loop, &trace->hooks[0]);
	}
}

static void run_b(void *context)
{
	add_letter(context, 'b');
}

static void run_c(void *context)
{
	add_letter(context, 'c');
}

static void begin_trace(struct trace *trace)
{
	*trace = (struct trace){ .hooks = { { .run = run_a }, { .run = run_b }, { .run = run_c } } };
	for (size_t i = 0; i < 3; i++)
		trace->hooks[i].context = trace;
	assert_int_equal(loop_create(&trace->loop), STATUS_OK);
}

static void note_and_stop(void *context)
{
	struct trace *trace = context;
	add_letter(trace, '!');
	loop_stop(trace->loop);
}

static void queue_and_stop(void *context)
{
	struct trace *trace = context;
	loop_at_turn_end(trace->loop, &trace->hooks[1]);
	loop_at_turn_end(trace->loop, &trace->hooks[0]);
	loop_at_turn_end(trace->loop, &trace->hooks[1]);
	note_and_stop(trace);
}

static void run_with(struct trace *trace, void (*first)(void *context))
{
	struct timer *timer;
	assert_int_equal(timer_make(trace->loop, first, trace, &timer), STATUS_OK);
	timer_set(timer, 0);
	loop_run(trace->loop);
	timer_free(&timer);
}

static void hooks_run_once_in_order_after_the_callback_even_when_the_loop_stops(void **state)
{
	struct trace trace;
	(void)state;
	begin_trace(&trace);
	run_with(&trace, queue_and_stop);
	assert_string_equal(trace.text, "!ba");
	loop_free(trace.loop);
}

static void a_hook_queued_by_a_hook_runs_in_the_same_end(void **state)
{
	struct trace trace;
	(void)state;
	begin_trace(&trace);
	trace.again = 2;
	run_with(&trace, queue_and_stop);
	assert_string_equal(trace.text, "!baaa");
	loop_free(trace.loop);
}

static void queue_c_first(void *context)
{
	struct trace *trace = context;
	queue_and_stop(trace);
	loop_first_at_turn_end(trace->loop, &trace->hooks[2]);
	loop_first_at_turn_end(trace->loop, &trace->hooks[2]);
}

static void a_hook_that_is_to_be_first_runs_first(void **state)
{
	struct trace trace;
	(void)state;
	begin_trace(&trace);
	run_with(&trace, queue_c_first);
	assert_string_equal(trace.text, "!cba");
	loop_free(trace.loop);
}

static void queue_c_afterwards(void *context)
{
	struct trace *trace = context;
	loop_after_turn_end(trace->loop, &trace->hooks[2]);
	queue_and_stop(trace);
}

static void a_hook_after_the_end_runs_last(void **state)
{
	struct trace trace;
	(void)state;
	begin_trace(&trace);
	trace.again = 2;
	run_with(&trace, queue_c_afterwards);
	assert_string_equal(trace.text, "!baaac");
	loop_free(trace.loop);
}

static void queue_and_forget(void *context)
{
	struct trace *trace = context;
	loop_after_turn_end(trace->loop, &trace->hooks[2]);
	queue_and_stop(trace);
	loop_forget_turn_end(trace->loop, &trace->hooks[1]);
	loop_forget_turn_end(trace->loop, &trace->hooks[1]);
	loop_forget_turn_end(trace->loop, &trace->hooks[2]);
}

static void a_forgotten_hook_does_not_run(void **state)
{
	struct trace trace;
	(void)state;
	begin_trace(&trace);
	run_with(&trace, queue_and_forget);
	assert_string_equal(trace.text, "!a");
	loop_free(trace.loop);
}

static void a_loop_runs_again_after_a_stop(void **state)
{
	struct trace trace;
	(void)state;
	begin_trace(&trace);
	run_with(&trace, note_and_stop);
	run_with(&trace, note_and_stop);
	assert_string_equal(trace.text, "!!");
	loop_free(trace.loop);
}

/* ---- how long turns take */

#define TURN_US 20000 /* of work, and as much again at the turn's end */

struct measure {
	struct trace trace;
	unsigned turns;
	uint64_t longest_us;
};

static void note_turn(void *context, uint64_t duration_us)
{
	struct measure *measure = context;
	measure->turns++;
	if (duration_us > measure->longest_us)
		measure->longest_us = duration_us;
}

static void work_a_while(void *context)
{
	(void)context;
	usleep(TURN_US);
}

static void work_and_stop(void *context)
{
	struct trace *trace = context;
	work_a_while(NULL);
	loop_at_turn_end(trace->loop, &trace->hooks[0]);
	note_and_stop(trace);
}

static void a_turn_is_measured_with_its_end_and_without_the_wait(void **state)
{
	struct measure measure = { 0 };
	(void)state;
	begin_trace(&measure.trace);
	measure.trace.hooks[0].run = work_a_while;
	loop_on_turn(measure.trace.loop, note_turn, &measure);
	run_with(&measure.trace, work_and_stop);
	assert_true(measure.longest_us >= 2 * TURN_US);
	measure.longest_us = 0;
	measure.turns = 0;
	run_for(measure.trace.loop, 5);
	assert_true(measure.turns > 1);
	loop_free(measure.trace.loop);
}

static void a_wait_is_no_turn(void **state)
{
	struct measure measure = { 0 };
	(void)state;
	begin_trace(&measure.trace);
	struct timer *timer;
	assert_int_equal(timer_make(measure.trace.loop, note_and_stop, &measure.trace, &timer), STATUS_OK);
	timer_set(timer, 500);
	loop_on_turn(measure.trace.loop, note_turn, &measure);
	loop_run(measure.trace.loop);
	assert_int_equal(measure.turns, 2); /* the one before the wait, and the timer's */
	assert_true(measure.longest_us < 400000);
	timer_free(&timer);
	loop_free(measure.trace.loop);
}

/* ---- timers */

struct alarm {
	struct loop *loop;
	struct timer *timer;
	unsigned fired;
	uint64_t at_ms;
	bool frees;
};

static void note_alarm(void *context)
{
	struct alarm *alarm = context;
	alarm->fired++;
	alarm->at_ms = loop_now_ms(alarm->loop);
	if (alarm->frees)
		timer_free(&alarm->timer);
}

static void begin_alarm(struct alarm *alarm)
{
	*alarm = (struct alarm){ 0 };
	assert_int_equal(loop_create(&alarm->loop), STATUS_OK);
	assert_int_equal(timer_make(alarm->loop, note_alarm, alarm, &alarm->timer), STATUS_OK);
}

static void end_alarm(struct alarm *alarm)
{
	timer_free(&alarm->timer);
	loop_free(alarm->loop);
}

static bool has_fired(void *context)
{
	return ((struct alarm *)context)->fired > 0;
}

static void a_timer_fires_once_and_never_early(void **state)
{
	struct alarm alarm;
	(void)state;
	begin_alarm(&alarm);
	uint64_t begun_ms = loop_now_ms(alarm.loop);
	timer_set(alarm.timer, 30);
	run_until(alarm.loop, has_fired, &alarm);
	assert_true(alarm.at_ms - begun_ms >= 30);
	run_for(alarm.loop, 60);
	assert_int_equal(alarm.fired, 1);
	end_alarm(&alarm);
}

static void the_delay_counts_from_the_call_however_long_the_loop_stood(void **state)
{
	struct alarm alarm;
	(void)state;
	begin_alarm(&alarm);
	usleep(50000);
	uint64_t begun_ms = loop_now_ms(alarm.loop);
	timer_set(alarm.timer, 30);
	run_until(alarm.loop, has_fired, &alarm);
	assert_true(alarm.at_ms - begun_ms >= 30);
	end_alarm(&alarm);
}

static void a_timer_moves_to_later_and_to_earlier(void **state)
{
	struct alarm alarm;
	(void)state;
	begin_alarm(&alarm);
	uint64_t begun_ms = loop_now_ms(alarm.loop);
	timer_set(alarm.timer, 10);
	timer_set(alarm.timer, 60);
	run_until(alarm.loop, has_fired, &alarm);
	assert_true(alarm.at_ms - begun_ms >= 60);
	timer_set(alarm.timer, 3000);
	timer_set(alarm.timer, 5);
	run_for(alarm.loop, 40);
	assert_int_equal(alarm.fired, 2);
	end_alarm(&alarm);
}

static void a_cleared_timer_is_silent_until_set_again(void **state)
{
	struct alarm alarm;
	(void)state;
	begin_alarm(&alarm);
	timer_set(alarm.timer, 5);
	timer_clear(alarm.timer);
	run_for(alarm.loop, 30);
	assert_int_equal(alarm.fired, 0);
	timer_set(alarm.timer, 5);
	run_until(alarm.loop, has_fired, &alarm);
	end_alarm(&alarm);
}

static void a_timer_may_be_freed_in_its_callback(void **state)
{
	struct alarm alarm;
	(void)state;
	begin_alarm(&alarm);
	alarm.frees = true;
	timer_set(alarm.timer, 1);
	run_for(alarm.loop, 10);
	assert_int_equal(alarm.fired, 1);
	assert_null(alarm.timer);
	end_alarm(&alarm);
}

/* ---- watches */

struct lookout {
	struct watch *watch;
	unsigned seen; /* events, of all calls */
	unsigned calls;
	bool frees;
};

static void note_events(void *context, unsigned events)
{
	struct lookout *lookout = context;
	lookout->seen |= events;
	lookout->calls++;
	if (lookout->frees)
		watch_free(&lookout->watch);
}

static void a_watch_tells_what_it_was_asked_for(void **state)
{
	struct loop *loop;
	struct lookout lookout = { 0 };
	int ends[2];
	(void)state;
	assert_int_equal(loop_create(&loop), STATUS_OK);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(watch_create(loop, ends[0], WATCH_READ, note_events, &lookout, &lookout.watch), STATUS_OK);
	run_for(loop, 5);
	assert_int_equal(lookout.calls, 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	watch_set(lookout.watch, 0);
	run_for(loop, 5);
	assert_int_equal(lookout.calls, 0);
	watch_set(lookout.watch, WATCH_READ);
	run_for(loop, 5);
	assert_int_equal(lookout.seen, WATCH_READ);
	lookout.calls = 0;
	lookout.frees = true;
	run_for(loop, 5);
	assert_int_equal(lookout.calls, 1);
	assert_null(lookout.watch);
	close(ends[0]);
	close(ends[1]);
	loop_free(loop);
}

/* ---- wakeups and signals */

struct waker {
	struct wakeup *wakeup;
	struct signal_watch *signal;
	unsigned woken;
};

static void note_wake(void *context)
{
	((struct waker *)context)->woken++;
}

static bool is_woken(void *context)
{
	return ((struct waker *)context)->woken > 0;
}

static void *send_wakeups(void *context)
{
	for (int i = 0; i < 100; i++)
		wakeup_send(((struct waker *)context)->wakeup);
	return NULL;
}

static void another_thread_wakes_the_loop(void **state)
{
	struct loop *loop;
	struct waker waker = { 0 };
	pthread_t thread;
	(void)state;
	assert_int_equal(loop_create(&loop), STATUS_OK);
	assert_int_equal(wakeup_create(loop, note_wake, &waker, &waker.wakeup), STATUS_OK);
	assert_int_equal(pthread_create(&thread, NULL, send_wakeups, &waker), 0);
	run_until(loop, is_woken, &waker);
	pthread_join(thread, NULL);
	run_for(loop, 5);
	assert_in_range(waker.woken, 1, 100);
	wakeup_free(&waker.wakeup);
	loop_free(loop);
}

static void a_signal_arrives_on_the_loop(void **state)
{
	struct loop *loop;
	struct waker waker = { 0 };
	(void)state;
	assert_int_equal(loop_create(&loop), STATUS_OK);
	assert_int_equal(signal_watch_create(loop, SIGUSR1, note_wake, &waker, &waker.signal), STATUS_OK);
	raise(SIGUSR1);
	assert_int_equal(waker.woken, 0);
	run_until(loop, is_woken, &waker);
	signal_watch_free(&waker.signal);
	loop_free(loop);
}

static void sigpipe_kills_nobody(void **state)
{
	struct loop *loop;
	int ends[2];
	(void)state;
	assert_int_equal(loop_create(&loop), STATUS_OK);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1);
	close(ends[1]);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hooks_run_once_in_order_after_the_callback_even_when_the_loop_stops),
		cmocka_unit_test(a_hook_queued_by_a_hook_runs_in_the_same_end),
		cmocka_unit_test(a_hook_that_is_to_be_first_runs_first),
		cmocka_unit_test(a_hook_after_the_end_runs_last),
		cmocka_unit_test(a_forgotten_hook_does_not_run),
		cmocka_unit_test(a_loop_runs_again_after_a_stop),
		cmocka_unit_test(a_turn_is_measured_with_its_end_and_without_the_wait),
		cmocka_unit_test(a_wait_is_no_turn),
		cmocka_unit_test(a_timer_fires_once_and_never_early),
		cmocka_unit_test(the_delay_counts_from_the_call_however_long_the_loop_stood),
		cmocka_unit_test(a_timer_moves_to_later_and_to_earlier),
		cmocka_unit_test(a_cleared_timer_is_silent_until_set_again),
		cmocka_unit_test(a_timer_may_be_freed_in_its_callback),
		cmocka_unit_test(a_watch_tells_what_it_was_asked_for),
		cmocka_unit_test(another_thread_wakes_the_loop),
		cmocka_unit_test(a_signal_arrives_on_the_loop),
		cmocka_unit_test(sigpipe_kills_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
