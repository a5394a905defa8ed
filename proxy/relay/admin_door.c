/*
 * The admin role's door. Owns it. Every request is answered: what can't be understood or done with
 * {"ok": false, "error": …}.
 */
#include "relay/admin_door.h"

#include "base/log.h"
#include "door/messages.h"
#include "relay/control.h"

/* Our rows of door/commands.def. */

static const struct command {
	const char *name;
	void (*run)(struct control *control, uint64_t request, const json_t *object);
} commands[] = {
#define RELAY_COMMAND(function, words, ...) { words, control_##function },
#include "door/commands.def"
};

static void run_command(struct control *control, uint64_t request, const json_t *object)
{
	struct span wanted = span_of(json_string_value(json_object_get(object, "command")));
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (span_equal(span_of(commands[i].name), wanted)) {
			commands[i].run(control, request, object);
			return;
		}
	}
	control_refuse(control, request, "unknown command");
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct control *control = context;
	struct door_control_request message;
	(void)door;
	if (type != DOOR_CONTROL_REQUEST)
		return STATUS_INVALID;
	TRY(door_read_control_request(payload, &message));
	json_t *object = json_loadb(message.json.data, message.json.size, JSON_REJECT_DUPLICATES, NULL);
	if (object)
		run_command(control, message.request, object);
	else
		control_refuse(control, message.request, "not JSON");
	json_decref(object);
	return STATUS_OK;
}

static void on_closed(void *context, struct door *door)
{
	(void)door;
	relay_admin_door_close(context);
}

static const struct door_handler handler = { .on_frame = on_frame, .on_closed = on_closed };

void relay_admin_door_attach(struct control *control, int fd)
{
	relay_admin_door_close(control);
	enum status status = door_create(control->services->loop, fd, &handler, control, &control->door);
	if (status != STATUS_OK)
		log_error("the admin role can't be served: %s", status_text(status));
}

void relay_admin_door_close(struct control *control)
{
	door_free(&control->door);
	control->generation++;
}

void relay_admin_door_free(struct control *control)
{
	control_trials_free(control);
	control_questions_free(control);
}
