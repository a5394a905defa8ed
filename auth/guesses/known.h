/*
 * From where each user logged in lately, in memory: users and places are kept as one keyed digest of both. It spares
 * Redis the same word twice, and stands in for it while it is away. Bounded: whoever logged in longest ago goes first.
 */
#ifndef AUTH_GUESSES_KNOWN_H
#define AUTH_GUESSES_KNOWN_H

#include "base/span.h"

#define KNOWN_MAXIMUM 65536U                /* users and places: 4 MB */
#define KNOWN_MS (30ULL * 24 * 3600 * 1000) /* 30 days */
#define KNOWN_TELL_MS 3600000ULL            /* how exactly Redis knows when somebody was last there */

struct known_places;

MUST_USE enum status known_create(struct known_places **out_known);
void known_free(struct known_places **known); /* NULL-safe; sets to NULL */

/* Whether the user logged in from there within KNOWN_MS. */
bool known_has(const struct known_places *known, const char *user, const char *place, uint64_t now_ms);
/* They do now. True: Redis has not heard of it for KNOWN_TELL_MS. */
bool known_note(struct known_places *known, const char *user, const char *place, uint64_t now_ms);
/* Redis was told. */
void known_tell(struct known_places *known, const char *user, const char *place, uint64_t now_ms);

#endif
