/*
 * DNS without waiting: c-ares on the loop. A literal address, and a name whose
 * answer is still good by its TTL, is answered at once, inside the same call.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "base/span.h"
#include "net/endpoint.h"
#include "net/loop.h"

#define RESOLVER_ENDPOINTS 16 /* of one answer, at most */

struct resolver;
struct resolution;

struct resolver_answer {
	/* STATUS_OK with at least one address; STATUS_NOT_FOUND: no such name; STATUS_UNAVAILABLE, STATUS_TIMEOUT */
	enum status status;
	/* In the order to try, IPv6 and IPv4 in turn, with the port asked for. */
	struct endpoint endpoints[RESOLVER_ENDPOINTS];
	size_t count;
	bool is_stale;      /* no server answers: this was good before, a day ago at most */
	const char *reason; /* static */
};

MUST_USE enum status resolver_create(struct loop *loop, struct resolver **out_resolver);
void resolver_free(struct resolver **resolver); /* pending ones end without a callback */

/* Asks these servers ("192.0.2.1:53,[2001:db8::1]:53") instead of those of resolv.conf. STATUS_INVALID. */
MUST_USE enum status resolver_use_servers(struct resolver *resolver, const char *servers);

/*
 * `on_answer` is called exactly once, within `limit_ms`, unless cancelled; the
 * resolution is over by then, and *out_resolution NULL if the answer came
 * inside this call. It may free the resolver. STATUS_INVALID: no host name.
 */
MUST_USE enum status resolver_ask(struct resolver *resolver, struct span host, uint16_t port, uint64_t limit_ms,
				  void (*on_answer)(void *context, const struct resolver_answer *answer), void *context,
				  struct resolution **out_resolution);
void resolver_cancel(struct resolution **resolution); /* NULL-safe; not after the answer */

#endif
