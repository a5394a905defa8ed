/*
 * Whether the right of a session that runs still holds: the relay asks before a message, once `auth.recheck` has passed
 * since the last answer. What the directory says is asked for anew; locks and app passwords are looked at as they are
 * known here.
 */
#ifndef AUTH_RECHECK_H
#define AUTH_RECHECK_H

#include "auth/auth.h"

/* Answers, now or later, with RECHECKED. */
void recheck_begin(struct auth *auth, const struct door_recheck *message);
/*
 * The same for a person of the console, as admin asks; answered with PERSON_CHECKED. The directory is asked only if
 * the message says so.
 */
void recheck_begin_person(struct auth *auth, const struct door_person_asked *message);
/* Those under way are not answered: the door that they came by is gone. */
void recheck_drop_relays(struct auth *auth);
void recheck_drop_people(struct auth *auth);
void recheck_drop_all(struct auth *auth);

#endif
