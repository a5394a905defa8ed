/* Tickets of logins at a provider: what they are good for, how long, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "admin/tickets.h"

#define NOW_MS UINT64_C(123456789)

struct login {
	char ticket[TICKET_SIZE + 1], state[TICKET_PART_SIZE + 1];
};

static struct login begin_login(const struct tickets *tickets, uint64_t now_ms)
{
	struct login login;
	assert_int_equal(tickets_make(tickets, now_ms, login.ticket), STATUS_OK);
	assert_int_equal(tickets_derive(tickets, span_of(login.ticket), "state", login.state), STATUS_OK);
	assert_int_equal(strlen(login.ticket), TICKET_SIZE);
	assert_int_equal(strlen(login.state), TICKET_PART_SIZE);
	return login;
}

static enum status take_back(struct tickets *tickets, const char *ticket, const char *state, uint64_t now_ms)
{
	return tickets_take(tickets, span_of(ticket), span_of(state), now_ms);
}

static void a_ticket_is_good_once(void **state)
{
	(void)state;
	struct tickets tickets;
	assert_int_equal(tickets_init(&tickets), STATUS_OK);
	struct login one = begin_login(&tickets, NOW_MS), other = begin_login(&tickets, NOW_MS);
	assert_int_equal(take_back(&tickets, one.ticket, one.state, NOW_MS + 5), STATUS_OK);
	assert_int_equal(take_back(&tickets, one.ticket, one.state, NOW_MS + 6), STATUS_INVALID);
	assert_int_equal(take_back(&tickets, one.ticket, one.state, NOW_MS + TICKET_LIFE_MS - 1), STATUS_INVALID);
	assert_int_equal(take_back(&tickets, other.ticket, other.state, NOW_MS + 7), STATUS_OK);
	tickets_free(&tickets);
}

static void a_ticket_is_good_for_ten_minutes(void **state)
{
	(void)state;
	struct tickets tickets;
	assert_int_equal(tickets_init(&tickets), STATUS_OK);
	struct login late = begin_login(&tickets, NOW_MS), early = begin_login(&tickets, NOW_MS),
		     future = begin_login(&tickets, NOW_MS);
	assert_int_equal(take_back(&tickets, late.ticket, late.state, NOW_MS + TICKET_LIFE_MS), STATUS_INVALID);
	assert_int_equal(take_back(&tickets, early.ticket, early.state, NOW_MS + TICKET_LIFE_MS - 1), STATUS_OK);
	assert_int_equal(take_back(&tickets, future.ticket, future.state, NOW_MS - 1), STATUS_INVALID);
	tickets_free(&tickets);
}

static void a_ticket_goes_with_its_own_state_alone(void **state)
{
	(void)state;
	struct tickets tickets;
	assert_int_equal(tickets_init(&tickets), STATUS_OK);
	struct login one = begin_login(&tickets, NOW_MS), other = begin_login(&tickets, NOW_MS);
	assert_int_equal(take_back(&tickets, one.ticket, other.state, NOW_MS), STATUS_INVALID);
	assert_int_equal(take_back(&tickets, other.ticket, one.state, NOW_MS), STATUS_INVALID);
	assert_int_equal(take_back(&tickets, one.ticket, "", NOW_MS), STATUS_INVALID);
	assert_int_equal(take_back(&tickets, "", one.state, NOW_MS), STATUS_INVALID);
	assert_int_equal(take_back(&tickets, one.ticket, one.state, NOW_MS),
			 STATUS_OK); /* no failed try has spent it */
	tickets_free(&tickets);
}

/* Each of its digits counts, its time as well. */
static void no_digit_of_a_ticket_can_be_changed(void **state)
{
	(void)state;
	struct tickets tickets;
	assert_int_equal(tickets_init(&tickets), STATUS_OK);
	for (size_t i = 0; i < TICKET_SIZE; i++) {
		char text[TICKET_PART_SIZE + 1];
		struct login login = begin_login(&tickets, NOW_MS);
		login.ticket[i] = login.ticket[i] == '0' ? '1' : '0';
		assert_int_equal(tickets_derive(&tickets, span_of(login.ticket), "state", text), STATUS_OK);
		assert_int_equal(take_back(&tickets, login.ticket, text, NOW_MS), STATUS_INVALID);
		assert_int_equal(take_back(&tickets, login.ticket, login.state, NOW_MS), STATUS_INVALID);
	}
	tickets_free(&tickets);
}

static void another_process_has_another_key(void **state)
{
	(void)state;
	struct tickets one, other;
	char text[TICKET_PART_SIZE + 1];
	assert_int_equal(tickets_init(&one), STATUS_OK);
	assert_int_equal(tickets_init(&other), STATUS_OK);
	struct login login = begin_login(&one, NOW_MS);
	assert_int_equal(tickets_derive(&other, span_of(login.ticket), "state", text), STATUS_OK);
	assert_string_not_equal(text, login.state);
	assert_int_equal(take_back(&other, login.ticket, text, NOW_MS), STATUS_INVALID);
	tickets_free(&one);
	tickets_free(&other);
}

static void each_part_of_a_login_is_another(void **state)
{
	(void)state;
	static const char *const purposes[] = { "state", "nonce", "verifier", "ticket" };
	struct tickets tickets;
	char parts[4][TICKET_PART_SIZE + 1];
	assert_int_equal(tickets_init(&tickets), STATUS_OK);
	struct login login = begin_login(&tickets, NOW_MS);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(tickets_derive(&tickets, span_of(login.ticket), purposes[i], parts[i]), STATUS_OK);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(parts[i], parts[j]);
	}
	tickets_free(&tickets);
}

/* Those that are over go with the next that is taken, and what is held is bounded. */
static void tickets_that_are_over_are_forgotten(void **state)
{
	(void)state;
	struct tickets tickets;
	assert_int_equal(tickets_init(&tickets), STATUS_OK);
	for (size_t i = 0; i < 65536; i++) {
		struct login login = begin_login(&tickets, NOW_MS);
		assert_int_equal(take_back(&tickets, login.ticket, login.state, NOW_MS), STATUS_OK);
	}
	struct login login = begin_login(&tickets, NOW_MS + 1);
	assert_int_equal(take_back(&tickets, login.ticket, login.state, NOW_MS + 1), STATUS_UNAVAILABLE);
	assert_int_equal(take_back(&tickets, login.ticket, login.state, NOW_MS + TICKET_LIFE_MS), STATUS_OK);
	assert_int_equal(tickets.used.count, 1);
	tickets_free(&tickets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_good_once),
		cmocka_unit_test(a_ticket_is_good_for_ten_minutes),
		cmocka_unit_test(a_ticket_goes_with_its_own_state_alone),
		cmocka_unit_test(no_digit_of_a_ticket_can_be_changed),
		cmocka_unit_test(another_process_has_another_key),
		cmocka_unit_test(each_part_of_a_login_is_another),
		cmocka_unit_test(tickets_that_are_over_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
