/*
 * Connections to the control socket. It owns its listener and a client for each
 * connection; a client owns its stream. A client that breaks the protocol is told
 * why and loses its connection. One that is silent or doesn't read loses it too,
 * at once when others want its place.
 */
#include "admin/control_socket.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/places.h"
#include "base/json_text.h"
#include "base/log.h"
#include "net/listener.h"
#include "net/stream.h"

/* Connections; administrators are few, and one request takes moments. */
#define CLIENTS_MAXIMUM 64
/* Of them, for one administrator, or for all operators together: the rest is left to others, root above all. */
#define CLIENTS_OF_A_USER 48
#define OPERATORS (UINT64_MAX - 1) /* in the place of a user: no uid is that large */
/* Until the next request is complete, even if its bytes trickle in. */
#define IDLE_MS 10000
/* For a role to answer: the auth role waits for directories, and a test of an upstream takes its time. */
#define ANSWER_MS 60000
/* For the supervisor: a reload is answered after 12 s at most. */
#define SUPERVISOR_MS 14000
/* For the last answer to be read. */
#define FINISH_MS 5000
/* Bytes: the largest frame of a door, and an error. */
#define OUTPUT_MAXIMUM (2U << 20)

#define NO_PERMISSION SPAN("{\"ok\":false,\"error\":\"no permission: be root, or in a group of admin\"}\n")
#define TOO_MANY SPAN("{\"ok\":false,\"error\":\"too many requests are under way; try again in a minute\"}\n")

struct client {
	struct place place; /* first, so that a place is its client */
	struct control_socket *control;
	struct client *next;
	struct stream *stream;
	struct caller caller;
	uint64_t request;    /* under way, or 0 */
	enum role_kind role; /* that it went to */
	bool ended;          /* the peer sends nothing more */
};

struct control_socket {
	struct loop *loop;
	struct caller_groups groups;
	int fd;                    /* the listening socket until it is opened; -1 after */
	struct listener *listener; /* NULL until opened, and once draining */
	const struct control_socket_handler *handler;
	void *context;
	struct client *clients;
	struct places places;
	uint64_t last_request;
	bool draining;
	bool told; /* the handler knows that it is drained */
};

/* ---- clients' lives */

static void forget_client(struct client *client)
{
	struct control_socket *control = client->control;
	struct client **link = &control->clients;
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	places_remove(&control->places, &client->place);
	stream_free(&client->stream);
	free(client);
}

/* What has been written still goes out. */
static void finish_client(struct client *client)
{
	stream_finish(&client->stream, FINISH_MS);
	forget_client(client);
}

static bool is_waited_for(const struct control_socket *control)
{
	for (const struct client *client = control->clients; client; client = client->next) {
		if (client->request)
			return true;
	}
	return false;
}

static void tell_drained(struct control_socket *control)
{
	if (!control->draining || control->told || is_waited_for(control))
		return;
	control->told = true;
	control->handler->drained(control->context);
}

/* ---- answers */

static enum status write_line(struct client *client, struct span json)
{
	TRY(stream_write(client->stream, json));
	return stream_write(client->stream, SPAN("\n"));
}

static enum status write_error(struct client *client, const char *reason)
{
	char *text = NULL;
	json_t *reply = json_pack("{s:b, s:s}", "ok", 0, "error", reason);
	if (reply)
		text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (!text)
		return STATUS_NO_MEMORY;
	enum status status = write_line(client, span_of(text));
	free(text);
	return status;
}

/* A role's answer as it came. Anything but a JSON object on one line would put the connection out of step. */
static enum status write_answer(struct client *client, struct span json)
{
	json_t *reply = json_read(json);
	bool fits = json_is_object(reply) && !span_contains_byte(json, '\n');
	json_decref(reply);
	return fits ? write_line(client, json) : write_error(client, "the answer can't be read");
}

/* ---- requests */

