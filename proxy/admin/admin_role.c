/*
 * The admin role: control socket, metrics and health. It knows nothing itself:
 * requests go through its doors to the role that knows, and are recorded there.
 * Mail flows without it. It owns its doors, the control socket and the HTTP
 * server; a door that breaks is dropped, and the supervisor hands over a new one
 * to the role's successor.
 */
#include <stdlib.h>
#include <unistd.h>

#include "admin/api.h"
#include "admin/control_socket.h"
#include "admin/http.h"
#include "admin/people_keeper.h"
#include "admin/token_commands.h"
#include "base/clock.h"
#include "base/log.h"
#include "door/messages.h"
#include "role/role.h"
#include "stats/life.h"

/* Between two looks at the supervisor's signs of life. */
#define LOOK_MS 500
/* Of silence: the same limit that the supervisor has for the others. */
#define SUPERVISOR_HUNG_MS 4000

struct admin;

/* A role that answers requests; the context of its door. */
struct peer {
	struct admin *admin;
	enum role_kind role;
	struct door *door; /* NULL while it is away */
	uint32_t instance; /* of the process at its other end */
};

struct admin {
	const struct role_context *context;
	struct control_socket *control;
	struct recorder *recorder;
	struct http *http; /* NULL without admin.http */
	struct api *api;   /* NULL without a console */
	int folder;        /* of files that are kept, for the disk's thread; -1 without a console */
	struct jobs *disk; /* one thread; NULL without a console */
	struct token_store *tokens;
	struct people_keeper *keeper;
	struct token_commands *token_commands;
	struct peer peers[ROLE_KINDS];
	struct timer *limit; /* of a drain */
	const struct stats *slabs;
	struct life_watch supervisor; /* it watches the others, and we watch it */
	struct timer *look;
};

/* ---- doors */

static void set_door(struct peer *peer, struct door *door)
{
	struct admin *admin = peer->admin;
	bool had_door = peer->door;
	door_free(&peer->door);
	peer->door = door;
	if (admin->http)
		http_set_attached(admin->http, peer->role, door);
	if (had_door && admin->api && peer->role == ROLE_CONSOLE)
		api_lose_console(admin->api);
	if (had_door) {
		recorder_role_lost(admin->recorder, peer->role);
		control_socket_role_lost(admin->control, peer->role);
		if (admin->api)
			api_lose_role(admin->api, peer->role);
	}
}

static enum status take_recorded(struct admin *admin, struct span payload)
{
	struct door_command_recorded message;
	TRY(door_read_command_recorded(payload, &message));
	recorder_take_written(admin->recorder, message.request, message.written);
	return STATUS_OK;
}

static void pass_answer(void *context, uint64_t request, struct span json)
{
	struct admin *admin = context;
	recorder_take_answer(admin->recorder, request, json);
	if (request & API_NUMBERS)
		api_take_reply(admin->api, request, json);
	else
		control_socket_answer(admin->control, request, json);
}

static enum status take_reply(struct admin *admin, struct span payload)
{
	struct door_control_reply reply;
	TRY(door_read_control_reply(payload, &reply));
	pass_answer(admin, reply.request, reply.json);
	return STATUS_OK;
}

/* What auth says of the console's people. */
static enum status take_person(struct admin *admin, uint16_t type, struct span payload)
{
	struct door_person person;
	struct door_person_checked checked;
	struct door_sasl_done done;
	struct door_provider_told told;
	if (type == DOOR_PERSON) {
		TRY(door_read_person(payload, &person));
		api_take_person(admin->api, &person);
	} else if (type == DOOR_PERSON_CHECKED) {
		TRY(door_read_person_checked(payload, &checked));
		api_take_checked(admin->api, &checked);
	} else if (type == DOOR_PROVIDER_TOLD) {
		TRY(door_read_provider_told(payload, &told));
		api_take_provider(admin->api, &told);
	} else if (type == DOOR_SASL_DONE) {
		TRY(door_read_sasl_done(payload, &done));
		api_take_refusal(admin->api, &done);
	} else {
		return STATUS_INVALID;
	}
	return STATUS_OK;
}

/* It is a stranger's: one that breaks the rules of its door is replaced. */
static enum status take_asked(struct peer *peer, uint16_t type, struct span payload)
{
	struct door_console_asked asked;
	enum status status = type == DOOR_CONSOLE_ASKED && peer->admin->api ? door_read_console_asked(payload, &asked)
									    : STATUS_INVALID;
	if (status == STATUS_OK)
		api_take(peer->admin->api, &asked);
	else
		role_distrust_gate(peer->admin->context, peer->instance);
	return status;
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct peer *peer = context;
	(void)door;
	if (peer->role == ROLE_CONSOLE)
		return take_asked(peer, type, payload);
	if (type == DOOR_COMMAND_RECORDED && peer->role == ROLE_RELAY)
		return take_recorded(peer->admin, payload);
	if (type == DOOR_CONTROL_REPLY)
		return take_reply(peer->admin, payload);
	return peer->role == ROLE_AUTH && peer->admin->api ? take_person(peer->admin, type, payload) : STATUS_INVALID;
}

