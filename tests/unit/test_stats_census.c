/* The census: several gates count in one memory; each may vanish, lie, or count at the same time as the others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stats/census_layout.h"
#include "with_census.h"

#define GATES 3
#define ROOM 100 /* networks in a table */

static struct census_board *board;
static struct census *gates[GATES];

static void join_gate(unsigned place)
{
	assert_int_equal(
		census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)), place, &gates[place]),
		STATUS_OK);
}

static int open_all(void **state)
{
	(void)state;
	assert_int_equal(census_board_create(&board), STATUS_OK);
	for (unsigned i = 0; i < GATES; i++) {
		assert_int_equal(census_board_open(board, i, ROOM), STATUS_OK);
		join_gate(i);
	}
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GATES; i++)
		census_leave(&gates[i]);
	census_board_free(&board);
	return 0;
}

static void raise_times(unsigned gate, uint64_t network, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		assert_int_equal(census_raise(gates[gate], network), STATUS_OK);
}

/* ---- counting */

static void every_gate_sees_the_sum_of_all(void **state)
{
	(void)state;
	raise_times(0, 77, 2);
	raise_times(1, 77, 3);
	raise_times(2, 78, 1);
	census_raise_total(gates[0]);
	census_raise_total(gates[2]);
	for (unsigned i = 0; i < GATES; i++) {
		assert_int_equal(census_seen(gates[i], 77), 5);
		assert_int_equal(census_seen(gates[i], 78), 1);
		assert_int_equal(census_seen(gates[i], 79), 0);
		assert_int_equal(census_seen(gates[i], 0), 2);
	}
	assert_int_equal(census_own_total(gates[0]), 1);
	assert_int_equal(census_own_total(gates[1]), 0);
}

static void counts_vanish_with_their_gate(void **state)
{
	(void)state;
	raise_times(0, 77, 2);
	raise_times(1, 77, 3);
	census_raise_total(gates[1]);
	census_board_close(board, 1);
	assert_int_equal(census_seen(gates[0], 77), 2);
	assert_int_equal(census_seen(gates[0], 0), 0);
	census_leave(&gates[1]);
	assert_int_equal(census_board_open(board, 1, ROOM), STATUS_OK);
	join_gate(1);
	assert_int_equal(census_seen(gates[1], 77), 2); /* who comes next finds nothing of it */
	raise_times(1, 77, 1);
	assert_int_equal(census_seen(gates[0], 77), 3);
}

static void a_gate_that_comes_later_is_seen(void **state)
{
	struct census *late = NULL;
	(void)state;
	/* Another config: a larger table, past the end of what was mapped. */
	assert_int_equal(census_board_open(board, 40, 200000), STATUS_OK);
	assert_int_equal(census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)), 40, &late),
			 STATUS_OK);
	assert_int_equal(census_raise(late, 77), STATUS_OK);
	census_raise_total(late);
	assert_int_equal(census_seen(gates[0], 77), 1);
	assert_int_equal(census_seen(gates[1], 0), 1);
	raise_times(0, 77, 1);
	assert_int_equal(census_seen(late, 77), 2);
	census_leave(&late);
}

static void a_place_may_get_a_larger_table(void **state)
{
	(void)state;
	raise_times(1, 77, 1);
	census_leave(&gates[1]);
	assert_int_equal(census_board_open(board, 1, 50 * ROOM), STATUS_OK);
	join_gate(1);
	for (uint64_t network = 1; network <= 50 * ROOM; network++)
		raise_times(1, network, 1);
	for (uint64_t network = 1; network <= 50 * ROOM; network++)
		assert_int_equal(census_seen(gates[0], network), 1);
}

/* ---- the hash */

static uint64_t network_at(unsigned i)
{
	return 0x20010db800000000U + i;
}

/* Gate 0 alone counts it; each of the others sees as much of that as it can. */
static void assert_random_count(unsigned i, unsigned count)
{
	assert_int_equal(census_weigh(gates[0], network_at(i), 1U << 20), count);
	for (unsigned gate = 1; gate < GATES; gate++)
		assert_int_equal(census_seen(gates[gate], network_at(i)),
				 count < CENSUS_SEEN_OF_EACH ? count : CENSUS_SEEN_OF_EACH);
}

