/*
 * A wire between a client and a server on 127.0.0.1, on a thread of its own, which can fail without a word: all of it
 * (nothing passes, new connections are accepted and stay silent), or the connections that there are (new ones work, as
 * when a firewall has forgotten the old ones).
 */
#ifndef TESTS_WITH_WIRE_H
#define TESTS_WITH_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRE_PAIRS 64 /* connections in a wire's life */
#define WIRE_LOOK_MS 5

struct wire {
	uint16_t port; /* where clients connect */
	uint16_t target;
	int listener;
	pthread_t thread;
	int pairs[WIRE_PAIRS][2]; /* the client's socket, the server's; -1: closed */
	atomic_uint count;
	atomic_uint forgotten; /* pairs before this one pass nothing any more */
	atomic_bool frozen;
	atomic_bool ending;
};

static inline struct sockaddr_in wire_address(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static inline void wire_accept(struct wire *wire)
{
	const struct sockaddr_in target = wire_address(wire->target);
	unsigned number = atomic_load(&wire->count);
	int client = accept(wire->listener, NULL, NULL);
	int server = socket(AF_INET, SOCK_STREAM, 0);
	if (client < 0 || server < 0 || number == WIRE_PAIRS ||
	    connect(server, (const struct sockaddr *)&target, sizeof(target)) != 0) {
		close(client);
		close(server);
		return;
	}
	wire->pairs[number][0] = client;
	wire->pairs[number][1] = server;
	atomic_store(&wire->count, number + 1);
}

static inline void wire_close_pair(int pair[2])
{
	close(pair[0]);
	close(pair[1]);
	pair[0] = pair[1] = -1;
}

/* What has come from one side goes to the other. */
static inline void wire_pass(int pair[2], int from)
{
	char bytes[4096];
	ssize_t got = pair[from] < 0 ? 0 : recv(pair[from], bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got > 0 && send(pair[1 - from], bytes, (size_t)got, MSG_NOSIGNAL) == got)
		return;
	wire_close_pair(pair);
}

static inline void wire_turn(struct wire *wire)
{
	struct pollfd polls[2 * WIRE_PAIRS + 1];
	unsigned count = atomic_load(&wire->count);
	unsigned first = atomic_load(&wire->frozen) ? count : atomic_load(&wire->forgotten);
	for (unsigned i = 0; i < 2 * count; i++)
		polls[i] = (struct pollfd){ .fd = i / 2 < first ? -1 : wire->pairs[i / 2][i % 2], .events = POLLIN };
	polls[2 * count] = (struct pollfd){ .fd = wire->listener, .events = POLLIN };
	if (poll(polls, 2 * count + 1, WIRE_LOOK_MS) <= 0)
		return;
	for (unsigned i = 0; i < 2 * count; i++)
		if (polls[i].revents)
			wire_pass(wire->pairs[i / 2], (int)(i % 2));
	if (polls[2 * count].revents)
		wire_accept(wire);
}

static inline void *wire_run(void *context)
{
	struct wire *wire = context;
	while (!atomic_load(&wire->ending))
		wire_turn(wire);
	return NULL;
}

static inline void wire_create(struct wire *wire, uint16_t target)
{
	struct sockaddr_in address = wire_address(0);
	socklen_t size = sizeof(address);
	*wire = (struct wire){ .target = target };
	wire->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(wire->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(wire->listener, WIRE_PAIRS), 0);
	assert_int_equal(getsockname(wire->listener, (struct sockaddr *)&address, &size), 0);
	wire->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&wire->thread, NULL, wire_run, wire), 0);
}

static inline void wire_free(struct wire *wire)
{
	atomic_store(&wire->ending, true);
	assert_int_equal(pthread_join(wire->thread, NULL), 0);
	for (unsigned i = 0; i < atomic_load(&wire->count); i++)
		if (wire->pairs[i][0] >= 0)
			wire_close_pair(wire->pairs[i]);
	close(wire->listener);
}

static inline void wire_freeze(struct wire *wire, bool frozen)
{
	atomic_store(&wire->frozen, frozen);
}

/* As a firewall does: what is connected hears nothing any more, not even that it is over. */
static inline void wire_forget_connections(struct wire *wire)
{
	atomic_store(&wire->forgotten, atomic_load(&wire->count));
}

#endif