static void on_closed(void *context, struct door *door)
{
	struct peer *peer = context;
	(void)door;
	log_info("the door to %s closed", role_kind_text(peer->role));
	set_door(peer, NULL);
	if (peer->role != ROLE_SUPERVISOR)
		role_door_lost(peer->admin->context, peer->role, peer->instance);
}

static const struct door_handler door_handler = { .on_frame = on_frame, .on_closed = on_closed };

static void attach_peer(void *state, enum role_kind kind, uint32_t instance, int fd)
{
	struct admin *admin = state;
	struct door *door;
	if (kind == ROLE_GATE || kind >= ROLE_KINDS) { /* gates answer no requests */
		close(fd);
		return;
	}
	struct peer *peer = &admin->peers[kind];
	if (door_create(admin->context->loop, fd, &door_handler, peer, &door) != STATUS_OK) {
		log_error("no door to %s: out of memory or descriptors", role_kind_text(kind));
		return;
	}
	set_door(peer, door);
	peer->instance = instance;
	/* The supervisor's own door comes last: from now on every request finds its role. */
	if (kind == ROLE_SUPERVISOR && control_socket_open(admin->control) != STATUS_OK)
		log_error("the control socket can't be served: out of memory");
}

/* ---- the control socket */

static enum status record_command(void *context, const struct door_command_record *message)
{
	struct admin *admin = context;
	struct door *door = admin->peers[ROLE_RELAY].door;
	return door ? door_send_command_record(door, message) : STATUS_UNAVAILABLE;
}

static void refuse_request(void *context, uint64_t request, const char *error)
{
	struct admin *admin = context;
	if (request & API_NUMBERS)
		api_take_error(admin->api, request, error);
	else
		control_socket_refuse(admin->control, request, error);
}

static enum status ask_peer(void *context, enum role_kind role, uint64_t request, struct span json)
{
	struct admin *admin = context;
	struct door_control_request message = { .request = request, .json = json };
	if (role == ROLE_ADMIN)
		return token_commands_take(admin->token_commands, request, json);
	if (!admin->peers[role].door)
		return STATUS_UNAVAILABLE;
	return door_send_control_request(admin->peers[role].door, &message);
}

static enum status take_request(void *context, const struct admin_request *request)
{
	struct admin *admin = context;
	if (request->command->effect == COMMAND_EFFECT_SHOWS)
		return ask_peer(admin, request->command->role, request->number, request->json);
	return recorder_begin(admin->recorder, request);
}

/* ---- the console */

static enum status answer_console(void *context, const struct door_console_answered *answer)
{
	struct admin *admin = context;
	struct door *door = admin->peers[ROLE_CONSOLE].door;
	return door ? door_send_console_answered(door, answer) : STATUS_UNAVAILABLE;
}

static enum status ask_login(void *context, const struct door_sasl_start *message)
{
	struct admin *admin = context;
	struct door *door = admin->peers[ROLE_AUTH].door;
	return door ? door_send_sasl_start(door, message) : STATUS_UNAVAILABLE;
}

static enum status ask_provider(void *context, const struct door_provider_asked *message)
{
	struct admin *admin = context;
	struct door *door = admin->peers[ROLE_AUTH].door;
	return door ? door_send_provider_asked(door, message) : STATUS_UNAVAILABLE;
}

static enum status ask_person(void *context, const struct door_person_asked *message)
{
	struct admin *admin = context;
	struct door *door = admin->peers[ROLE_AUTH].door;
	return door ? door_send_person_asked(door, message) : STATUS_UNAVAILABLE;
}

static void finish_role(void *context)
{
	struct admin *admin = context;
	role_finish(admin->context);
}

static const struct recorder_handler recorder_handler = { record_command, ask_peer, refuse_request };
static const struct api_handler api_handler = {
	.answer = answer_console,
	.login = ask_login,
	.find_provider = ask_provider,
	.check = ask_person,
	.ask = take_request,
	.record = record_command,
};
static const struct control_socket_handler control_handler = { .ask = take_request, .drained = finish_role };

/* ---- life */

static enum status start_control(struct admin *admin)
{
	int fd = role_take_fd(admin->context, "control");
	if (fd < 0) {
		log_error("no control socket was handed over");
		return STATUS_NOT_FOUND;
	}
	const struct caller_groups groups = { admin->context->admin_group, admin->context->operator_group };
	enum status status =
		control_socket_create(admin->context->loop, fd, &groups, &control_handler, admin, &admin->control);
	if (status != STATUS_OK)
		log_error("the control socket can't be served: %s", status_text(status));
	return status;
}

