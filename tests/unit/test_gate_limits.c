/* How many connections a node takes, over several gates at once. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gate/limits.h"
#include "stats/census_layout.h"
#include "with_census.h"

#define GATES 4

static struct census_board *board;

static void join_board(unsigned place, uint64_t connections, uint64_t per_network, struct limits *out_limits)
{
	struct census *census = NULL;
	assert_int_equal(census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)), place, &census),
			 STATUS_OK);
	limits_begin(out_limits, census, connections, per_network, UINT64_MAX, UINT64_MAX);
}

static int open_board(void **state)
{
	(void)state;
	assert_int_equal(census_board_create(&board), STATUS_OK);
	for (unsigned i = 0; i < GATES; i++)
		assert_int_equal(census_board_open(board, i, 5000), STATUS_OK);
	return 0;
}

static int close_board(void **state)
{
	(void)state;
	census_board_free(&board);
	return 0;
}

/* ---- a gate that lies */

/* It claims what it likes: of all, and of each network and user that is asked for. */
static void claim_falsely(unsigned place, const uint64_t *numbers, size_t count)
{
	const size_t size = 64U << 20;
	struct census_head *head = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, census_board_fd(board), 0);
	struct census *liar = NULL;
	assert_ptr_not_equal(head, MAP_FAILED);
	assert_int_equal(census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)), place, &liar),
			 STATUS_OK);
	struct census_table *table = (struct census_table *)((char *)head + census_table_at(head->words[place]));
	table->total = UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(census_raise(liar, numbers[i]), STATUS_OK);
		for (size_t slot = 0; slot < census_slots(head->words[place]); slot++)
			if (table->slots[slot].network == numbers[i])
				table->slots[slot].count = UINT64_MAX;
	}
	census_leave(&liar);
	munmap(head, size);
}

static uint64_t fill_gate(struct limits *limits, uint64_t network)
{
	uint64_t taken = 0;
	while (taken < 100000 && limits_enter(limits, network) == LIMITS_ADMITTED)
		taken++;
	return taken;
}

static void a_gate_that_lies_leaves_the_others_their_part(void **state)
{
	const uint64_t user = limits_user_of(SPAN("ann@example.com"));
	const uint64_t claimed[] = { 77, user };
	struct limits limits;
	(void)state;
	join_board(0, 3200, 160, &limits);
	claim_falsely(1, claimed, 2);
	uint64_t taken = fill_gate(&limits, 77);
	assert_int_equal(taken, 160 / (4 * GATES)); /* the claimed network: a quarter of the fair share */
	for (uint64_t i = 0; i < taken; i++)
		limits_leave(&limits, 77);
	taken = 0;
	for (uint64_t network = 1000; limits_enter(&limits, network) == LIMITS_ADMITTED; network++)
		taken++;
	assert_int_equal(taken, 3200 / (4 * GATES));
	for (uint64_t i = 0; i < taken; i++)
		limits_leave(&limits, 1000 + i);
	for (taken = 0; limits_enter_user(&limits, user, 64); taken++)
		;
	assert_int_equal(taken, 64 / (4 * GATES));
	limits_end(&limits);
}

/* One gate that has all the clients leaves the others what they may take in any case: so no limit is passed. */
static void what_is_left_to_others_keeps_the_limit_exact(void **state)
{
	struct limits limits[GATES];
	uint64_t sum = 0;
	(void)state;
	for (unsigned i = 0; i < GATES; i++) {
		join_board(i, 3200, 1000000, &limits[i]);
	}
	for (unsigned i = 0; i < GATES; i++) {
		uint64_t taken = fill_gate(&limits[i], 77 + i);
		assert_int_equal(taken, i == 0 ? 3200 - 3 * 200 : 200);
		sum += taken;
	}
	assert_int_equal(sum, 3200);
	for (unsigned i = 0; i < GATES; i++)
		assert_int_equal(fill_gate(&limits[i], 99), 0);
	for (unsigned i = 0; i < GATES; i++)
		limits_end(&limits[i]);
}

/* ---- networks */

