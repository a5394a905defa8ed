/*
 * The PROXY protocol's header (HAProxy, proxy-protocol.txt), versions 1 and 2:
 * what a load balancer sends ahead of a connection to say whose it is. A pure
 * parser; who may send one is its caller's business.
 */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include <stdbool.h>

#include "base/span.h"
#include "net/endpoint.h"

/* Bytes. The protocol allows 64 KiB; what is sent (TLVs included) stays below 1 KiB. */
#define PROXY_HEADER_MAXIMUM 4096

struct proxy_header {
	/* False: LOCAL, UNKNOWN or UNSPEC; the load balancer speaks for itself, as in a health check. */
	bool has_client;
	struct endpoint client;
};

/*
 * Reads the header that `bytes` begin with. STATUS_AGAIN: all of them belong
 * to a header, and more of it must come. STATUS_INVALID: no header, or not one
 * of TCP over IPv4 or IPv6, or one beyond PROXY_HEADER_MAXIMUM. TLVs are skipped.
 * `out_used`: its size; what follows belongs to the client.
 */
MUST_USE enum status proxy_header_parse(struct span bytes, struct proxy_header *out_header, size_t *out_used);

#endif
