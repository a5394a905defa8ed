/*
 * A gate and whole sessions, for callgrind: each connects over TLS, logs in, sends a message and says QUIT. The gate is
 * all that the process does that is started; its clients and the played auth and relay roles are in another, which
 * callgrind does not look at.
 *
 *   sessions COUNT
 */
#include <err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/unit/gate_fixture.h"

#define REPLY_ROOM 4096

static const char message[] = "From: alice@example.com\r\nTo: bob@example.net\r\nSubject: A message\r\n"
			      "Message-ID: <1@pc.local>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n\r\nHello\r\n.\r\n";

/* What follows the greeting, and how its reply begins. */
static const struct {
	const char *command, *reply;
} dialog[] = {
	{ "EHLO pc.local\r\n", "250" },
	{ "AUTH PLAIN good\r\n", "235" },
	{ "MAIL FROM:<alice@example.com>\r\n", "250" },
	{ "RCPT TO:<bob@example.net>\r\n", "250" },
	{ "DATA\r\n", "354" },
	{ message, "250" },
	{ "QUIT\r\n", "221" },
};

/* ---- the clients, one after the other */

struct course {
	struct sockaddr_in address;
	unsigned long count; /* of sessions */
};

/* A reply comes in one record. */
static void expect_reply(SSL *ssl, const char *wanted)
{
	char reply[REPLY_ROOM];
	int got = SSL_read(ssl, reply, sizeof(reply));
	if (got < 3 || memcmp(reply, wanted, 3) != 0)
		errx(1, "expected %s, got %.*s", wanted, got > 0 ? got : 0, reply);
}

static void hold_session(SSL_CTX *tls, const struct course *course)
{
	char rest[REPLY_ROOM];
	SSL *ssl = SSL_new(tls);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (ssl == NULL || fd < 0 || connect(fd, (const struct sockaddr *)&course->address, sizeof(course->address)))
		err(1, "connect");
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1)
		errx(1, "the TLS handshake failed");
	expect_reply(ssl, "220");
	for (size_t i = 0; i < sizeof(dialog) / sizeof(dialog[0]); i++) {
		if (SSL_write(ssl, dialog[i].command, (int)strlen(dialog[i].command)) <= 0)
			errx(1, "the gate has gone");
		expect_reply(ssl, dialog[i].reply);
	}
	while (SSL_read(ssl, rest, sizeof(rest)) > 0) /* until the gate has ended, so that no two sessions overlap */
		;
	SSL_free(ssl);
	close(fd);
}

static void *run_clients(void *context)
{
	const struct course *course = context;
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	if (tls == NULL)
		errx(1, "no memory for clients");
	for (unsigned long i = 0; i < course->count; i++)
		hold_session(tls, course);
	_exit(0);
}

/* ---- the other process: `sessions COUNT PORT AUTH RELAY`, of which the last two are descriptors of doors */

static int read_number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static int play_others(char **argv)
{
	static struct course course;
	pthread_t clients;
	int fds[2] = { read_number(argv[3]), read_number(argv[4]) };
	assert_int_equal(loop_create(&world.peer_loop), STATUS_OK);
	buf_init(&world.trace, BIG_MAXIMUM);
	buf_init(&world.message, BIG_MAXIMUM);
	assert_int_equal(door_create(world.peer_loop, fds[0], &auth_handler, &world.auth, &world.auth.door), STATUS_OK);
	assert_int_equal(door_create(world.peer_loop, fds[1], &relay_handler, &world.relay, &world.relay.door),
			 STATUS_OK);
	course.count = (unsigned long)read_number(argv[1]);
	course.address = (struct sockaddr_in){ .sin_family = AF_INET,
					       .sin_port = htons((uint16_t)read_number(argv[2])),
					       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(pthread_create(&clients, NULL, run_clients, &course), 0);
	loop_run(world.peer_loop);
	return 1;
}

/* ---- the gate */

static void open_door(enum role_kind kind, int *out_theirs)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	gate_role.attached(world.gate, kind, 7, fds[0]);
	*out_theirs = fds[1];
}

static void run_others(const char *self, const char *count, int auth, int relay)
{
	char port[16], auth_text[16], relay_text[16];
	const struct sockaddr_in *address = (struct sockaddr_in *)&world.endpoints[SUBMISSIONS].storage;
	snprintf(port, sizeof(port), "%u", ntohs(address->sin_port));
	snprintf(auth_text, sizeof(auth_text), "%d", auth);
	snprintf(relay_text, sizeof(relay_text), "%d", relay);
	execl(self, self, count, port, auth_text, relay_text, NULL);
	err(1, "exec");
}

static void on_others_gone(void *context, unsigned events)
{
	(void)events;
	loop_stop(context);
}

int main(int argc, char **argv)
{
	int auth, relay, ends[2], result = 1;
	struct watch *watch;
	signal(SIGPIPE, SIG_IGN);
	if (argc == 5)
		return play_others(argv);
	if (argc != 2)
		errx(2, "usage: sessions COUNT");
	prepare_world(NULL);
	world.config.tls.ticket_lifetime = 3600000;
	start_gate();
	open_door(ROLE_AUTH, &auth); /* instead of those that the fixture made */
	open_door(ROLE_RELAY, &relay);
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	pid_t pid = fork();
	if (pid == 0)
		run_others(argv[0], argv[1], auth, relay);
	close(auth);
	close(relay);
	close(ends[1]);
	assert_int_equal(watch_create(world.loop, ends[0], WATCH_READ, on_others_gone, world.loop, &watch), STATUS_OK);
	loop_run(world.loop);
	waitpid(pid, &result, 0);
	return result ? 1 : 0;
}
