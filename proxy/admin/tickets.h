/*
 * Logins at an OpenID provider that are under way. A browser that begins one gets a ticket, which it keeps in a cookie;
 * state, nonce and verifier are made from it with a key that never leaves this process. So logins that are begun and
 * never ended take no memory, and nobody's can be pushed out by a stranger's. A ticket is good once, for 10 minutes.
 */
#ifndef ADMIN_TICKETS_H
#define ADMIN_TICKETS_H

#include "base/hash.h"
#include "base/map.h"

#define TICKET_LIFE_MS 600000
#define TICKET_SIZE 80      /* hexadecimal digits */
#define TICKET_PART_SIZE 43 /* characters of base64url: 32 bytes */

struct ticket_use;

struct tickets {
	unsigned char key[HASH_SHA256_SIZE];
	struct map used; /* those that were taken and are not over */
	struct ticket_use *oldest, **newest;
};

/* STATUS_SYSTEM: no random bytes. */
MUST_USE enum status tickets_init(struct tickets *tickets);
void tickets_free(struct tickets *tickets); /* safe on a zeroed one */

MUST_USE enum status tickets_make(const struct tickets *tickets, uint64_t now_ms, char out_ticket[TICKET_SIZE + 1]);
/* What belongs to a ticket, and for another `purpose` is another: "state", "nonce", "verifier". */
MUST_USE enum status tickets_derive(const struct tickets *tickets, struct span ticket, const char *purpose,
				    char out_part[TICKET_PART_SIZE + 1]);
/*
 * The login has come back with this state. STATUS_INVALID: the ticket is none of ours, over, or taken already, or the
 * state is another one's; nothing changes. STATUS_UNAVAILABLE: too many have come back lately.
 */
MUST_USE enum status tickets_take(struct tickets *tickets, struct span ticket, struct span state, uint64_t now_ms);

#endif
