/* What counts as a guess, and how many there may be: every rule once in memory, and once by the scripts in Redis. */
#include "with_guesses.h"

#include <stdlib.h>

#define HOME "192.0.2.1"
#define ELSEWHERE "198.51.100.1"

/* ---- users */

static void a_user_has_five_wrong_tries_in_a_window(void **state)
{
	(void)state;
	assert_int_equal(count_tried("anna", "guess", ELSEWHERE, 9), 5);
	assert_int_equal(guess_wrong("anna", "another", "203.0.113.7"), GUESS_USER_REFUSED);
	assert_int_equal(guess_wrong("bert", "another", "203.0.113.7"), GUESS_MAY_ASK);
	pass_seconds(WINDOW_MS / 1000 + 1);
	assert_int_equal(guess_wrong("anna", "another", "203.0.113.7"), GUESS_MAY_ASK);
}

static void one_gate_leaves_half_of_them_to_the_others(void **state)
{
	char password[8];
	unsigned tried = 0;
	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		snprintf(password, sizeof(password), "%u", i);
		tried += try_at(1, "anna", password, ELSEWHERE, GUESS_WRONG) == GUESS_MAY_ASK;
	}
	assert_int_equal(tried, 3);
	for (unsigned i = 0; i < 9; i++) {
		snprintf(password, sizeof(password), "b%u", i);
		tried += try_at(2, "anna", password, "203.0.113.1", GUESS_WRONG) == GUESS_MAY_ASK;
	}
	assert_int_equal(tried, 5); /* never more in all */
	assert_int_equal(try_at(3, "anna", "c", "203.0.113.2", GUESS_WRONG), GUESS_USER_REFUSED);
}

static void places_are_taken_before_it_is_known_how_a_try_went(void **state)
{
	struct guess_claim claims[9];
	char password[8];
	unsigned places = 0;
	(void)state;
	for (uint32_t i = 0; i < 9; i++) {
		snprintf(password, sizeof(password), "%u", i);
		claims[i] = make_claim(i, "anna", password, ELSEWHERE);
		places += reserve(&claims[i]) == GUESS_MAY_ASK;
	}
	assert_int_equal(places, 5);
	settle(&claims[0], GUESS_RIGHT);
	settle(&claims[1], GUESS_UNTRIED);
	settle(&claims[1], GUESS_UNTRIED); /* told twice */
	assert_int_equal(count_tried("anna", "more", "203.0.113.1", 9), 2);
}

static void a_stale_phone_counts_once_from_wherever_it_tries(void **state)
{
	char address[32];
	(void)state;
	assert_int_equal(guess_wrong("anna", "last year's", ELSEWHERE), GUESS_MAY_ASK);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(address, sizeof(address), "198.51.%u.1", i);
		assert_int_equal(guess_wrong("anna", "last year's", address), GUESS_WRONG_AGAIN);
	}
	assert_int_equal(count_tried("anna", "guess", ELSEWHERE, 9), 4);
}

static void a_wrong_pair_is_asked_again_once_a_minute_while_places_are_free(void **state)
{
	unsigned asked = 0;
	(void)state;
	assert_int_equal(guess_wrong("anna", "last year's", ELSEWHERE), GUESS_MAY_ASK);
	for (unsigned second = 0; second < 590; second += 10) {
		enum guess_answer answer = guess_wrong("anna", "last year's", ELSEWHERE);
		asked += answer == GUESS_MAY_ASK;
		assert_true(answer == GUESS_MAY_ASK || answer == GUESS_WRONG_AGAIN);
		assert_true(second >= 60 || asked == 0);
		pass_seconds(10);
	}
	assert_int_equal(asked, 2); /* the first is asked a third time; the others' places are left */
	assert_int_equal(count_tried("anna", "guess", "203.0.113.1", 9), 2);
}

static void a_pair_that_was_wrong_can_come_right(void **state)
{
	(void)state;
	assert_int_equal(guess_wrong("anna", "the right one", ELSEWHERE), GUESS_MAY_ASK);
	assert_int_equal(log_in("anna", ELSEWHERE), GUESS_WRONG_AGAIN);
	pass_seconds(61);
	assert_int_equal(log_in("anna", ELSEWHERE), GUESS_MAY_ASK);
	assert_int_equal(log_in("anna", ELSEWHERE), GUESS_MAY_ASK);
	assert_int_equal(count_tried("anna", "guess", "203.0.113.1", 9), 5); /* it left nothing behind */
}

