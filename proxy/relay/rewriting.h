/*
 * A message as a relay is to have it: a copy in the spool with the same body, and a header with another author, for a
 * relay that takes its own account's address alone (relay.rewrite_sender; smtp/header.h says how), or with fields more.
 */
#ifndef RELAY_REWRITING_H
#define RELAY_REWRITING_H

#include "relay/spool.h"

struct rewriting;

struct rewriting_changes {
	struct span account; /* the author to be; empty: the header stays as it is */
	struct span fields;  /* put in front of it, wire form; or empty */
};

/*
 * `on_done` comes once, never inside this call, unless cancelled: STATUS_OK with the copy, which is the owner's from
 * then on, and by how many bytes it is larger than the original; STATUS_TOO_LARGE: the spool is full;
 * STATUS_SYSTEM, STATUS_NO_MEMORY. `original` and what `changes` names stay the owner's until then.
 */
MUST_USE enum status
rewriting_begin(struct loop *loop, struct spool_message *original, const struct rewriting_changes *changes,
		void (*on_done)(void *context, enum status status, struct spool_message *copy, int64_t growth),
		void *context, struct rewriting **out_rewriting);
void rewriting_cancel(struct rewriting **rewriting); /* NULL-safe; sets to NULL; not after on_done */

#endif
