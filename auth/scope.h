/* What one app password may less than its user. */
#ifndef AUTH_SCOPE_H
#define AUTH_SCOPE_H

#include "auth/app_password/table.h"

struct scope {
	struct buf senders;        /* a codec list of patterns; empty: all of the user's */
	struct buf recipients;     /* the same; empty: whom the user may send to */
	uint64_t messages_per_day; /* 0: no limit but the user's own */
};

void scope_init(struct scope *scope);
void scope_free(struct scope *scope);
MUST_USE enum status scope_take(struct scope *scope, const struct app_password *password);
/*
 * Leaves the identity those senders that both allow: an address that a domain of the other covers, a domain that the
 * other has as a whole. `delimiter` as in address_matches. It may be left none, and then may send as nobody.
 */
MUST_USE enum status scope_narrow(const struct scope *scope, struct span delimiter, struct identity *identity);

#endif
