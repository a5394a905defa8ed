/* An IP address with a port, or the path of a UNIX socket, as the kernel takes it. */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/span.h"

#define ENDPOINT_TEXT_SIZE 64 /* bytes, the NUL included */

struct endpoint {
	struct sockaddr_storage storage;
	socklen_t size;
};

/* Of AF_INET or AF_INET6; `address` is a struct in_addr or in6_addr, `port` in network order. */
struct endpoint endpoint_make(int family, const void *address, in_port_t port);
void endpoint_set_port(struct endpoint *endpoint, in_port_t port); /* in network order; of an IP address */
/* "0.0.0.0:465", "[::1]:465" or "unix:/path"; STATUS_INVALID. */
MUST_USE enum status endpoint_parse(struct span text, struct endpoint *out_endpoint);
/* The IP address alone, IPv4-mapped IPv6 as IPv4: "192.0.2.7", "2001:db8::1". */
void endpoint_format(const struct endpoint *endpoint, char out_text[ENDPOINT_TEXT_SIZE]);
uint16_t endpoint_port(const struct endpoint *endpoint); /* 0 where there is none */

#endif
