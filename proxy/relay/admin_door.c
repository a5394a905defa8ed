/*
 * The admin role's door. Owns it. Every request is answered: what can't be understood or done with
 * {"ok": false, "error": …}.
 */
#include "relay/admin_door.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "base/log.h"
#include "door/messages.h"
#include "relay/control.h"
#include "relay/proof.h"
#include "relay/records.h"
#include "relay/standings.h"

/* Our rows of door/commands.def. */

static const struct relay_command {
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

/* ---- the audit of commands, of all roles */

/* A record that the admin role waits for. */
struct record_question {
	struct control *control;
	uint64_t request, generation;
};

static void tell_recorded(struct control *control, uint64_t request, bool is_written)
{
	const struct door_command_recorded message = { request, is_written };
	if (control->door && door_send_command_recorded(control->door, &message) != STATUS_OK)
		log_warning("the admin role does not take its answers");
}

static void on_recorded(void *context, enum status written)
{
	struct record_question *question = context;
	if (question->generation == question->control->generation)
		tell_recorded(question->control, question->request, written == STATUS_OK);
	free(question);
}

/* Nobody waits for this one: that it is missing must be known all the same. */
static void record_result(struct control *control, const struct door_command_record *message)
{
	enum status status = records_command(control->services->audit, message, NULL, NULL);
	if (status != STATUS_OK)
		log_error("the result of %.*s by user %" PRIu64 " (%.*s) is not recorded: %s",
			  SPAN_ARGS(message->command), message->uid, SPAN_ARGS(message->result), status_text(status));
}

static void record_beginning(struct control *control, const struct door_command_record *message)
{
	struct record_question *question = NULL;
	if (!audit_is_stuck(control->services->audit))
		question = calloc(1, sizeof(*question));
	if (question) {
		*question = (struct record_question){ control, message->request, control->generation };
		if (records_command(control->services->audit, message, on_recorded, question) == STATUS_OK)
			return;
	}
	free(question);
	tell_recorded(control, message->request, false);
}

/* ---- frames */

static enum status take_record(struct control *control, struct span payload)
{
	struct door_command_record message;
	TRY(door_read_command_record(payload, &message));
	if (message.request)
		record_beginning(control, &message);
	else
		record_result(control, &message);
	return STATUS_OK;
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct control *control = context;
	struct door_control_request message;
	(void)door;
	if (type == DOOR_COMMAND_RECORD)
		return take_record(control, payload);
	if (type != DOOR_CONTROL_REQUEST)
		return STATUS_INVALID;
	TRY(door_read_control_request(payload, &message));
	json_t *object = json_read(message.json);
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
	control_inquiries_free(control);
	proof_free(&control->proof);
	control_questions_free(control);
	control_retrospects_free(control);
	standings_free(&control->standings);
}