static void the_same_pair_is_tried_once_at_a_time(void **state)
{
	const struct guess_claim first = make_claim(1, "anna", "secret", ELSEWHERE);
	const struct guess_claim second = make_claim(2, "anna", "secret", HOME);
	(void)state;
	assert_int_equal(reserve(&first), GUESS_MAY_ASK);
	assert_int_equal(reserve(&second), GUESS_PENDING);
	assert_true(book.wait_ms > 0 && book.wait_ms <= LEASE_MS);
	settle(&first, GUESS_RIGHT);
	assert_int_equal(reserve(&second), GUESS_MAY_ASK);
}

static void a_try_whose_end_is_never_told_counts_and_is_free_to_be_made_again(void **state)
{
	const struct guess_claim lost = make_claim(1, "anna", "secret", ELSEWHERE);
	const struct guess_claim next = make_claim(1, "anna", "secret", ELSEWHERE);
	(void)state;
	assert_int_equal(reserve(&lost), GUESS_MAY_ASK);
	pass_seconds(LEASE_MS / 1000 + 1);
	assert_int_equal(reserve(&next), GUESS_MAY_ASK);
	settle(&lost, GUESS_WRONG); /* too late: it is another's now */
	settle(&next, GUESS_UNKNOWN);
	assert_int_equal(count_tried("anna", "guess", "203.0.113.1", 9), 4);
}

static void a_pair_without_an_answer_is_left_alone_for_longer_each_time(void **state)
{
	(void)state;
	for (unsigned wait_s = 5; wait_s <= 20; wait_s *= 2) {
		assert_int_equal(try_at(1, "anna", "secret", HOME, GUESS_UNKNOWN), GUESS_MAY_ASK);
		assert_int_equal(try_at(1, "anna", "secret", HOME, GUESS_UNKNOWN), GUESS_PENDING);
		assert_in_range(book.wait_ms, 1000 * wait_s - 4000, 1000 * wait_s);
		pass_seconds((long)wait_s + 1);
	}
	assert_int_equal(try_at(1, "anna", "secret", HOME, GUESS_RIGHT), GUESS_MAY_ASK);
	assert_int_equal(try_at(1, "anna", "secret", HOME, GUESS_RIGHT), GUESS_MAY_ASK);
}

/* ---- places that a user is known from */

static void strangers_can_not_keep_a_user_out_of_their_own_places(void **state)
{
	(void)state;
	assert_int_equal(log_in("anna", HOME), GUESS_MAY_ASK);
	assert_int_equal(count_tried("anna", "guess", ELSEWHERE, 9), 5);
	assert_int_equal(log_in("anna", ELSEWHERE), GUESS_USER_REFUSED);
	assert_int_equal(log_in("anna", HOME), GUESS_MAY_ASK);
	assert_int_equal(log_in("anna", "192.0.2.200"), GUESS_MAY_ASK); /* the same /24 */
	assert_int_equal(log_in("anna", "192.0.3.1"), GUESS_USER_REFUSED);
	pass_seconds(29 * 86400);
	assert_int_equal(count_tried("anna", "guess", ELSEWHERE, 9), 5);
	assert_int_equal(log_in("anna", HOME), GUESS_MAY_ASK);
	pass_seconds(31 * 86400);
	assert_int_equal(count_tried("anna", "guess", ELSEWHERE, 9), 5);
	assert_int_equal(log_in("anna", HOME), GUESS_USER_REFUSED);
}

static void from_all_places_together_tries_stay_below_ten(void **state)
{
	(void)state;
	assert_int_equal(log_in("anna", HOME), GUESS_MAY_ASK);
	unsigned from_home = count_tried("anna", "at home", HOME, 9);
	unsigned from_elsewhere = count_tried("anna", "elsewhere", ELSEWHERE, 9);
	unsigned from_next_door = count_tried("anna", "next door", "192.0.2.9", 9);
	assert_int_equal(from_home + from_elsewhere + from_next_door, 9);
	assert_int_equal(log_in("anna", "192.0.2.77"), GUESS_USER_REFUSED);
}

