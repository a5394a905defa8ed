/* What the audit is told of clients that never log in: counts, few and exact. */
#include "gate/gate.h"
#include "gate_fixture.h"

static void visit_without_login(void)
{
	struct client c;
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nQUIT\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(&c, "221 2.0.0 Goodbye\r\n");
	client_hears_no_more(&c);
	client_close(&c);
}

static void end_gate(void)
{
	gate_role.drain(world.gate, 5000, false);
	RUN_UNTIL(world.finished);
}

static void clients_that_never_log_in_are_one_record_with_their_number(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		visit_without_login();
	assert_false(was_traced("SESSION"));
	end_gate();
	RUN_UNTIL(was_traced("SESSIONS_ANONYMOUS network=127.0.0.1 count=20\n"));
	assert_int_equal(count_traced("SESSION"), 1);
}

static void whoever_tries_to_log_in_is_recorded_and_not_counted(void **state)
{
	struct client c;
	(void)state;
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN bad\r\n");
	RUN_UNTIL(was_traced("SESSION_OPENED submissions 127.0.0.1 TLSv1.3\n"));
	client_close(&c);
	RUN_UNTIL(was_traced("SESSION_CLOSED"));
	end_gate();
	world_turn_for(20);
	assert_false(was_traced("SESSIONS_ANONYMOUS"));
}

static void a_client_without_tls_is_not_counted(void **state)
{
	struct client c;
	(void)state;
	client_greeted_in_clear(&c);
	client_close(&c);
	world_turn_for(20);
	end_gate();
	world_turn_for(20);
	assert_false(was_traced("SESSIONS_ANONYMOUS"));
}

static void a_crowd_of_networks_makes_a_bounded_number_of_records(void **state)
{
	struct gate *gate = world.gate;
	char address[64];
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			snprintf(address, sizeof(address), "2001:db8:%x:1::%u", i, round);
			anonymous_note(&gate->anonymous, span_of(address));
		}
	}
	anonymous_tell(&gate->anonymous);
	RUN_UNTIL(was_traced("SESSIONS_ANONYMOUS network= count=2820\n"));
	assert_int_equal(count_traced("SESSIONS_ANONYMOUS"), ANONYMOUS_NETWORKS + 1);
	assert_true(was_traced("SESSIONS_ANONYMOUS network=2001:db8:3b:1::/64 count=3\n"));
}

static void what_is_counted_while_the_relay_is_away_is_told_later(void **state)
{
	struct gate *gate = world.gate;
	(void)state;
	door_free(&world.relay.door);
	world_turn_for(20);
	anonymous_note(&gate->anonymous, SPAN("192.0.2.1"));
	anonymous_tell(&gate->anonymous);
	anonymous_note(&gate->anonymous, SPAN("192.0.2.1"));
	attach_relay();
	anonymous_tell(&gate->anonymous);
	RUN_UNTIL(was_traced("SESSIONS_ANONYMOUS network=192.0.2.1 count=2\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(clients_that_never_log_in_are_one_record_with_their_number),
		IN_WORLD(whoever_tries_to_log_in_is_recorded_and_not_counted),
		IN_WORLD(a_client_without_tls_is_not_counted),
		IN_WORLD(a_crowd_of_networks_makes_a_bounded_number_of_records),
		IN_WORLD(what_is_counted_while_the_relay_is_away_is_told_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
