/* Earlier files: their names, when a file becomes one, how it is packed, and which are deleted. On real files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/archive/archive.h"
#include "audit/reader/unpack.h"
#include "base/buf.h"
#include "base/clock.h"
#include "tests/unit/failing_memory.h"

#define NOW 1795984200ULL /* 2026-11-29T20:30:00Z */
#define DAY_MS 86400000ULL
#define LONG_FILE (600U << 10) /* bytes: several pieces */

static struct {
	char folder[64], path[100];
} world;

static int begin_folder(void **state)
{
	(void)state;
	snprintf(world.folder, sizeof(world.folder), "/tmp/subgate-archive-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	snprintf(world.path, sizeof(world.path), "%s/a", world.folder);
	return 0;
}

static int end_folder(void **state)
{
	char command[200];
	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", world.folder);
	return system(command);
}

static void path_of(const char *name, char out_path[400])
{
	snprintf(out_path, 400, "%s/%s", world.folder, name);
}

static void write_file(const char *name, const char *text)
{
	char path[400];
	path_of(name, path);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static bool exists(const char *name)
{
	char path[400];
	path_of(name, path);
	return access(path, F_OK) == 0;
}

static int open_name(const char *name)
{
	char path[400];
	path_of(name, path);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* What a file holds, unpacked. */
static void assert_unpacks_to(const char *name, struct span expected)
{
	struct unpack *unpack;
	struct buf text BUF_AUTO;
	char *at;
	size_t got;
	int fd = open_name(name);
	buf_init(&text, 2 * LONG_FILE);
	assert_int_equal(unpack_open(fd, &unpack), STATUS_OK);
	for (;;) {
		assert_int_equal(buf_reserve(&text, 4096, &at), STATUS_OK);
		enum status status = unpack_read(unpack, at, 4096, &got);
		if (status == STATUS_END)
			break;
		assert_int_equal(status, STATUS_OK);
		buf_commit(&text, got);
	}
	assert_true(span_equal(buf_span(&text), expected));
	unpack_close(&unpack);
	close(fd);
}

/* ---- names */

static void names_tell_when_a_file_was_rotated_and_in_which_form_it_is(void **state)
{
	static const struct {
		const char *what, *name;
		enum status status;
		enum archive_form form;
	} cases[] = {
		{ "a plain one", "a.jsonl-20261129-203000", STATUS_OK, ARCHIVE_PLAIN },
		{ "the second of one second", "a.jsonl-20261129-203000.2", STATUS_OK, ARCHIVE_PLAIN },
		{ "gzip", "a.jsonl-20261129-203000.gz", STATUS_OK, ARCHIVE_PACKED },
		{ "zstd, of the second one", "a.jsonl-20261129-203000.2.zst", STATUS_OK, ARCHIVE_PACKED },
		{ "being packed", "a.jsonl-20261129-203000.gz.partial", STATUS_OK, ARCHIVE_PARTIAL },
		{ "the file that is written", "a.jsonl", STATUS_INVALID, 0 },
		{ "logrotate's", "a.jsonl-20261129", STATUS_INVALID, 0 },
		{ "logrotate's, packed", "a.jsonl-20261129.gz", STATUS_INVALID, 0 },
		{ "logrotate's, with an hour", "a.jsonl-2026112920", STATUS_INVALID, 0 },
		{ "no such day", "a.jsonl-20261131-203000", STATUS_INVALID, 0 },
		{ "no such hour", "a.jsonl-20261129-243000", STATUS_INVALID, 0 },
		{ "no such minute", "a.jsonl-20261129-206000", STATUS_INVALID, 0 },
		{ "no digits", "a.jsonl-2026112x-203000", STATUS_INVALID, 0 },
		{ "more than a name", "a.jsonl-20261129-203000.old", STATUS_INVALID, 0 },
		{ "part of a plain one", "a.jsonl-20261129-203000.partial", STATUS_INVALID, 0 },
		{ "another file's", "b.jsonl-20261129-203000", STATUS_INVALID, 0 },
		{ "nothing after it", "a.jsonl-", STATUS_INVALID, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t rotated_s = 0;
		enum archive_form form = ARCHIVE_PLAIN;
		if (archive_name_read(cases[i].name, "a.jsonl", &rotated_s, &form) != cases[i].status)
			fail_msg("%s", cases[i].what);
		if (cases[i].status == STATUS_OK && (form != cases[i].form || rotated_s != NOW))
			fail_msg("%s: %llu", cases[i].what, (unsigned long long)rotated_s);
	}
}

static void a_name_leaves_room_for_what_packing_appends(void **state)
{
	char base[NAME_MAX + 1] = "", name[ARCHIVE_NAME_SIZE];
	(void)state;
	memset(base, 'x', 200);
	assert_int_equal(archive_name_make(base, NOW, 1, name), STATUS_OK);
	memset(base, 'x', 235);
	assert_int_equal(archive_name_make(base, NOW, 1, name), STATUS_TOO_LARGE);
}

/* ---- when, and how */

/* A file system that doesn't tell leaves it to the records. */
static bool tells_when_files_were_made(int fd)
{
	struct statx made;
	return statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &made) == 0 && (made.stx_mask & STATX_BTIME);
}

/* The file is made now, `midnight` is the day's end; its first record is of some other time. */
static void a_file_is_due_when_its_span_of_utc_or_its_size_is_over(void **state)
{
	enum { DAY = 86400, NONE = INT_MAX, SIZE = sizeof("{\"ts\":\"2026-11-28T23:59:59.999999Z\"}") };
	static const struct {
		const char *what;
		int first; /* record, seconds after midnight */
		struct archive_policy policy;
		int now; /* seconds after midnight */
		bool is_due, needs_birth;
	} cases[] = {
		{ "the next day", -1, { .rotate_ms = DAY_MS }, DAY / 2, true, false },
		{ "midnight", -1, { .rotate_ms = DAY_MS }, 0, true, false },
		{ "the same day", -1, { .rotate_ms = DAY_MS }, -1, false, false },
		{ "its first record is of the next day", 1, { .rotate_ms = DAY_MS }, DAY / 2, false, false },
		{ "a first record of a day before", -DAY - 1, { .rotate_ms = DAY_MS }, -1, false, true },
		{ "a first record of years before", -9999 * DAY, { .rotate_ms = DAY_MS }, -1, false, true },
		{ "a first record of a day to come", 9 * DAY, { .rotate_ms = DAY_MS }, DAY / 2, true, true },
		{ "a clock that went back", -1, { .rotate_ms = DAY_MS }, -5 * DAY, false, false },
		{ "no rotation by time", -1, { 0 }, DAY / 2, false, false },
		{ "its size", -1, { .rotate_size = SIZE }, -1, true, false },
		{ "a byte less", -1, { .rotate_size = SIZE + 1 }, -1, false, false },
		{ "an empty file", NONE, { .rotate_ms = DAY_MS, .rotate_size = 1 }, DAY / 2, false, false },
	};
	char ts[CLOCK_TEXT_SIZE], record[100];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t midnight = (clock_wall_us() / 1000000 / DAY + 1) * DAY;
		clock_format_us((midnight + (uint64_t)cases[i].first) * 1000000, ts);
		snprintf(record, sizeof(record), "{\"ts\":\"%s\"}\n", ts);
		(void)unlink(world.path); /* one that is made now */
		write_file("a", cases[i].first == NONE ? "" : record);
		int fd = open_name("a");
		bool is_due = archive_is_due(fd, &cases[i].policy, midnight + (uint64_t)cases[i].now);
		uint64_t seconds_left = midnight - clock_wall_us() / 1000000;
		bool is_another_day = seconds_left == 0 || seconds_left >= DAY;
		if (is_due != cases[i].is_due && !is_another_day &&
		    (!cases[i].needs_birth || tells_when_files_were_made(fd)))
			fail_msg("%s", cases[i].what);
		close(fd);
	}
}

static void a_file_without_a_record_is_due_by_when_it_was_made(void **state)
{
	const struct archive_policy policy = { .rotate_ms = DAY_MS };
	(void)state;
	write_file("a", "x\n");
	int fd = open_name("a");
	assert_int_equal(archive_is_due(fd, &policy, clock_wall_us() / 1000000 + 2 * DAY_MS / 1000),
			 tells_when_files_were_made(fd));
	close(fd);
}

static void a_rotated_file_has_a_name_that_none_had(void **state)
{
	char name[ARCHIVE_NAME_SIZE];
	static const char *const names[] = { "a-20261129-203000", "a-20261129-203000.2", "a-20261129-203000.3" };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		write_file("a", names[i]);
		assert_int_equal(archive_rotate(world.path, NOW, name), STATUS_OK);
		assert_string_equal(name, names[i]);
		assert_false(exists("a"));
	}
	for (size_t i = 0; i < 3; i++)
		assert_unpacks_to(names[i], span_of(names[i]));
	assert_int_equal(archive_rotate(world.path, NOW, name), STATUS_SYSTEM);
	assert_int_equal(errno, ENOENT);
}

static void the_next_file_has_the_rights_of_the_one_before(void **state)
{
	struct stat about;
	int fd;
	(void)state;
	write_file("former", "");
	int former = open_name("former");
	assert_int_equal(fchmod(former, 0640), 0);
	assert_int_equal(archive_open(world.path, former, &fd), STATUS_OK);
	assert_int_equal(fstat(fd, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0640);
	close(fd);
	close(former);
}

static void nothing_but_a_regular_file_of_one_name_is_opened(void **state)
{
	int fd;
	(void)state;
	assert_int_equal(symlink("/etc/passwd", world.path), 0);
	assert_int_equal(archive_open(world.path, -1, &fd), STATUS_SYSTEM);
	assert_int_equal(unlink(world.path), 0);
	assert_int_equal(mkfifo(world.path, 0600), 0);
	assert_int_equal(archive_open(world.path, -1, &fd), STATUS_SYSTEM);
	assert_int_equal(errno, EINVAL);
	char other[400];
	assert_int_equal(unlink(world.path), 0);
	write_file("other", "");
	path_of("other", other);
	assert_int_equal(link(other, world.path), 0);
	assert_int_equal(archive_open(world.path, -1, &fd), STATUS_SYSTEM);
	assert_int_equal(errno, EMLINK);
}

static void an_open_file_tells_its_name_whatever_it_was_renamed_to(void **state)
{
	char name[ARCHIVE_NAME_SIZE], path[400];
	(void)state;
	write_file("a", "");
	int fd = open_name("a");
	path_of("b.1", path);
	assert_int_equal(rename(world.path, path), 0);
	archive_name_of(fd, name);
	assert_string_equal(name, "b.1");
	assert_int_equal(unlink(path), 0);
	archive_name_of(fd, name);
	assert_string_equal(name, "");
	close(fd);
}

/* ---- packing */

static char *long_text(void)
{
	char *text = malloc(LONG_FILE + 1);
	assert_non_null(text);
	for (size_t i = 0; i < LONG_FILE; i++)
		text[i] = (char)(i % 97 == 0 ? '\n' : 'a' + (i * i + i / 7) % 26);
	text[LONG_FILE] = '\0';
	return text;
}

static void pack_whole(enum config_audit_compress compress, const char *packed)
{
	const struct archive_policy policy = { .compress = compress };
	const struct timespec times[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };
	const atomic_bool stop = false;
	const struct archive_work work = { .stop = &stop };
	char name[ARCHIVE_NAME_SIZE], path[400];
	struct stat about;
	char *text = long_text();
	write_file("a-20261129-203000", text);
	path_of("a-20261129-203000", path);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_OK);
	assert_string_equal(name, "a-20261129-203000");
	assert_false(exists(name));
	assert_unpacks_to(packed, span_of(text));
	path_of(packed, path);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0640);
	assert_int_equal(about.st_mtime, 1700000000);
	assert_true(about.st_size < LONG_FILE);
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_END);
	free(text);
}