static enum status start_http(struct admin *admin)
{
	const struct role_context *context = admin->context;
	int fd = role_take_fd(context, "http");
	int slabs = role_take_fd(context, "slabs");
	enum status status = slabs < 0 ? STATUS_NOT_FOUND : stats_map_all(slabs, context->seats, &admin->slabs);
	if (slabs >= 0)
		close(slabs);
	if (fd < 0)
		return STATUS_OK;
	if (status == STATUS_OK)
		status = http_create(fd, admin->slabs, context->seats, context->config, &admin->http);
	else
		close(fd);
	if (status != STATUS_OK)
		log_error("metrics can't be served: %s", status_text(status));
	return status;
}

static enum status start_tokens(struct admin *admin)
{
	static const struct jobs_settings disk = {
		.name = "disk", .kind = LIFE_DISK, .threads = 1, .queue_maximum = 64
	};
	const struct role_context *context = admin->context;
	if (context->config->console.address.count) {
		admin->folder = role_take_fd(context, "console-state");
		if (admin->folder < 0) {
			log_error("no folder for the console's files was handed over");
			return STATUS_NOT_FOUND;
		}
		TRY(jobs_create(context->loop, &disk, &admin->disk));
		TRY(token_store_create(context->loop, admin->disk, admin->folder, &admin->tokens));
	}
	return token_commands_create(context->loop, admin->tokens, pass_answer, admin, &admin->token_commands);
}

static enum status start_api(struct admin *admin)
{
	const struct config *config = admin->context->config;
	struct loop *loop = admin->context->loop;
	if (config->console.address.count == 0)
		return STATUS_OK;
	TRY(api_create(loop, config, admin->tokens, &api_handler, admin, &admin->api));
	return people_keeper_create(loop, admin->disk, admin->folder, &config->console, api_people(admin->api),
				    &admin->keeper);
}

static void look_at_supervisor(void *context)
{
	struct admin *admin = context;
	life_watch_look(&admin->supervisor, stats_life_at(admin->slabs, SUPERVISOR_SEAT), clock_monotonic_ms());
	http_set_supervisor_hung(admin->http, admin->supervisor.silent_ms >= SUPERVISOR_HUNG_MS);
	timer_set(admin->look, LOOK_MS);
}

static enum status start_looking(struct admin *admin)
{
	if (!admin->http)
		return STATUS_OK;
	TRY(timer_make(admin->context->loop, look_at_supervisor, admin, &admin->look));
	life_watch_begin(&admin->supervisor, clock_monotonic_ms());
	timer_set(admin->look, LOOK_MS);
	return STATUS_OK;
}

static void stop_admin(void *state)
{
	struct admin *admin = state;
	http_free(&admin->http);
	for (unsigned role = 0; role < ROLE_KINDS; role++)
		door_free(&admin->peers[role].door);
	control_socket_free(&admin->control);
	recorder_free(&admin->recorder);
	bool has_disk = admin->disk, has_ended = jobs_free(&admin->disk);
	people_keeper_free(&admin->keeper, has_disk && has_ended);
	api_free(&admin->api);
	token_commands_free(&admin->token_commands);
	token_store_free(&admin->tokens);
	if (has_ended && admin->folder >= 0)
		close(admin->folder);
	timer_free(&admin->limit);
	timer_free(&admin->look);
	free(admin);
}

static enum status start_all(struct admin *admin)
{
	TRY(timer_make(admin->context->loop, finish_role, admin, &admin->limit));
	TRY(recorder_create(&recorder_handler, admin, &admin->recorder));
	TRY(start_control(admin));
	TRY(start_tokens(admin));
	TRY(start_api(admin));
	TRY(start_http(admin));
	return start_looking(admin);
}

static enum status start_admin(const struct role_context *context, void **out_state)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	if (!admin)
		return STATUS_NO_MEMORY;
	admin->context = context;
	admin->folder = -1;
	for (unsigned role = 0; role < ROLE_KINDS; role++)
		admin->peers[role] = (struct peer){ .admin = admin, .role = (enum role_kind)role };
	enum status status = start_all(admin);
	if (status == STATUS_OK)
		*out_state = admin;
	else
		stop_admin(admin);
	return status;
}

static void drain_admin(void *state, uint64_t limit_ms, enum role_drain how)
{
	(void)how;
	struct admin *admin = state;
	timer_set(admin->limit, limit_ms);
	if (admin->http)
		http_drain(admin->http);
	control_socket_drain(admin->control);
}

const struct role admin_role = {
	.kind = ROLE_ADMIN,
	.name = "admin",
	.start = start_admin,
	.attached = attach_peer,
	.drain = drain_admin,
	.stop = stop_admin,
};
