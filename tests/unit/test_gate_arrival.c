/* Connections from a load balancer: the PROXY header comes first, and the client is who it says. */
#include "gate_fixture.h"

#include <string.h>

#define HEADER "PROXY TCP4 192.0.2.7 127.0.0.1 12345 587\r\n"
#define LOCAL_V2 "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"

static int open_with_proxies(char *network)
{
	static char *networks[1];
	networks[0] = network;
	prepare_world(NULL);
	for (size_t i = 0; i < LISTENERS; i++)
		world.config.listener.items[i].proxy_protocol_from = (struct config_list){ networks, 1 };
	world.config.limits.connections_per_address = 1;
	start_gate();
	return 0;
}

static int behind_a_load_balancer(void **state)
{
	(void)state;
	return open_with_proxies("127.0.0.0/8");
}

static int beside_a_load_balancer(void **state)
{
	(void)state;
	return open_with_proxies("10.0.0.0/8");
}

static void starttls_is_reached(struct client *c)
{
	HEARS(c, GREETING);
	client_say(c, "EHLO pc.local\r\nSTARTTLS\r\n");
	HEARS(c, OFFER("STARTTLS"));
	HEARS(c, "220 2.0.0 Ready to start TLS\r\n");
	client_secure(c);
	assert_true(c->secured);
}

static void the_header_names_the_client(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	client_say(&c, HEADER);
	starttls_is_reached(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH UNKNOWN\r\n");
	RUN_UNTIL(was_traced("SESSION_OPENED submission 192.0.2.7 TLSv1.3\n"));
	client_close(&c);
}

static void nothing_is_said_before_the_header(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	world_turn_for(50);
	assert_int_equal(buf_size(&c.heard), 0);
	client_drip(&c, HEADER);
	starttls_is_reached(&c);
	client_close(&c);
}

/* The handshake may lie in the kernel together with the header: not a byte of it is taken. */
static void tls_begins_right_after_the_header(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSIONS);
	client_say(&c, "PROXY TCP6 2001:db8::7 ::1 1 465\r\n");
	client_secure(&c);
	HEARS(&c, GREETING);
	client_say(&c, "EHLO pc.local\r\nAUTH UNKNOWN\r\n");
	RUN_UNTIL(was_traced("SESSION_OPENED submissions 2001:db8::7 TLSv1.3\n"));
	client_close(&c);
}

static void what_follows_the_header_is_read_by_the_session(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	client_say(&c, HEADER "NOOP\r\n");
	HEARS(&c, GREETING);
	HEARS(&c, "250 2.0.0");
	client_close(&c);
}

static void a_load_balancer_may_speak_for_itself(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSIONS);
	assert_int_equal(stream_write(c.stream, SPAN(LOCAL_V2)), STATUS_OK);
	client_secure(&c);
	HEARS(&c, GREETING);
	client_say(&c, "EHLO pc.local\r\nAUTH UNKNOWN\r\n");
	RUN_UNTIL(was_traced("SESSION_OPENED submissions 127.0.0.1 TLSv1.3\n"));
	client_close(&c);
}

static void limits_hold_for_the_client_and_not_for_the_load_balancer(void **state)
{
	struct client one, same, other;
	(void)state;
	client_connect(&one, SUBMISSION);
	client_say(&one, HEADER);
	HEARS(&one, GREETING);
	client_connect(&same, SUBMISSION);
	client_say(&same, HEADER);
	HEARS(&same, "421 4.7.0 Too many connections, please try again later\r\n");
	client_hears_no_more(&same);
	client_connect(&other, SUBMISSION);
	client_say(&other, "PROXY TCP4 192.0.2.8 127.0.0.1 12345 587\r\n");
	HEARS(&other, GREETING);
	client_close(&one);
	client_close(&same);
	client_close(&other);
}

static void a_client_of_ipv6_is_its_64_bits_of_network(void **state)
{
	struct client one, same, other;
	(void)state;
	client_connect(&one, SUBMISSION);
	client_say(&one, "PROXY TCP6 2001:db8:1:2::7 ::1 12345 587\r\n");
	HEARS(&one, GREETING);
	client_connect(&same, SUBMISSION);
	client_say(&same, "PROXY TCP6 2001:db8:1:2:ffff::8 ::1 12345 587\r\n");
	HEARS(&same, "421 4.7.0 Too many connections, please try again later\r\n");
	RUN_UNTIL(was_traced("SESSION_REFUSED address address=2001:db8:1:2:ffff::8 listener=submission count=1\n"));
	client_connect(&other, SUBMISSION);
	client_say(&other, "PROXY TCP6 2001:db8:1:3::7 ::1 12345 587\r\n");
	HEARS(&other, GREETING);
	client_close(&one);
	client_close(&same);
	client_close(&other);
}

