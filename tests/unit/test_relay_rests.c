/* Rests: shared by two that map one file, kept behind them, bounded, and never believed where they can't be true. */
#include "with_loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/upstream/rests.h"

#define MANY 6000 /* more than there is room for */

static char path[64];
static struct loop *loop;

static struct rests *open_rests(void)
{
	struct rests *rests = NULL;
	assert_int_equal(rests_create(loop, open(path, O_RDWR | O_CLOEXEC), &rests), STATUS_OK);
	return rests;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/rests-test-XXXXXX");
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

static void assert_reason(const struct rests *rests, uint64_t key, const char *expected)
{
	char reason[REST_REASON_SIZE];
	rests_reason(rests, key, reason);
	assert_string_equal(reason, expected);
}

static void keys_differ_by_each_part(void **state)
{
	const uint64_t keys[] = { rests_key("login", "a", "b"), rests_key("login", "a", "c"),
				  rests_key("login", "ab", ""), rests_key("connect", "a", "b") };
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(keys[i] != 0);
		for (size_t j = 0; j < i; j++)
			assert_true(keys[i] != keys[j]);
	}
	assert_true(keys[0] == rests_key("login", "a", "b"));
}

static void what_one_learns_the_other_knows(void **state)
{
	uint64_t key = rests_key("login", "relay", "us");
	struct rests *old = open_rests(), *new = open_rests();
	(void)state;
	assert_int_equal(rests_left_ms(new, key), 0);
	assert_reason(new, key, "");
	rests_begin(old, key, 5000, "535 5.7.8 no");
	/* Each has rounded the clock to a millisecond for itself. */
	assert_in_range(rests_left_ms(new, key), 4000, 5001);
	assert_int_equal(rests_length_ms(new, key), 5000);
	assert_reason(new, key, "535 5.7.8 no");
	rests_end(new, key);
	assert_int_equal(rests_left_ms(old, key), 0);
	assert_int_equal(rests_length_ms(old, key), 0);
	rests_free(&old);
	rests_free(&new);
}

static void it_is_kept_when_nobody_is_there(void **state)
{
	uint64_t key = rests_key("paused", "", "relay");
	struct rests *rests = open_rests();
	(void)state;
	rests_begin(rests, key, REST_UNTIL_ENDED, "by hand");
	rests_free(&rests);
	rests = open_rests();
	assert_true(rests_left_ms(rests, key) == REST_UNTIL_ENDED);
	assert_reason(rests, key, "by hand");
	rests_free(&rests);
}

static void each_rest_in_a_row_is_longer_up_to_its_maximum(void **state)
{
	uint64_t key = rests_key("connect", "relay", "");
	struct rests *rests = open_rests();
	(void)state;
	assert_int_equal(rests_back_off(rests, key, 10, 35, "1"), 10);
	assert_int_equal(rests_back_off(rests, key, 10, 35, "one within"), 0);
	assert_reason(rests, key, "1");
	run_for(loop, 15);
	assert_int_equal(rests_left_ms(rests, key), 0);
	assert_int_equal(rests_back_off(rests, key, 10, 35, "2"), 20);
	run_for(loop, 25);
	assert_int_equal(rests_back_off(rests, key, 10, 35, "3"), 35);
	run_for(loop, 40);
	rests_end(rests, key);
	assert_int_equal(rests_back_off(rests, key, 10, 35, "4"), 10);
	rests_free(&rests);
}

static void more_than_there_is_room_for_forgets_the_first_to_end(void **state)
{
	uint64_t paused = rests_key("paused", "", "relay");
	char name[32];
	struct rests *rests = open_rests();
	(void)state;
	rests_begin(rests, paused, REST_UNTIL_ENDED, "by hand");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%u@example.com", i);
		uint64_t key = rests_key("login", "relay", name);
		rests_begin(rests, key, 1000 + i, name);
		assert_true(rests_left_ms(rests, key) > 0);
	}
	assert_true(rests_left_ms(rests, paused) == REST_UNTIL_ENDED);
	rests_free(&rests);
}

/* As another program, or a broken disk, may leave it. */
static void write_all(uint64_t word, size_t behind)
{
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, (long)behind, SEEK_SET), 0);
	for (size_t i = behind; i < 4096 * 256; i += sizeof(word))
		assert_int_equal(fwrite(&word, sizeof(word), 1, file), 1);
	fclose(file);
}

static void a_damaged_file_rests_nobody_for_long(void **state)
{
	static const uint64_t words[] = { 1, 0x4141414141414141U, UINT64_MAX - 1 };
	uint64_t key = rests_key("login", "relay", "us");
	char reason[REST_REASON_SIZE];
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t behind = 0; behind <= 256; behind += 256) {
			write_all(words[i], behind);
			struct rests *rests = open_rests();
			assert_int_equal(rests_left_ms(rests, words[i]), 0);
			assert_true(rests_length_ms(rests, words[i]) <= REST_MAXIMUM_MS);
			rests_reason(rests, words[i], reason);
			rests_begin(rests, key, 5000, "sound");
			assert_true(rests_left_ms(rests, key) > 0);
			assert_reason(rests, key, "sound");
			rests_free(&rests);
		}
	}
}

static void a_reason_is_one_line_of_text(void **state)
{
	uint64_t key = rests_key("login", "relay", "us");
	char text[400];
	struct rests *rests = open_rests();
	(void)state;
	rests_begin(rests, key, 5000, "550 a\r\nb\x1b[2J");
	assert_reason(rests, key, "550 a  b [2J");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	rests_begin(rests, key, 5000, text);
	text[REST_REASON_SIZE - 1] = '\0';
	assert_reason(rests, key, text);
	rests_free(&rests);
}

static void nothing_rests_for_ever_but_what_was_told_to(void **state)
{
	uint64_t key = rests_key("account", "relay", "us");
	struct rests *rests = NULL;
	(void)state;
	assert_int_equal(rests_create(loop, -1, &rests), STATUS_OK);
	rests_begin(rests, key, UINT64_MAX - 1, "a hint of nonsense");
	assert_in_range(rests_left_ms(rests, key), REST_MAXIMUM_MS - 1000, REST_MAXIMUM_MS);
	rests_begin(rests, 0, 5000, "no key");
	assert_int_equal(rests_left_ms(rests, 0), 0);
	rests_free(&rests);
}

static void what_is_no_file_is_an_error(void **state)
{
	struct rests *rests = NULL;
	(void)state;
	assert_int_equal(rests_create(loop, open("/dev/null", O_RDWR), &rests), STATUS_SYSTEM);
	assert_null(rests);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_differ_by_each_part),
		cmocka_unit_test_setup_teardown(what_one_learns_the_other_knows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_kept_when_nobody_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_rest_in_a_row_is_longer_up_to_its_maximum, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_than_there_is_room_for_forgets_the_first_to_end, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_file_rests_nobody_for_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reason_is_one_line_of_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_rests_for_ever_but_what_was_told_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_an_error, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