static uint64_t network_of(const char *address)
{
	struct sockaddr_storage storage = { 0 };
	if (strchr(address, ':')) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
		v6->sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
	} else {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
		v4->sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, address, &v4->sin_addr), 1);
	}
	return limits_network_of(&storage);
}

static void addresses_belong_to_the_networks_they_should(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "2001:db8::1", "2001:db8::ffff:2", true },
		{ "2001:db8::1", "2001:db8:0:1::1", false },
		{ "::ffff:192.0.2.1", "192.0.2.1", true },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
		{ "::c000:201", "192.0.2.1", false },
		{ "::1", "::2", true },
		{ "::1", "0.0.0.0", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(network_of(cases[i].a), LIMITS_NO_NETWORK);
		assert_int_equal(network_of(cases[i].a) == network_of(cases[i].b), cases[i].same);
	}
	assert_int_not_equal(limits_network_of(&(struct sockaddr_storage){ .ss_family = AF_UNIX }), LIMITS_NO_NETWORK);
}

/* ---- admission */

static void a_network_is_full_while_others_are_not(void **state)
{
	struct limits one, other;
	uint64_t a = network_of("192.0.2.1");
	uint64_t b = network_of("192.0.2.2");
	(void)state;
	join_board(0, 3, 2, &one);
	join_board(1, 3, 2, &other);
	assert_int_equal(limits_enter(&one, a), LIMITS_ADMITTED);
	assert_int_equal(limits_enter(&other, a), LIMITS_ADMITTED);
	assert_int_equal(limits_enter(&one, a), LIMITS_ADDRESS);
	assert_int_equal(limits_enter(&other, a), LIMITS_ADDRESS);
	assert_int_equal(limits_enter(&one, b), LIMITS_ADMITTED);
	assert_int_equal(limits_enter(&other, b), LIMITS_CONNECTIONS);
	assert_int_equal(limits_enter(&other, LIMITS_NO_NETWORK), LIMITS_CONNECTIONS);
	limits_leave(&one, a);
	assert_int_equal(limits_enter(&other, LIMITS_NO_NETWORK), LIMITS_ADMITTED);
	limits_leave(&other, LIMITS_NO_NETWORK);
	assert_int_equal(limits_enter(&other, b), LIMITS_ADMITTED);
	limits_leave(&other, a);
	limits_leave(&one, b);
	limits_leave(&other, b);
	assert_int_equal(census_seen(one.census, 0), 0);
	assert_int_equal(census_seen(one.census, a), 0);
	assert_int_equal(census_seen(one.census, b), 0);
	limits_end(&one);
	limits_end(&other);
}

/* As many /64s of the network as are taken until one is refused; how many. `step`: from one /64 to the next. */
static unsigned fill_network(struct limits *limits, uint64_t network, uint64_t step, unsigned most)
{
	unsigned taken = 0;
	while (taken < most && limits_enter(limits, network + step * taken) == LIMITS_ADMITTED)
		taken++;
	return taken;
}

static void empty_network(struct limits *limits, uint64_t network, uint64_t step, unsigned taken)
{
	while (taken-- > 0)
		limits_leave(limits, network + step * taken);
}

static void a_wider_network_has_a_larger_share_and_no_more(void **state)
{
	struct limits limits;
	uint64_t first = network_of("2001:db8:1::1");
	(void)state;
	for (unsigned i = 1; i < GATES; i++) /* nothing is set apart for others */
		census_board_close(board, i);
	join_board(0, 5000, 3, &limits);
	assert_int_equal(fill_network(&limits, first, 0, 100), 3);     /* one /64 */
	assert_int_equal(fill_network(&limits, first + 1, 1, 100), 9); /* its /56: 12 in all */
	assert_int_equal(limits_enter(&limits, first + 255), LIMITS_ADDRESS);
	assert_int_equal(fill_network(&limits, first + 256, 256, 100), 36); /* the /48: 48 in all */
	assert_int_equal(limits_enter(&limits, network_of("2001:db8:1:ffff::1")), LIMITS_ADDRESS);
	assert_int_equal(limits_enter(&limits, network_of("2001:db8:2::1")), LIMITS_ADMITTED);
	limits_leave(&limits, network_of("2001:db8:2::1"));
	empty_network(&limits, first + 256, 256, 36);
	empty_network(&limits, first + 1, 1, 9);
	empty_network(&limits, first, 0, 3);
	assert_int_equal(census_seen(limits.census, 0), 0);
	assert_int_equal(fill_network(&limits, first, 1, 100), 12); /* nothing was left behind */
	limits_end(&limits);
}

