/* The audit's files as one stream of lines: from any place on, over rotations by whomever, plain and packed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "export/trail.h"

#define SEEN_SIZE 4096
#define LINE(number) "{\"ts\":\"2026-11-23T08:15:3" #number ".000000Z\",\"type\":\"a\"} " #number "\n"

static char seen[SEEN_SIZE]; /* the last letter of each line that came */

static int open_file(const char *bytes, size_t size)
{
	char path[] = "/tmp/subgate-trail-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	return fd;
}

static int open_text(const char *text)
{
	return open_file(text, strlen(text));
}

static void append(int fd, const char *text)
{
	assert_int_equal(lseek(fd, 0, SEEK_END) >= 0, 1);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Keeps a descriptor of its own for the test. */
static void add(struct trail *trail, int fd, bool is_earlier)
{
	assert_int_equal(trail_add(trail, dup(fd), is_earlier), STATUS_OK);
}

static const char *read_all(struct trail *trail)
{
	struct span line;
	size_t used = 0;
	enum status status;
	while ((status = trail_next(trail, &line)) == STATUS_OK) {
		assert_true(used + 1 < sizeof(seen));
		seen[used++] = line.size ? line.data[line.size - 1] : '-';
	}
	seen[used] = '\0';
	assert_int_equal(status, STATUS_END);
	return seen;
}

static void seek(struct trail *trail, const struct cursor_position *to, bool expect_lost)
{
	bool is_lost = !expect_lost;
	assert_int_equal(trail_seek(trail, to, &is_lost), STATUS_OK);
	assert_int_equal(is_lost, expect_lost);
}

static struct trail *trail_of(int fd)
{
	struct trail *trail;
	assert_int_equal(trail_create(&trail), STATUS_OK);
	add(trail, fd, false);
	return trail;
}

static void the_first_start_begins_after_what_is_there(void **state)
{
	(void)state;
	int fd = open_text(LINE(1));
	struct trail *trail = trail_of(fd);
	append(fd, LINE(2)); /* written since, and before the thread came to read */
	seek(trail, NULL, false);
	assert_string_equal(read_all(trail), "2");
	append(fd, LINE(3));
	assert_string_equal(read_all(trail), "3");
	trail_free(&trail);
	close(fd);
}

static void a_line_is_given_once_it_is_whole(void **state)
{
	(void)state;
	int fd = open_text("");
	struct trail *trail = trail_of(fd);
	const char *text = LINE(1) LINE(2);
	seek(trail, NULL, false);
	size_t lines = 0;
	for (size_t i = 0; text[i]; i++) {
		assert_int_equal(write(fd, text + i, 1), 1);
		lines += strlen(read_all(trail));
		assert_int_equal(lines, (text[i] == '\n') + (i > strlen(LINE(1)) - 1));
		if (text[i] == '\n' && i < strlen(LINE(1)))
			assert_string_equal(seen, "1");
	}
	trail_free(&trail);
	close(fd);
}

static void it_goes_on_from_any_line_s_end(void **state)
{
	(void)state;
	int fd = open_text(LINE(1) LINE(2) LINE(3));
	static const char *const rest[] = { "123", "23", "3", "" };
	struct cursor_position place = { 0 };
	struct stat about;
	assert_int_equal(fstat(fd, &about), 0);
	place.inode = (uint64_t)about.st_ino;
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		struct span line;
		struct trail *trail = trail_of(fd);
		seek(trail, &place, false);
		if (i < 3)
			assert_int_equal(trail_next(trail, &line), STATUS_OK);
		place = trail_position(trail);
		seek(trail, &place, false);
		assert_string_equal(read_all(trail), rest[i] + (i < 3));
		trail_free(&trail);
	}
	close(fd);
}