static void random_comings_and_goings_are_counted_right(void **state)
{
	enum { NETWORKS = 400, STEPS = 200000 };
	unsigned counts[NETWORKS] = { 0 };
	unsigned present = 0;
	(void)state;
	srandom(7);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)random() % NETWORKS;
		uint64_t network = network_at(i);
		if (counts[i] > 0 && random() % 2) {
			census_lower(gates[0], network);
			present -= --counts[i] == 0;
		} else if (counts[i] > 0 || present < ROOM) {
			raise_times(0, network, 1);
			present += counts[i]++ == 0;
		}
		assert_random_count(i, counts[i]);
	}
	for (unsigned i = 0; i < NETWORKS; i++)
		assert_random_count(i, counts[i]);
}

static void what_is_gone_leaves_no_trace(void **state)
{
	const struct census_head *head = mmap(NULL, 4U << 20, PROT_READ, MAP_SHARED, census_board_reading_fd(board), 0);
	const struct census_table *table =
		(const struct census_table *)((const char *)head + census_table_at(head->words[0]));
	(void)state;
	for (uint64_t round = 0; round < 1000; round++) {
		for (uint64_t i = 1; i <= ROOM; i++)
			raise_times(0, round * ROOM + i, 1);
		for (uint64_t i = 1; i <= ROOM; i++)
			census_lower(gates[0], round * ROOM + i);
	}
	/* Searches would be as long as the table if each network that ever was kept its slot. */
	struct census_range range = census_range_at(head->words[0], table->growth);
	for (size_t i = 0; i < range.slots; i++)
		assert_int_equal(table->slots[range.first + i].network, 0);
	assert_true(table->growth <= 1); /* and the slots would become ever more */
	munmap((void *)head, 4U << 20);
}

/* Bytes of memory that the census has. */
static uint64_t memory_taken(void)
{
	struct stat stat;
	assert_int_equal(fstat(census_board_fd(board), &stat), 0);
	return (uint64_t)stat.st_blocks * 512;
}

static void few_counts_take_little_memory(void **state)
{
	struct census *large = NULL, *other = NULL;
	(void)state;
	assert_int_equal(census_board_open(board, 40, 200000), STATUS_OK);
	assert_int_equal(census_board_open(board, 41, 200000), STATUS_OK);
	assert_int_equal(census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)), 40, &large),
			 STATUS_OK);
	assert_int_equal(census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)), 41, &other),
			 STATUS_OK);
	uint64_t before = memory_taken();
	for (uint64_t network = 1; network <= 100; network++) {
		assert_int_equal(census_raise(large, network), STATUS_OK);
		assert_int_equal(census_seen(other, network), 1);
	}
	assert_in_range(memory_taken() - before, 0, 65536); /* not a page for each of them */
	for (uint64_t network = 101; network <= 1000; network++)
		assert_int_equal(census_raise(large, network), STATUS_OK);
	assert_in_range(memory_taken() - before, 0, 262144);
	census_leave(&large);
	census_leave(&other);
}

/* As the slots in use become more, no count is lost, neither here nor in the eyes of others. */
static void growing_keeps_every_count(void **state)
{
	enum { NETWORKS = 4 * ROOM };
	(void)state;
	for (uint64_t network = 1; network <= NETWORKS; network++) {
		raise_times(0, network, 1 + (unsigned)(network % 3));
		for (uint64_t former = 1; former <= network; former++) {
			assert_int_equal(census_seen(gates[1], former), 1 + former % 3);
			assert_int_equal(census_weigh(gates[0], former, 1U << 20), 1 + former % 3);
		}
	}
	for (uint64_t network = 1; network <= NETWORKS; network++)
		for (uint64_t times = 1 + network % 3; times > 0; times--)
			census_lower(gates[0], network);
	for (uint64_t network = 1; network <= NETWORKS; network++)
		assert_int_equal(census_seen(gates[1], network), 0);
}

static void a_full_table_says_so(void **state)
{
	uint64_t network = 1;
	(void)state;
	while (network < 2000 && census_raise(gates[0], network) == STATUS_OK)
		network++;
	assert_in_range(network, 4 * ROOM, 1999); /* all slots, and not one more */
	assert_int_equal(census_seen(gates[1], network), 0);
	assert_int_equal(census_seen(gates[1], 5), 1);
}