static void addresses_of_ipv4_have_no_wider_network(void **state)
{
	struct limits limits;
	(void)state;
	join_board(0, 5000, 2, &limits);
	assert_int_equal(fill_network(&limits, network_of("192.0.2.0"), 1, 256), 256);
	assert_int_equal(fill_network(&limits, network_of("::ffff:198.51.100.0"), 1, 256), 256);
	limits_end(&limits);
}

static void what_is_refused_counts_nowhere(void **state)
{
	struct limits limits;
	(void)state;
	join_board(0, 2, 1, &limits);
	assert_int_equal(limits_enter(&limits, 77), LIMITS_ADMITTED);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(limits_enter(&limits, 77), LIMITS_ADDRESS);
	assert_int_equal(limits_enter(&limits, 78), LIMITS_ADMITTED);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(limits_enter(&limits, 79), LIMITS_CONNECTIONS);
	assert_int_equal(census_seen(limits.census, 0), 2);
	assert_int_equal(census_seen(limits.census, 79), 0);
	limits_end(&limits);
}

static void many_networks_are_told_apart(void **state)
{
	struct limits limits;
	(void)state;
	join_board(0, 8000, 1, &limits); /* some of them set apart for others */
	for (uint64_t i = 1; i <= 5000; i++)
		assert_int_equal(limits_enter(&limits, i), LIMITS_ADMITTED);
	for (uint64_t i = 1; i <= 5000; i += 2)
		limits_leave(&limits, i);
	for (uint64_t i = 1; i <= 5000; i++)
		assert_int_equal(limits_enter(&limits, i), i % 2 ? LIMITS_ADMITTED : LIMITS_ADDRESS);
	limits_end(&limits);
}

static void a_user_has_so_many_sessions_over_all_gates(void **state)
{
	struct limits one, other;
	uint64_t alice = limits_user_of(SPAN("alice@example.com")), bob = limits_user_of(SPAN("bob@example.com"));
	(void)state;
	join_board(0, 10, 10, &one);
	join_board(1, 10, 10, &other);
	assert_int_equal(alice, limits_user_of(SPAN("Alice@Example.COM")));
	assert_int_not_equal(alice, bob);
	assert_true(limits_enter_user(&one, alice, 2));
	assert_true(limits_enter_user(&other, alice, 2));
	assert_false(limits_enter_user(&one, alice, 2));
	assert_false(limits_enter_user(&other, alice, 2));
	assert_true(limits_enter_user(&one, bob, 2));
	limits_leave_user(&other, alice);
	assert_true(limits_enter_user(&one, alice, 2));
	assert_int_equal(census_seen(other.census, alice), 2);
	assert_int_equal(census_seen(other.census, 0), 0); /* they are connections by themselves */
	limits_end(&one);
	limits_end(&other);
}

static void a_place_is_held_until_it_is_given_up(void **state)
{
	struct limits limits, other;
	struct limits_place *places[3];
	(void)state;
	join_board(0, 5, 3, &limits);
	join_board(1, 5, 3, &other);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(limits_enter(&limits, 77), LIMITS_ADMITTED);
		assert_int_equal(limits_hold_place(&limits, 77, &places[i]), STATUS_OK);
	}
	limits_give_up_place(places[1]);
	assert_int_equal(census_seen(other.census, 77), 2);
	limits_end(&limits); /* a gate ends while last replies are on their way */
	assert_int_equal(census_seen(other.census, 77), 0);
	assert_int_equal(census_seen(other.census, 0), 0);
	limits_give_up_place(places[0]);
	limits_give_up_place(places[2]);
	limits_end(&other);
}

/* ---- several at once */

struct inside {
	_Atomic int network[2], all;
	_Atomic int most[2], most_of_all, admitted;
	_Atomic bool passed;
};