static void after_a_rotation_what_is_late_in_the_former_file_comes_too(void **state)
{
	(void)state;
	int before = open_text(LINE(1)), after = open_text("");
	struct trail *trail = trail_of(before);
	seek(trail, NULL, false);
	append(before, LINE(2));
	add(trail, after, false);
	append(after, LINE(3));
	assert_string_equal(read_all(trail), "23");
	append(after, LINE(5));
	append(before, LINE(4));
	assert_string_equal(read_all(trail), "45");
	/* Who goes on from here may see some twice, and misses none. */
	struct cursor_position place = trail_position(trail);
	append(before, LINE(6));
	seek(trail, &place, false);
	assert_string_equal(read_all(trail), "635");
	trail_free(&trail);
	close(before);
	close(after);
}

static void earlier_files_are_read_in_the_order_of_their_time(void **state)
{
	(void)state;
	int files[] = { open_text(LINE(5)), open_text(LINE(3) LINE(4)), open_text(LINE(1) LINE(2)) };
	struct cursor_position place = { .inode = 1 };
	struct trail *trail;
	assert_int_equal(trail_create(&trail), STATUS_OK);
	add(trail, files[1], true);
	add(trail, files[0], false);
	add(trail, files[2], true);
	seek(trail, &place, true); /* an unknown place: all that is later than nothing */
	assert_string_equal(read_all(trail), "12345");
	snprintf(place.ts, sizeof(place.ts), "2026-11-23T08:15:32.000000Z");
	seek(trail, &place, true); /* the file after the last record that was exported */
	assert_string_equal(read_all(trail), "345");
	trail_free(&trail);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		close(files[i]);
}

static int pack_gzip(const char *text)
{
	char packed[4096];
	z_stream z = { .next_in = (Bytef *)(uintptr_t)text,
		       .avail_in = (uInt)strlen(text),
		       .next_out = (Bytef *)packed,
		       .avail_out = sizeof(packed) };
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	int fd = open_file(packed, z.total_out);
	deflateEnd(&z);
	return fd;
}

static int pack_zstd(const char *text)
{
	char packed[4096];
	return open_file(packed, ZSTD_compress(packed, sizeof(packed), text, strlen(text), 3));
}

static void a_place_in_a_file_holds_when_it_was_packed_since(void **state)
{
	(void)state;
	int (*const packers[])(const char *) = { open_text, pack_gzip, pack_zstd };
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		int plain = open_text(LINE(1) LINE(2) LINE(3)), after = open_text(LINE(4));
		int packed = packers[i](LINE(1) LINE(2) LINE(3));
		struct cursor_position place = { .inode = 1 };
		struct span line;
		struct trail *trail = trail_of(plain);
		seek(trail, &place, true);
		assert_int_equal(trail_next(trail, &line), STATUS_OK);
		place = trail_position(trail);
		trail_free(&trail);
		assert_int_equal(trail_create(&trail), STATUS_OK);
		add(trail, packed, true);
		add(trail, after, false);
		seek(trail, &place, false);
		assert_string_equal(read_all(trail), "234");
		trail_free(&trail);
		close(plain);
		close(packed);
		close(after);
	}
}

static void a_damaged_packed_file_gives_what_it_has_and_is_told(void **state)
{
	(void)state;
	int whole = pack_gzip(LINE(1) LINE(2)), after = open_text(LINE(3));
	struct cursor_position place = { .inode = 1 };
	struct trail *trail;
	struct stat about;
	assert_int_equal(fstat(whole, &about), 0);
	assert_int_equal(ftruncate(whole, about.st_size - 6), 0);
	assert_int_equal(trail_create(&trail), STATUS_OK);
	add(trail, whole, true);
	add(trail, after, false);
	seek(trail, &place, true);
	assert_string_equal(read_all(trail), "123");
	assert_true(trail_has_lost(trail));
	assert_false(trail_has_lost(trail));
	trail_free(&trail);
	close(whole);
	close(after);
}

static void a_file_cut_in_place_is_read_from_its_beginning_and_told(void **state)
{
	(void)state;
	int fd = open_text("");
	struct trail *trail = trail_of(fd);
	seek(trail, NULL, false);
	append(fd, LINE(1) LINE(2));
	assert_string_equal(read_all(trail), "12");
	assert_int_equal(ftruncate(fd, 0), 0);
	append(fd, LINE(3));
	assert_string_equal(read_all(trail), "3");
	assert_true(trail_has_lost(trail));
	trail_free(&trail);
	close(fd);
}

