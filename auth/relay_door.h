/* The relay's door: whether it has room for what exchanges send, and what the relay asks and answers. */
#ifndef AUTH_RELAY_DOOR_H
#define AUTH_RELAY_DOOR_H

#include "auth/auth.h"

struct relay_door_handler {
	/* The relay holds the grant of this number. */
	void (*on_granted)(struct auth *auth, uint64_t grant);
	/* The door is gone: grants asked for will not be confirmed. */
	void (*on_gone)(struct auth *auth);
};

/* A new relay takes the place of the old one. Takes `fd` over, also on failure, and logs. */
void auth_attach_relay(struct auth *auth, uint32_t instance, int fd);
void auth_detach_relay(struct auth *auth);

/* False: no relay, or one so far behind that logins are refused and not queued: a door too full would break for all. */
bool auth_relay_has_room(const struct auth *auth);

/* Tokens go to the relay, and a drained role ends with the last fetch. */
extern const struct tokens_handler auth_tokens_handler;

#endif