static void a_packed_file_has_all_that_the_plain_one_had(void **state)
{
	(void)state;
	pack_whole(AUDIT_COMPRESS_GZIP, "a-20261129-203000.gz");
	pack_whole(AUDIT_COMPRESS_ZSTD, "a-20261129-203000.zst");
}

static void an_empty_file_is_packed_too(void **state)
{
	const struct archive_policy policy = { .compress = AUDIT_COMPRESS_ZSTD };
	const atomic_bool stop = false;
	const struct archive_work work = { .stop = &stop };
	char name[ARCHIVE_NAME_SIZE];
	(void)state;
	write_file("a-20261129-203000", "");
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_OK);
	assert_unpacks_to("a-20261129-203000.zst", SPAN(""));
}

static void what_is_not_ours_or_still_written_is_left_alone(void **state)
{
	const struct archive_policy policy = { .compress = AUDIT_COMPRESS_GZIP, .keep_ms = DAY_MS };
	const atomic_bool stop = false;
	const struct archive_work work = { .stop = &stop };
	char name[ARCHIVE_NAME_SIZE], path[400];
	int fd;
	(void)state;
	write_file("a", "written\n");
	write_file("a-20261129", "logrotate's\n");
	write_file("a.1", "somebody's\n");
	path_of("a-20200101-000000", path);
	assert_int_equal(archive_open(path, -1, &fd), STATUS_OK); /* an old relay is about to write its last record */
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_END);
	assert_int_equal(archive_delete_one(world.path, &policy, NOW, &work, name), STATUS_END);
	write_file("a-20261129-203001", "newer\n");
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_OK);
	assert_string_equal(name, "a-20261129-203001");
	close(fd);
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_OK);
	assert_string_equal(name, "a-20200101-000000");
	assert_true(exists("a") && exists("a-20261129") && exists("a.1"));
}

