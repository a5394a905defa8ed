/* Time as text, and the log as lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define NOV_23_2026_S 1795421730ULL /* 2026-11-23T08:15:30Z */
#define LINE 4096                   /* bytes */

/* ---- time */

static void time_is_written_in_utc(void **state)
{
	char text[CLOCK_TEXT_SIZE];
	(void)state;
	setlocale(LC_ALL, "");
	clock_format_us(NOV_23_2026_S * 1000000 + 123456, text);
	assert_string_equal(text, "2026-11-23T08:15:30.123456Z");
	clock_format_seconds(NOV_23_2026_S, text);
	assert_string_equal(text, "2026-11-23T08:15:30Z");
	clock_format_mail(NOV_23_2026_S * 1000000, text);
	assert_string_equal(text, "Mon, 23 Nov 2026 08:15:30 +0000");
}

static void time_to_the_second_is_read_and_nothing_else(void **state)
{
	static const char *const others[] = {
		"",
		"2026-11-23T08:15:30",
		"2026-11-23 08:15:30Z",
		"2026-11-23T08:15:30z",
		"2026-11-23T08:15:3xZ",
		"2026-13-23T08:15:30Z",
		"2026-06-31T08:15:30Z",
		"2026-11-00T08:15:30Z",
		"2026-11-23T08:15:61Z",
		"1969-12-31T23:59:59Z",
		"+026-11-23T08:15:30Z",
		"2026-11-23T08:15:30Z ",
	};
	uint64_t wall_s = 7;
	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(clock_read_seconds(span_of(others[i]), &wall_s), STATUS_INVALID);
	assert_int_equal(wall_s, 7);
	assert_int_equal(clock_read_seconds(SPAN("2026-11-23T08:15:30Z"), &wall_s), STATUS_OK);
	assert_int_equal(wall_s, NOV_23_2026_S);
}

static void the_ends_of_time_are_written_too(void **state)
{
	char text[CLOCK_TEXT_SIZE];
	(void)state;
	clock_format_us(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	clock_format_us(1709208000000007, text); /* a leap day, and few microseconds */
	assert_string_equal(text, "2024-02-29T12:00:00.000007Z");
	clock_format_us(UINT64_MAX, text);
	assert_int_equal(strlen(text), strlen("1970-01-01T00:00:00.000000Z"));
	clock_format_mail(UINT64_MAX, text);
	assert_int_equal(strlen(text), strlen("Mon, 23 Nov 2026 08:15:30 +0000"));
}

static void the_monotonic_clock_goes_on(void **state)
{
	uint64_t before = clock_monotonic_ms();
	(void)state;
	usleep(20000);
	assert_in_range(clock_monotonic_ms() - before, 19, 5000);
	assert_true(clock_wall_us() > NOV_23_2026_S / 2 * 1000000);
}

/* ---- log */

static int log_in_pipe(enum log_level level)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	log_open(ends[1], level, "gate 1");
	return ends[0];
}

static void assert_line(int from, const char *line)
{
	char text[LINE];
	ssize_t size = read(from, text, sizeof(text) - 1);
	assert_true(size >= 0);
	text[size] = '\0';
	assert_string_equal(text, line);
}

static void a_line_names_level_and_role(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_DEBUG);
	(void)state;
	log_error("no %s", "way");
	assert_line(from, "error gate 1: no way\n");
	log_warning("w");
	log_info("i");
	log_debug("d");
	assert_line(from, "warning gate 1: w\ninfo gate 1: i\ndebug gate 1: d\n");
	close(from);
}

static void lines_below_the_level_are_not_written(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_WARNING);
	char byte;
	(void)state;
	log_info("quiet");
	log_debug("quiet");
	assert_int_equal(read(from, &byte, 1), -1);
	log_warning("loud");
	assert_line(from, "warning gate 1: loud\n");
	close(from);
}

static void nobody_can_forge_a_line(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_INFO);
	(void)state;
	log_info("helo %s", "x\r\nerror gate 1: forged\x1b[2J\x7f\xc2\x9bK \xc3\x9b \xc2\xa0 \xc2");
	assert_line(from, "info gate 1: helo x??error gate 1: forged?[2J???K \xc3\x9b \xc2\xa0 \xc2\n");
	close(from);
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_INFO);
	char text[LINE];
	(void)state;
	log_info("%*s", 5000, "x");
	ssize_t size = read(from, text, sizeof(text));
	assert_in_range(size, 1000, 2048);
	assert_int_equal(text[size - 1], '\n');
	close(from);
}

static void count_dropped(void *context)
{
	++*(unsigned *)context;
}