/* ---- gates that are not what they should be */

static void what_another_counts_can_not_be_changed(void **state)
{
	int fd = census_board_reading_fd(board);
	(void)state;
	assert_ptr_equal(mmap(NULL, CENSUS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(errno, EACCES);
	void *view = mmap(NULL, CENSUS_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	assert_int_equal(mprotect(view, CENSUS_PAGE, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	munmap(view, CENSUS_PAGE);
}

static void lies_of_another_do_no_more_than_refuse(void **state)
{
	const struct census_head *head =
		mmap(NULL, 4U << 20, PROT_READ | PROT_WRITE, MAP_SHARED, census_board_fd(board), 0);
	struct census_table *table = (struct census_table *)((char *)head + census_table_at(head->words[2]));
	(void)state;
	raise_times(0, 77, 2);
	census_raise_total(gates[0]);
	table->total = UINT64_MAX;
	table->growth = UINT64_MAX;
	for (size_t i = 0; i < census_slots(head->words[2]); i++) {
		table->slots[i].network = i % 2 ? 77 : 78; /* no end to a search, and sums that would pass 2^64 */
		table->slots[i].count = UINT64_MAX - 1;
	}
	assert_int_equal(census_seen(gates[0], 77), 2 + CENSUS_SEEN_OF_EACH);
	assert_int_equal(census_seen(gates[0], 0), 1 + CENSUS_SEEN_OF_EACH);
	assert_int_equal(census_seen(gates[0], 79), 0);
	/* Against a limit it weighs no more than that, and nothing within this gate's own part. */
	assert_int_equal(census_weigh(gates[0], 77, 200), 2);
	assert_int_equal(census_weigh(gates[0], 0, 20000), 1);
	raise_times(0, 77, 198);
	assert_in_range(census_weigh(gates[0], 77, 200), 400, 400 + GATES * 200 / 4);
	munmap((void *)head, 4U << 20);
}

static void a_place_that_is_not_open_can_not_be_joined(void **state)
{
	static const unsigned places[] = { GATES, 41, CENSUS_PLACES - 1, CENSUS_PLACES, UINT32_MAX };
	struct census *census = NULL;
	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		assert_int_equal(census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)),
					     places[i], &census),
				 STATUS_INVALID);
	assert_null(census);
	assert_int_equal(census_board_open(board, CENSUS_PLACES, ROOM), STATUS_TOO_LARGE);
	census_board_close(board, CENSUS_PLACES); /* nothing */
	census_board_close(board, 50);
}

static void its_memory_is_given_back(void **state)
{
	struct stat before, after;
	(void)state;
	assert_int_equal(fstat(census_board_fd(board), &before), 0);
	for (unsigned round = 0; round < 50; round++) {
		struct census *census = NULL;
		assert_int_equal(census_board_open(board, 9, 100000), STATUS_OK);
		assert_int_equal(
			census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)), 9, &census),
			STATUS_OK);
		for (uint64_t network = 1; network < 5000; network++)
			assert_int_equal(census_raise(census, network), STATUS_OK);
		census_leave(&census);
		census_board_close(board, 9);
	}
	assert_int_equal(fstat(census_board_fd(board), &after), 0);
	assert_int_equal(after.st_blocks, before.st_blocks);
	assert_in_range(after.st_size, before.st_size,
			before.st_size + (40 << 20)); /* one piece, used again and again */
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_gate_sees_the_sum_of_all),
		CASE(counts_vanish_with_their_gate),
		CASE(a_gate_that_comes_later_is_seen),
		CASE(a_place_may_get_a_larger_table),
		CASE(random_comings_and_goings_are_counted_right),
		CASE(what_is_gone_leaves_no_trace),
		CASE(few_counts_take_little_memory),
		CASE(growing_keeps_every_count),
		CASE(a_full_table_says_so),
		CASE(what_another_counts_can_not_be_changed),
		CASE(lies_of_another_do_no_more_than_refuse),
		CASE(a_place_that_is_not_open_can_not_be_joined),
		CASE(its_memory_is_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
