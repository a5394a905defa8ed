/*
 * What the two ends of the benchmark share: a blocking socket of its own
 * thread, with TLS or without, lines in, bytes out. No call returns a failure:
 * the benchmark ends with a line that says what broke.
 */
#ifndef TESTS_BENCH_PEER_H
#define TESTS_BENCH_PEER_H

#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_ROOM 65536         /* bytes read at once, and the longest line */
#define PEER_STACK (256U << 10) /* bytes: one thread a connection */

struct peer {
	int fd;
	SSL *ssl; /* NULL: no TLS */
	char data[PEER_ROOM];
	size_t start, end; /* of what was read and not taken */
};

static inline struct sockaddr_in peer_loopback(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* tls: NULL for a connection without. */
static inline void peer_open(struct peer *peer, SSL_CTX *tls, int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	peer->fd = fd;
	peer->ssl = tls ? SSL_new(tls) : NULL;
	peer->start = peer->end = 0;
	if (tls && (peer->ssl == NULL || SSL_set_fd(peer->ssl, fd) != 1))
		errx(1, "no memory for a TLS connection");
}

static inline void peer_close(struct peer *peer)
{
	SSL_free(peer->ssl);
	close(peer->fd);
}

/* More input; false: the other side has ended. */
static inline bool peer_fill(struct peer *peer)
{
	if (peer->start) {
		memmove(peer->data, peer->data + peer->start, peer->end - peer->start);
		peer->end -= peer->start;
		peer->start = 0;
	}
	if (peer->end == sizeof(peer->data))
		errx(1, "a line is longer than %zu bytes", sizeof(peer->data));
	size_t room = sizeof(peer->data) - peer->end;
	ssize_t got = peer->ssl ? SSL_read(peer->ssl, peer->data + peer->end, (int)room)
				: recv(peer->fd, peer->data + peer->end, room, 0);
	if (got <= 0)
		return false;
	peer->end += (size_t)got;
	return true;
}

/* The next line, ended by a NUL instead of CRLF, valid until the next call; NULL: the other side has ended. */
static inline char *peer_line(struct peer *peer)
{
	size_t seen = 0;
	for (;;) {
		char *from = peer->data + peer->start;
		char *end = memchr(from + seen, '\n', peer->end - peer->start - seen);
		if (end) {
			peer->start = (size_t)(end - peer->data) + 1;
			*end = '\0';
			if (end > from && end[-1] == '\r')
				end[-1] = '\0';
			return from;
		}
		seen = peer->end - peer->start;
		if (!peer_fill(peer))
			return NULL;
	}
}

static inline void peer_say(struct peer *peer, const char *data, size_t size)
{
	ssize_t sent = peer->ssl ? SSL_write(peer->ssl, data, (int)size) : send(peer->fd, data, size, MSG_NOSIGNAL);
	if (sent != (ssize_t)size)
		errx(1, "a connection broke while writing");
}

static inline void peer_start_thread(void *(*run)(void *context), void *context, pthread_t *out_thread)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, PEER_STACK);
	if (pthread_create(out_thread, &attributes, run, context) != 0)
		err(1, "pthread_create");
	pthread_attr_destroy(&attributes);
}

#endif
