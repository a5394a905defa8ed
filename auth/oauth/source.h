/* One source of access tokens: a section, and with service accounts a mailbox. Private to this folder. */
#ifndef AUTH_OAUTH_SOURCE_H
#define AUTH_OAUTH_SOURCE_H

#include "auth/oauth/fetch.h"
#include "auth/oauth/shared.h"

struct source;

/*
 * `shared` and `client` live longer; `subject`, "" where the token is for no mailbox in particular, is copied. A
 * `personal` one is a sender's: it is fetched when it is asked for, and not renewed while nobody asks.
 */
MUST_USE enum status source_create(struct oauth_shared *shared, const struct oauth_client *client, const char *subject,
				   bool personal, struct source **out_source);
void source_free(struct source **source); /* when no job of it runs any more; NULL-safe; sets to NULL */
const struct oauth_client *source_client(const struct source *source);
bool source_is_for(const struct source *source, const struct oauth_client *client, const char *subject);

/* Fetches, unless one is under way. */
void source_begin(struct source *source);
/* For this mailbox of that relay. */
void source_ask(struct source *source, size_t relay, struct span mailbox, uint64_t request);
/* When it was asked last; UINT64_MAX while it fetches, or somebody waits. */
uint64_t source_asked_ms(const struct source *source);
void source_refuse(struct source *source, uint64_t serial);
void source_forget_asked(struct source *source);
void source_install(struct source *source, const struct token_answer *answer);
void source_drain(struct source *source);

#endif
