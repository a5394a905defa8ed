/* A gate that drains: what ends at once, what may go on, and when all is over. */
#include "gate_fixture.h"

static void a_draining_gate_closes_the_idle_and_ends(void **state)
{
	struct client idle, late;
	(void)state;
	client_logged_in(&idle);
	gate_role.drain(world.gate, 5000, ROLE_DRAIN_ENDS);
	HEARS(&idle, "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_connect(&late, SUBMISSIONS);
	RUN_UNTIL(late.failed);
	client_close(&idle);
	client_close(&late);
}

/* The kernel has taken it, and the gate has had no turn since. */
static int wait_in_queue(unsigned listener)
{
	const struct endpoint *endpoint = &world.endpoints[listener];
	int fd = socket(endpoint->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&endpoint->storage, endpoint->size), 0);
	return fd;
}

static void clients_in_the_queue_of_a_gate_that_drains_are_served(void **state)
{
	char heard[sizeof(GREETING)] = "";
	(void)state;
	int fd = wait_in_queue(SUBMISSION);
	gate_role.drain(world.gate, 60000, ROLE_DRAIN_SUCCEEDED);
	RUN_UNTIL(recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT | MSG_PEEK) > 0);
	assert_string_equal(heard, GREETING);
	close(fd);
	RUN_UNTIL(world.finished);
}

/* A reload: clients that work go on; one that has logged in and is idle is told after a while. */
static void a_gate_with_a_successor_disturbs_nobody_who_works(void **state)
{
	struct client fresh;
	(void)state;
	client_connect(&fresh, SUBMISSION);
	gate_role.drain(world.gate, 60000, ROLE_DRAIN_SUCCEEDED);
	HEARS(&fresh, GREETING);
	client_say(&fresh, "EHLO laptop\r\n");
	HEARS(&fresh, "250-mail.example.com\r\n");
	client_close(&fresh);
	RUN_UNTIL(world.finished);
}

static void a_session_that_rests_ends_with_its_gate(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	gate_role.drain(world.gate, 60000, ROLE_DRAIN_SUCCEEDED);
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	world_turn_for(100);
	assert_false(world.finished);
	for (int i = 0; i < 2; i++) {
		client_say(&c, "MAIL FROM:<alice@example.com>\r\n");
		HEARS(&c, "250 2.1.0 Sender accepted\r\n");
		client_say(&c, "RSET\r\n");
		HEARS(&c, "250 2.0.0 Reset\r\n");
	}
	world_turn_for(5000); /* as long as it may */
	HEARS(&c, "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_close(&c);
}

/* Renewed certificates: whoever is idle stays, until half of the time is over. */
static void a_gate_that_was_renewed_sends_nobody_away(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	gate_role.drain(world.gate, 60000, ROLE_DRAIN_RENEWED);
	world_turn_for(5500); /* longer than after a reload */
	client_say(&c, "NOOP\r\n");
	HEARS(&c, "250 2.0.0 OK\r\n");
	assert_false(world.finished);
	gate_role.drain(world.gate, 2000, ROLE_DRAIN_RENEWED);
	world_turn_for(500);
	assert_false(world.finished);
	HEARS(&c, "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_close(&c);
}

static void a_draining_gate_without_sessions_ends_at_once(void **state)
{
	(void)state;
	gate_role.drain(world.gate, 5000, ROLE_DRAIN_ENDS);
	assert_true(world.finished);
}

static void when_the_time_to_drain_is_up_all_are_closed(void **state)
{
	struct client c;
	(void)state;
	client_logged_in(&c);
	client_say(&c, "MAIL FROM:<alice@example.com>\r\n");
	HEARS(&c, "250 2.1.0 Sender accepted\r\n");
	gate_role.drain(world.gate, 100, ROLE_DRAIN_ENDS);
	world_turn_for(30);
	assert_false(world.finished);
	HEARS(&c, "421 4.3.2 This server is shutting down, please try again\r\n");
	RUN_UNTIL(world.finished);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_draining_gate_closes_the_idle_and_ends),
		IN_WORLD(clients_in_the_queue_of_a_gate_that_drains_are_served),
		IN_WORLD(a_gate_with_a_successor_disturbs_nobody_who_works),
		IN_WORLD(a_session_that_rests_ends_with_its_gate),
		IN_WORLD(a_gate_that_was_renewed_sends_nobody_away),
		IN_WORLD(a_draining_gate_without_sessions_ends_at_once),
		IN_WORLD(when_the_time_to_drain_is_up_all_are_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
