/*
 * The auth role's door: what the auth role says about sessions, and what relays log in with. Auth may come and go:
 * grants stay, and whoever needs a credential meanwhile hears that there is none.
 */
#ifndef RELAY_AUTH_DOOR_H
#define RELAY_AUTH_DOOR_H

#include "relay/gate_door.h"

#define CREDENTIALS_PENDING 256 /* requests waited for; more hear "not available" */

struct withdrawals;

/* One credential asked for. */
struct credential_wanted {
	uint64_t request; /* 0: free */
	uint64_t ticket;
	struct upstream_pool *pool;
};

/* Embedded in the role's state. */
struct relay_auth_door {
	struct services *services;
	struct grants *grants;
	struct deliveries *deliveries;
	struct gate_doors *gates;
	struct withdrawals *withdrawals;
	struct door *door; /* NULL while auth is away */
	uint64_t last_request;
	struct credential_wanted wanted[CREDENTIALS_PENDING];
};

/* A new auth role takes the place of the old one. Logs why it can't; `fd` is owned, also on failure. */
void relay_auth_door_attach(struct relay_auth_door *self, int fd);
void relay_auth_door_close(struct relay_auth_door *self);
/* The answer goes to upstream_pool_credential, at once where there is nobody to ask. */
void relay_auth_door_ask(struct relay_auth_door *self, const char *relay, const char *mailbox,
			 struct upstream_pool *pool, uint64_t ticket);
/* Rechecks go by this door. */
void relay_auth_door_begin_rechecks(struct relay_auth_door *self, struct rechecks *out_rechecks);
/* A token was refused upstream; while auth is away nobody has to know. */
void relay_auth_door_refuse(struct relay_auth_door *self, const char *relay, const char *mailbox, uint64_t serial);

#endif
