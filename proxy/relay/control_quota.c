/* quota show and quota reset. Owns the questions that wait for Redis. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/control.h"
#include "relay/records.h"

#define CONTROL_USER_MAXIMUM 320 /* bytes: no address is longer */

struct question {
	struct question *next;
	struct control *control;
	uint64_t request, generation;
	bool is_reset;
	size_t user_size;
	char user[];
};

static json_t *describe_quota(const struct question *question, const struct quota_state *state)
{
	char resets_at[CLOCK_TEXT_SIZE];
	clock_format_seconds(state->resets_at, resets_at);
	return json_pack("{s:b, s:s%, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "ok", 1, "user", question->user,
			 question->user_size, "used", (json_int_t)state->messages, "limit",
			 (json_int_t)state->limits.messages_per_day, "recipients_used", (json_int_t)state->recipients,
			 "recipients_limit", (json_int_t)state->limits.recipients_per_day, "bytes_used",
			 (json_int_t)state->bytes, "bytes_limit", (json_int_t)state->limits.bytes_per_day, "resets_at",
			 resets_at);
}

static void forget_question(struct question *question)
{
	struct question **at = &question->control->first;
	while (*at != question)
		at = &(*at)->next;
	*at = question->next;
	free(question);
}

static void on_quota(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct question *question = context;
	struct control *control = question->control;
	struct span user = { question->user, question->user_size };
	if (question->is_reset && verdict == QUOTA_GRANTED)
		records_admin_command(control->services->audit, user, SPAN("quota reset"));
	if (question->generation == control->generation) {
		if (verdict == QUOTA_GRANTED)
			control_reply(control, question->request, describe_quota(question, state));
		else
			control_refuse(control, question->request, "quota service unavailable");
	}
	forget_question(question);
}

static struct question *open_question(struct control *control, uint64_t request, struct span user)
{
	struct question *question = calloc(1, sizeof(*question) + user.size + 1);
	if (question == NULL)
		return NULL;
	question->control = control;
	question->request = request;
	question->generation = control->generation;
	question->user_size = user.size;
	memcpy(question->user, user.data, user.size);
	question->next = control->first;
	control->first = question;
	return question;
}

/* Groups are not known here: the limits of the last login count, else those by name. */
static struct quota_limits limits_of(const struct services *services, struct span name)
{
	struct quota_limits limits;
	const struct user *user = users_find(services->users, name);
	if (user)
		return user->limits;
	quota_limits_for(services->config, name, NULL, 0, &limits);
	return limits;
}

static void ask_quota(struct control *control, uint64_t request, const json_t *object, bool is_reset)
{
	const json_t *name = json_object_get(object, "user");
	struct span user = { json_string_value(name), json_string_length(name) };
	if (user.size == 0 || user.size > CONTROL_USER_MAXIMUM) {
		control_refuse(control, request, "a user is wanted");
		return;
	}
	struct question *question = open_question(control, request, user);
	if (question == NULL) {
		control_refuse(control, request, "out of memory");
		return;
	}
	question->is_reset = is_reset;
	struct quota_limits limits = limits_of(control->services, user);
	enum status status =
		(is_reset ? quota_reset : quota_show)(control->services->quota, user, &limits, on_quota, question);
	if (status != STATUS_OK) {
		forget_question(question);
		control_refuse(control, request, "quota service unavailable");
	}
}

void control_show_quota(struct control *control, uint64_t request, const json_t *object)
{
	ask_quota(control, request, object, false);
}

void control_reset_quota(struct control *control, uint64_t request, const json_t *object)
{
	ask_quota(control, request, object, true);
}

void control_questions_free(struct control *control)
{
	while (control->first)
		forget_question(control->first);
}
