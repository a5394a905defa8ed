/* The ring between a gate and the relay: what was put in comes out, and a gate that lies gains nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "door/ring.h"

#define TAKEN_AT 0U  /* where the memory holds how far the reader has come */
#define BYTES_AT 64U /* where the pieces are */

static struct ring_reader reader;
static struct ring_writer writer;
static int spare_fd; /* what a taken-over gate might keep */
static char bytes[RING_PIECE];

static int set_up(void **state)
{
	int fd;
	(void)state;
	assert_int_equal(ring_open(&reader, &fd), STATUS_OK);
	spare_fd = dup(fd);
	assert_int_equal(ring_join(&writer, fd), STATUS_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ring_leave(&writer);
	ring_close(&reader);
	close(spare_fd);
	return 0;
}

/* A piece that no other resembles. */
static struct span make_piece(unsigned number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(number * 7 + i * 31 + i / 251);
	return (struct span){ bytes, size };
}

static void take_piece(uint64_t position, struct span expected)
{
	struct span taken;
	assert_int_equal(ring_take(&reader, position, expected.size, &taken), STATUS_OK);
	assert_true(span_equal(taken, expected));
}

static void pieces_come_out_as_they_went_in_round_and_round(void **state)
{
	static uint64_t positions[4];
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		size_t size = (i % 5 ? i * 7919U : i) % RING_PIECE + 1;
		assert_true(ring_put(&writer, make_piece(i, size), &positions[i % 4]));
		if (i < 3)
			continue;
		unsigned former = i - 3; /* three more are in it */
		take_piece(positions[former % 4],
			   make_piece(former, (former % 5 ? former * 7919U : former) % RING_PIECE + 1));
	}
}

static void a_full_ring_takes_nothing_until_there_is_room(void **state)
{
	static uint64_t positions[RING_SIZE / RING_PIECE];
	uint64_t position;
	(void)state;
	for (unsigned i = 0; i < RING_SIZE / RING_PIECE; i++)
		assert_true(ring_put(&writer, make_piece(i, RING_PIECE), &positions[i]));
	assert_false(ring_put(&writer, make_piece(99, 1), &position));
	take_piece(positions[0], make_piece(0, RING_PIECE));
	assert_true(ring_put(&writer, make_piece(99, RING_PIECE), &position));
	assert_false(ring_put(&writer, make_piece(100, 1), &position));
	for (unsigned i = 1; i < RING_SIZE / RING_PIECE; i++)
		take_piece(positions[i], make_piece(i, RING_PIECE));
	take_piece(position, make_piece(99, RING_PIECE));
}

static void what_was_taken_does_not_change_any_more(void **state)
{
	uint64_t position;
	struct span taken;
	(void)state;
	char *memory = mmap(NULL, BYTES_AT + RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, spare_fd, 0);
	assert_true(memory != MAP_FAILED);
	assert_true(ring_put(&writer, SPAN("RCPT TO:<good@example.com>"), &position));
	assert_int_equal(ring_take(&reader, position, 26, &taken), STATUS_OK);
	memset(memory + BYTES_AT, 'x', RING_SIZE);
	assert_true(span_equal(taken, SPAN("RCPT TO:<good@example.com>")));
	munmap(memory, BYTES_AT + RING_SIZE);
}

static void no_piece_is_beyond_the_ring(void **state)
{
	static const struct {
		uint64_t position, size;
	} lies[] = {
		{ 0, 0 },
		{ 0, RING_PIECE + 1 },
		{ 0, UINT64_MAX },
		{ RING_SIZE - 1, 2 },
		{ RING_SIZE - RING_PIECE + 1, RING_PIECE },
		{ UINT64_MAX, 2 },
		{ UINT64_MAX - RING_PIECE + 2, RING_PIECE },
	};
	struct span taken;
	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		assert_int_equal(ring_take(&reader, lies[i].position, lies[i].size, &taken), STATUS_INVALID);
	/* The last byte, and one round further on. */
	assert_int_equal(ring_take(&reader, RING_SIZE - 1, 1, &taken), STATUS_OK);
	assert_int_equal(ring_take(&reader, UINT64_MAX, 1, &taken), STATUS_OK);
}

static void its_memory_can_not_be_cut_off(void **state)
{
	struct span taken;
	(void)state;
	assert_int_equal(ftruncate(spare_fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(spare_fd, (off_t)RING_SIZE * 4), -1);
	assert_int_equal(fcntl(spare_fd, F_ADD_SEALS, F_SEAL_WRITE), -1); /* nor held against the other end */
	assert_int_equal(ring_take(&reader, 0, RING_PIECE, &taken), STATUS_OK);
}

static void a_count_that_can_not_be_means_no_room(void **state)
{
	static const uint64_t counts[] = { 1, RING_SIZE, UINT64_MAX / 2 };
	uint64_t position;
	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		assert_int_equal(pwrite(spare_fd, &counts[i], sizeof(counts[i]), TAKEN_AT), sizeof(counts[i]));
		assert_false(ring_put(&writer, make_piece(1, RING_PIECE), &position));
	}
}

static void without_a_ring_nothing_goes_in_or_out(void **state)
{
	uint64_t position;
	struct span taken;
	(void)state;
	ring_leave(&writer);
	ring_close(&reader);
	assert_false(ring_put(&writer, make_piece(1, 1), &position));
	assert_int_equal(ring_take(&reader, 0, 1, &taken), STATUS_INVALID);
	assert_int_equal(ring_join(&writer, -1), STATUS_SYSTEM);
	assert_false(ring_put(&writer, make_piece(1, 1), &position));
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(pieces_come_out_as_they_went_in_round_and_round),
		RING_TEST(a_full_ring_takes_nothing_until_there_is_room),
		RING_TEST(what_was_taken_does_not_change_any_more),
		RING_TEST(no_piece_is_beyond_the_ring),
		RING_TEST(its_memory_can_not_be_cut_off),
		RING_TEST(a_count_that_can_not_be_means_no_room),
		RING_TEST(without_a_ring_nothing_goes_in_or_out),
	};
	return cmocka_run_group_tests_name("door: ring", tests, NULL, NULL);
}
