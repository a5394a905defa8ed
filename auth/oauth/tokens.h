/*
 * The access tokens of relays: fetched by threads before they are needed, renewed
 * before they expire, and given to the relay role for each login. One source a
 * section and mailbox; concurrent logins wait for one fetch.
 *
 * How it fails: an endpoint that can't be reached rests with growing pauses,
 * and the current token stays in use until it expires; one that refuses rests
 * longer. A login meanwhile hears the reason at once.
 */
#ifndef AUTH_OAUTH_TOKENS_H
#define AUTH_OAUTH_TOKENS_H

#include "auth/oauth/fetch.h"
#include "auth/oauth/shared.h"
#include "role/role.h"

struct tokens;

/* Takes the sections' descriptors over and begins to fetch. Logs why it can't. `handler` is static. */
MUST_USE enum status tokens_create(const struct role_context *role, const struct tokens_handler *handler, void *context,
				   struct tokens **out_tokens);
void tokens_free(struct tokens **tokens); /* NULL-safe; sets to NULL */

/* Whether this relay (its number in the config) is logged in at with tokens. */
bool tokens_serve(const struct tokens *tokens, size_t relay);
/*
 * Answered at once, or when the fetch under way has ended. `mailbox`: the sender's, with per_sender; it is held against
 * the relay's domain here again. Empty: the relay's `user`.
 */
void tokens_ask(struct tokens *tokens, size_t relay, struct span mailbox, uint64_t request);
/* The token of that serial was refused by the relay: it is not given again. */
void tokens_refuse(struct tokens *tokens, size_t relay, struct span mailbox, uint64_t serial);
/* Whoever asked is gone. */
void tokens_forget_asked(struct tokens *tokens);
/* From now on only what is asked for is fetched. */
void tokens_drain(struct tokens *tokens);
/* A fetch or a consent is under way that may bring a refresh token, the only one that is good from then on. */
bool tokens_are_busy(const struct tokens *tokens);

/* ---- for an administrator's consent */

/* The section that serves this relay; NULL: none does. */
const struct oauth_client *tokens_client(const struct tokens *tokens, const char *relay);
/* As jobs_submit. */
MUST_USE enum status tokens_submit(struct tokens *tokens, const struct oauth_client *client, struct job *job,
				   uint64_t timeout_ms);
/* Called at the end of the job's on_done. */
void tokens_job_ended(struct tokens *tokens, const struct oauth_client *client);
/* What a consent brought: given to logins from now on. */
void tokens_install(struct tokens *tokens, const struct oauth_client *client, const struct token_answer *answer);

#endif
