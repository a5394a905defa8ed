/* The door to the admin role: our rows of door/commands.def, and JSON on the way in and out. */
#include "auth/control/control.h"

#include <stdlib.h>
#include <string.h>

#include "auth/gate_door.h"
#include "auth/recheck.h"
#include "base/json_text.h"
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

static enum status take_request(struct auth *auth, struct span payload)
{
	struct door_control_request request;
	TRY(door_read_control_request(payload, &request));
	struct control_call call = { auth, request.request, auth->admin_generation };
	json_t *arguments = json_read(request.json);
	const struct control_command *command = find_command(auth_control_text(arguments, "command"));
	if (command)
		command->run(&call, arguments);
	else
		auth_control_refuse(&call, "unknown command");
	json_decref(arguments);
	return STATUS_OK;
}

/* ---- logins of the console */

static enum status take_login(struct auth *auth, struct span payload)
{
	struct door_sasl_start message;
	TRY(door_read_sasl_start(payload, &message));
	return auth->gate_handler->on_start(auth->console, &message);
}

static enum status take_provider_asked(struct auth *auth, struct span payload)
{
	struct door_provider_asked message;
	struct buf url BUF_AUTO;
	buf_init(&url, SIGN_IN_URL_MAXIMUM);
	TRY(door_read_provider_asked(payload, &message));
	if (auth->sign_in == NULL ||
	    sign_in_write_url(auth->sign_in, message.state, message.nonce, message.challenge, &url) != STATUS_OK)
		buf_clear(&url);
	const struct door_provider_told told = { .request = message.request, .url = buf_span(&url) };
	return door_send_provider_told(auth->admin, &told);
}

static enum status take_person_asked(struct auth *auth, struct span payload)
{
	struct door_person_asked message;
	TRY(door_read_person_asked(payload, &message));
	recheck_begin_person(auth, &message);
	return STATUS_OK;
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct auth *auth = context;
	(void)door;
	switch (type) {
	case DOOR_CONTROL_REQUEST:
		return take_request(auth, payload);
	case DOOR_SASL_START:
		return take_login(auth, payload);
	case DOOR_PROVIDER_ASKED:
		return take_provider_asked(auth, payload);
	case DOOR_PERSON_ASKED:
		return take_person_asked(auth, payload);
	default:
		return STATUS_INVALID;
	}
}

/* ---- life */

static void drop_console(struct auth *auth)
{
	if (auth->console == NULL)
		return;
	auth->gate_handler->on_gone(auth->console);
	map_free(&auth->console->exchanges);
	free(auth->console);
	auth->console = NULL;
}

void auth_detach_admin(struct auth *auth)
{
	drop_console(auth);
	recheck_drop_people(auth);
	door_free(&auth->admin);
	auth->admin_generation++;
}

static void on_closed(void *context, struct door *door)
{
	(void)door;
	auth_detach_admin(context);
}

static const struct door_handler handler = { .on_frame = on_frame, .on_closed = on_closed };

static enum status make_console(struct auth *auth, uint32_t instance)
{
	auth->console = calloc(1, sizeof(*auth->console));
	if (auth->console == NULL)
		return STATUS_NO_MEMORY;
	auth->console->auth = auth;
	auth->console->is_console = true;
	auth->console->instance = instance;
	auth->console->door = auth->admin;
	return map_init(&auth->console->exchanges);
}

void auth_attach_admin(struct auth *auth, uint32_t instance, int fd)
{
	auth_detach_admin(auth);
	enum status status = door_create(auth->role->loop, fd, &handler, auth, &auth->admin);
	if (status == STATUS_OK)
		status = make_console(auth, instance);
	if (status != STATUS_OK) {
		log_error("no door to the admin role: %s", status_text(status));
		auth_detach_admin(auth);
	}
}
