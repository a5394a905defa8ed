/*
 * The admin role: control socket, metrics and health. It knows nothing itself:
 * requests go through its doors to the role that knows, and are recorded there.
 * Mail flows without it. It owns its doors, the control socket and the HTTP
 * server; a door that breaks is dropped, and the supervisor hands over a new one
 * to the role's successor.
 */
#include <stdlib.h>
#include <unistd.h>

#include "admin/control_socket.h"
#include "admin/http.h"
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
	uint32_t instance; /* of the process behind it */
};

struct admin {
	const struct role_context *context;
	struct control_socket *control;
	struct http *http; /* NULL without admin.http */
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
	if (had_door)
		control_socket_role_lost(admin->control, peer->role);
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct peer *peer = context;
	struct door_control_reply reply;
	(void)door;
	if (type != DOOR_CONTROL_REPLY)
		return STATUS_INVALID;
	TRY(door_read_control_reply(payload, &reply));
	control_socket_answer(peer->admin->control, reply.request, reply.json);
	return STATUS_OK;
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
	/* Gates answer no requests. */
	if (kind != ROLE_SUPERVISOR && kind != ROLE_AUTH && kind != ROLE_RELAY) {
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

static enum status ask_peer(void *context, enum role_kind role, uint64_t request, struct span json)
{
	struct admin *admin = context;
	struct door_control_request message = { .request = request, .json = json };
	if (!admin->peers[role].door)
		return STATUS_UNAVAILABLE;
	return door_send_control_request(admin->peers[role].door, &message);
}

static void finish_role(void *context)
{
	struct admin *admin = context;
	role_finish(admin->context);
}

static const struct control_socket_handler control_handler = { .ask = ask_peer, .drained = finish_role };

/* ---- life */

static enum status start_control(struct admin *admin)
{
	int fd = role_take_fd(admin->context, "control");
	if (fd < 0) {
		log_error("no control socket was handed over");
		return STATUS_NOT_FOUND;
	}
	enum status status = control_socket_create(admin->context->loop, fd, &control_handler, admin, &admin->control);
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
	timer_free(&admin->limit);
	timer_free(&admin->look);
	free(admin);
}

static enum status start_all(struct admin *admin)
{
	TRY(timer_make(admin->context->loop, finish_role, admin, &admin->limit));
	TRY(start_control(admin));
	TRY(start_http(admin));
	return start_looking(admin);
}

static enum status start_admin(const struct role_context *context, void **out_state)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	if (!admin)
		return STATUS_NO_MEMORY;
	admin->context = context;
	for (unsigned role = 0; role < ROLE_KINDS; role++)
		admin->peers[role] = (struct peer){ .admin = admin, .role = (enum role_kind)role };
	enum status status = start_all(admin);
	if (status == STATUS_OK)
		*out_state = admin;
	else
		stop_admin(admin);
	return status;
}

static void drain_admin(void *state, uint64_t limit_ms, bool succeeded)
{
	(void)succeeded;
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
