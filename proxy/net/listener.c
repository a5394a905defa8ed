/*
 * Listening sockets and addresses as text. Owns the socket of each listener;
 * a connection that can't be accepted is left in the kernel's queue.
 */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024        /* connections that wait to be accepted; the kernel caps it at somaxconn */
#define ACCEPTS_PER_TURN 64 /* a flood of connects must leave time for sessions */
#define REST_MS 200         /* out of descriptors or memory: until some session has ended */

/* ---- endpoints */

static struct sockaddr_in *as_v4(struct endpoint *endpoint)
{
	return (struct sockaddr_in *)&endpoint->storage;
}

static struct sockaddr_in6 *as_v6(struct endpoint *endpoint)
{
	return (struct sockaddr_in6 *)&endpoint->storage;
}

static enum status parse_path(struct span path, struct endpoint *out_endpoint)
{
	struct endpoint endpoint = { .size = sizeof(struct sockaddr_un) };
	struct sockaddr_un *address = (struct sockaddr_un *)&endpoint.storage;
	if (path.size == 0 || path.size >= sizeof(address->sun_path) || span_contains_byte(path, '\0'))
		return STATUS_INVALID;
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path.data, path.size);
	*out_endpoint = endpoint;
	return STATUS_OK;
}

static enum status parse_port(struct span text, in_port_t *out_port)
{
	uint64_t port;
	TRY(span_to_u64(text, &port));
	if (port > UINT16_MAX)
		return STATUS_INVALID;
	*out_port = htons((uint16_t)port);
	return STATUS_OK;
}

static enum status parse_ip(struct span host, in_port_t port, struct endpoint *out_endpoint)
{
	struct endpoint endpoint = { 0 };
	char text[INET6_ADDRSTRLEN];
	bool v6 = span_starts_with(host, SPAN("[")) && host.size > 2 && host.data[host.size - 1] == ']';
	if (v6)
		host = span_slice(host, 1, host.size - 1);
	if (host.size >= sizeof(text) || span_contains_byte(host, '\0'))
		return STATUS_INVALID;
	memcpy(text, host.data, host.size);
	text[host.size] = '\0';
	if (v6) {
		endpoint.size = sizeof(struct sockaddr_in6);
		as_v6(&endpoint)->sin6_family = AF_INET6;
		as_v6(&endpoint)->sin6_port = port;
		if (inet_pton(AF_INET6, text, &as_v6(&endpoint)->sin6_addr) != 1)
			return STATUS_INVALID;
	} else {
		endpoint.size = sizeof(struct sockaddr_in);
		as_v4(&endpoint)->sin_family = AF_INET;
		as_v4(&endpoint)->sin_port = port;
		if (inet_pton(AF_INET, text, &as_v4(&endpoint)->sin_addr) != 1)
			return STATUS_INVALID;
	}
	*out_endpoint = endpoint;
	return STATUS_OK;
}

enum status endpoint_parse(struct span text, struct endpoint *out_endpoint)
{
	if (span_starts_with(text, SPAN("unix:")))
		return parse_path(span_slice(text, 5, text.size), out_endpoint);
	size_t colon = text.size;
	while (colon && text.data[colon - 1] != ':')
		colon--;
	if (colon < 2)
		return STATUS_INVALID;
	in_port_t port;
	TRY(parse_port(span_slice(text, colon, text.size), &port));
	return parse_ip(span_slice(text, 0, colon - 1), port, out_endpoint);
}

void endpoint_format(const struct endpoint *endpoint, char out_text[ENDPOINT_TEXT_SIZE])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&endpoint->storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&endpoint->storage;
	out_text[0] = '\0';
	if (endpoint->storage.ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, out_text, ENDPOINT_TEXT_SIZE);
	else if (endpoint->storage.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out_text, ENDPOINT_TEXT_SIZE);
	else if (endpoint->storage.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, out_text, ENDPOINT_TEXT_SIZE);
	else if (endpoint->storage.ss_family == AF_UNIX)
		snprintf(out_text, ENDPOINT_TEXT_SIZE, "local");
}