static enum status ask_role(struct client *client, const struct admin_command *command, struct span line)
{
	struct control_socket *control = client->control;
	const enum role_kind role = command->role;
	const struct admin_request request = { ++control->last_request, command, &client->caller, line };
	char reason[COMMAND_REASON_SIZE];
	enum status status = control->handler->ask(control->context, &request);
	if (status != STATUS_OK) {
		snprintf(reason, sizeof(reason), status == STATUS_UNAVAILABLE ? "%s is not running" : "%s",
			 status == STATUS_UNAVAILABLE ? role_kind_text(role) : RECORDER_REFUSAL);
		return write_error(client, reason);
	}
	client->request = request.number;
	client->role = role;
	client->place.state = PLACE_BUSY;
	stream_set_deadline(client->stream, role == ROLE_SUPERVISOR ? SUPERVISOR_MS : ANSWER_MS);
	return STATUS_OK;
}

static enum status handle_line(struct client *client, struct span line)
{
	char reason[COMMAND_REASON_SIZE];
	const struct admin_command *command;
	stream_set_deadline(client->stream, IDLE_MS);
	client->place.state = PLACE_SERVED;
	if (admin_command_check(line, &command, reason) != STATUS_OK)
		return write_error(client, reason);
	if (command->effect == COMMAND_EFFECT_CHANGES && client->caller.right != CALLER_ADMIN) {
		log_warning("%s by user %" PRIu64 " refused: an operator may not", command->name, client->caller.uid);
		return write_error(client, "this needs a member of admin.group: operators may show and test only");
	}
	return ask_role(client, command, line);
}

/* Handles whole lines until one is under way. False: the client is gone. */
static bool read_lines(struct client *client)
{
	struct buf *input = stream_input(client->stream);
	enum status status = STATUS_OK;
	while (!client->request && status == STATUS_OK) {
		struct span bytes = buf_span(input);
		size_t end = span_find_byte(bytes, '\n');
		if (end == bytes.size)
			break;
		status = handle_line(client, span_slice(bytes, 0, end));
		buf_consume(input, end + 1);
	}
	if (status == STATUS_OK && !client->request && buf_size(input) > COMMAND_LINE_MAXIMUM) {
		status = write_error(client, "the line is too long");
		if (status == STATUS_OK)
			status = STATUS_END;
	}
	if (status == STATUS_OK && (client->request || !(client->ended || client->control->draining)))
		return true;
	finish_client(client);
	return false;
}

static void settle_request(struct client *client, enum status written)
{
	struct control_socket *control = client->control;
	client->request = 0;
	client->place.state = PLACE_SERVED;
	stream_set_deadline(client->stream, IDLE_MS);
	if (written == STATUS_OK)
		(void)read_lines(client);
	else
		forget_client(client);
	tell_drained(control);
}

static void settle_with_error(struct client *client, const char *what)
{
	char reason[COMMAND_REASON_SIZE];
	snprintf(reason, sizeof(reason), "%s %s", role_kind_text(client->role), what);
	settle_request(client, write_error(client, reason));
}

static void on_client_event(void *context, struct stream *stream, enum stream_event event)
{
	struct client *client = context;
	(void)stream;
	switch (event) {
	case STREAM_ENDED:
		client->ended = true;
		(void)read_lines(client);
		break;
	case STREAM_INPUT:
		(void)read_lines(client);
		break;
	case STREAM_TIMEOUT:
		if (client->request)
			settle_with_error(client, "did not answer in time; whether it was done is not known");
		else
			finish_client(client);
		break;
	case STREAM_CONNECTED:
	case STREAM_SECURED:
	case STREAM_DRAINED:
		break;
	case STREAM_FAILED:
	default: {
		struct control_socket *control = client->control;
		forget_client(client);
		tell_drained(control);
	}
	}
}

static uint64_t whose_share(const struct caller *caller)
{
	return caller->right == CALLER_ADMIN ? caller->uid : OPERATORS;
}

