/*
 * The queue against a model of it, which is a sorted list that it looks through from one end to the other: whoever
 * enters and leaves in any order is served in the same one, of the pool and of each account.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "relay/upstream/private.h"

#define ATTEMPTS 40
#define USERS 5
#define ACCOUNTS 3
#define STEPS 400

static struct upstream_pool pool;
static struct upstream_account accounts[ACCOUNTS];
static struct upstream_attempt attempts[ATTEMPTS];
static struct upstream_attempt *listed[ATTEMPTS]; /* the model: who waits, in order */
static uint64_t turns[ATTEMPTS];                  /* by place in the list */
static size_t count;
static uint64_t turn_now; /* the model's */
static uint64_t seed;

static size_t draw(size_t below)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (size_t)(seed >> 33) % below;
}

static void set_up_queue(void)
{
	pool = (struct upstream_pool){ 0 };
	assert_int_equal(map_init(&pool.shares), STATUS_OK);
	TAILQ_INIT(&pool.passed);
	for (size_t i = 0; i < ACCOUNTS; i++)
		accounts[i] = (struct upstream_account){ .pool = &pool };
	for (size_t i = 0; i < ATTEMPTS; i++) {
		struct upstream_attempt *u = &attempts[i];
		*u = (struct upstream_attempt){ .pool = &pool, .user = draw(USERS), .state = UPSTREAM_PARKED };
		u->account = &accounts[draw(ACCOUNTS)];
		u->share = upstream_share_hold(&pool, u->user, true);
		u->line = upstream_line_hold(u->share, u->account);
		assert_non_null(u->line);
	}
	count = 0;
	turn_now = 0;
}

static void tear_down_queue(void)
{
	for (size_t i = 0; i < ATTEMPTS; i++) {
		upstream_line_release(attempts[i].share, &attempts[i].line);
		upstream_share_release(&pool, &attempts[i].share);
	}
	assert_int_equal(pool.shares.count, 0);
	map_free(&pool.shares);
}

/* ---- the model */

static void list_at(size_t place, struct upstream_attempt *u, uint64_t turn)
{
	for (size_t i = count++; i > place; i--) {
		listed[i] = listed[i - 1];
		turns[i] = turns[i - 1];
	}
	listed[place] = u;
	turns[place] = turn;
}

static void list_last(struct upstream_attempt *u)
{
	uint64_t turn = turn_now;
	size_t place = count;
	for (size_t i = 0; i < count; i++)
		if (listed[i]->user == u->user && turns[i] >= turn)
			turn = turns[i] + 1;
	while (place > 0 && turns[place - 1] > turn)
		place--;
	list_at(place, u, turn);
}

static void unlist(const struct upstream_attempt *u)
{
	size_t place = 0;
	while (listed[place] != u)
		place++;
	turn_now = turns[place] > turn_now ? turns[place] : turn_now;
	count--;
	for (size_t i = place; i < count; i++) {
		listed[i] = listed[i + 1];
		turns[i] = turns[i + 1];
	}
}

/* ---- both */

static void enter(struct upstream_attempt *u, bool as_first)
{
	u->state = UPSTREAM_WAITING;
	if (as_first) {
		list_at(0, u, 0);
		upstream_queue_enter_first(u);
	} else {
		list_last(u);
		upstream_queue_enter(u);
	}
}

static void leave(struct upstream_attempt *u)
{
	unlist(u);
	upstream_queue_leave(u);
	u->state = UPSTREAM_PARKED;
}

static void expect_order_of_pool(void)
{
	for (size_t i = 0; i < count; i++) {
		struct upstream_attempt *u = upstream_queue_first(&pool.lines, UPSTREAM_BY_POOL);
		assert_ptr_equal(u, listed[i]);
		upstream_queue_pass(u, UPSTREAM_BY_POOL);
	}
	assert_null(upstream_queue_first(&pool.lines, UPSTREAM_BY_POOL));
	upstream_queue_rewind(&pool);
	assert_int_equal(pool.waiting_count, count);
}

static void expect_order_of(struct upstream_account *account)
{
	size_t waiting = 0;
	for (size_t i = 0; i < count; i++) {
		if (listed[i]->account != account)
			continue;
		struct upstream_attempt *u = upstream_queue_first(&account->lines, UPSTREAM_BY_ACCOUNT);
		assert_ptr_equal(u, listed[i]);
		upstream_queue_pass(u, UPSTREAM_BY_ACCOUNT);
		waiting++;
	}
	assert_null(upstream_queue_first(&account->lines, UPSTREAM_BY_ACCOUNT));
	upstream_queue_rewind(&pool);
	assert_int_equal(account->waiting, waiting);
}

static void whoever_waits_is_served_in_turns(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 50; i++) {
		seed = i;
		set_up_queue();
		for (size_t step = 0; step < STEPS; step++) {
			struct upstream_attempt *u = &attempts[draw(ATTEMPTS)];
			if (u->state == UPSTREAM_WAITING)
				leave(draw(2) ? u : listed[0]);
			else
				enter(u, draw(10) == 0);
			expect_order_of_pool();
			expect_order_of(&accounts[draw(ACCOUNTS)]);
		}
		while (count)
			leave(listed[0]);
		assert_null(pool.lines.least);
		tear_down_queue();
	}
}

static void a_line_is_passed_over_at_once(void **state)
{
	struct upstream_attempt *first, *next;
	(void)state;
	seed = 1;
	set_up_queue();
	for (size_t i = 0; i < ATTEMPTS; i++)
		enter(&attempts[i], false);
	for (first = upstream_queue_first(&pool.lines, UPSTREAM_BY_POOL); first; first = next) {
		upstream_queue_pass_line(first, UPSTREAM_BY_POOL);
		next = upstream_queue_first(&pool.lines, UPSTREAM_BY_POOL);
		assert_true(next == NULL || next->line != first->line);
	}
	upstream_queue_rewind(&pool);
	expect_order_of_pool();
	while (count)
		leave(listed[0]);
	tear_down_queue();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_waits_is_served_in_turns),
		cmocka_unit_test(a_line_is_passed_over_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
