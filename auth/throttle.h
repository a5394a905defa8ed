/*
 * Wrong guesses, counted per address (an IPv6 one for its /64, and with larger
 * limits for its /56 and /48: base/network.h) and per user in a window that
 * begins with the first of them. The same wrong password of the same user from
 * the same address counts once: a printer with an old password is no attack.
 *
 * Addresses and names are a gate's word, and a gate may be an attacker's: what
 * one gate reports weighs in full for itself, and for the others no more than
 * half of the limit. So it can't make them refuse anybody on its own.
 *
 * In memory and bounded: the entry that began longest ago goes first. No gate makes them so fast that those of the
 * others are lost. Guesses are kept as truncated keyed digests only.
 */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include "auth/name.h"
#include "base/network.h"
#include "base/secret.h"
#include "base/span.h"

#define THROTTLE_MAXIMUM 65536 /* entries of one table: 40 MB at most */

struct throttle;

struct throttle_limits {
	uint64_t per_address; /* 0: no limit */
	uint64_t per_user;    /* 0: no limit */
	uint64_t window_ms;
};

enum throttle_kind { THROTTLE_ADDRESS, THROTTLE_USER };

/* A user or network that is refused, for the list. */
struct throttle_row {
	enum throttle_kind kind;
	const char *subject; /* the user, or a network as network_of_client_in writes it */
	uint64_t failures;
	uint64_t left_ms; /* until the window ends */
};

/* `key` is copied. */
MUST_USE enum status throttle_create(const struct throttle_limits *limits, const struct secret *key,
				     struct throttle **out_throttle);
void throttle_free(struct throttle **throttle); /* NULL-safe; sets to NULL */

/*
 * Whether the limit is reached, for clients of this gate (its instance). An address is as the client has it; a user is
 * canonical.
 */
bool throttle_blocks(struct throttle *throttle, uint32_t gate, enum throttle_kind kind, struct span subject,
		     uint64_t now_ms);
/*
 * Counts a wrong password that a client of this gate gave. STATUS_TOO_LARGE: not counted, as the gate reports too many
 * new names and addresses.
 */
MUST_USE enum status throttle_fail(struct throttle *throttle, uint32_t gate, struct span address, struct span user,
				   struct span password, uint64_t now_ms);
/* Those who are refused now, in no order. */
void throttle_list(struct throttle *throttle, uint64_t now_ms,
		   void (*visit)(void *context, const struct throttle_row *row), void *context);
/* Forgives one user, one address with the networks around it, or all with an empty subject; how many refusals ended. */
size_t throttle_clear(struct throttle *throttle, struct span subject, uint64_t now_ms);

#endif