static void without_a_header_nobody_comes_in(void **state)
{
	static const char *const beginnings[] = { "EHLO pc.local\r\n", "PROXY TCP4 nonsense\r\n", "\r\n\r\n\r\n" };
	(void)state;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++) {
		struct client c;
		client_connect(&c, SUBMISSION);
		client_say(&c, beginnings[i]);
		client_hears_no_more(&c);
		client_close(&c);
	}
	assert_false(was_traced("SESSION"));
}

static void a_header_that_does_not_come_is_not_waited_for(void **state)
{
	struct client silent, slow;
	(void)state;
	client_connect(&silent, SUBMISSION);
	client_connect(&slow, SUBMISSION);
	client_say(&slow, "PROXY TCP4 192.0.2.7 ");
	uint64_t begun = clock_monotonic_ms();
	client_hears_no_more(&silent);
	client_hears_no_more(&slow);
	assert_in_range(clock_monotonic_ms() - begun, 2000, PATIENCE_MS);
	client_close(&silent);
	client_close(&slow);
}

static void those_who_wait_count_in_all(void **state)
{
	struct client waiting, late;
	(void)state;
	prepare_world(state);
	world.config.listener.items[SUBMISSION].proxy_protocol_from =
		(struct config_list){ (char *[]){ "127.0.0.1" }, 1 };
	world.config.limits.connections = 1;
	start_gate();
	client_connect(&waiting, SUBMISSION);
	client_connect(&late, SUBMISSION);
	HEARS(&late, "421 4.7.0 Too many connections, please try again later\r\n");
	client_hears_no_more(&late);
	RUN_UNTIL(was_traced("SESSION_REFUSED connections address=127.0.0.1 listener=submission count=1\n"));
	client_say(&waiting, HEADER);
	HEARS(&waiting, GREETING);
	client_close(&waiting);
	client_close(&late);
}

static void a_draining_gate_waits_for_the_header_still(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	gate_role.drain(world.gate, PATIENCE_MS, false);
	world_turn_for(20);
	assert_false(world.finished);
	client_say(&c, HEADER);
	HEARS(&c, "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_close(&c);
}

static void a_draining_gate_ends_with_whoever_gave_up(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSION);
	gate_role.drain(world.gate, PATIENCE_MS, false);
	client_close(&c);
	RUN_UNTIL(world.finished);
}

static void a_strangers_header_is_garbage(void **state)
{
	struct client c;
	(void)state;
	client_greeted_in_clear(&c);
	client_say(&c, HEADER);
	HEARS(&c, "500 5.5.1 This command is not known here\r\n");
	client_say(&c, "EHLO pc.local\r\nSTARTTLS\r\n");
	HEARS(&c, OFFER("STARTTLS"));
	HEARS(&c, "220 2.0.0 Ready to start TLS\r\n");
	client_secure(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH UNKNOWN\r\n");
	RUN_UNTIL(was_traced("SESSION_OPENED submission 127.0.0.1 TLSv1.3\n"));
	client_close(&c);
}

static void a_strangers_header_breaks_the_handshake(void **state)
{
	struct client c;
	(void)state;
	client_connect(&c, SUBMISSIONS);
	client_say(&c, HEADER);
	client_secure(&c);
	assert_true(c.failed);
	assert_false(was_traced("SESSION_OPENED"));
	client_close(&c);
}

#define BEHIND(test) cmocka_unit_test_setup_teardown(test, behind_a_load_balancer, close_world)
#define BESIDE(test) cmocka_unit_test_setup_teardown(test, beside_a_load_balancer, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BEHIND(the_header_names_the_client),
		BEHIND(nothing_is_said_before_the_header),
		BEHIND(tls_begins_right_after_the_header),
		BEHIND(what_follows_the_header_is_read_by_the_session),
		BEHIND(a_load_balancer_may_speak_for_itself),
		BEHIND(limits_hold_for_the_client_and_not_for_the_load_balancer),
		BEHIND(a_client_of_ipv6_is_its_64_bits_of_network),
		BEHIND(without_a_header_nobody_comes_in),
		BEHIND(a_header_that_does_not_come_is_not_waited_for),
		cmocka_unit_test_teardown(those_who_wait_count_in_all, close_world),
		BEHIND(a_draining_gate_waits_for_the_header_still),
		BEHIND(a_draining_gate_ends_with_whoever_gave_up),
		BESIDE(a_strangers_header_is_garbage),
		BESIDE(a_strangers_header_breaks_the_handshake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