static void what_a_crash_left_is_begun_anew(void **state)
{
	const struct archive_policy policy = { .compress = AUDIT_COMPRESS_GZIP };
	const atomic_bool stop = false;
	const struct archive_work work = { .stop = &stop };
	char name[ARCHIVE_NAME_SIZE];
	(void)state;
	write_file("a-20261129-203000", "whole\n");
	write_file("a-20261129-203000.gz.partial", "part");
	write_file("a-20261129-203001", "whole, too\n");
	write_file("a-20261129-203001.gz", "packed, and not deleted yet");
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_OK);
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_OK);
	assert_false(exists("a-20261129-203000.gz.partial"));
	assert_unpacks_to("a-20261129-203000.gz", SPAN("whole\n"));
	assert_unpacks_to("a-20261129-203001.gz", SPAN("whole, too\n"));
}

static void a_full_disk_leaves_the_plain_file_and_no_part(void **state)
{
	const struct rlimit little = { 1000, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	const struct archive_policy policy = { .compress = AUDIT_COMPRESS_GZIP };
	const atomic_bool stop = false;
	const struct archive_work work = { .stop = &stop };
	char name[ARCHIVE_NAME_SIZE];
	char *text = long_text();
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	write_file("a-20261129-203000", text);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	enum status status = archive_pack_one(world.path, &policy, &work, name);
	int error = errno;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	assert_int_equal(status, STATUS_SYSTEM);
	assert_int_equal(error, EFBIG);
	assert_false(exists("a-20261129-203000.gz.partial") || exists("a-20261129-203000.gz"));
	assert_unpacks_to("a-20261129-203000", span_of(text));
	free(text);
}

static void packing_ends_soon_when_told_to(void **state)
{
	const struct archive_policy policy = { .compress = AUDIT_COMPRESS_GZIP };
	const atomic_bool stop = true;
	const struct archive_work work = { .stop = &stop };
	char name[ARCHIVE_NAME_SIZE];
	(void)state;
	write_file("a-20261129-203000", "whole\n");
	assert_int_equal(archive_pack_one(world.path, &policy, &work, name), STATUS_REFUSED);
	assert_true(exists("a-20261129-203000") && !exists("a-20261129-203000.gz.partial"));
}

#ifndef SUBGATE_SANITIZED
static void without_memory_the_plain_file_stays(void **state)
{
	const enum config_audit_compress both[] = { AUDIT_COMPRESS_GZIP, AUDIT_COMPRESS_ZSTD };
	const atomic_bool stop = false;
	const struct archive_work work = { .stop = &stop };
	char name[ARCHIVE_NAME_SIZE];
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct archive_policy policy = { .compress = both[i] };
		enum status status = STATUS_NO_MEMORY;
		write_file("a-20261129-203000", "whole\n");
		for (unsigned long n = 1; status != STATUS_OK && n < 100; n++) {
			memory_counts = true;
			memory_left = n;
			status = archive_pack_one(world.path, &policy, &work, name);
			memory_counts = false;
			assert_true(status == STATUS_OK || exists("a-20261129-203000"));
			assert_false(exists("a-20261129-203000.gz.partial") || exists("a-20261129-203000.zst.partial"));
		}
		assert_int_equal(status, STATUS_OK);
	}
}
#endif

