/* Ends sessions by what their grants say. Owns nothing. */
#include "relay/withdrawals.h"

#include "base/log.h"
#include "relay/records.h"
#include "role/role.h"

void withdraw_grant(struct withdrawals *self, struct grant *grant, struct span reason)
{
	if (grant->has_ended)
		return;
	grant->has_ended = true;
	log_info("session %s of %.*s ends: %.*s", grant->name, SPAN_ARGS(grant->user), SPAN_ARGS(reason));
	deliveries_end_session(grant);
	gate_doors_end_session(self->gates, grant);
	records_session_ended(self->services->audit, grant, reason);
}

/* ---- events */

/* Whose grants an event ends. */
struct search {
	struct withdrawals *self;
	struct span user_id, app_password_id, session; /* empty: any */
	const char *reason;
	bool has_found;
};

static bool fits_wanted(struct span wanted, struct span given)
{
	return span_is_empty(wanted) || span_equal(wanted, given);
}

static bool is_user(struct span wanted, const struct grant *grant)
{
	return span_is_empty(wanted) || event_means_user(wanted, grant->user_id, grant->user);
}

static void look_at_grant(void *context, struct grant *grant)
{
	struct search *search = context;
	if (grant->has_ended || !is_user(search->user_id, grant) ||
	    !fits_wanted(search->app_password_id, grant->app_password_id) ||
	    !fits_wanted(search->session, span_of(grant->name)))
		return;
	search->has_found = true;
	withdraw_grant(search->self, grant, span_of(search->reason));
}

static void withdraw_all(struct withdrawals *self, struct search search)
{
	search.self = self;
	grants_visit(self->grants, look_at_grant, &search);
}

bool withdraw_session(struct withdrawals *self, struct span name, const char *reason)
{
	struct search search = { .self = self, .session = name, .reason = reason };
	if (!span_is_empty(name))
		grants_visit(self->grants, look_at_grant, &search);
	return search.has_found;
}

/* An event that names nobody ends nothing. */
static void on_event(void *context, const struct event *event)
{
	struct withdrawals *self = context;
	switch (event->kind) {
	case EVENT_LOCK:
		if (!span_is_empty(event->user_id))
			withdraw_all(self, (struct search){ .user_id = event->user_id, .reason = "user locked" });
		break;
	case EVENT_FORGET:
		if (!span_is_empty(event->user_id))
			withdraw_all(self, (struct search){ .user_id = event->user_id, .reason = "user forgotten" });
		break;
	case EVENT_REVOKE:
		if (!span_is_empty(event->object))
			withdraw_all(self, (struct search){ .user_id = event->user_id,
							    .app_password_id = event->object,
							    .reason = "app password revoked" });
		break;
	case EVENT_KICK:
		if (span_equal(event->node, span_of(self->services->role->node)))
			withdraw_session(self, event->object, "ended by an administrator");
		break;
	case EVENT_COUNT:
		quota_forget_seen(self->services->quota, event->object);
		break;
	case EVENT_UNLOCK:
	default:
		break;
	}
}

static void doubt_grant(void *context, struct grant *grant)
{
	(void)context;
	grant->recheck_ms = 0;
}

/* What ended a right meanwhile may not be told again: the auth role is asked before each session's next message. */
static void on_resumed(void *context)
{
	const struct withdrawals *self = context;
	grants_visit(self->grants, doubt_grant, NULL);
}

const struct events_handler withdrawals_handler = { on_event, on_resumed };
