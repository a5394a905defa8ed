/* The two files of what is set by hand: whatever becomes of a process or of the machine, one of them is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quota/by_hand_file.h"

struct node {
	int fds[2];
};

static int set_up(void **state)
{
	struct node *node = calloc(1, sizeof(*node));
	for (size_t i = 0; i < 2; i++)
		assert_true((node->fds[i] = memfd_create("by-hand", MFD_CLOEXEC)) >= 0);
	*state = node;
	return 0;
}

static int tear_down(void **state)
{
	struct node *node = *state;
	close(node->fds[0]);
	close(node->fds[1]);
	free(node);
	return 0;
}

static void open_files(const struct node *node, struct by_hand_file *file)
{
	const int fds[] = { dup(node->fds[0]), dup(node->fds[1]) };
	assert_int_equal(by_hand_file_open(file, fds), STATUS_OK);
}

static bool holds_a_lock(const struct node *node)
{
	struct by_hand_file file;
	open_files(node, &file);
	bool holds = by_hand_file_find(&file, SPAN("lock corp:1")) != NULL;
	by_hand_file_close(&file);
	return holds;
}

/* The disk, as it is asked to keep what was written. */
static int synced[8];
static unsigned sync_count;
static bool syncs_fail;

int fdatasync(int fd)
{
	synced[sync_count++ % 8] = fd;
	errno = EIO;
	return syncs_fail ? -1 : 0;
}

static enum status write_rows(struct by_hand_file *file)
{
	struct by_hand_page page;
	sync_count = 0;
	assert_int_equal(by_hand_file_begin_page(file, &page), STATUS_OK);
	by_hand_page_write(&page);
	return by_hand_file_end_page(file, &page);
}

static void take_row(struct by_hand_file *file, const char *field, const char *value)
{
	struct by_hand_kept *kept;
	assert_int_equal(by_hand_file_put(file, span_of(field), span_of(value), &kept), STATUS_OK);
}

static void put_row(struct by_hand_file *file, const char *field, const char *value)
{
	take_row(file, field, value);
	assert_int_equal(write_rows(file), STATUS_OK);
}

/* Whatever byte of the newer one is lost or changed, the other one counts. */
static void a_file_that_is_not_whole_counts_for_nothing(void **state)
{
	const struct node *node = *state;
	struct by_hand_file file;
	char bytes[400];
	open_files(node, &file);
	put_row(&file, "lock corp:1", "5 + 1\t7\tanna@x\t");
	put_row(&file, "lock corp:1", "6 - 1\t7\tanna@x\t");
	int newer = node->fds[file.generation % 2];
	by_hand_file_close(&file);
	ssize_t size = pread(newer, bytes, sizeof(bytes), 0);
	assert_true(size > 0 && size < (ssize_t)sizeof(bytes));
	for (ssize_t i = -1; i < 2 * size; i++) {
		char changed = (char)(bytes[i % size < 0 ? 0 : i % size] ^ 1);
		assert_int_equal(pwrite(newer, bytes, (size_t)size, 0), size);
		if (i >= size)
			assert_int_equal(ftruncate(newer, i - size), 0);
		else if (i >= 0)
			assert_int_equal(pwrite(newer, &changed, 1, i), 1);
		open_files(node, &file);
		const struct by_hand_kept *kept = by_hand_file_find(&file, SPAN("lock corp:1"));
		assert_non_null(kept);
		assert_int_equal(kept->row.version, i < 0 ? 6 : 5);
		by_hand_file_close(&file);
	}
}

static void what_cannot_be_written_is_tried_again_in_the_same_place(void **state)
{
	const struct node *node = *state;
	struct by_hand_file file;
	open_files(node, &file);
	put_row(&file, "lock corp:1", "5 + 1");
	int full = open("/dev/full", O_WRONLY), good = file.fds[(file.generation + 1) % 2];
	file.fds[(file.generation + 1) % 2] = full;
	take_row(&file, "lock corp:2", "6 + 1");
	assert_int_equal(write_rows(&file), STATUS_SYSTEM);
	assert_true(holds_a_lock(node));
	file.fds[(file.generation + 1) % 2] = good;
	close(full);
	assert_int_equal(write_rows(&file), STATUS_OK);
	by_hand_file_close(&file);
	open_files(node, &file);
	assert_int_equal(file.map.count, 2);
	by_hand_file_close(&file);
}

