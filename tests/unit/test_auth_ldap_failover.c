/* Servers of a directory that stand in for each other, and wires to them that fail without a word. */
#include "base/clock.h"
#include "directory_trial.h"
#include "with_wire.h"

/* Two servers, which are one slapd at the end of two wires. */
struct pair {
	struct wire wires[2];
	char uris[2][64];
	struct trial trial;
};

static void open_pair(struct pair *pair, size_t servers, uint64_t timeout_ms)
{
	begin(&pair->trial);
	for (size_t i = 0; i < 2; i++) {
		wire_create(&pair->wires[i], slapd.port);
		snprintf(pair->uris[i], sizeof(pair->uris[i]), "ldaps://127.0.0.1:%u", pair->wires[i].port);
		pair->trial.uris[i] = pair->uris[i];
	}
	pair->trial.config.uri.count = servers;
	pair->trial.config.timeout = timeout_ms;
	open_trial(&pair->trial, "search secret");
}

/* Thawed first, as a thread that still waits for a frozen server is left behind, and all its memory with it. */
static void close_pair(struct pair *pair)
{
	wire_freeze(&pair->wires[0], false);
	wire_freeze(&pair->wires[1], false);
	end(&pair->trial);
	wire_free(&pair->wires[0]);
	wire_free(&pair->wires[1]);
}

/* How many logins of `count`, one after the other, took a whole time-out; all must succeed. */
static unsigned count_slow_logins(struct pair *pair, unsigned count)
{
	unsigned slow = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t began_ms = clock_monotonic_ms();
		assert_int_equal(ask(&pair->trial, "anna", "anna's secret"), VERDICT_GRANTED);
		slow += clock_monotonic_ms() - began_ms >= pair->trial.config.timeout;
	}
	return slow;
}

static void ask_until(struct pair *pair, enum verdict verdict)
{
	uint64_t ends_ms = clock_monotonic_ms() + 30000;
	while (ask(&pair->trial, "anna", "anna's secret") != verdict)
		assert_true(clock_monotonic_ms() < ends_ms);
}

static void test_a_frozen_first_server_costs_one_login_one_timeout(void **state)
{
	struct pair pair;
	(void)state;
	open_pair(&pair, 2, LONG_TIMEOUT_MS);
	assert_int_equal(count_slow_logins(&pair, 4), 0);
	wire_freeze(&pair.wires[0], true);
	assert_true(count_slow_logins(&pair, 200) <= 1);
	close_pair(&pair);
}

static void test_servers_stand_in_for_each_other_in_turn(void **state)
{
	struct pair pair;
	(void)state;
	open_pair(&pair, 2, LONG_TIMEOUT_MS);
	wire_freeze(&pair.wires[0], true);
	assert_int_equal(ask(&pair.trial, "anna", "anna's secret"), VERDICT_GRANTED);
	wire_freeze(&pair.wires[0], false);
	wire_freeze(&pair.wires[1], true);
	ask_until(&pair, VERDICT_GRANTED);
	wire_freeze(&pair.wires[1], false);
	wire_freeze(&pair.wires[0], true);
	ask_until(&pair, VERDICT_GRANTED);
	close_pair(&pair);
}

static bool is_refused_at_once(void *context)
{
	struct pair *pair = context;
	uint64_t began_ms = clock_monotonic_ms();
	assert_int_equal(ask(&pair->trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	return clock_monotonic_ms() - began_ms < pair->trial.config.timeout / 2;
}

static void test_when_all_servers_are_silent_nobody_waits_for_them(void **state)
{
	struct pair pair;
	(void)state;
	open_pair(&pair, 2, SHORT_TIMEOUT_MS);
	wire_freeze(&pair.wires[0], true);
	wire_freeze(&pair.wires[1], true);
	assert_int_equal(ask(&pair.trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	assert_string_equal(pair.trial.reason, "directory unavailable"); /* by the thread, which is free again */
	uint64_t ends_ms = clock_monotonic_ms() + 30000;
	while (!is_refused_at_once(&pair))
		assert_true(clock_monotonic_ms() < ends_ms);
	wire_freeze(&pair.wires[1], false);
	ask_until(&pair, VERDICT_GRANTED);
	close_pair(&pair);
}

/* All threads have old connections; the first question that finds one dead has all of them replaced. */
static void test_connections_that_a_firewall_forgot_cost_one_login_one_timeout(void **state)
{
	struct pair pair;
	(void)state;
	open_pair(&pair, 1, LONG_TIMEOUT_MS);
	assert_int_equal(count_slow_logins(&pair, 20), 0);
	wire_forget_connections(&pair.wires[0]);
	assert_true(count_slow_logins(&pair, 20) <= 1);
	close_pair(&pair);
}

static void test_behind_one_firewall_the_next_server_is_asked_on_a_new_connection(void **state)
{
	struct pair pair;
	(void)state;
	open_pair(&pair, 2, LONG_TIMEOUT_MS);
	assert_int_equal(count_slow_logins(&pair, 4), 0);
	wire_freeze(&pair.wires[0], true);
	assert_true(count_slow_logins(&pair, 4) <= 1); /* now the second server has kept connections, too */
	wire_freeze(&pair.wires[0], false);
	wire_forget_connections(&pair.wires[0]);
	wire_forget_connections(&pair.wires[1]);
	assert_true(count_slow_logins(&pair, 20) <= 2); /* one each server */
	close_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_frozen_first_server_costs_one_login_one_timeout),
		cmocka_unit_test(test_servers_stand_in_for_each_other_in_turn),
		cmocka_unit_test(test_when_all_servers_are_silent_nobody_waits_for_them),
		cmocka_unit_test(test_connections_that_a_firewall_forgot_cost_one_login_one_timeout),
		cmocka_unit_test(test_behind_one_firewall_the_next_server_is_asked_on_a_new_connection),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
