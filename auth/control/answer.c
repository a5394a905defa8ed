/* Answers to an administrator, as JSON. Whoever asked may be gone by then: their door is, and the answer is dropped. */
#include "auth/control/answer.h"

#include <stdlib.h>

#include "base/json_text.h"
#include "base/log.h"

static void send_text(const struct control_call *call, struct span json)
{
	struct auth *auth = call->auth;
	struct door_control_reply reply = { .request = call->request, .json = json };
	if (auth->admin == NULL || auth->admin_generation != call->generation)
		return; /* whoever asked is gone */
	if (door_send_control_reply(auth->admin, &reply) != STATUS_OK)
		log_warning("the admin role does not take an answer");
}

static enum status write_object(json_t *object, struct buf *text)
{
	char *dumped = object ? json_write(object) : NULL;
	enum status status = dumped ? buf_append_text(text, dumped) : STATUS_NO_MEMORY;
	free(dumped);
	json_decref(object);
	return status;
}

/* The object's closing brace gives way to one more field. */
static enum status write_secret(struct buf *text, struct buf *object, const char *name, const struct secret *value)
{
	struct span whole = buf_span(object);
	TRY(buf_append(text, span_slice(whole, 0, whole.size - 1)));
	TRY(buf_printf(text, ",\"%s\":\"", name));
	TRY(buf_append(text, secret_reveal(value)));
	return buf_append_text(text, "\"}");
}

static json_t *mark_ok(json_t *fields)
{
	if (fields && json_object_set_new(fields, "ok", json_true()) == 0)
		return fields;
	json_decref(fields);
	return NULL;
}

static void answer_no_memory(const struct control_call *call)
{
	send_text(call, SPAN("{\"ok\":false,\"error\":\"out of memory, or the answer is too large\"}"));
}

void auth_control_answer(const struct control_call *call, json_t *fields)
{
	struct buf text BUF_AUTO;
	buf_init(&text, DOOR_FRAME_MAXIMUM / 2);
	if (write_object(mark_ok(fields), &text) == STATUS_OK)
		send_text(call, buf_span(&text));
	else
		answer_no_memory(call);
}

void auth_control_answer_secret(const struct control_call *call, json_t *fields, const char *name,
				const struct secret *value)
{
	struct buf object BUF_AUTO;
	struct buf text BUF_AUTO;
	buf_init(&object, DOOR_FRAME_MAXIMUM / 2);
	buf_init_sensitive(&text, DOOR_FRAME_MAXIMUM / 2);
	if (write_object(mark_ok(fields), &object) == STATUS_OK &&
	    write_secret(&text, &object, name, value) == STATUS_OK)
		send_text(call, buf_span(&text));
	else
		answer_no_memory(call);
}

void auth_control_refuse(const struct control_call *call, const char *error)
{
	struct buf text BUF_AUTO;
	buf_init(&text, DOOR_FRAME_MAXIMUM / 2);
	if (write_object(json_pack("{sb ss}", "ok", 0, "error", error), &text) == STATUS_OK)
		send_text(call, buf_span(&text));
	else
		answer_no_memory(call);
}

const char *auth_control_text(const json_t *arguments, const char *name)
{
	return json_string_value(json_object_get(arguments, name));
}