/* Else a machine that loses power could leave neither of them whole. */
static void one_file_is_on_the_disk_before_the_other_is_begun(void **state)
{
	const struct node *node = *state;
	struct by_hand_file file;
	open_files(node, &file);
	put_row(&file, "lock corp:1", "5 + 1");
	assert_int_equal(sync_count, 1);
	assert_int_equal(synced[0], file.fds[1]);
	put_row(&file, "lock corp:2", "6 + 1");
	assert_int_equal(sync_count, 2);
	assert_int_equal(synced[0], file.fds[1]);
	assert_int_equal(synced[1], file.fds[0]);
	off_t size = lseek(file.fds[1], 0, SEEK_END);
	take_row(&file, "lock corp:3", "7 + 1");
	syncs_fail = true;
	assert_int_equal(write_rows(&file), STATUS_SYSTEM);
	syncs_fail = false;
	assert_int_equal(sync_count, 1);
	assert_int_equal(synced[0], file.fds[0]);
	assert_int_equal(lseek(file.fds[1], 0, SEEK_END), size); /* untouched */
	assert_int_equal(write_rows(&file), STATUS_OK);
	by_hand_file_close(&file);
}

/* In a reload there are two for some time. */
static void two_processes_lose_nothing_of_each_other(void **state)
{
	const struct node *node = *state;
	struct by_hand_file older, newer;
	open_files(node, &older);
	put_row(&older, "lock corp:1", "5 + 1");
	open_files(node, &newer);
	put_row(&older, "lock corp:2", "6 + 1");
	take_row(&newer, "lock corp:3", "7 + 1");
	take_row(&newer, "lock corp:1", "8 - 1");
	assert_int_equal(write_rows(&newer), STATUS_AGAIN);
	assert_int_equal(newer.map.count, 3);
	assert_int_equal(write_rows(&newer), STATUS_OK);
	take_row(&older, "lock corp:4", "9 + 1");
	assert_int_equal(write_rows(&older), STATUS_AGAIN);
	assert_int_equal(write_rows(&older), STATUS_OK);
	by_hand_file_close(&older);
	by_hand_file_close(&newer);
	open_files(node, &newer);
	assert_int_equal(newer.map.count, 4);
	assert_int_equal(newer.generation, 4);
	assert_int_equal(by_hand_file_find(&newer, SPAN("lock corp:1"))->row.version, 8);
	by_hand_file_close(&newer);
}

/* It has the lock, says so, and keeps it until it is killed. */
static pid_t start_other_writer(const struct node *node)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char byte;
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fcntl(node->fds[0], F_SETLK, &lock) == 0 && write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	return pid;
}

static void while_another_process_writes_nothing_is_written(void **state)
{
	const struct node *node = *state;
	struct by_hand_file file;
	open_files(node, &file);
	put_row(&file, "lock corp:1", "5 + 1");
	pid_t other = start_other_writer(node);
	take_row(&file, "lock corp:2", "6 + 1");
	assert_int_equal(write_rows(&file), STATUS_AGAIN);
	assert_int_equal(lseek(file.fds[0], 0, SEEK_END), 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	assert_int_equal(write_rows(&file), STATUS_OK);
	by_hand_file_close(&file);
}

#define WITH_NODE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_NODE(a_file_that_is_not_whole_counts_for_nothing),
		WITH_NODE(what_cannot_be_written_is_tried_again_in_the_same_place),
		WITH_NODE(one_file_is_on_the_disk_before_the_other_is_begun),
		WITH_NODE(two_processes_lose_nothing_of_each_other),
		WITH_NODE(while_another_process_writes_nothing_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