uint16_t endpoint_port(const struct endpoint *endpoint)
{
	if (endpoint->storage.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&endpoint->storage)->sin_port);
	if (endpoint->storage.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&endpoint->storage)->sin6_port);
	return 0;
}

/* ---- sockets */

static int set_options(int fd, int family)
{
	const int on = 1;
	if (family == AF_UNIX)
		return 0;
	/* Accepted sockets inherit TCP_NODELAY, so that gates need no setsockopt(2). */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		return -1;
	/* [::] takes IPv6 only, so that 0.0.0.0 can be bound beside it. */
	return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) : 0;
}

enum status listener_open_socket(const struct endpoint *endpoint, int *out_fd)
{
	int family = endpoint->storage.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return STATUS_SYSTEM;
	if (set_options(fd, family) != 0 ||
	    bind(fd, (const struct sockaddr *)&endpoint->storage, endpoint->size) != 0 || listen(fd, BACKLOG) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return STATUS_SYSTEM;
	}
	*out_fd = fd;
	return STATUS_OK;
}

/* ---- listeners */

struct listener {
	int fd;
	struct watch *watch;
	struct timer *rest;
	void (*on_accepted)(void *context, int fd, const struct endpoint *peer);
	void *context;
	bool calling; /* inside on_accepted */
	bool freed;   /* by the owner, while calling */
};

static void go_on(void *context)
{
	struct listener *listener = context;
	watch_set(listener->watch, WATCH_READ);
}

/* A connection that died in the queue is not our trouble (accept(2)); any other error would recur at once. */
static bool is_passing(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case EPERM:
		return true;
	default:
		return false;
	}
}

static void rest_listener(struct listener *listener)
{
	watch_set(listener->watch, 0);
	timer_set(listener->rest, REST_MS);
}

static void hand_over(struct listener *listener, int fd, const struct endpoint *peer)
{
	listener->calling = true;
	listener->on_accepted(listener->context, fd, peer);
	listener->calling = false;
}

/* At most so many, until there is none; false: `listener` is freed. */
static bool accept_up_to(struct listener *listener, int maximum)
{
	for (int i = 0; i < maximum; i++) {
		struct endpoint peer = { .size = sizeof(peer.storage) };
		int fd = accept4(listener->fd, (struct sockaddr *)&peer.storage, &peer.size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && is_passing(errno))
			continue;
		if (fd < 0) {
			if (errno != EAGAIN)
				rest_listener(listener);
			return true;
		}
		hand_over(listener, fd, &peer);
		if (listener->freed) {
			free(listener);
			return false;
		}
	}
	return true;
}

static void accept_some(void *context, unsigned events)
{
	(void)events;
	(void)accept_up_to(context, ACCEPTS_PER_TURN);
}

enum status listener_create(struct loop *loop, int fd,
			    void (*on_accepted)(void *context, int fd, const struct endpoint *peer), void *context,
			    struct listener **out_listener)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	if (listener == NULL) {
		close(fd);
		return STATUS_NO_MEMORY;
	}
	*listener = (struct listener){ .fd = fd, .on_accepted = on_accepted, .context = context };
	if (watch_create(loop, fd, WATCH_READ, accept_some, listener, &listener->watch) != STATUS_OK ||
	    timer_make(loop, go_on, listener, &listener->rest) != STATUS_OK) {
		listener_free(&listener);
		return STATUS_NO_MEMORY;
	}
	*out_listener = listener;
	return STATUS_OK;
}

void listener_finish(struct listener **listener)
{
	if (*listener && accept_up_to(*listener, BACKLOG))
		listener_free(listener);
	*listener = NULL;
}

void listener_free(struct listener **listener)
{
	struct listener *l = *listener;
	*listener = NULL;
	if (l == NULL)
		return;
	timer_free(&l->rest);
	watch_free(&l->watch);
	close(l->fd);
	if (l->calling)
		l->freed = true;
	else
		free(l);
}
