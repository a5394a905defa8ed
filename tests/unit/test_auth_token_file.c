/* The token file: the newest record comes back, and a write cut anywhere leaves the former one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/oauth/token_file.h"

#define ORIGIN "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SLOT 16384

static char path[64];
static int fd;

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/test-token-XXXXXX");
	fd = mkstemp(path);
	return fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(fd);
	return unlink(path);
}

static struct token_record read_record(void)
{
	struct token_record record = { 0 };
	assert_int_equal(token_file_read(fd, &record), STATUS_OK);
	return record;
}

static void assert_newest(uint64_t number, const char *origin, const char *token)
{
	struct token_record record = read_record();
	assert_int_equal(record.number, number);
	assert_string_equal(record.origin, origin);
	assert_true(span_equal(secret_reveal(&record.token), span_of(token)));
	secret_wipe(&record.token);
}

static void write_next(const char *token, const char *origin)
{
	struct token_record former = { 0 };
	enum status status = token_file_read(fd, &former);
	assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
	secret_wipe(&former.token);
	assert_int_equal(token_file_write(fd, &former, span_of(token), origin), STATUS_OK);
}

static void the_newest_comes_back(void **state)
{
	struct token_record none;
	(void)state;
	assert_int_equal(token_file_read(fd, &none), STATUS_NOT_FOUND);
	write_next("first", "");
	assert_newest(1, "", "first");
	write_next("second, which is longer", ORIGIN);
	assert_newest(2, ORIGIN, "second, which is longer");
	write_next("third", ORIGIN);
	assert_newest(3, ORIGIN, "third");
	assert_int_equal(token_file_write(fd, &none, (struct span){ path, SLOT }, ""), STATUS_TOO_LARGE);
	assert_newest(3, ORIGIN, "third");
}

/* As a crash or a full disk leaves it: the first bytes of the new slot, the old ones after them. */
static void a_write_cut_anywhere_leaves_the_former(void **state)
{
	static char before[2 * SLOT], after[2 * SLOT];
	(void)state;
	write_next("first", ORIGIN);
	write_next("second", ORIGIN);
	memset(before, 0, sizeof(before));
	assert_true(pread(fd, before, sizeof(before), 0) > 0);
	write_next("third", ORIGIN);
	assert_true(pread(fd, after, sizeof(after), 0) > 0);
	size_t start = SLOT, end = start + strlen(after + SLOT);
	for (size_t cut = start; cut < end; cut++) {
		if (before[cut] == after[cut])
			continue;
		assert_int_equal(pwrite(fd, before, sizeof(before), 0), sizeof(before));
		assert_int_equal(pwrite(fd, after + start, cut - start, (off_t)start), (ssize_t)(cut - start));
		assert_newest(2, ORIGIN, "second");
	}
	assert_int_equal(pwrite(fd, after + start, end - start, (off_t)start), (ssize_t)(end - start));
	assert_newest(3, ORIGIN, "third");
}

static void no_flipped_byte_is_believed(void **state)
{
	static char whole[2 * SLOT];
	(void)state;
	write_next("a token", ORIGIN);
	ssize_t size = pread(fd, whole, sizeof(whole), 0);
	for (ssize_t i = SLOT; i < size; i++) {
		struct token_record record;
		char flipped = (char)(whole[i] ^ 1);
		assert_int_equal(pwrite(fd, &flipped, 1, i), 1);
		assert_int_equal(token_file_read(fd, &record), STATUS_NOT_FOUND);
		assert_int_equal(pwrite(fd, &whole[i], 1, i), 1);
	}
	assert_newest(1, ORIGIN, "a token");
}

static void garbage_is_no_record(void **state)
{
	struct token_record record;
	static const char *const texts[] = { "subgate-token", "subgate-token 1 - 99999999999999999999 x\n",
					     "subgate-token 1 - 18446744073709551615 x\n",
					     "subgate-token 1  5 x\nabcde", "\n" };
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, texts[i], strlen(texts[i]), 0), (ssize_t)strlen(texts[i]));
		assert_int_equal(token_file_read(fd, &record), STATUS_NOT_FOUND);
	}
}

static void one_process_at_a_time(void **state)
{
	(void)state;
	int other = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(token_file_lock(fd, 0), STATUS_OK);
	assert_int_equal(token_file_lock(other, 50), STATUS_TIMEOUT);
	token_file_unlock(fd);
	assert_int_equal(token_file_lock(other, 50), STATUS_OK);
	close(other);
	assert_int_equal(token_file_lock(fd, 50), STATUS_OK);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(the_newest_comes_back),       FILE_TEST(a_write_cut_anywhere_leaves_the_former),
		FILE_TEST(no_flipped_byte_is_believed), FILE_TEST(garbage_is_no_record),
		FILE_TEST(one_process_at_a_time),
	};
	return cmocka_run_group_tests_name("auth: the token file", tests, NULL, NULL);
}
