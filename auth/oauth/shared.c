/* Owned by tokens.c, used by its sources. */
#include "auth/oauth/shared.h"

#include "stats/stats.h"

/* A fetch that brings no refresh token may be lost. */
static bool is_waited_for(const struct oauth_client *client)
{
	return client->state_fd >= 0;
}

enum status oauth_shared_submit(struct oauth_shared *shared, const struct oauth_client *client, struct job *job,
				uint64_t timeout_ms)
{
	enum status status = jobs_submit(shared->jobs, job, timeout_ms);
	shared->busy += status == STATUS_OK && is_waited_for(client);
	return status;
}

void oauth_shared_job_ended(struct oauth_shared *shared, const struct oauth_client *client)
{
	if (is_waited_for(client) && --shared->busy == 0)
		shared->handler->on_idle(shared->context);
}

uint64_t oauth_shared_next_serial(struct oauth_shared *shared)
{
	return ++shared->last_serial;
}

unsigned oauth_shared_label(const struct oauth_shared *shared, const struct oauth_client *client)
{
	return (unsigned)(client - shared->clients) * STATS_SECOND_LABELS;
}

void oauth_shared_answer(const struct oauth_shared *shared, const struct door_credential_reply *reply)
{
	shared->handler->on_answer(shared->context, reply);
}
