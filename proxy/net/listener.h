/*
 * A listening socket, opened by the supervisor and accepted from by a gate,
 * or the admin role; and addresses as text.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/span.h"
#include "net/loop.h"

#define ENDPOINT_TEXT_SIZE 64 /* bytes, the NUL included */

struct endpoint {
	struct sockaddr_storage storage;
	socklen_t size;
};

/* "0.0.0.0:465", "[::1]:465" or "unix:/path"; STATUS_INVALID. */
MUST_USE enum status endpoint_parse(struct span text, struct endpoint *out_endpoint);
/* The IP address alone, IPv4-mapped IPv6 as IPv4: "192.0.2.7", "2001:db8::1". */
void endpoint_format(const struct endpoint *endpoint, char out_text[ENDPOINT_TEXT_SIZE]);
uint16_t endpoint_port(const struct endpoint *endpoint);

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
