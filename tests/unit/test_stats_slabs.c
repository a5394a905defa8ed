/* Slabs: what one process counts another reads, and counters never fall back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stats/stats.h"

#define SEATS 3

static int make_memory(void)
{
	int fd = memfd_create("slabs", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)stats_memory_size(SEATS)), 0);
	return fd;
}

static void seats_add_up(void **state)
{
	(void)state;
	int fd = make_memory();
	const struct stats *all;
	struct stats *gate, *relay;
	assert_int_equal(stats_map_all(fd, SEATS, &all), STATUS_OK);
	assert_int_equal(stats_map(fd, 0, &gate), STATUS_OK);
	assert_int_equal(stats_map(fd, 2, &relay), STATUS_OK);
	stats_add(gate, COUNTER_MESSAGE_BYTES, 0, 5);
	stats_add(relay, COUNTER_MESSAGE_BYTES, 0, 7);
	assert_int_equal(stats_sum(all, SEATS, COUNTER_MESSAGE_BYTES, 0), 12);
	assert_int_equal(stats_sum(all, 1, COUNTER_MESSAGE_BYTES, 0), 5);
	close(fd);
}

static void a_new_sitter_keeps_counters_and_clears_gauges(void **state)
{
	(void)state;
	int fd = make_memory();
	struct stats *first, *second;
	assert_int_equal(stats_map(fd, 1, &first), STATUS_OK);
	stats_add(first, COUNTER_CONNECTIONS, 0, 3);
	stats_set(first, COUNTER_SESSIONS, 1, 9);
	stats_note_longest_us(first, COUNTER_LOOP_TURN_LONGEST, 1, 7);
	assert_int_equal(stats_map(fd, 1, &second), STATUS_OK);
	assert_int_equal(stats_sum(second, 1, COUNTER_CONNECTIONS, 0), 3);
	assert_int_equal(stats_sum(second, 1, COUNTER_SESSIONS, 1), 0);
	assert_int_equal(stats_longest_us(second, 1, COUNTER_LOOP_TURN_LONGEST, 1), 0);
	close(fd);
}

static void of_the_longest_of_several_seats_the_longest_counts(void **state)
{
	(void)state;
	int fd = make_memory();
	const struct stats *all;
	struct stats *first, *second;
	assert_int_equal(stats_map_all(fd, SEATS, &all), STATUS_OK);
	assert_int_equal(stats_map(fd, 0, &first), STATUS_OK);
	assert_int_equal(stats_map(fd, 2, &second), STATUS_OK);
	stats_note_longest_us(first, COUNTER_LOOP_TURN_LONGEST, 1, 40);
	stats_note_longest_us(second, COUNTER_LOOP_TURN_LONGEST, 1, 90);
	stats_note_longest_us(second, COUNTER_LOOP_TURN_LONGEST, 1, 20);
	assert_int_equal(stats_longest_us(all, SEATS, COUNTER_LOOP_TURN_LONGEST, 1), 90);
	close(fd);
}

static void another_process_is_seen(void **state)
{
	(void)state;
	int fd = make_memory();
	const struct stats *all;
	int status;
	assert_int_equal(stats_map_all(fd, SEATS, &all), STATUS_OK);
	pid_t child = fork();
	if (child == 0) {
		struct stats *mine;
		if (stats_map(fd, 1, &mine) != STATUS_OK)
			_exit(1);
		stats_add(mine, COUNTER_CONNECTIONS, 2, 41);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(stats_sum(all, SEATS, COUNTER_CONNECTIONS, 2), 41);
	close(fd);
}

static void labels_past_the_last_share_it(void **state)
{
	(void)state;
	struct stats *stats;
	assert_int_equal(stats_create_private(&stats), STATUS_OK);
	stats_add(stats, COUNTER_CONNECTIONS, STATS_LABELS, 1);
	stats_add(stats, COUNTER_CONNECTIONS, UINT32_MAX, 1);
	assert_int_equal(stats_sum(stats, 1, COUNTER_CONNECTIONS, STATS_LABELS - 1), 2);
	stats_free_private(&stats);
	assert_null(stats);
}

static void of_a_pair_past_the_last_the_second_label_stays(void **state)
{
	(void)state;
	struct stats *stats;
	unsigned last = STATS_LABELS / STATS_SECOND_LABELS - 1;
	assert_int_equal(stats_create_private(&stats), STATUS_OK);
	stats_add(stats, COUNTER_MESSAGES, (last + 5) * STATS_SECOND_LABELS + STATS_RESULT_FAILED, 1);
	assert_int_equal(stats_sum(stats, 1, COUNTER_MESSAGES, last * STATS_SECOND_LABELS + STATS_RESULT_FAILED), 1);
	stats_free_private(&stats);
}

static void a_descriptor_that_is_no_memory_is_told(void **state)
{
	(void)state;
	struct stats *stats = NULL;
	const struct stats *all = NULL;
	assert_int_equal(stats_map(-1, 0, &stats), STATUS_SYSTEM);
	assert_int_equal(stats_map_all(-1, SEATS, &all), STATUS_SYSTEM);
	assert_null(stats);
	assert_null(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seats_add_up),
		cmocka_unit_test(a_new_sitter_keeps_counters_and_clears_gauges),
		cmocka_unit_test(of_the_longest_of_several_seats_the_longest_counts),
		cmocka_unit_test(another_process_is_seen),
		cmocka_unit_test(labels_past_the_last_share_it),
		cmocka_unit_test(of_a_pair_past_the_last_the_second_label_stays),
		cmocka_unit_test(a_descriptor_that_is_no_memory_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
