/* Owns nothing. */
#include "auth/endings.h"

#include "base/log.h"

void endings_forget(struct auth *auth, struct span user_id)
{
	cache_forget(auth->logins, user_id);
	cache_forget(auth->entries, user_id);
	cache_forget(auth->tokens_known, user_id);
	last_words_forget_user(auth->last_words, user_id);
}

static void on_event(void *context, const struct event *event)
{
	struct auth *auth = context;
	switch (event->kind) {
	case EVENT_LOCK:
	case EVENT_UNLOCK:
		locks_note(auth->locks, event->user_id, event->kind == EVENT_LOCK);
		break;
	case EVENT_FORGET:
		endings_forget(auth, event->user_id);
		break;
	case EVENT_REVOKE:
	case EVENT_COUNT:
	case EVENT_KICK:
	default:
		break;
	}
}

static void on_resumed(void *context)
{
	struct auth *auth = context;
	locks_reload(auth->locks);
}

const struct events_handler endings_handler = { on_event, on_resumed };

bool endings_tell(struct auth *auth, enum event_kind kind, struct span user_id, struct span object)
{
	const struct event event = { .kind = kind, .user_id = user_id, .object = object };
	enum status status = events_publish(auth->events, &event);
	if (status != STATUS_OK)
		log_error("running sessions can't be ended: %s", status_text(status));
	return status == STATUS_OK;
}
