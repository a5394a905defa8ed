/* Back-offs: two that map one file share them, they outlive both, are bounded, and impossible ones aren't believed. */
#include "with_loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/upstream/backoffs.h"

#define MANY 6000 /* more than there is room for */

static char path[64];
static struct loop *loop;

static struct backoffs *open_backoffs(void)
{
	struct backoffs *backoffs = NULL;
	assert_int_equal(backoffs_create(loop, open(path, O_RDWR | O_CLOEXEC), &backoffs), STATUS_OK);
	return backoffs;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/backoffs-test-XXXXXX");
	int fd = mkstemp(path);
	close(fd);
	return loop_create(&loop) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(loop);
	return unlink(path);
}

static void assert_reason(const struct backoffs *backoffs, uint64_t key, const char *expected)
{
	char reason[BACKOFF_REASON_SIZE];
	backoffs_reason(backoffs, key, reason);
	assert_string_equal(reason, expected);
}

static void keys_differ_by_each_part(void **state)
{
	const uint64_t keys[] = { backoffs_key("login", "a", "b"), backoffs_key("login", "a", "c"),
				  backoffs_key("login", "ab", ""), backoffs_key("connect", "a", "b") };
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(keys[i] != 0);
		for (size_t j = 0; j < i; j++)
			assert_true(keys[i] != keys[j]);
	}
	assert_true(keys[0] == backoffs_key("login", "a", "b"));
}

static void what_one_learns_the_other_knows(void **state)
{
	uint64_t key = backoffs_key("login", "relay", "us");
	struct backoffs *old = open_backoffs(), *new = open_backoffs();
	(void)state;
	assert_int_equal(backoffs_left_ms(new, key), 0);
	assert_reason(new, key, "");
	backoffs_begin(old, key, 500000, "535 5.7.8 no");
	/* Each has rounded the clock to a millisecond for itself. */
	assert_in_range(backoffs_left_ms(new, key), 400000, 500001);
	assert_int_equal(backoffs_length_ms(new, key), 500000);
	assert_reason(new, key, "535 5.7.8 no");
	backoffs_end(new, key);
	assert_int_equal(backoffs_left_ms(old, key), 0);
	assert_int_equal(backoffs_length_ms(old, key), 0);
	backoffs_free(&old);
	backoffs_free(&new);
}

static void it_is_kept_when_nobody_is_there(void **state)
{
	uint64_t key = backoffs_key("paused", "", "relay");
	struct backoffs *backoffs = open_backoffs();
	(void)state;
	backoffs_begin(backoffs, key, BACKOFF_UNTIL_ENDED, "by hand");
	backoffs_free(&backoffs);
	backoffs = open_backoffs();
	assert_true(backoffs_left_ms(backoffs, key) == BACKOFF_UNTIL_ENDED);
	assert_reason(backoffs, key, "by hand");
	backoffs_free(&backoffs);
}

static void each_backoff_in_a_row_is_longer_up_to_its_maximum(void **state)
{
	uint64_t key = backoffs_key("connect", "relay", "");
	struct backoffs *backoffs = open_backoffs();
	(void)state;
	assert_int_equal(backoffs_begin_longer(backoffs, key, 10, 35, "1"), 10);
	assert_int_equal(backoffs_begin_longer(backoffs, key, 10, 35, "one within"), 0);
	assert_reason(backoffs, key, "1");
	run_for(loop, 15);
	assert_int_equal(backoffs_left_ms(backoffs, key), 0);
	assert_int_equal(backoffs_begin_longer(backoffs, key, 10, 35, "2"), 20);
	run_for(loop, 25);
	assert_int_equal(backoffs_begin_longer(backoffs, key, 10, 35, "3"), 35);
	run_for(loop, 40);
	backoffs_end(backoffs, key);
	assert_int_equal(backoffs_begin_longer(backoffs, key, 10, 35, "4"), 10);
	backoffs_free(&backoffs);
}

