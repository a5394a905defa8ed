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

#define GRANT_OWN_USER "subgate notices" /* what records call the relay itself */

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
	struct span user, user_id, login, auth_method, sasl_mechanism, app_password_id;
	struct span_list groups, senders;
	struct span languages;                /* that they prefer, as the directory has them: "de-AT, en"; or empty */
	bool senders_bind;                    /* whatever `sender` says */
	struct span_list recipients;          /* patterns: whom this login may send to; none: whom `rule` allows */
	const struct config_recipients *rule; /* NULL: none is for this user */
	struct client_facts client;
	uint64_t since_s;    /* of the wall clock */
	uint64_t rights;     /* as auth gave them, to be asked about */
	uint64_t held_ms;    /* when its right was last known to hold, of the loop's clock */
	uint64_t recheck_ms; /* when it is to be asked for again */
	bool is_rechecking;
	bool is_own;                /* the relay's, for its notices (own_mail.h): nobody was authenticated for it */
	bool has_ended;             /* its right was withdrawn: nothing of it is begun or charged any more */
	struct quota_limits limits; /* of the section this user falls under */
	uint64_t last_transaction;  /* the number of its newest transaction: numbers grow, and none begins twice */
	struct delivery *current;   /* its transaction that is not complete yet, or NULL; deliveries keep it */
	struct arena arena;         /* holds all of the texts */
};

struct grants;

MUST_USE enum status grants_create(const struct config *config, struct grants **out_grants);
void grants_free(struct grants **grants);

/*
 * Copies the message, and replaces a grant for the same session (end its transaction first). STATUS_NO_MEMORY;
 * STATUS_TOO_LARGE: the message is, or its gate has limits.connections of them already; STATUS_INVALID: no user, or no
 * id.
 */
MUST_USE enum status grants_add(struct grants *grants, const struct door_grant *message, struct grant **out_grant);
/* The session's grant, or NULL. Borrowed. */
struct grant *grants_find(const struct grants *grants, uint32_t gate, uint64_t session);
void grants_drop(struct grants *grants, struct grant *grant);
/* Drops all of a gate; `on_dropped` is called with each before. */
void grants_drop_gate(struct grants *grants, uint32_t gate, void (*on_dropped)(void *context, struct grant *grant),
		      void *context);

size_t grants_count(const struct grants *grants);
/* Each grant; `visit` adds and drops none. */
void grants_visit(struct grants *grants, void (*visit)(void *context, struct grant *grant), void *context);

struct grant *grant_hold(struct grant *grant); /* one more reference */
void grant_release(struct grant **grant);      /* NULL-safe; sets to NULL */

/*
 * The one by which the relay itself sends (own_mail.h), from this address and no other. It is in no table, so no gate
 * can quote it. Held once.
 */
MUST_USE enum status grant_create_own(struct span sender, struct grant **out_grant);

/* "GATE-NUMBER" */
void grant_name_session(uint32_t gate, uint64_t session, char out_name[32]);

#endif
