/*
 * The benchmark's upstream: offers what smtp.gmail.com does, takes any login
 * and any message, over implicit TLS or in clear text, keeps nothing, and does
 * as little as it can. One thread a connection.
 *
 *   sink CERTIFICATE KEY     prints its port with TLS and the one without; for
 *                            each line on its standard input, the number of
 *                            messages taken so far
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "peer.h"

#define HELLO                                                                      \
	"250-sink.example\r\n250-SIZE 0\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250-" \
	"ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SMTPUTF8\r\n"

static atomic_ulong messages;

struct port {
	int listener, number;
	SSL_CTX *tls; /* NULL: none */
};

struct answer {
	const char *verb;
	const char *text;
};

/* By its first four letters, in any case. */
static const struct answer answers[] = {
	{ "EHLO", HELLO },
	{ "AUTH", "235 2.7.0 Accepted\r\n" },
	{ "MAIL", "250 2.1.0 OK\r\n" },
	{ "RCPT", "250 2.1.5 OK\r\n" },
	{ "DATA", "354 Go ahead\r\n" },
	{ "BDAT", "" }, /* see talk */
	{ "RSET", "250 2.0.0 OK\r\n" },
	{ "NOOP", "250 2.0.0 OK\r\n" },
	{ "QUIT", "221 2.0.0 Bye\r\n" },
};

static const char *find_answer(const char *line)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (strncasecmp(line, answers[i].verb, 4) == 0)
			return answers[i].text;
	return "500 5.5.2 Unknown command\r\n";
}

/*
 * What follows DATA. Looks at each read as a whole: the sender waits after the
 * dot, so it is the end of what was read. False: the other side has ended.
 */
static bool skip_message(struct peer *peer)
{
	static const char end[] = "\r\n.\r\n";
	const size_t size = sizeof(end) - 1;
	while (peer->end - peer->start < size || memcmp(peer->data + peer->end - size, end, size) != 0) {
		if (peer->end - peer->start > size)
			peer->start = peer->end - size;
		if (!peer_fill(peer))
			return false;
	}
	peer->start = peer->end;
	return true;
}

/* What follows BDAT (RFC 3030). */
static bool skip_chunk(struct peer *peer, size_t size)
{
	while (peer->end - peer->start < size) {
		size -= peer->end - peer->start;
		peer->start = peer->end;
		if (!peer_fill(peer))
			return false;
	}
	peer->start += size;
	return true;
}

/* Replies to commands that came in one go leave in one go. */
static void talk(struct peer *peer)
{
	char replies[PEER_ROOM];
	size_t size = (size_t)snprintf(replies, sizeof(replies), "220 sink.example ESMTP\r\n");
	for (;;) {
		if (peer->start == peer->end || size > sizeof(replies) / 2) {
			peer_say(peer, replies, size);
			size = 0;
		}
		const char *line = peer_line(peer);
		if (line == NULL)
			return;
		const char *answer = find_answer(line);
		size += (size_t)snprintf(replies + size, sizeof(replies) - size, "%s", answer);
		if (answer[0] == '2' && answer[2] == '1')
			break;
		if (answer[0] == '2' || answer[0] == '5')
			continue;
		if (answer[0] == '3') {
			peer_say(peer, replies, size);
			size = 0;
			if (!skip_message(peer))
				return;
		} else if (!skip_chunk(peer, strtoul(line + 5, NULL, 10))) {
			return;
		}
		unsigned long number = atomic_fetch_add(&messages, 1) + 1;
		size += (size_t)snprintf(replies + size, sizeof(replies) - size, "250 2.0.0 Taken as %lu\r\n", number);
	}
	peer_say(peer, replies, size);
}

static void *serve(void *context)
{
	struct peer *peer = context;
	if (peer->ssl == NULL || SSL_accept(peer->ssl) == 1)
		talk(peer);
	peer_close(peer);
	free(peer);
	return NULL;
}

static void *accept_all(void *context)
{
	const struct port *port = context;
	for (;;) {
		pthread_t thread;
		int fd = accept(port->listener, NULL, NULL);
		struct peer *peer = malloc(sizeof(*peer));
		if (fd < 0 || peer == NULL)
			err(1, "accept");
		peer_open(peer, port->tls, fd);
		peer_start_thread(serve, peer, &thread);
		pthread_detach(thread);
	}
	return NULL;
}

static void listen_somewhere(struct port *port)
{
	struct sockaddr_in address = peer_loopback(0);
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1024) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		err(1, "listen");
	port->listener = listener;
	port->number = ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
	char line[16];
	struct port secure = { 0 }, plain = { 0 };
	pthread_t thread;
	if (argc != 3)
		errx(2, "usage: sink CERTIFICATE KEY");
	signal(SIGPIPE, SIG_IGN);
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(tls, argv[1]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, argv[2], SSL_FILETYPE_PEM) != 1)
		errx(1, "%s, %s: no certificate and key", argv[1], argv[2]);
	SSL_CTX_set_read_ahead(tls, 1);
	secure.tls = tls;
	listen_somewhere(&secure);
	listen_somewhere(&plain);
	printf("%d %d\n", secure.number, plain.number);
	fflush(stdout);
	peer_start_thread(accept_all, &secure, &thread);
	peer_start_thread(accept_all, &plain, &thread);
	while (fgets(line, sizeof(line), stdin)) {
		printf("%lu\n", atomic_load(&messages));
		fflush(stdout);
	}
	return 0;
}