static void more_than_there_is_room_for_forgets_the_first_to_end(void **state)
{
	uint64_t paused = backoffs_key("paused", "", "relay");
	char name[32];
	struct backoffs *backoffs = open_backoffs();
	(void)state;
	backoffs_begin(backoffs, paused, BACKOFF_UNTIL_ENDED, "by hand");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%u@example.com", i);
		uint64_t key = backoffs_key("login", "relay", name);
		backoffs_begin(backoffs, key, 1000 + i, name);
		assert_true(backoffs_left_ms(backoffs, key) > 0);
	}
	assert_true(backoffs_left_ms(backoffs, paused) == BACKOFF_UNTIL_ENDED);
	backoffs_free(&backoffs);
}

/* As another program, or a broken disk, may leave it. */
static void write_all(uint64_t word, size_t from)
{
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, (long)from, SEEK_SET), 0);
	for (size_t i = from; i < 4096 * 256; i += sizeof(word))
		assert_int_equal(fwrite(&word, sizeof(word), 1, file), 1);
	fclose(file);
}

static void a_damaged_file_keeps_nobody_away_for_long(void **state)
{
	static const uint64_t words[] = { 1, 0x4141414141414141U, UINT64_MAX - 1 };
	uint64_t key = backoffs_key("login", "relay", "us");
	char reason[BACKOFF_REASON_SIZE];
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t from = 0; from <= 256; from += 256) {
			write_all(words[i], from);
			struct backoffs *backoffs = open_backoffs();
			assert_int_equal(backoffs_left_ms(backoffs, words[i]), 0);
			assert_true(backoffs_length_ms(backoffs, words[i]) <= BACKOFF_MAXIMUM_MS);
			backoffs_reason(backoffs, words[i], reason);
			backoffs_begin(backoffs, key, 5000, "sound");
			assert_true(backoffs_left_ms(backoffs, key) > 0);
			assert_reason(backoffs, key, "sound");
			backoffs_free(&backoffs);
		}
	}
}

static void a_reason_is_one_line_of_text(void **state)
{
	uint64_t key = backoffs_key("login", "relay", "us");
	char text[400];
	struct backoffs *backoffs = open_backoffs();
	(void)state;
	backoffs_begin(backoffs, key, 5000, "550 a\r\nb\x1b[2J");
	assert_reason(backoffs, key, "550 a  b [2J");
	backoffs_begin(backoffs, key, 5000,
		       "535 r\xc3\xa9"
		       "fus\xa0\xff");
	assert_reason(backoffs, key, "535 r??fus??");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	backoffs_begin(backoffs, key, 5000, text);
	text[BACKOFF_REASON_SIZE - 1] = '\0';
	assert_reason(backoffs, key, text);
	backoffs_free(&backoffs);
}

static void no_backoff_lasts_for_ever_unless_told_to(void **state)
{
	uint64_t key = backoffs_key("account", "relay", "us");
	struct backoffs *backoffs = NULL;
	(void)state;
	assert_int_equal(backoffs_create(loop, -1, &backoffs), STATUS_OK);
	backoffs_begin(backoffs, key, UINT64_MAX - 1, "a hint of nonsense");
	assert_in_range(backoffs_left_ms(backoffs, key), BACKOFF_MAXIMUM_MS - 60000, BACKOFF_MAXIMUM_MS);
	backoffs_begin(backoffs, 0, 5000, "no key");
	assert_int_equal(backoffs_left_ms(backoffs, 0), 0);
	backoffs_free(&backoffs);
}

static void what_is_no_file_is_an_error(void **state)
{
	struct backoffs *backoffs = NULL;
	(void)state;
	assert_int_equal(backoffs_create(loop, open("/dev/null", O_RDWR), &backoffs), STATUS_SYSTEM);
	assert_null(backoffs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_differ_by_each_part),
		cmocka_unit_test_setup_teardown(what_one_learns_the_other_knows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_kept_when_nobody_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_backoff_in_a_row_is_longer_up_to_its_maximum, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_than_there_is_room_for_forgets_the_first_to_end, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_file_keeps_nobody_away_for_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reason_is_one_line_of_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_backoff_lasts_for_ever_unless_told_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_an_error, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