static void a_place_behind_a_cut_file_s_end_is_lost(void **state)
{
	(void)state;
	int fd = open_text(LINE(1) LINE(2));
	struct cursor_position place = { .inode = 1 };
	struct trail *trail = trail_of(fd);
	seek(trail, &place, true);
	read_all(trail);
	place = trail_position(trail);
	assert_int_equal(ftruncate(fd, (off_t)strlen(LINE(1))), 0);
	seek(trail, &place, true);
	assert_string_equal(read_all(trail), "1");
	trail_free(&trail);
	close(fd);
}

static void a_line_too_long_for_a_record_is_left_out(void **state)
{
	(void)state;
	size_t size = (8U << 20) + (1U << 17);
	char *bytes = malloc(size);
	memset(bytes, 'x', size);
	int fd = open_text(LINE(1));
	struct trail *trail = trail_of(fd);
	struct cursor_position place = { .inode = 1 };
	assert_int_equal(lseek(fd, 0, SEEK_END) >= 0, 1);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	append(fd, "\n" LINE(2));
	seek(trail, &place, true);
	assert_string_equal(read_all(trail), "12");
	trail_free(&trail);
	close(fd);
	free(bytes);
}

static void files_before_a_place_that_nobody_seeks_again_are_closed(void **state)
{
	(void)state;
	int files[] = { open_text(LINE(1)), open_text(LINE(2)), open_text(LINE(3)) };
	struct cursor_position place = { .inode = 1 }, first;
	struct trail *trail;
	assert_int_equal(trail_create(&trail), STATUS_OK);
	add(trail, files[0], true);
	add(trail, files[1], true);
	add(trail, files[2], false);
	seek(trail, &place, true);
	struct span line;
	assert_int_equal(trail_next(trail, &line), STATUS_OK);
	first = trail_position(trail);
	trail_forget_before(trail, &first); /* nothing stands before it */
	assert_string_equal(read_all(trail), "23");
	seek(trail, &first, false);
	assert_int_equal(trail_next(trail, &line), STATUS_OK);
	place = trail_position(trail);
	trail_forget_before(trail, &place);
	seek(trail, &place, false);
	assert_string_equal(read_all(trail), "3");
	seek(trail, &first, true);
	assert_string_equal(read_all(trail), "23");
	trail_free(&trail);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		close(files[i]);
}

static void only_regular_files_are_taken(void **state)
{
	(void)state;
	struct trail *trail;
	bool is_lost;
	int ends[2];
	assert_int_equal(trail_create(&trail), STATUS_OK);
	assert_int_equal(trail_seek(trail, NULL, &is_lost), STATUS_NOT_FOUND);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(trail_add(trail, ends[0], false), STATUS_INVALID);
	assert_int_equal(trail_add(trail, open("/dev/null", O_RDONLY), false), STATUS_INVALID);
	trail_free(&trail);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_start_begins_after_what_is_there),
		cmocka_unit_test(a_line_is_given_once_it_is_whole),
		cmocka_unit_test(it_goes_on_from_any_line_s_end),
		cmocka_unit_test(after_a_rotation_what_is_late_in_the_former_file_comes_too),
		cmocka_unit_test(earlier_files_are_read_in_the_order_of_their_time),
		cmocka_unit_test(a_place_in_a_file_holds_when_it_was_packed_since),
		cmocka_unit_test(a_damaged_packed_file_gives_what_it_has_and_is_told),
		cmocka_unit_test(a_file_cut_in_place_is_read_from_its_beginning_and_told),
		cmocka_unit_test(a_place_behind_a_cut_file_s_end_is_lost),
		cmocka_unit_test(a_line_too_long_for_a_record_is_left_out),
		cmocka_unit_test(files_before_a_place_that_nobody_seeks_again_are_closed),
		cmocka_unit_test(only_regular_files_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
