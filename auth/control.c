/* The door to the admin role: our rows of door/commands.def, and JSON on the way in and out. */
#include "auth/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct command {
	const char *name;
	void (*run)(const struct control_call *call, const json_t *arguments);
};

static const struct command commands[] = {
#define AUTH_COMMAND(function, words, ...) { words, auth_control_##function },
#include "door/commands.def"
};

/* ---- answers */

static void send_text(const struct control_call *call, struct span json)
{
	struct auth *auth = call->auth;
	struct door_control_reply reply = { .request = call->request, .json = json };
	if (auth->admin == NULL || auth->admin_generation != call->generation)
		return; /* who asked is gone */
	if (door_send_control_reply(auth->admin, &reply) != STATUS_OK)
		log_warning("the admin role does not take an answer");
}

static enum status write_object(json_t *object, struct buf *text)
{
	char *dumped = object ? json_dumps(object, JSON_COMPACT) : NULL;
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

/* ---- requests */

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct auth *auth = context;
	struct door_control_request request;
	(void)door;
	if (type != DOOR_CONTROL_REQUEST)
		return STATUS_INVALID;
	TRY(door_read_control_request(payload, &request));
	struct control_call call = { auth, request.request, auth->admin_generation };
	json_t *arguments = json_loadb(request.json.data, request.json.size, JSON_REJECT_DUPLICATES, NULL);
	const struct command *command = find_command(auth_control_text(arguments, "command"));
	if (command)
		command->run(&call, arguments);
	else
		auth_control_refuse(&call, "unknown command");
	json_decref(arguments);
	return STATUS_OK;
}

/* ---- life */

void auth_detach_admin(struct auth *auth)
{
	door_free(&auth->admin);
	auth->admin_generation++;
}

static void on_closed(void *context, struct door *door)
{
	(void)door;
	auth_detach_admin(context);
}

static const struct door_handler handler = { .on_frame = on_frame, .on_closed = on_closed };

void auth_attach_admin(struct auth *auth, int fd)
{
	auth_detach_admin(auth);
	enum status status = door_create(auth->role->loop, fd, &handler, auth, &auth->admin);
	if (status != STATUS_OK)
		log_error("no door to the admin role: %s", status_text(status));
}
