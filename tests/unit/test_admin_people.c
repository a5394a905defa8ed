/* Sessions of the console: their tokens, their ends by the clock, their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "admin/people.h"

#define HOUR_MS 3600000U
#define MINUTE_MS 60000U

static struct people make_people(void)
{
	return (struct people){ .session_limit_ms = 12 * HOUR_MS, .idle_limit_ms = 30 * MINUTE_MS };
}

static struct secret begin(struct people *people, const char *user, uint64_t now_ms)
{
	struct person person = { 0 };
	struct secret token = { 0 };
	snprintf(person.user, sizeof(person.user), "%s", user);
	snprintf(person.user_id, sizeof(person.user_id), "name:%s", user);
	assert_int_equal(people_begin(people, &person, now_ms, &token), STATUS_OK);
	assert_int_equal(secret_reveal(&token).size, PEOPLE_TOKEN_SIZE);
	return token;
}

static struct person *find(struct people *people, const struct secret *token, uint64_t now_ms)
{
	return people_find(people, secret_reveal(token), now_ms);
}

static void a_token_finds_its_session_and_nothing_else_does(void **state)
{
	(void)state;
	struct people people = make_people();
	struct secret anna = begin(&people, "anna", 5), ben = begin(&people, "ben", 5);
	char wrong[PEOPLE_TOKEN_SIZE + 1] = "";
	assert_false(secret_equal(secret_reveal(&anna), secret_reveal(&ben)));
	assert_string_equal(find(&people, &anna, 6)->user, "anna");
	assert_string_equal(find(&people, &ben, 6)->user, "ben");
	memcpy(wrong, secret_reveal(&anna).data, PEOPLE_TOKEN_SIZE);
	wrong[10] = wrong[10] == 'a' ? 'b' : 'a';
	assert_null(people_find(&people, span_of(wrong), 6));
	assert_null(people_find(&people, span_slice(secret_reveal(&anna), 0, PEOPLE_TOKEN_SIZE - 1), 6));
	assert_null(people_find(&people, SPAN(""), 6));
	people_end(&people, find(&people, &anna, 7));
	assert_null(find(&people, &anna, 7));
	assert_non_null(find(&people, &ben, 7));
	people_end_all(&people);
	secret_wipe(&anna);
	secret_wipe(&ben);
}

static void silence_and_age_end_a_session(void **state)
{
	(void)state;
	struct people people = make_people();
	struct secret silent = begin(&people, "anna", 1000), busy = begin(&people, "anna", 1000);
	assert_non_null(find(&people, &silent, 1000 + 30 * MINUTE_MS - 1));
	assert_null(find(&people, &silent, 1000 + 60 * MINUTE_MS - 1));
	uint64_t now_ms = 1000;
	struct person *person = NULL;
	while ((person = find(&people, &busy, now_ms + 20 * MINUTE_MS)) != NULL) {
		assert_int_equal(people_left_ms(&people, person, now_ms + 20 * MINUTE_MS),
				 1000 + 12 * HOUR_MS - (now_ms + 20 * MINUTE_MS));
		now_ms += 20 * MINUTE_MS;
	}
	assert_int_equal(now_ms + 20 * MINUTE_MS, 1000 + 12 * HOUR_MS);
	people_end_all(&people);
	secret_wipe(&silent);
	secret_wipe(&busy);
}

static void looking_a_session_up_does_not_keep_it(void **state)
{
	(void)state;
	struct people people = make_people();
	struct secret token = begin(&people, "anna", 1000);
	assert_non_null(people_look_up(&people, secret_reveal(&token), 1000 + 30 * MINUTE_MS - 1));
	assert_null(people_look_up(&people, secret_reveal(&token), 1000 + 30 * MINUTE_MS));
	assert_null(people_look_up(&people, SPAN(""), 1000));
	people_end_all(&people);
	secret_wipe(&token);
}

static void a_user_has_so_many_and_ends_their_oldest(void **state)
{
	(void)state;
	struct people people = make_people();
	struct secret tokens[PEOPLE_OF_A_USER + 1], other = begin(&people, "ben", 1);
	for (size_t i = 0; i < PEOPLE_OF_A_USER + 1; i++)
		tokens[i] = begin(&people, "anna", 2 + i);
	assert_null(find(&people, &tokens[0], 100));
	for (size_t i = 1; i < PEOPLE_OF_A_USER + 1; i++)
		assert_non_null(find(&people, &tokens[i], 100));
	assert_non_null(find(&people, &other, 100));
	assert_int_equal(people.count, PEOPLE_OF_A_USER + 1);
	people_end_all(&people);
	for (size_t i = 0; i < PEOPLE_OF_A_USER + 1; i++)
		secret_wipe(&tokens[i]);
	secret_wipe(&other);
}

static void there_are_so_many_and_those_over_make_room(void **state)
{
	(void)state;
	struct people people = make_people();
	struct person person = { 0 };
	struct secret token = { 0 };
	for (unsigned i = 0; i < PEOPLE_MAXIMUM; i++) {
		char name[32];
		snprintf(name, sizeof(name), "user%u", i);
		struct secret one = begin(&people, name, 1);
		secret_wipe(&one);
	}
	snprintf(person.user_id, sizeof(person.user_id), "name:one more");
	assert_int_equal(people_begin(&people, &person, 2, &token), STATUS_UNAVAILABLE);
	assert_int_equal(people_begin(&people, &person, 2 + 30 * MINUTE_MS, &token), STATUS_OK);
	assert_int_equal(people.count, 1);
	people_end_all(&people);
	secret_wipe(&token);
}

static void the_proof_of_a_change_is_the_tokens_own(void **state)
{
	(void)state;
	char one[PEOPLE_PROOF_SIZE + 1], again[PEOPLE_PROOF_SIZE + 1], other[PEOPLE_PROOF_SIZE + 1];
	assert_int_equal(people_make_proof(SPAN("0123"), one), STATUS_OK);
	assert_int_equal(people_make_proof(SPAN("0123"), again), STATUS_OK);
	assert_int_equal(people_make_proof(SPAN("0124"), other), STATUS_OK);
	assert_string_equal(one, again);
	assert_string_not_equal(one, other);
	assert_int_equal(strlen(one), PEOPLE_PROOF_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_finds_its_session_and_nothing_else_does),
		cmocka_unit_test(silence_and_age_end_a_session),
		cmocka_unit_test(looking_a_session_up_does_not_keep_it),
		cmocka_unit_test(a_user_has_so_many_and_ends_their_oldest),
		cmocka_unit_test(there_are_so_many_and_those_over_make_room),
		cmocka_unit_test(the_proof_of_a_change_is_the_tokens_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
