/* Clients that the gate does not take, or ends as they reach a limit: counted, told, and recorded at a bounded rate. */
#include "gate/gate.h"
#include "gate/refused.h"
#include "gate_fixture.h"

static void start_again_with(uint64_t per_address)
{
	gate_role.stop(world.gate);
	door_free(&world.auth.door);
	door_free(&world.relay.door);
	open_listeners();
	world.config.limits.connections_per_address = per_address;
	start_gate();
}

static void one_network_gets_so_many_connections(void **state)
{
	struct client c[3];
	(void)state;
	start_again_with(2);
	for (size_t i = 0; i < 3; i++)
		client_connect(&c[i], SUBMISSION);
	HEARS(&c[0], GREETING);
	HEARS(&c[1], GREETING);
	HEARS(&c[2], "421 4.7.0 Too many connections, please try again later\r\n");
	client_hears_no_more(&c[2]);
	client_close(&c[0]);
	client_close(&c[2]);
	world_turn_for(10);
	client_connect(&c[0], SUBMISSION);
	HEARS(&c[0], GREETING);
	client_close(&c[0]);
	client_close(&c[1]);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_CONNECTIONS, SUBMISSION), 4);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_ADDRESS), 1);
	RUN_UNTIL(was_traced("SESSION_REFUSED address address=127.0.0.1 listener=submission count=1\n"));
}

static void without_memory_no_handshake_begins(void **state)
{
	struct client c;
	struct gate *gate = world.gate;
	(void)state;
	client_connect(&c, SUBMISSIONS);
	RUN_UNTIL(gate->open_count == 1);
	gate->limits.memory = 1;
	assert_int_equal(stream_secure_client(c.stream, world.tls, SPAN("mail.example.com")), STATUS_OK);
	RUN_UNTIL(gate->open_count == 0);
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_MEMORY), 1);
	client_close(&c);
	gate->limits.memory = 1U << 30;
	client_greeted(&c);
	client_close(&c);
}

/* Clients that begin theirs and say no more: with two of them the limit is reached, with one it is not. */
static void handshakes_under_way_are_memory_in_use(void **state)
{
	struct client under_way[2], other;
	struct gate *gate = world.gate;
	(void)state;
	size_t before = tls_memory();
	for (size_t i = 0; i < 2; i++) {
		client_connect(&under_way[i], SUBMISSIONS);
		client_say(&under_way[i], "\x16\x03\x01");
		RUN_UNTIL(tls_memory() - before >= (i + 1) * 32768);
	}
	gate->limits.memory = buf_memory() + tls_memory();
	client_connect(&other, SUBMISSION);
	HEARS(&other, "421 4.3.2 No memory for more clients, please try again later\r\n");
	client_hears_no_more(&other);
	client_close(&other);
	client_close(&under_way[0]);
	RUN_UNTIL(gate->open_count == 1);
	client_connect(&other, SUBMISSION);
	HEARS(&other, GREETING);
	client_close(&other);
	client_close(&under_way[1]);
	RUN_UNTIL(gate->open_count == 0);
	assert_int_equal(tls_memory(), before);
}

static void without_memory_what_is_under_way_ends_well_and_nothing_begins(void **state)
{
	struct client in, out;
	struct gate *gate = world.gate;
	(void)state;
	client_logged_in(&in);
	client_say(&in, "MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.net>\r\n");
	HEARS(&in, "250 2.1.0 Sender accepted\r\n250 2.1.5 OK\r\n");
	gate->limits.memory = 1;
	client_connect(&out, SUBMISSION);
	HEARS(&out, "421 4.3.2 No memory for more clients, please try again later\r\n");
	client_hears_no_more(&out);
	client_close(&out);
	client_say(&in, "DATA\r\n");
	HEARS(&in, "354 Go ahead, end with a line that holds only a dot\r\n");
	client_say(&in, "From: alice@example.com\r\n\r\nHello\r\n.\r\n");
	HEARS(&in, "250 2.0.0 Sent as ID1\r\n");
	client_say(&in, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&in, "452 4.3.1 No memory for one more message now, please try again later\r\n");
	gate->limits.memory = 1U << 30;
	client_say(&in, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&in, "250 2.1.0 Sender accepted\r\n");
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_MEMORY), 2);
	client_close(&in);
}

