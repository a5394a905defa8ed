/* Rankings: the first of any number, in their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "relay/ranking.h"

static void add(struct ranking *ranking, const char *user, uint64_t messages)
{
	const struct ranked figures = { .messages = messages, .bytes = 2 * messages };
	assert_int_equal(ranking_add(ranking, span_of(user), &figures), STATUS_OK);
}

static void expect_row(const struct ranking *ranking, size_t index, const char *user, uint64_t messages)
{
	assert_true(index < ranking->count);
	assert_true(span_equal(ranking_user(ranking->rows[index]), span_of(user)));
	assert_int_equal(ranking->rows[index]->figures.messages, messages);
	assert_int_equal(ranking->rows[index]->figures.bytes, 2 * messages);
}

static void who_sent_most_comes_first_and_names_decide_between_equals(void **state)
{
	(void)state;
	struct ranking ranking = { 0 };
	add(&ranking, "ben", 5);
	add(&ranking, "anna", 5);
	add(&ranking, "cleo", 7);
	add(&ranking, "an", 5);
	add(&ranking, "dan", 1);
	assert_int_equal(ranking.count, 5);
	expect_row(&ranking, 0, "cleo", 7);
	expect_row(&ranking, 1, "an", 5);
	expect_row(&ranking, 2, "anna", 5);
	expect_row(&ranking, 3, "ben", 5);
	expect_row(&ranking, 4, "dan", 1);
	ranking_clear(&ranking);
	assert_int_equal(ranking.count, 0);
}

static void whoever_comes_again_is_there_once(void **state)
{
	(void)state;
	struct ranking ranking = { 0 };
	add(&ranking, "anna", 5);
	add(&ranking, "ben", 6);
	add(&ranking, "anna", 7);
	add(&ranking, "ben", 6);
	assert_int_equal(ranking.count, 2);
	expect_row(&ranking, 0, "anna", 7);
	expect_row(&ranking, 1, "ben", 6);
	ranking_clear(&ranking);
}

/* All of them in any order, compared with what sorting them says. */
static void the_first_two_hundred_of_many_are_kept(void **state)
{
	(void)state;
	struct ranking ranking = { 0 };
	char user[24];
	for (unsigned i = 0; i < 1009; i++) {
		unsigned number = i * 389 % 1009; /* each once */
		snprintf(user, sizeof(user), "user%u", number);
		add(&ranking, user, number);
	}
	assert_int_equal(ranking.count, RANKING_ROWS);
	for (unsigned i = 0; i < RANKING_ROWS; i++) {
		snprintf(user, sizeof(user), "user%u", 1008 - i);
		expect_row(&ranking, i, user, 1008 - i);
	}
	add(&ranking, "late", 3);
	assert_int_equal(ranking.count, RANKING_ROWS);
	add(&ranking, "user1000", 1000); /* full, and it is there */
	assert_int_equal(ranking.count, RANKING_ROWS);
	expect_row(&ranking, 8, "user1000", 1000);
	expect_row(&ranking, RANKING_ROWS - 1, "user809", 809);
	ranking_clear(&ranking);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_sent_most_comes_first_and_names_decide_between_equals),
		cmocka_unit_test(whoever_comes_again_is_there_once),
		cmocka_unit_test(the_first_two_hundred_of_many_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