static void note_inside(struct inside *inside, _Atomic int *now, _Atomic int *most, int limit)
{
	int count = ++*now;
	if (count > *most)
		*most = count;
	if (count > limit)
		inside->passed = true;
}

/* Comes and goes; a client that was admitted counts until shortly before it leaves. */
static void besiege_limits(unsigned place, struct inside *inside, int connections, int per_network)
{
	struct limits limits;
	unsigned held[2] = { 0 };
	join_board(place, (uint64_t)connections, (uint64_t)per_network, &limits);
	srandom(place + 1);
	for (unsigned step = 0; step < 200000; step++) {
		unsigned i = (unsigned)random() % 2;
		if (held[i] > 0 && random() % 2) {
			inside->network[i]--;
			inside->all--;
			limits_leave(&limits, 77 + i);
			held[i]--;
		} else if (limits_enter(&limits, 77 + i) == LIMITS_ADMITTED) {
			note_inside(inside, &inside->network[i], &inside->most[i], per_network);
			note_inside(inside, &inside->all, &inside->most_of_all, connections);
			inside->admitted++;
			held[i]++;
		}
	}
	_exit(0);
}

/* What all of them together had at most. */
static void besiege_with_all(int connections, int per_network, struct inside *out_inside)
{
	struct inside *inside = mmap(NULL, sizeof(*inside), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[GATES];
	assert_ptr_not_equal(inside, MAP_FAILED);
	for (unsigned i = 0; i < GATES; i++) {
		children[i] = fork();
		if (children[i] == 0)
			besiege_limits(i, inside, connections, per_network);
	}
	for (unsigned i = 0; i < GATES; i++) {
		int how = -1;
		assert_int_equal(waitpid(children[i], &how, 0), children[i]);
		assert_int_equal(how, 0);
	}
	memcpy(out_inside, inside, sizeof(*inside));
	munmap(inside, sizeof(*inside));
}

static void no_limit_is_passed_by_gates_that_count_at_the_same_time(void **state)
{
	struct inside inside;
	(void)state;
	besiege_with_all(5, 3, &inside);
	assert_false(inside.passed);
	assert_int_equal(inside.most_of_all, 5); /* and it was worth while */
	assert_int_equal(inside.most[0], 3);
	assert_int_equal(inside.most[1], 3);
	besiege_with_all(64, 48, &inside); /* large enough that parts are set apart */
	assert_false(inside.passed);
	assert_in_range(inside.most_of_all, 32, 64);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_board, close_board)

static void a_gate_takes_no_more_than_it_has_descriptors_for(void **state)
{
	struct limits one, other;
	(void)state;
	join_board(0, 100, 100, &one);
	join_board(1, 100, 100, &other);
	one.descriptors = 2;
	assert_int_equal(limits_enter(&one, 77), LIMITS_ADMITTED);
	assert_int_equal(limits_enter(&one, LIMITS_NO_NETWORK), LIMITS_ADMITTED);
	assert_int_equal(limits_enter(&one, 77), LIMITS_DESCRIPTORS);
	assert_int_equal(limits_enter(&other, 77), LIMITS_ADMITTED); /* it has its own */
	limits_leave(&one, 77);
	assert_int_equal(limits_enter(&one, 77), LIMITS_ADMITTED);
	limits_end(&one);
	limits_end(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_user_has_so_many_sessions_over_all_gates),
		cmocka_unit_test_setup_teardown(a_gate_takes_no_more_than_it_has_descriptors_for, open_board,
						close_board),
		cmocka_unit_test(addresses_belong_to_the_networks_they_should),
		CASE(a_network_is_full_while_others_are_not),
		CASE(a_wider_network_has_a_larger_share_and_no_more),
		CASE(addresses_of_ipv4_have_no_wider_network),
		CASE(a_gate_that_lies_leaves_the_others_their_part),
		CASE(what_is_left_to_others_keeps_the_limit_exact),
		CASE(what_is_refused_counts_nowhere),
		CASE(many_networks_are_told_apart),
		CASE(a_place_is_held_until_it_is_given_up),
		CASE(no_limit_is_passed_by_gates_that_count_at_the_same_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