static void lines_that_would_wait_are_dropped_and_told(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_INFO);
	unsigned dropped = 0;
	(void)state;
	log_on_dropped(count_dropped, &dropped);
	for (int i = 0; i < 100; i++)
		log_info("%*s", 1500, "x");
	log_on_dropped(NULL, NULL);
	assert_in_range(dropped, 1, 99);
	log_info("nobody hears of this one");
	close(from);
}

static void count_waiting(void *context)
{
	++*(unsigned *)context;
}

static void assert_nothing_there(int from)
{
	char byte;
	assert_int_equal(read(from, &byte, 1), -1);
}

static void gathered_lines_wait_until_they_are_flushed(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_INFO);
	unsigned waiting = 0;
	(void)state;
	log_gather(count_waiting, &waiting);
	log_info("a");
	log_info("b");
	assert_int_equal(waiting, 1); /* the first one */
	assert_nothing_there(from);
	log_flush();
	assert_line(from, "info gate 1: a\ninfo gate 1: b\n");
	log_flush();
	assert_nothing_there(from);
	log_info("c");
	assert_int_equal(waiting, 2);
	log_gather(NULL, NULL);
	assert_line(from, "info gate 1: c\n");
	log_info("d");
	assert_line(from, "info gate 1: d\n");
	close(from);
}

static void an_error_waits_for_nobody_and_stays_in_its_place(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_INFO);
	unsigned waiting = 0;
	(void)state;
	log_gather(count_waiting, &waiting);
	log_info("a");
	log_error("b");
	assert_line(from, "info gate 1: a\nerror gate 1: b\n");
	log_warning("c");
	assert_line(from, "warning gate 1: c\n");
	assert_int_equal(waiting, 1);
	log_gather(NULL, NULL);
	close(from);
}

static void somebody_who_debugs_sees_each_line_at_once(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_DEBUG);
	unsigned waiting = 0;
	(void)state;
	log_gather(count_waiting, &waiting);
	log_info("a");
	assert_line(from, "info gate 1: a\n");
	log_gather(NULL, NULL);
	close(from);
}

static void as_many_lines_are_gathered_as_one_write_takes(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_INFO);
	unsigned waiting = 0;
	char text[2 * PIPE_BUF];
	(void)state;
	log_gather(count_waiting, &waiting);
	for (int i = 0; i < 5; i++)
		log_info("%*d", 1000, i);
	ssize_t size = read(from, text, sizeof(text));
	assert_in_range(size, 4000, PIPE_BUF);
	assert_int_equal(text[size - 2], '3');
	assert_int_equal(waiting, 2);
	log_gather(NULL, NULL);
	size = read(from, text, sizeof(text));
	assert_int_equal(text[size - 2], '4');
	close(from);
}

static void *log_elsewhere(void *context)
{
	(void)context;
	log_info("elsewhere");
	log_flush();
	return NULL;
}

static void other_threads_lines_are_not_gathered(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_INFO);
	unsigned waiting = 0;
	pthread_t thread;
	(void)state;
	log_gather(count_waiting, &waiting);
	log_info("here");
	assert_int_equal(pthread_create(&thread, NULL, log_elsewhere, NULL), 0);
	pthread_join(thread, NULL);
	assert_line(from, "info gate 1: elsewhere\n");
	log_gather(NULL, NULL);
	assert_line(from, "info gate 1: here\n");
	close(from);
}

static void each_gathered_line_that_is_dropped_is_told(void **state)
{
	int from = log_in_pipe(LOG_LEVEL_INFO);
	unsigned dropped = 0, waiting = 0;
	(void)state;
	for (int i = 0; i < 10000; i++)
		log_info("x");
	log_on_dropped(count_dropped, &dropped);
	log_gather(count_waiting, &waiting);
	log_info("a");
	log_info("b");
	log_flush();
	assert_int_equal(dropped, 2);
	log_gather(NULL, NULL);
	log_on_dropped(NULL, NULL);
	close(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_written_in_utc),
		cmocka_unit_test(time_to_the_second_is_read_and_nothing_else),
		cmocka_unit_test(the_ends_of_time_are_written_too),
		cmocka_unit_test(the_monotonic_clock_goes_on),
		cmocka_unit_test(a_line_names_level_and_role),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(nobody_can_forge_a_line),
		cmocka_unit_test(a_long_line_is_cut_and_still_ends),
		cmocka_unit_test(lines_that_would_wait_are_dropped_and_told),
		cmocka_unit_test(gathered_lines_wait_until_they_are_flushed),
		cmocka_unit_test(an_error_waits_for_nobody_and_stays_in_its_place),
		cmocka_unit_test(somebody_who_debugs_sees_each_line_at_once),
		cmocka_unit_test(as_many_lines_are_gathered_as_one_write_takes),
		cmocka_unit_test(other_threads_lines_are_not_gathered),
		cmocka_unit_test(each_gathered_line_that_is_dropped_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
