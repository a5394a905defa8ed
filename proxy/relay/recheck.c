/* What is known stands in the grants; nothing is kept here. */
#include "relay/recheck.h"

static uint64_t interval_ms(const struct rechecks *self)
{
	return self->services->config->auth.recheck;
}

static uint64_t now_ms(const struct rechecks *self)
{
	return loop_now_ms(self->services->loop);
}

/* Where nobody can say, what was known goes on, and is asked for again soon. */
void recheck_note(const struct rechecks *self, struct grant *grant, bool holds)
{
	uint64_t pause_ms = interval_ms(self);
	if (holds)
		grant->held_ms = now_ms(self);
	else if (pause_ms > RECHECK_AGAIN_MS)
		pause_ms = RECHECK_AGAIN_MS;
	grant->recheck_ms = now_ms(self) + pause_ms;
	grant->is_rechecking = false;
}

bool recheck_is_awaited(struct rechecks *self, struct grant *grant)
{
	if (grant->has_ended || grant->is_own || interval_ms(self) == 0)
		return false;
	if (grant->is_rechecking || now_ms(self) < grant->recheck_ms)
		return grant->is_rechecking;
	grant->is_rechecking = self->ask(self->context, grant) == STATUS_OK;
	if (!grant->is_rechecking)
		recheck_note(self, grant, false);
	return grant->is_rechecking;
}

bool recheck_is_overdue(const struct rechecks *self, const struct grant *grant)
{
	const struct config *config = self->services->config;
	return !grant->is_own && interval_ms(self) != 0 &&
	       now_ms(self) - grant->held_ms > interval_ms(self) + config->app_password.directory_grace;
}
