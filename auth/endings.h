/* What the auth role hears and tells of rights that end, by way of Redis (redis/events.h). */
#ifndef AUTH_ENDINGS_H
#define AUTH_ENDINGS_H

#include "auth/auth.h"

/* For events_create, with the struct auth as context: locks are noted, and what is remembered of users is forgotten. */
extern const struct events_handler endings_handler;

/* What is remembered of them here: their next login asks the directory. */
void endings_forget(struct auth *auth, struct span user_id);
/* Tells all roles and nodes; `object` as in struct event. False, and logged: they can't be told. */
bool endings_tell(struct auth *auth, enum event_kind kind, struct span user_id, struct span object);

#endif
