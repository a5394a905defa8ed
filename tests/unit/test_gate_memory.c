/*
 * One sweep over a gate's memory: each allocation of a session, those of
 * OpenSSL and libev too, fails once. What fails ends that session at the most;
 * the next client is served, and nothing is left behind.
 *
 * Allocations fail in the gate's turns only: its clients are processes of
 * their own, and the fake roles have a loop of their own.
 */
#include <malloc.h>
#include <openssl/ssl.h>
#include <sys/wait.h>

#include "failing_memory.h"
#include "gate_fixture.h"

#ifdef SUBGATE_SANITIZED /* has an allocator of its own, which can't be replaced */

int main(void)
{
	return 0;
}

#else

#define FAILURES_MAXIMUM 20000 /* far more than a session has allocations */
#define CLIENT_LIMIT_S 20

/* ---- the client: says it all, and exits with 0 if all was answered as it should be */

static void give_up(const char *said, const char *heard)
{
	if (getenv("VERBOSE"))
		fprintf(stderr, "after \"%.30s\": \"%s\"\n", said, heard);
	_exit(1);
}

static void expect_reply(SSL *ssl, const char *said, const char *code)
{
	char text[4096];
	size_t size = 0;
	for (;;) {
		int got = SSL_read(ssl, text + size, (int)(sizeof(text) - 1 - size));
		if (got <= 0)
			give_up(said, "the end");
		size += (size_t)got;
		text[size] = '\0';
		const char *last = text;
		for (const char *end; (end = strchr(last, '\n')) != NULL && end[1] != '\0';)
			last = end + 1;
		if (text[size - 1] == '\n' && last[3] == ' ') {
			if (strncmp(last, code, 3) != 0)
				give_up(said, text);
			return;
		}
	}
}

static void ask_gate(SSL *ssl, const char *text, const char *code)
{
	if (SSL_write(ssl, text, (int)strlen(text)) <= 0)
		give_up(text, "nothing can be written");
	expect_reply(ssl, text, code);
}

static void play_session(SSL *ssl)
{
	expect_reply(ssl, "", "220");
	ask_gate(ssl, "EHLO client.example\r\n", "250");
	ask_gate(ssl, "AUTH LOGIN\r\n", "334");
	ask_gate(ssl, "good\r\n", "235");
	ask_gate(ssl, "MAIL FROM:<alice@example.com>\r\n", "250");
	ask_gate(ssl, "RCPT TO:<bob@example.net>\r\n", "250");
	ask_gate(ssl, "DATA\r\n", "354");
	ask_gate(ssl, "From: alice@example.com\r\nSubject: one\r\n\r\nHello\r\n..\r\n.\r\n", "250");
	ask_gate(ssl, "MAIL FROM:<alice@example.com>\r\n", "250");
	ask_gate(ssl, "RCPT TO:<bad@example.net>\r\n", "550");
	ask_gate(ssl, "RSET\r\n", "250");
	ask_gate(ssl, "MAIL FROM:<mallory@example.com>\r\n", "553");
	ask_gate(ssl, "MAIL FROM:<alice@example.com>\r\n", "250");
	ask_gate(ssl, "RCPT TO:<bob@example.net>\r\n", "250");
	ask_gate(ssl, "BDAT 32\r\nFrom: alice@example.com\r\n\r\ntwo\r\n", "250");
	ask_gate(ssl, "BDAT 0 LAST\r\n", "250");
	ask_gate(ssl, "QUIT\r\n", "221");
}

static void run_client(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	alarm(CLIENT_LIMIT_S);
	if (connect(fd, (struct sockaddr *)&world.endpoints[SUBMISSIONS].storage, world.endpoints[SUBMISSIONS].size) !=
		    0 ||
	    SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
		give_up("connect", "no TLS");
	play_session(ssl);
	_exit(0);
}

/* ---- the gate */

static void gate_turn(void)
{
	timer_set(world.tick, 1);
	memory_counts = true;
	loop_run(world.loop);
	memory_counts = false;
	timer_set(world.peer_tick, 0);
	loop_run(world.peer_loop);
}

/* A client's whole life, while the gate turns. True: it heard what it should. */
static bool serve_one(void)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_client();
	while (waitpid(pid, &status, WNOHANG) == 0)
		gate_turn();
	for (unsigned i = 0; i < 5; i++)
		gate_turn(); /* the gate notices its end */
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

static void each_allocation_fails_once_and_the_next_client_is_served(void **state)
{
	unsigned long ended = 0, survived = 0, n;
	(void)state;
	assert_true(serve_one()); /* what is made once and kept */
	assert_true(serve_one());
	long before = memory_living;
	for (n = 1; n < FAILURES_MAXIMUM; n++) {
		memory_left = n;
		bool served = serve_one();
		bool has_failed = memory_left == 0;
		memory_left = 0;
		buf_clear(&world.trace);
		buf_clear(&world.message);
		if (!has_failed) {
			assert_true(served);
			break;
		}
		ended += !served;
		survived += served;
		if (!served && !serve_one())
			fail_msg("no client is served after failure %lu", n);
	}
	print_message("%lu allocations: %lu ended their session, %lu did not; %ld blocks before, %ld after\n", n - 1,
		      ended, survived, before, memory_living);
	assert_in_range(n, 50, FAILURES_MAXIMUM - 1);
	assert_true(memory_living - before < 20); /* not one for each */
}

static void nobody_is_served_while_memory_is_out_and_everybody_once_it_is_back(void **state)
{
	(void)state;
	assert_true(serve_one());
	memory_is_out = true;
	for (unsigned i = 0; i < 20; i++)
		assert_false(serve_one());
	memory_is_out = false;
	assert_true(serve_one());
}

static int open_behind_a_load_balancer(void **state)
{
	static char *networks[] = { "127.0.0.0/8" };
	(void)state;
	prepare_world(NULL);
	world.config.listener.items[SUBMISSION].proxy_protocol_from = (struct config_list){ networks, 1 };
	start_gate();
	return 0;
}

static void a_connection_without_a_header_yet_is_told_and_recorded_too(void **state)
{
	const struct span reply = SPAN("421 4.3.2 No memory for more clients, please try again later\r\n");
	char heard[128];
	ssize_t size = -1;
	const struct endpoint *gate = &world.endpoints[SUBMISSION];
	(void)state;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	world_turn_for(10); /* the doors are in use */
	assert_int_equal(connect(fd, (const struct sockaddr *)&gate->storage, gate->size), 0);
	memory_is_out = true;
	for (unsigned i = 0; i < PATIENCE_MS && size < 0; i++) {
		gate_turn();
		size = recv(fd, heard, sizeof(heard), MSG_DONTWAIT);
	}
	memory_is_out = false;
	assert_int_equal(size, reply.size);
	assert_memory_equal(heard, reply.data, reply.size);
	RUN_UNTIL(was_traced("SESSION_REFUSED memory address=127.0.0.1 listener=submission count=1\n"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_without_a_header_yet_is_told_and_recorded_too,
						open_behind_a_load_balancer, close_world),
		cmocka_unit_test_setup_teardown(each_allocation_fails_once_and_the_next_client_is_served, open_world,
						close_world),
		cmocka_unit_test_setup_teardown(nobody_is_served_while_memory_is_out_and_everybody_once_it_is_back,
						open_world, close_world),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