static void an_address_full_of_wrong_guesses_lets_in_whom_it_knows(void **state)
{
	char user[16];
	(void)state;
	assert_int_equal(log_in("anna", HOME), GUESS_MAY_ASK);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		(void)guess_wrong(user, "x", HOME);
	}
	assert_int_equal(log_in("bert", HOME), GUESS_ADDRESS_REFUSED);
	assert_int_equal(log_in("anna", HOME), GUESS_MAY_ASK);
}

static void a_slash_64_is_one_place(void **state)
{
	(void)state;
	assert_int_equal(log_in("anna", "2001:db8:1:2::1"), GUESS_MAY_ASK);
	assert_int_equal(count_tried("anna", "guess", ELSEWHERE, 9), 5);
	assert_int_equal(log_in("anna", "2001:db8:1:2:aaaa::9"), GUESS_MAY_ASK);
	assert_int_equal(log_in("anna", "2001:db8:1:3::1"), GUESS_USER_REFUSED);
}

/* ---- addresses */

/* A wrong password of another user each, through one gate; how many may be tried. */
static unsigned spray_from(const char *address, unsigned first, unsigned count, uint32_t gate)
{
	unsigned tried = 0;
	char user[24];
	for (unsigned i = first; i < first + count; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		tried += try_at(gate, user, "x", address, GUESS_WRONG) == GUESS_MAY_ASK;
	}
	return tried;
}

static void an_address_may_guess_ten_times(void **state)
{
	(void)state;
	assert_int_equal(spray_from(HOME, 0, 20, 1), 10);
	assert_int_equal(try_at(1, "anna", "x", HOME, GUESS_RIGHT), GUESS_ADDRESS_REFUSED);
	assert_int_equal(try_at(1, "anna", "x", "192.0.2.2", GUESS_RIGHT), GUESS_MAY_ASK);
	pass_seconds(WINDOW_MS / 1000 + 1);
	assert_int_equal(spray_from(HOME, 100, 1, 1), 1);
}

static void twenty_stale_phones_behind_one_address_lock_nobody_out(void **state)
{
	(void)state;
	struct guess_limits limits = usual_limits;
	limits.per_address = 50;
	close_book();
	open_book(*(bool *)*state, &limits);
	for (unsigned round = 0; round < 10; round++) {
		spray_from(HOME, 0, 20, 1 + round % 2);
		pass_seconds(20);
	}
	assert_int_equal(log_in("somebody", HOME), GUESS_MAY_ASK);
}

static void guesses_from_many_small_networks_count_for_the_larger_ones(void **state)
{
	char address[64];
	unsigned tried = 0;
	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		snprintf(address, sizeof(address), "2001:db8:1:1%02x::1", i);
		tried += spray_from(address, i, 1, 1);
	}
	assert_int_equal(tried, 40); /* four times ten, of the /56 */
	for (unsigned i = 0; i < 150; i++) {
		snprintf(address, sizeof(address), "2001:db8:1:%x::1", 0x200 + 256 * i);
		tried += spray_from(address, 1000 + i, 1, 1);
	}
	assert_int_equal(tried, 160); /* sixteen times ten, of the /48 */
	assert_int_equal(spray_from("2001:db8:2::1", 5000, 1, 1), 1);
}

static void what_proves_right_is_given_back_to_all_networks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		char address[64], user[16];
		snprintf(address, sizeof(address), "2001:db8:1:%x::1", i % 16);
		snprintf(user, sizeof(user), "user%u", i);
		assert_int_equal(log_in(user, address), GUESS_MAY_ASK);
	}
}

static void one_gate_alone_makes_the_others_refuse_no_address(void **state)
{
	(void)state;
	spray_from(HOME, 0, 100, 1);
	assert_int_equal(spray_from(HOME, 200, 1, 1), 0);
	for (uint32_t gate = 2; gate < 6; gate++)
		assert_int_equal(spray_from(HOME, 200 + gate, 1, gate), 1);
	assert_int_equal(spray_from(HOME, 300, 9, 6), 1); /* what they saw themselves counts beside half of the limit */
}

/* ---- floods */

/* A wrong guess of a user from an address, if the gate may cause a record of it. */
static bool flood(uint32_t gate, const char *user, const char *address)
{
	struct guess_claim claim = make_claim(gate, user, "x", address);
	if (!ledger_admit(book.ledger, &claim, book.now_ms))
		return false;
	if (reserve(&claim) == GUESS_MAY_ASK)
		settle(&claim, GUESS_WRONG);
	return true;
}

