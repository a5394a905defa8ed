/* Where an exporter stands: kept through deaths amid a write, by one process at a time. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "export/cursor.h"

static int open_state(void)
{
	char path[] = "/tmp/subgate-cursor-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static struct cursor cursor_at(uint64_t offset)
{
	struct cursor cursor = { .position = { .offset = offset, .has_first = 1 }, .records = offset };
	snprintf(cursor.position.ts, sizeof(cursor.position.ts), "2026-11-23T08:15:30.123456Z");
	cursor_note_chain(&cursor, SPAN("0123456789abcdef"), offset + 1);
	return cursor;
}

static void write_at(struct cursor_file *file, uint64_t offset)
{
	const struct cursor cursor = cursor_at(offset);
	assert_int_equal(cursor_file_write(file, &cursor), STATUS_OK);
}

static uint64_t read_offset(int fd)
{
	struct cursor_file file = { .fd = fd };
	struct cursor cursor;
	assert_int_equal(cursor_file_read(&file, &cursor), STATUS_OK);
	assert_int_equal(cursor.records, cursor.position.offset);
	assert_int_equal(cursor_find_chain(&cursor, SPAN("0123456789abcdef")), cursor.position.offset + 1);
	return cursor.position.offset;
}

static void what_was_written_last_is_read(void **state)
{
	(void)state;
	struct cursor_file file = { .fd = open_state() };
	struct cursor cursor;
	assert_int_equal(cursor_file_read(&file, &cursor), STATUS_NOT_FOUND);
	for (uint64_t offset = 1; offset < 6; offset++) {
		write_at(&file, offset);
		assert_int_equal(read_offset(file.fd), offset);
	}
	/* A process that comes later goes on counting. */
	struct cursor_file later = { .fd = file.fd };
	assert_int_equal(cursor_file_read(&later, &cursor), STATUS_OK);
	write_at(&later, 9);
	assert_int_equal(read_offset(file.fd), 9);
	close(file.fd);
}

/* As a process leaves it that dies amid a write: each byte of the newer place in turn is another. */
static void a_torn_write_leaves_the_former_place(void **state)
{
	(void)state;
	struct cursor_file file = { .fd = open_state() };
	write_at(&file, 1);
	write_at(&file, 2);
	for (off_t at = 0; at < (off_t)sizeof(struct cursor); at += 7) {
		char byte, other;
		assert_int_equal(pread(file.fd, &byte, 1, at), 1); /* the second write is at the beginning */
		other = (char)(byte ^ 1);
		assert_int_equal(pwrite(file.fd, &other, 1, at), 1);
		assert_int_equal(read_offset(file.fd), 1);
		assert_int_equal(pwrite(file.fd, &byte, 1, at), 1);
		assert_int_equal(read_offset(file.fd), 2);
	}
	close(file.fd);
}

static void a_file_of_anything_else_is_no_cursor(void **state)
{
	(void)state;
	struct cursor_file file = { .fd = open_state() };
	struct cursor cursor;
	char bytes[8192];
	memset(bytes, 'x', sizeof(bytes));
	for (size_t size = 1; size <= sizeof(bytes); size *= 2) {
		assert_int_equal(pwrite(file.fd, bytes, size, 0), size);
		assert_int_equal(cursor_file_read(&file, &cursor), STATUS_NOT_FOUND);
	}
	write_at(&file, 3);
	assert_int_equal(read_offset(file.fd), 3);
	close(file.fd);
}

static void of_many_chains_the_one_that_rests_longest_gives_way(void **state)
{
	(void)state;
	struct cursor cursor = { 0 };
	char id[32];
	for (unsigned i = 0; i < CURSOR_CHAINS; i++) {
		snprintf(id, sizeof(id), "chain%u", i);
		cursor.records++;
		cursor_note_chain(&cursor, span_of(id), 10);
	}
	cursor.records++;
	cursor_note_chain(&cursor, SPAN("chain0"), 11);
	cursor.records++;
	cursor_note_chain(&cursor, SPAN("new"), 1);
	assert_int_equal(cursor_find_chain(&cursor, SPAN("chain0")), 11);
	assert_int_equal(cursor_find_chain(&cursor, SPAN("chain1")), 0);
	assert_int_equal(cursor_find_chain(&cursor, SPAN("chain2")), 10);
	assert_int_equal(cursor_find_chain(&cursor, SPAN("new")), 1);
	/* What comes a second time does not take it back. */
	cursor_note_chain(&cursor, SPAN("chain0"), 5);
	assert_int_equal(cursor_find_chain(&cursor, SPAN("chain0")), 11);
}

static int hold_in_another_process(int fd)
{
	int code = 0;
	pid_t child = fork();
	if (child == 0) {
		struct cursor_file file = { .fd = fd };
		_exit(cursor_file_hold(&file) ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &code, 0), child);
	return WEXITSTATUS(code);
}

static void one_process_holds_it_at_a_time(void **state)
{
	(void)state;
	struct cursor_file file = { .fd = open_state() };
	assert_true(cursor_file_hold(&file));
	assert_true(cursor_file_hold(&file));
	assert_int_equal(hold_in_another_process(file.fd), 0);
	cursor_file_release(&file);
	assert_int_equal(hold_in_another_process(file.fd), 1); /* which has ended since */
	assert_true(cursor_file_hold(&file));
	close(file.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_last_is_read),
		cmocka_unit_test(a_torn_write_leaves_the_former_place),
		cmocka_unit_test(a_file_of_anything_else_is_no_cursor),
		cmocka_unit_test(of_many_chains_the_one_that_rests_longest_gives_way),
		cmocka_unit_test(one_process_holds_it_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