/* ---- deleting */

static void files_are_deleted_once_they_are_older_than_is_kept_the_oldest_first(void **state)
{
	const struct archive_policy policy = { .keep_ms = 2 * DAY_MS };
	const atomic_bool stop = false;
	const struct archive_work work = { .stop = &stop };
	char name[ARCHIVE_NAME_SIZE];
	(void)state;
	write_file("a-20261127-203000.gz", "two days\n");
	write_file("a-20261127-202959.zst", "a second more\n");
	write_file("a-20261126-203000", "three days\n");
	assert_int_equal(archive_delete_one(world.path, &policy, NOW, &work, name), STATUS_OK);
	assert_string_equal(name, "a-20261126-203000");
	assert_int_equal(archive_delete_one(world.path, &policy, NOW, &work, name), STATUS_OK);
	assert_string_equal(name, "a-20261127-202959.zst");
	assert_int_equal(archive_delete_one(world.path, &policy, NOW, &work, name), STATUS_END);
	assert_true(exists("a-20261127-203000.gz"));
	const struct archive_policy for_ever = { 0 };
	assert_int_equal(archive_delete_one(world.path, &for_ever, NOW + 1000000000, &work, name), STATUS_END);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_folder, end_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_tell_when_a_file_was_rotated_and_in_which_form_it_is),
		cmocka_unit_test(a_name_leaves_room_for_what_packing_appends),
		CASE(a_file_is_due_when_its_span_of_utc_or_its_size_is_over),
		CASE(a_file_without_a_record_is_due_by_when_it_was_made),
		CASE(a_rotated_file_has_a_name_that_none_had),
		CASE(the_next_file_has_the_rights_of_the_one_before),
		CASE(nothing_but_a_regular_file_of_one_name_is_opened),
		CASE(an_open_file_tells_its_name_whatever_it_was_renamed_to),
		CASE(a_packed_file_has_all_that_the_plain_one_had),
		CASE(an_empty_file_is_packed_too),
		CASE(what_is_not_ours_or_still_written_is_left_alone),
		CASE(what_a_crash_left_is_begun_anew),
		CASE(a_full_disk_leaves_the_plain_file_and_no_part),
		CASE(packing_ends_soon_when_told_to),
#ifndef SUBGATE_SANITIZED
		CASE(without_memory_the_plain_file_stays),
#endif
		CASE(files_are_deleted_once_they_are_older_than_is_kept_the_oldest_first),
	};
	return cmocka_run_group_tests_name("audit archive", tests, NULL, NULL);
}
