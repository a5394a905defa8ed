/*
 * A listening socket, opened by the supervisor and accepted from by a gate, or
 * the admin role.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/endpoint.h"
#include "net/loop.h"

/*
 * A bound, listening, non-blocking, close-on-exec socket; TCP ones with SO_REUSEADDR and SO_REUSEPORT. STATUS_SYSTEM:
 * errno.
 */
MUST_USE enum status listener_open_socket(const struct endpoint *endpoint, int *out_fd);

struct listener;

/*
 * Accepts from `fd` (owned from now on) until freed. `on_accepted` owns the connected, non-blocking, TCP_NODELAY
 * descriptor. When descriptors run out it pauses for a moment instead of spinning.
 */
MUST_USE enum status listener_create(struct loop *loop, int fd,
				     void (*on_accepted)(void *context, int fd, const struct endpoint *peer),
				     void *context, struct listener **out_listener);
/* Accepts the connections that are in its queue now, and frees it. Not inside on_accepted. */
void listener_finish(struct listener **listener);
void listener_free(struct listener **listener); /* closes the socket */

#endif
