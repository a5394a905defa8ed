/*
 * The keys that sign checkpoints, each of them once. The state file holds the private key of the next checkpoint, the
 * only one there is, and the last statement that was signed. Signing writes both anew in one sector, so that after a
 * crash either the former key is still there and has signed nothing, or it is gone and its statement is kept: whoever
 * signs next repeats that in a record of theirs, as its own may not have been written.
 *
 * The relay processes of a node share the file. Who signs holds a lock on it until the record is written, so that
 * records stand in the audit in the order of their numbers.
 */
#ifndef AUDIT_AUDIT_KEYS_H
#define AUDIT_AUDIT_KEYS_H

#include "audit/audit_statement.h"

struct audit_keys;

/* What anybody may know. */
struct audit_keys_state {
	char first[AUDIT_KEY_HEX_SIZE]; /* the public key of checkpoint 1 */
	char next[AUDIT_KEY_HEX_SIZE];  /* of the next one */
	struct audit_statement last;    /* number 0: none yet */
};

/*
 * `fd`: the state file, read-write; owned in any case. *out_renewed: it held no key that can be read, so that a new row
 * of keys begins. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
MUST_USE enum status audit_keys_open(int fd, struct audit_keys **out_keys, bool *out_renewed);
void audit_keys_free(struct audit_keys **keys);

/* STATUS_SYSTEM. */
MUST_USE enum status audit_keys_read(const struct audit_keys *keys, struct audit_keys_state *out_state);

/* Takes the lock. STATUS_AGAIN: another process has it. STATUS_SYSTEM. */
MUST_USE enum status audit_keys_lock(struct audit_keys *keys);
void audit_keys_unlock(struct audit_keys *keys); /* harmless without the lock */

/*
 * With the lock: signs that `chain` holds `count` records up to the one with the hash `head`. The key is gone, on disk
 * too, once this returns. STATUS_SYSTEM: nothing was signed.
 */
MUST_USE enum status audit_keys_sign(struct audit_keys *keys, const char *chain, uint64_t count, const char *head,
				     struct audit_statement *out_statement);

#endif
