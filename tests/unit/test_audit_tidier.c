/* Earlier files that can't be packed or deleted: told once, counted, and in nobody's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "supervise/audit_tidier.h"

static struct {
	char folder[64], path[100];
	struct stats *slab;
	struct audit_tidier *tidier;
	atomic_bool stop;
	int log;
} world;

static int begin_folder(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.folder, sizeof(world.folder), "/tmp/subgate-tidier-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	snprintf(world.path, sizeof(world.path), "%s/a", world.folder);
	assert_int_equal(stats_create_private(&world.slab), STATUS_OK);
	world.log = memfd_create("log", MFD_CLOEXEC);
	log_open(world.log, LOG_LEVEL_INFO, "test");
	return 0;
}

static int end_folder(void **state)
{
	char command[200];
	(void)state;
	log_open(STDERR_FILENO, LOG_LEVEL_INFO, "test");
	close(world.log);
	audit_tidier_free(&world.tidier);
	stats_free_private(&world.slab);
	snprintf(command, sizeof(command), "rm -r %s", world.folder);
	return system(command);
}

static void start_tidier(uint64_t keep_ms)
{
	const struct audit_tidier_options options = {
		.path = world.path,
		.policy = { .keep_ms = keep_ms, .compress = AUDIT_COMPRESS_GZIP },
		.stop = &world.stop,
		.stats = world.slab,
	};
	assert_int_equal(audit_tidier_create(&options, &world.tidier), STATUS_OK);
}

static void path_of(const char *name, char out_path[200])
{
	snprintf(out_path, 200, "%s/%s", world.folder, name);
}

static void write_file(const char *name)
{
	char path[200];
	path_of(name, path);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs("{}\n", file);
	assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *name)
{
	char path[200];
	path_of(name, path);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void remove_folder(const char *name)
{
	char path[200];
	path_of(name, path);
	assert_int_equal(rmdir(path), 0);
}

static bool exists(const char *name)
{
	char path[200];
	path_of(name, path);
	return access(path, F_OK) == 0;
}

static unsigned count_in_log(const char *words)
{
	static char text[1 << 16];
	unsigned count = 0;
	ssize_t size = pread(world.log, text, sizeof(text) - 1, 0);
	text[size > 0 ? size : 0] = '\0';
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

static uint64_t count_left(unsigned job)
{
	return stats_sum(world.slab, 1, COUNTER_AUDIT_FILES_LEFT, job);
}

static void a_file_that_can_t_be_packed_is_told_once_and_skipped(void **state)
{
	(void)state;
	write_file("a-20261127-000000");
	make_folder("a-20261127-000000.gz"); /* the packed one can't have its name */
	make_folder("a-20261128-000000");    /* and this is no file at all */
	write_file("a-20261129-000000");
	start_tidier(0);
	for (unsigned round = 0; round < 3; round++)
		audit_tidier_run(world.tidier);
	assert_true(exists("a-20261129-000000.gz") && !exists("a-20261129-000000"));
	assert_true(exists("a-20261127-000000") && !exists("a-20261127-000000.gz.partial"));
	assert_int_equal(count_in_log("a-20261127-000000 can't be packed"), 1);
	assert_int_equal(count_in_log("a-20261128-000000 can't be packed"), 1);
	assert_int_equal(count_left(0), 2);
}

static void what_was_taken_away_counts_no_more(void **state)
{
	(void)state;
	make_folder("a-20261128-000000");
	start_tidier(0);
	audit_tidier_run(world.tidier);
	assert_int_equal(count_left(0), 1);
	remove_folder("a-20261128-000000");
	audit_tidier_run(world.tidier);
	assert_int_equal(count_left(0), 0);
	make_folder("a-20261128-000000"); /* once more, and told once more */
	audit_tidier_run(world.tidier);
	assert_int_equal(count_in_log("a-20261128-000000 can't be packed"), 2);
}

static void a_file_that_can_t_be_deleted_is_told_once_and_skipped(void **state)
{
	(void)state;
	make_folder("a-20200101-000000.gz");
	write_file("a-20200102-000000.gz");
	start_tidier(86400000);
	for (unsigned round = 0; round < 3; round++)
		audit_tidier_run(world.tidier);
	assert_false(exists("a-20200102-000000.gz"));
	assert_true(exists("a-20200101-000000.gz"));
	assert_int_equal(count_in_log("a-20200101-000000.gz can't be deleted"), 1);
	assert_int_equal(count_left(1), 1);
}

static void a_symbolic_link_is_neither_followed_nor_deleted(void **state)
{
	char path[200];
	(void)state;
	write_file("secret");
	path_of("a-20200101-000000", path);
	assert_int_equal(symlink("secret", path), 0);
	start_tidier(86400000);
	audit_tidier_run(world.tidier);
	assert_true(exists("a-20200101-000000") && exists("secret") && !exists("a-20200101-000000.gz"));
	assert_int_equal(count_left(0), 1);
	assert_int_equal(count_left(1), 1);
}

static void too_many_files_of_that_kind_are_not_a_flood(void **state)
{
	char name[64];
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "a-20261128-000000.%u", i + 1000);
		make_folder(name);
	}
	start_tidier(0);
	for (unsigned round = 0; round < 3; round++)
		audit_tidier_run(world.tidier);
	assert_int_equal(count_in_log("can't be packed"), 256);
	assert_int_equal(count_in_log("too many of them"), 1);
	assert_int_equal(count_left(0), 256);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_folder, end_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_file_that_can_t_be_packed_is_told_once_and_skipped),
		CASE(what_was_taken_away_counts_no_more),
		CASE(a_file_that_can_t_be_deleted_is_told_once_and_skipped),
		CASE(a_symbolic_link_is_neither_followed_nor_deleted),
		CASE(too_many_files_of_that_kind_are_not_a_flood),
	};
	return cmocka_run_group_tests_name("audit tidier", tests, NULL, NULL);
}
