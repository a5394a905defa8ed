/*
 * Listening sockets. Owns the socket of each listener; a connection that can't be accepted is left in the kernel's
 * queue.
 */
#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG 1024        /* connections that wait to be accepted; the kernel caps it at somaxconn */
#define ACCEPTS_PER_TURN 64 /* a flood of connects must leave time for sessions */
#define PAUSE_MS 200        /* out of descriptors or memory: until some session has ended */

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
	struct timer *pause; /* while it runs, nothing is accepted */
	void (*on_accepted)(void *context, int fd, const struct endpoint *peer);
	void *context;
	bool calling; /* inside on_accepted */
	bool freed;   /* by the owner, while calling */
};

static void resume_accepting(void *context)
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

/* At most so many, until there is none; false: `listener` is freed. */
static bool accept_up_to(struct listener *listener, int maximum)
{
	for (int i = 0; i < maximum; i++) {
		struct endpoint peer = { .size = sizeof(peer.storage) };
		int fd = accept4(listener->fd, (struct sockaddr *)&peer.storage, &peer.size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && is_passing(errno))
			continue;
		if (fd < 0 && errno != EAGAIN) {
			watch_set(listener->watch, 0);
			timer_set(listener->pause, PAUSE_MS);
		}
		if (fd < 0)
			return true;
		listener->calling = true;
		listener->on_accepted(listener->context, fd, &peer);
		listener->calling = false;
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
	    timer_make(loop, resume_accepting, listener, &listener->pause) != STATUS_OK) {
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
	timer_free(&l->pause);
	watch_free(&l->watch);
	close(l->fd);
	if (l->calling)
		l->freed = true;
	else
		free(l);
}
