/*
 * The keys of session tickets: random, the same for all gates and generations, never on a disk. There is a new one each
 * time a ticket's lifetime has passed; the one before it is kept for tickets that are out, and older ones are gone. A
 * gate that was killed or died may have been an attacker's, who then knows the keys, so they are replaced.
 */
#ifndef SUPERVISE_TICKET_KEYS_H
#define SUPERVISE_TICKET_KEYS_H

#include "base/span.h"
#include "net/loop.h"

struct ticket_keys;

typedef void ticket_keys_changed(void *context, struct span key);

/* Makes the first key. `on_changed` is told each later one. */
MUST_USE enum status ticket_keys_create(struct loop *loop, ticket_keys_changed *on_changed, void *context,
					struct ticket_keys **out_keys);
/* How long a ticket lives; 0: there are none. */
void ticket_keys_set_lifetime(struct ticket_keys *keys, uint64_t lifetime_ms);
/* A stranger may know both keys. They are replaced now, and no ticket that is out is accepted any more. */
void ticket_keys_replace(struct ticket_keys *keys);
/*
 * What gates get at their start: the newest key, then the one before, if there is one, in a sealed file, which stays
 * ours.
 */
int ticket_keys_fd(const struct ticket_keys *keys);
/* NULL-safe; sets to NULL. */
void ticket_keys_free(struct ticket_keys **keys);

#endif
