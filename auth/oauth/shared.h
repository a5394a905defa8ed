/* What all sources of tokens share: the threads, the numbers of tokens, and whoever is told of them. */
#ifndef AUTH_OAUTH_SHARED_H
#define AUTH_OAUTH_SHARED_H

#include "auth/oauth/client.h"
#include "door/messages.h"
#include "net/jobs.h"

struct tokens_handler {
	/* The answer to a tokens_ask; its texts are valid during the call. */
	void (*on_answer)(void *context, const struct door_credential_reply *reply);
	/* tokens_are_busy no more. */
	void (*on_idle)(void *context);
};

/* Part of struct tokens, whose sources it outlives. */
struct oauth_shared {
	const struct role_context *role;
	const struct tokens_handler *handler;
	void *context;
	struct jobs *jobs;
	struct oauth_client *clients; /* as the config's sections */
	uint64_t last_serial;
	size_t busy; /* jobs under way that may bring a refresh token */
};

/* As jobs_submit. */
MUST_USE enum status oauth_shared_submit(struct oauth_shared *shared, const struct oauth_client *client,
					 struct job *job, uint64_t timeout_ms);
/* Called at the end of the job's on_done. */
void oauth_shared_job_ended(struct oauth_shared *shared, const struct oauth_client *client);
uint64_t oauth_shared_next_serial(struct oauth_shared *shared);
/* Of counters by section. */
unsigned oauth_shared_label(const struct oauth_shared *shared, const struct oauth_client *client);
void oauth_shared_answer(const struct oauth_shared *shared, const struct door_credential_reply *reply);

#endif