static void a_flood_of_names_stays_bounded(void **state)
{
	char user[16], address[32];
	(void)state;
	for (unsigned i = 0; i < LEDGER_MAXIMUM + 10; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 0xff, i & 0xff);
		assert_true(flood(1 + i / 10000, user, address));
		book.now_ms++;
	}
	assert_int_equal(count_tried(user, "guess", ELSEWHERE, 9), 4); /* the first is known still */
	assert_int_equal(count_tried("user0", "guess", "203.0.113.1", 9), 5);
}

static void one_gate_can_not_flush_out_what_others_reported(void **state)
{
	char address[32];
	unsigned counted = 0;
	(void)state;
	assert_int_equal(spray_from(HOME, 0, 20, 2), 10);
	for (unsigned i = 0; i < 3 * LEDGER_MAXIMUM; i++) {
		snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 0xff, i & 0xff);
		counted += flood(1, "victim", address);
	}
	assert_true(counted < LEDGER_MAXIMUM / 2);
	assert_int_equal(spray_from(HOME, 50, 1, 2), 0);
}

static void logins_by_the_thousand_use_up_nothing_of_a_gate(void **state)
{
	char user[16];
	(void)state;
	for (unsigned i = 0; i < 2 * LEDGER_MAXIMUM; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		struct guess_claim claim = make_claim(1, user, "right", HOME);
		assert_true(ledger_admit(book.ledger, &claim, book.now_ms));
		assert_int_equal(reserve(&claim), GUESS_MAY_ASK);
		settle(&claim, GUESS_RIGHT);
	}
}

/* ---- no limits */

static void without_limits_nobody_is_refused(void **state)
{
	const struct guess_limits none = { .window_ms = WINDOW_MS, .lease_ms = LEASE_MS };
	close_book();
	open_book(*(bool *)*state, &none);
	assert_int_equal(count_tried("anna", "guess", HOME, 50), 50);
}

/* ---- each of them twice */

static bool in_memory = false, in_redis = true;

static int begin(void **state)
{
	open_book(*(bool *)*state, &usual_limits);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close_book();
	return 0;
}

static int start_server(void **state)
{
	(void)state;
	test_redis_let_clock_shift(&redis_server);
	test_redis_start(&redis_server);
	return 0;
}

static int remove_server(void **state)
{
	(void)state;
	test_redis_remove(&redis_server);
	return 0;
}

#define IN(test, where)                                         \
	{                                                       \
#test " (" #where ")", test, begin, end, &where \
	}
#define BOTH(test) IN(test, in_memory), IN(test, in_redis)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_user_has_five_wrong_tries_in_a_window),
		BOTH(one_gate_leaves_half_of_them_to_the_others),
		BOTH(places_are_taken_before_it_is_known_how_a_try_went),
		BOTH(a_stale_phone_counts_once_from_wherever_it_tries),
		BOTH(a_wrong_pair_is_asked_again_once_a_minute_while_places_are_free),
		BOTH(a_pair_that_was_wrong_can_come_right),
		BOTH(the_same_pair_is_tried_once_at_a_time),
		BOTH(a_try_whose_end_is_never_told_counts_and_is_free_to_be_made_again),
		BOTH(a_pair_without_an_answer_is_left_alone_for_longer_each_time),
		BOTH(strangers_can_not_keep_a_user_out_of_their_own_places),
		BOTH(from_all_places_together_tries_stay_below_ten),
		BOTH(an_address_full_of_wrong_guesses_lets_in_whom_it_knows),
		BOTH(a_slash_64_is_one_place),
		BOTH(an_address_may_guess_ten_times),
		BOTH(twenty_stale_phones_behind_one_address_lock_nobody_out),
		BOTH(guesses_from_many_small_networks_count_for_the_larger_ones),
		BOTH(what_proves_right_is_given_back_to_all_networks),
		BOTH(one_gate_alone_makes_the_others_refuse_no_address),
		BOTH(without_limits_nobody_is_refused),
		IN(a_flood_of_names_stays_bounded, in_memory),
		IN(one_gate_can_not_flush_out_what_others_reported, in_memory),
		IN(logins_by_the_thousand_use_up_nothing_of_a_gate, in_memory),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_server, remove_server);
}
