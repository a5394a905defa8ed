/* Issuers, by the configuration's sections. Owns their secrets and the threads that ask them. */
#include "auth/bearer/bearers.h"

#include <stdlib.h>
#include <string.h>

#include "auth/bearer/token.h"
#include "base/log.h"
#include "net/https.h"

#define THREADS_MAXIMUM 4
#define QUEUE_MAXIMUM 512 /* questions and fetches that wait for a thread */

struct bearers {
	struct jobs *jobs;
	struct bearer_client *clients;
	struct issuer **issuers;
	size_t count; /* of clients that are open */
};

void bearers_free(struct bearers **bearers)
{
	struct bearers *ending = *bearers;
	*bearers = NULL;
	if (ending == NULL)
		return;
	for (size_t i = 0; ending->issuers && i < ending->count; i++)
		issuer_free(&ending->issuers[i]);
	bool ended = jobs_free(&ending->jobs);
	/* What a thread that was left behind may look at stays. */
	for (size_t i = 0; ended && i < ending->count; i++)
		bearer_client_close(&ending->clients[i]);
	if (ended)
		free(ending->clients);
	free(ending->issuers);
	free(ending);
}

static enum status start_jobs(const struct role_context *role, struct bearers *bearers, size_t count)
{
	const struct jobs_settings settings = {
		.name = "bearer",
		.kind = LIFE_TOKEN,
		.threads = count < THREADS_MAXIMUM ? (unsigned)count + 1 : THREADS_MAXIMUM,
		.queue_maximum = QUEUE_MAXIMUM,
	};
	TRY(https_open());
	return jobs_create(role->loop, &settings, &bearers->jobs);
}

static enum status open_issuers(const struct role_context *role, struct bearers *bearers)
{
	const struct config *config = role->config;
	size_t count = config->bearer.count;
	if (count == 0)
		return STATUS_OK;
	bearers->clients = calloc(count, sizeof(*bearers->clients));
	bearers->issuers = calloc(count, sizeof(struct issuer *));
	if (bearers->clients == NULL || bearers->issuers == NULL)
		return STATUS_NO_MEMORY;
	TRY(start_jobs(role, bearers, count));
	for (size_t i = 0; i < count; i++) {
		TRY(bearer_client_open(role, &config->bearer.items[i], &bearers->clients[i]));
		bearers->count++;
		TRY(issuer_create(role->loop, bearers->jobs, &bearers->clients[i], &bearers->issuers[i]));
	}
	return STATUS_OK;
}

enum status bearers_create(const struct role_context *role, struct bearers **out_bearers)
{
	struct bearers *bearers = calloc(1, sizeof(*bearers));
	if (bearers == NULL)
		return STATUS_NO_MEMORY;
	enum status status = open_issuers(role, bearers);
	if (status == STATUS_OK) {
		*out_bearers = bearers;
		return STATUS_OK;
	}
	log_error("tokens of users can't be checked: %s", status_text(status));
	bearers_free(&bearers);
	return status;
}

static struct issuer *find_named(const struct bearers *bearers, const char *issuer)
{
	for (size_t i = 0; issuer && i < bearers->count; i++)
		if (strcmp(issuer_config(bearers->issuers[i])->issuer, issuer) == 0)
			return bearers->issuers[i];
	return NULL;
}

static struct issuer *find_introspecting(const struct bearers *bearers)
{
	for (size_t i = 0; i < bearers->count; i++)
		if (*issuer_config(bearers->issuers[i])->introspection_url)
			return bearers->issuers[i];
	return NULL;
}

/* What a token says of itself decides only who is asked about it. */
static struct issuer *find_issuer(const struct bearers *bearers, struct span text)
{
	struct bearer_token token BEARER_TOKEN_AUTO = { 0 };
	if (!bearer_token_is_jwt(text))
		return find_introspecting(bearers);
	return bearer_token_read(text, &token) == STATUS_OK ? find_named(bearers, token.issuer) : NULL;
}

bool bearers_ask_issuer(const struct bearers *bearers, struct span token)
{
	const struct issuer *issuer = find_issuer(bearers, token);
	return issuer && *issuer_config(issuer)->introspection_url;
}

void bearers_ask(struct bearers *bearers, struct span token, uint64_t owner, bearer_answered answered, void *context,
		 struct bearer_ask **out_ask)
{
	const struct bearer_answer stranger = { .verdict = VERDICT_WRONG, .reason = "token of no known issuer" };
	struct issuer *issuer = find_issuer(bearers, token);
	*out_ask = NULL;
	if (issuer)
		issuer_ask(issuer, token, owner, answered, context, out_ask);
	else
		answered(context, &stranger);
}
