/* Answers to administrators' commands for the supervisor: a reload's comes later than the command. Owns nothing. */
#include "supervise/supervisor_answers.h"

#include <stdlib.h>
#include <string.h>

#include "door/messages.h"

enum status supervisor_answer(struct door *door, uint64_t request, json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	const struct door_control_reply reply = { .request = request, .json = span_of(text) };
	enum status status = door_send_control_reply(door, &reply);
	free(text);
	return status;
}

enum status supervisor_answer_done(struct door *door, uint64_t request)
{
	return supervisor_answer(door, request, json_pack("{s:b}", "ok", 1));
}

enum status supervisor_refuse(struct door *door, uint64_t request, const char *error)
{
	char *text = strdup(error);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	size_t size = strlen(text);
	if (size && text[size - 1] == '\n')
		text[size - 1] = '\0';
	/* A path in a fault may not be UTF-8, which JSON requires. */
	json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", text);
	if (answer == NULL)
		answer = json_pack("{s:b, s:s}", "ok", 0, "error", "refused; the log tells why");
	free(text);
	return supervisor_answer(door, request, answer);
}

/* ---- to a reload */

static struct post *find_admin(struct generation *generation, uint32_t instance)
{
	for (size_t i = 0; generation && i < generation->post_count; i++) {
		struct post *post = &generation->posts[i];
		if (post->kind == ROLE_ADMIN && post->instance == instance && post->control)
			return post;
	}
	return NULL;
}

void supervisor_answer_reload(struct supervisor *supervisor, const char *error)
{
	const struct reload reload = supervisor->reload;
	struct post *admin = NULL;
	supervisor->reload = (struct reload){ 0 };
	if (reload.admin == 0)
		return;
	admin = find_admin(supervisor->current, reload.admin);
	for (struct generation *g = supervisor->outgoing; g && admin == NULL; g = g->next)
		admin = find_admin(g, reload.admin);
	if (admin == NULL)
		return;
	enum status status = error ? supervisor_refuse(admin->control, reload.request, error)
				   : supervisor_answer_done(admin->control, reload.request);
	if (status != STATUS_OK)
		door_free(&admin->control);
}
