/*
 * Grants: who each session is, as the auth role said (promise 1). A session is
 * known by its gate's instance number and its own number together, so that no
 * gate can quote another's session.
 *
 * A grant is counted by reference: the table holds one, and each delivery one,
 * as a message goes to its end although its session is gone.
 */
#ifndef RELAY_GRANTS_H
#define RELAY_GRANTS_H

#include "base/arena.h"
#include "base/client_facts.h"
#include "base/map.h"
#include "door/messages.h"
#include "quota/quota.h"

/* Whatever a client can make a grant hold is bounded by the door's frame. */
#define GRANT_MEMORY (2U << 20) /* bytes: twice a frame, for the lists of views */

struct delivery;

struct span_list {
	struct span *items;
	size_t count;
};

struct grant {
	struct map_link link;
	unsigned references;
	uint32_t gate;
	uint64_t session;
	char name[32]; /* "GATE-NUMBER", as records and logs show the session */
	struct span user, auth_method, sasl_mechanism, app_password_id;
	struct span_list groups, senders;
	struct client_facts client;
	struct quota_limits limits; /* of the section this user falls under */
	uint64_t last_transaction;  /* the number of its newest one: they grow, and none begins twice */
	struct delivery *current;   /* its transaction that is not complete yet, or NULL; deliveries keep it */
	struct arena arena;         /* holds all of the texts */
};

struct grants;

MUST_USE enum status grants_create(const struct config *config, struct grants **out_grants);
void grants_free(struct grants **grants);

/*
 * Copies the message, and replaces a grant for the same session (end its transaction first). STATUS_NO_MEMORY;
 * STATUS_TOO_LARGE: the message is, or its gate has limits.connections of them already; STATUS_INVALID: no user.
 */
MUST_USE enum status grants_add(struct grants *grants, const struct door_grant *message, struct grant **out_grant);
/* The session's grant, or NULL. Borrowed. */
struct grant *grants_find(const struct grants *grants, uint32_t gate, uint64_t session);
void grants_drop(struct grants *grants, struct grant *grant);
/* Drops all of a gate; `on_dropped` is called with each before. */
void grants_drop_gate(struct grants *grants, uint32_t gate, void (*on_dropped)(void *context, struct grant *grant),
		      void *context);

struct grant *grant_hold(struct grant *grant); /* one more reference */
void grant_release(struct grant **grant);      /* NULL-safe; sets to NULL */

/* "GATE-NUMBER" */
void grant_name_session(uint32_t gate, uint64_t session, char out_name[32]);

#endif
