/* The door to the admin role: our rows of door/commands.def, and JSON on the way in and out. */
#include "auth/control.h"

#include <string.h>

#include "base/log.h"

struct control_command {
	const char *name;
	void (*run)(const struct control_call *call, const json_t *arguments);
};

static const struct control_command commands[] = {
#define AUTH_COMMAND(function, words, ...) { words, auth_control_##function },
#include "door/commands.def"
};

/* ---- requests */

static const struct control_command *find_command(const char *name)
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
	const struct control_command *command = find_command(auth_control_text(arguments, "command"));
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