static void a_flood_of_refused_clients_makes_few_records_and_none_is_forgotten(void **state)
{
	struct client first, c;
	(void)state;
	start_again_with(1);
	client_connect(&first, SUBMISSION);
	HEARS(&first, GREETING);
	for (unsigned i = 0; i < 50; i++) {
		client_connect(&c, i % 2 ? SUBMISSION : SUBMISSIONS);
		RUN_UNTIL(c.ended || c.failed);
		client_close(&c);
	}
	RUN_UNTIL(was_traced("SESSION_REFUSED address address= listener= count="));
	size_t records = count_traced("SESSION_REFUSED address address=127.0.0.1 ");
	assert_in_range(records, REFUSED_RECORDS_AT_ONCE,
			2 * REFUSED_RECORDS_AT_ONCE); /* it may have taken more than a second */
	if (records == REFUSED_RECORDS_AT_ONCE)
		assert_true(was_traced("SESSION_REFUSED address address= listener= count=40\n"));
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_ADDRESS), 50);
	client_close(&first);
}

/* It has its last reply and does not close: the connection is still there. */
static void a_client_that_was_told_goodbye_counts_until_it_is_gone(void **state)
{
	struct client c, next;
	(void)state;
	start_again_with(1);
	client_greeted_in_clear(&c);
	client_say(&c, "QUIT\r\n");
	HEARS(&c, "221 2.0.0 Goodbye\r\n");
	client_hears_no_more(&c);
	client_connect(&next, SUBMISSION);
	HEARS(&next, "421 4.7.0 Too many connections, please try again later\r\n");
	client_close(&next);
	client_close(&c);
	world_turn_for(20);
	client_connect(&next, SUBMISSION);
	HEARS(&next, GREETING);
	client_close(&next);
}

static void a_flood_of_incidents_before_tls_makes_few_records_too(void **state)
{
	struct client c;
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		client_connect(&c, SUBMISSION);
		HEARS(&c, GREETING);
		client_say(&c, "GET / HTTP/1.1\r\n");
		RUN_UNTIL(c.ended || c.failed);
		client_close(&c);
	}
	RUN_UNTIL(was_traced("SESSION_REFUSED syntax address= listener= count="));
	size_t records = count_traced("SESSION_CLOSED HTTP\n");
	assert_in_range(records, REFUSED_RECORDS_AT_ONCE, 2 * REFUSED_RECORDS_AT_ONCE);
	if (records == REFUSED_RECORDS_AT_ONCE)
		assert_true(was_traced("SESSION_REFUSED syntax address= listener= count=40\n"));
}

static void what_is_refused_while_the_relay_is_away_is_told_later(void **state)
{
	struct client first, c;
	(void)state;
	start_again_with(1);
	client_connect(&first, SUBMISSION);
	HEARS(&first, GREETING);
	door_free(&world.relay.door);
	world_turn_for(20);
	for (unsigned i = 0; i < 3; i++) {
		client_connect(&c, SUBMISSION);
		RUN_UNTIL(c.ended || c.failed);
		client_close(&c);
	}
	attach_relay();
	RUN_UNTIL(was_traced("SESSION_REFUSED address address= listener= count=3\n"));
	client_close(&first);
}

static void a_client_that_reaches_a_limit_before_tls_is_recorded_too(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.errors = 2;
	client_greeted_in_clear(&c);
	client_say(&c, "FROB\r\nFROB\r\n");
	RUN_UNTIL(c.ended);
	RUN_UNTIL(was_traced("SESSION_REFUSED errors address=127.0.0.1 listener=submission count=1\n"));
	assert_false(was_traced("SESSION_CLOSED"));
	assert_int_equal(stats_sum(world.stats, 1, COUNTER_REFUSED, REFUSAL_ERRORS), 1);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(one_network_gets_so_many_connections),
		IN_WORLD(without_memory_no_handshake_begins),
		IN_WORLD(handshakes_under_way_are_memory_in_use),
		IN_WORLD(without_memory_what_is_under_way_ends_well_and_nothing_begins),
		IN_WORLD(a_flood_of_refused_clients_makes_few_records_and_none_is_forgotten),
		IN_WORLD(a_client_that_was_told_goodbye_counts_until_it_is_gone),
		IN_WORLD(a_flood_of_incidents_before_tls_makes_few_records_too),
		IN_WORLD(what_is_refused_while_the_relay_is_away_is_told_later),
		IN_WORLD(a_client_that_reaches_a_limit_before_tls_is_recorded_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
