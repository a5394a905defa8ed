/*
 * A browser's connection under TLS. GnuTLS would send with sendmsg(2), which a console may not call, as it also passes
 * descriptors on; so bytes go through two functions of ours. They know how long a request may take, too: whoever sends
 * a byte now and then is cut off.
 */
#ifndef CONSOLE_TRANSPORT_H
#define CONSOLE_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "console/crowd.h"

struct MHD_Connection;

/* Owned by whoever began it, and must outlive the connection. */
struct transport {
	void *session; /* GnuTLS's; NULL: plain HTTP */
	int fd;
	uint64_t until_ms; /* of the monotonic clock: by then the request under way is complete */
	uint64_t *moved;   /* counts what was sent and received, for its owner */
	struct guest guest;
};

/* For the library's own connection; `moved` is set. STATUS_UNAVAILABLE: its TLS has not begun, though `has_tls`. */
MUST_USE enum status transport_begin(struct transport *transport, struct MHD_Connection *connection, bool has_tls);
/* A request was answered: the next one has this much time from now. */
void transport_allow(struct transport *transport, uint64_t limit_ms);

#endif