/* False: all connections are busy, or all of this user's share. */
static bool make_room(struct control_socket *control, uint64_t user)
{
	struct place *leaver = NULL;
	if (places_make_room(&control->places, user, &leaver) != STATUS_OK)
		return false;
	if (leaver)
		forget_client((struct client *)leaver);
	return true;
}

static void turn_away(int fd, struct span text)
{
	(void)!send(fd, text.data, text.size, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void on_accepted(void *context, int fd, const struct endpoint *peer)
{
	struct control_socket *control = context;
	const struct caller caller = caller_identify(fd, &control->groups);
	(void)peer;
	if (caller.right == CALLER_NOBODY) {
		turn_away(fd, NO_PERMISSION);
		return;
	}
	struct client *client = make_room(control, whose_share(&caller)) ? calloc(1, sizeof(*client)) : NULL;
	if (!client) {
		turn_away(fd, TOO_MANY);
		return;
	}
	struct stream_options options = { .input_maximum = COMMAND_LINE_MAXIMUM + 1,
					  .output_maximum = OUTPUT_MAXIMUM,
					  .on_event = on_client_event,
					  .context = client };
	if (stream_create(control->loop, fd, &options, &client->stream) != STATUS_OK) {
		free(client);
		return;
	}
	client->control = control;
	client->caller = caller;
	client->next = control->clients;
	control->clients = client;
	places_add(&control->places, &client->place, whose_share(&caller));
	stream_set_deadline(client->stream, IDLE_MS);
}

/* ---- public */

enum status control_socket_create(struct loop *loop, int fd, const struct caller_groups *groups,
				  const struct control_socket_handler *handler, void *context,
				  struct control_socket **out_control)
{
	struct control_socket *control = calloc(1, sizeof(*control));
	if (!control) {
		close(fd);
		return STATUS_NO_MEMORY;
	}
	control->loop = loop;
	control->groups = *groups;
	control->handler = handler;
	control->context = context;
	control->fd = fd;
	control->places = (struct places){ .maximum = CLIENTS_MAXIMUM, .share = CLIENTS_OF_A_USER };
	*out_control = control;
	return STATUS_OK;
}

enum status control_socket_open(struct control_socket *control)
{
	int fd = control->fd;
	if (fd < 0)
		return STATUS_OK;
	control->fd = -1; /* the listener's, or closed by its failure */
	return listener_create(control->loop, fd, on_accepted, control, &control->listener);
}

static void stop_accepting(struct control_socket *control)
{
	if (control->fd >= 0)
		close(control->fd);
	control->fd = -1;
	listener_free(&control->listener);
}

/* NULL: nobody waits for it any more. */
static struct client *find_client(const struct control_socket *control, uint64_t request)
{
	struct client *client = control->clients;
	while (client && client->request != request)
		client = client->next;
	return client;
}

void control_socket_answer(struct control_socket *control, uint64_t request, struct span json)
{
	struct client *client = find_client(control, request);
	if (client)
		settle_request(client, write_answer(client, json));
}

void control_socket_refuse(struct control_socket *control, uint64_t request, const char *error)
{
	struct client *client = find_client(control, request);
	if (client)
		settle_request(client, write_error(client, error));
}

void control_socket_role_lost(struct control_socket *control, enum role_kind role)
{
	struct client *next;
	for (struct client *client = control->clients; client; client = next) {
		next = client->next;
		if (client->request && client->role == role)
			settle_with_error(client, "is gone; whether it was done is not known");
	}
}

void control_socket_drain(struct control_socket *control)
{
	struct client *next;
	if (control->draining)
		return;
	control->draining = true;
	stop_accepting(control);
	for (struct client *client = control->clients; client; client = next) {
		next = client->next;
		if (!client->request)
			finish_client(client);
	}
	tell_drained(control);
}

void control_socket_free(struct control_socket **control)
{
	if (!*control)
		return;
	while ((*control)->clients)
		forget_client((*control)->clients);
	stop_accepting(*control);
	free(*control);
	*control = NULL;
}
