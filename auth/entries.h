/*
 * What a directory last said of a user, kept by the name that was given: it spares back ends a question, and stands in
 * for a directory that can't be reached.
 */
#ifndef AUTH_ENTRIES_H
#define AUTH_ENTRIES_H

#include "auth/chain.h"

/* Without memory nothing is kept, and the directory is asked again next time. */
void entries_remember(struct chain_ask *ask, const struct identity *identity);
/* NULL if nothing is known, or only what is older than `max_age_ms`. Valid until the next change. */
const struct identity *entries_recall(struct chain_ask *ask, uint64_t max_age_ms);
void entries_forget(struct chain_ask *ask);

#endif
