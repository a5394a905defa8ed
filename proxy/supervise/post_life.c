/*
 * One process of a role, from fork to its last word. Owns the post's process, door and seat. A process that dies is
 * replaced after a growing back-off, except while its generation starts or drains.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "door/messages.h"
#include "role/birth.h"
#include "supervise/audit_earlier.h"
#include "supervise/backoff.h"
#include "supervise/supervisor.h"

#define KEEP_MAXIMUM HANDOVER_MAXIMUM
/* From the loss of a door to its replacement. */
#define RENEWAL_MS 200

static void set_state(struct post *post, enum post_state state)
{
	char name[POST_NAME_SIZE];
	post_name(post, name);
	log_debug("%s: %s, was %s", name, post_state_text(state), post_state_text(post->state));
	post->state = state;
	post_tell_generation(post);
}

/* ---- the supervisor's door */

static enum status take_ready(struct post *post, struct span payload)
{
	struct door_ready ready;
	TRY(door_read_ready(payload, &ready));
	if (ready.instance != post->instance)
		return STATUS_INVALID;
	if (post->state == POST_STARTING)
		set_state(post, POST_READY);
	succession_tell(post->generation);
	return STATUS_OK;
}

static enum status take_draining(struct post *post, struct span payload)
{
	struct door_draining draining;
	TRY(door_read_draining(payload, &draining));
	if (draining.instance != post->instance || post->state != POST_DRAINING)
		return STATUS_INVALID;
	post->takes_nothing = true;
	post_tell_generation(post);
	return STATUS_OK;
}

/* Its death is noticed like any other, so a new one takes its place. */
static void kill_gate(const struct generation *generation, uint32_t instance)
{
	char name[POST_NAME_SIZE];
	for (size_t i = 0; i < generation->post_count; i++) {
		struct post *post = &generation->posts[i];
		if (!post_faces_clients(post) || post->instance != instance || post->process == NULL)
			continue;
		post_name(post, name);
		log_error("%s said what no gate may say: it is killed", name);
		post_kill(post);
	}
}

/* Only roles with doors to gates may complain about one. */
static enum status take_distrust(struct post *post, struct span payload)
{
	struct door_distrust distrust;
	TRY(door_read_distrust(payload, &distrust));
	if (post->kind != ROLE_RELAY && post->kind != ROLE_AUTH && post->kind != ROLE_ADMIN)
		return STATUS_INVALID;
	kill_gate(post->generation, distrust.instance);
	return STATUS_OK;
}

/* What a former relay says goes to the program of the present config. */
static enum status take_anchor(const struct post *post, struct span payload)
{
	const struct generation *generation = post->generation;
	const struct supervisor *supervisor = generation->supervisor;
	const struct config *config = generation->config;
	struct audit_statement statement;
	if (post->kind != ROLE_RELAY || config->audit.anchor != AUDIT_ANCHOR_COMMAND)
		return STATUS_INVALID;
	TRY(anchor_command_read(payload, &statement));
	if (generation->stage == GENERATION_DRAINING)
		config = supervisor->current->config;
	if (config->audit.anchor == AUDIT_ANCHOR_COMMAND)
		anchor_command_take(supervisor->anchor, config->audit.anchor_command, config->global.hostname,
				    &statement);
	return STATUS_OK;
}

static void take_renewal(void *context)
{
	struct post *post = context;
	if (post_has_process(post))
		doors_renew(post);
}

/*
 * Most often the peer has died, and its successor brings new doors. Whether it lives is looked at once its death would
 * have been noticed.
 */
static enum status take_door_lost(struct post *post, struct span payload)
{
	struct door_lost lost;
	TRY(door_read_lost(payload, &lost));
	if (lost.role >= ROLE_KINDS || lost.instance == 0)
		return STATUS_INVALID;
	if (post->renewal == NULL)
		TRY(timer_make(post->generation->supervisor->loop, take_renewal, post, &post->renewal));
	post->lost[lost.role] = lost.instance;
	timer_set(post->renewal, RENEWAL_MS);
	return STATUS_OK;
}

/*
 * A gate, or the console, seldom has something to tell its supervisor. One that says more is an attacker's, and would
 * take all of the supervisor's time.
 */
static bool says_too_much(struct post *post)
{
	static const struct pace_limit limit = { .burst = 100, .a_second = 1 };
	char name[POST_NAME_SIZE];
	if (!post_faces_clients(post) || pace_take(&post->said, &limit, 1, clock_monotonic_ms()))
		return false;
	post_name(post, name);
	log_error("%s says too much: it is killed", name);
	return true;
}

static enum status take_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct post *post = context;
	(void)door;
	if (says_too_much(post))
		return STATUS_INVALID;
	switch (type) {
	case DOOR_READY:
		return take_ready(post, payload);
	case DOOR_DRAINING:
		return take_draining(post, payload);
	case DOOR_LOST:
		return take_door_lost(post, payload);
	case DOOR_DISTRUST:
		return take_distrust(post, payload);
	case DOOR_ANCHOR:
		return take_anchor(post, payload);
	default:
		return STATUS_INVALID;
	}
}

/*
 * The process ended, or broke the rules of the door and must end. One that drains still has its last replies to write,
 * within a limit.
 */
static void take_closed(void *context, struct door *door)
{
	struct post *post = context;
	(void)door;
	door_free(&post->door);
	if (post->state != POST_DRAINING)
		post_kill(post);
}

static const struct door_handler door_handler = { .on_frame = take_frame, .on_closed = take_closed };

/* ---- the end of a process */

static void let_process_go(struct post *post)
{
	post->takes_nothing = false;
	post->hang = HANG_NONE;
	life_watch_begin(&post->life, 0);
	memset(post->lost, 0, sizeof(post->lost));
	post->said = (struct pace){ 0 };
	process_free(&post->process);
	door_free(&post->door);
	door_free(&post->control);
	census_board_close(post->generation->supervisor->census, post->seat);
	seats_leave(post->generation->supervisor->seats, post->seat);
}

static void wait_for_next(struct post *post)
{
	post->delay_ms = backoff_next(post->delay_ms, clock_monotonic_ms() - post->started_ms);
	timer_set(post->timer, post->delay_ms);
	set_state(post, POST_WAITING);
}

static void take_exit(void *context, const char *how)
{
	struct post *post = context;
	struct generation *generation = post->generation;
	enum post_state state = post->state;
	char name[POST_NAME_SIZE];
	post_name(post, name);
	if (post->kind == ROLE_RELAY && post->door)
		door_receive(post->door); /* the audit's last head */
	bool well = state == POST_DRAINING && process_ended_well(post->process);
	let_process_go(post);
	succession_take_end(post, well);
	if (state == POST_DRAINING) {
		log_info("%s (process of instance %u) has ended: %s", name, post->instance, how);
		set_state(post, POST_GONE);
		return;
	}
	if (post->kind == ROLE_GATE)
		ticket_keys_replace(generation->supervisor->ticket_keys);
	if (generation->stage == GENERATION_SERVING) {
		stats_add(seats_own(generation->supervisor->seats), COUNTER_ROLE_RESTARTS, post->kind, 1);
		wait_for_next(post);
		log_error("%s died: %s; a new one starts in %llu ms", name, how, (unsigned long long)post->delay_ms);
		return;
	}
	log_error("%s died while its generation %s: %s", name,
		  generation->stage == GENERATION_STARTING ? "was starting" : "was draining", how);
	generation->failed |= generation->stage == GENERATION_STARTING;
	set_state(post, POST_GONE);
}

static void take_restart_time(void *context)
{
	struct post *post = context;
	char name[POST_NAME_SIZE];
	post_name(post, name);
	if (post_start(post) == STATUS_OK)
		return;
	post->started_ms = clock_monotonic_ms();
	wait_for_next(post);
	log_error("%s can't be started: %s", name, strerror(errno));
}

/* ---- the start of one */

static enum status list_descriptors(const struct post *post, int door, struct handover *list)
{
	const struct generation *generation = post->generation;
	struct supervisor *supervisor = generation->supervisor;
	const unsigned role = TO(post->kind);
	TRY(handover_add_all(list, &generation->files, post->kind));
	if (post->kind == ROLE_ADMIN)
		TRY(sockets_hand_over(&supervisor->sockets, generation->config, list));
	if (post->kind == ROLE_CONSOLE)
		TRY(sockets_hand_over_console(&supervisor->sockets, generation->config, list));
	TRY(handover_add(list, role, door, "supervisor"));
	TRY(handover_add(list, role, seats_fd(supervisor->seats), "stats"));
	if (post->kind != ROLE_GATE)
		return STATUS_OK;
	TRY(handover_add(list, role, ticket_keys_fd(supervisor->ticket_keys), "tls-tickets"));
	TRY(handover_add(list, role, census_board_fd(supervisor->census), "census"));
	return handover_add(list, role, census_board_reading_fd(supervisor->census), "census-reading");
}

/* What only this one process needs, and nobody keeps. */
static enum status open_earlier_audit(const struct post *post, struct handover *list)
{
	const struct generation *generation = post->generation;
	if (post->kind != ROLE_RELAY)
		return STATUS_OK;
	const struct audit_earlier_wish wish = {
		.state_fd = handover_find(&generation->files, "audit-state"),
		.export_fds = { handover_find(&generation->files, "export-syslog"),
				handover_find(&generation->files, "export-stream") },
		.now_s = clock_wall_us() / 1000000,
		.audit_fd = handover_find(&generation->files, "audit"),
	};
	return audit_earlier_open(generation->config->audit.file, &wish, list);
}

static enum status spawn_process(struct post *post, const struct handover *list, int output)
{
	struct supervisor *supervisor = post->generation->supervisor;
	char role[32];
	char *const argv[] = { "subgate", "--role", role, NULL };
	int keep[KEEP_MAXIMUM];
	struct birth_environment environment = { 0 };
	const struct birth birth = {
		.instance = post->instance,
		.index = post->index,
		.seat = post->seat,
		.seats = seats_count(supervisor->seats),
		.parent = getpid(),
		.identity = supervisor->identities.role[post->kind],
		.config_file = supervisor->config_file,
		.redis_server = supervisor->redis ? embedded_redis_server(supervisor->redis)
						  : post->generation->config->redis.server,
		.admin_group = supervisor->identities.admin_group,
		.operator_group = supervisor->identities.operator_group,
	};
	snprintf(role, sizeof(role), "%s", role_kind_text(post->kind));
	TRY(birth_write(&birth, list, &environment));
	for (size_t i = 0; i < list->count; i++)
		keep[i] = list->items[i].fd;
	const struct process_options options = {
		.binary = supervisor->binary,
		.argv = argv,
		.envp = environment.variables,
		.input = -1,
		.output = output,
		.keep = keep,
		.keep_count = list->count,
		.death_signal = SIGKILL,
		.on_exit = take_exit,
		.context = post,
	};
	enum status status = process_start(supervisor->loop, &options, &post->process);
	birth_environment_free(&environment);
	return status;
}

/* A gate's counts end with it. */
static enum status open_census(const struct post *post)
{
	const struct generation *generation = post->generation;
	if (post->kind != ROLE_GATE)
		return STATUS_OK;
	return census_board_open(generation->supervisor->census, post->seat, generation->config->limits.connections);
}

/* What a gate or the console logs may be an attacker's words. With debug, administrators want to read much of it. */
static const struct pace_limit *log_pace(const struct post *post)
{
	static const struct pace_limit gate = { .burst = 1U << 20, .a_second = 16U << 10 };
	static const struct pace_limit debugged_gate = { .burst = 16U << 20, .a_second = 1U << 20 };
	if (!post_faces_clients(post))
		return NULL;
	return post->generation->config->log.level == CONFIG_LOG_DEBUG ? &debugged_gate : &gate;
}

static enum status spawn_with_door(struct post *post, int door)
{
	struct supervisor *supervisor = post->generation->supervisor;
	struct handover list = { 0 }, earlier = { 0 };
	char name[POST_NAME_SIZE];
	int output = -1;
	post_name(post, name);
	enum status status = list_descriptors(post, door, &list);
	if (status == STATUS_OK)
		status = open_earlier_audit(post, &earlier);
	if (status == STATUS_OK)
		status = handover_add_all(&list, &earlier, post->kind);
	if (status == STATUS_OK)
		status = logs_open_paced(supervisor->logs, name, LOG_LEVEL_WARNING, log_pace(post), &output);
	if (status == STATUS_OK) {
		status = spawn_process(post, &list, output);
		close(output);
	}
	handover_forget(&list);
	handover_close(&earlier);
	return status;
}

/* Opens both ends: ours becomes a door, which owns it whatever happens, and the process is given the other. */
static enum status open_and_spawn(struct post *post)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return STATUS_SYSTEM;
	enum status status = door_create(post->generation->supervisor->loop, ends[0], &door_handler, post, &post->door);
	if (status == STATUS_OK)
		status = open_census(post);
	if (status == STATUS_OK)
		status = spawn_with_door(post, ends[1]);
	close(ends[1]);
	return status;
}

enum status post_start(struct post *post)
{
	struct supervisor *supervisor = post->generation->supervisor;
	if (post->timer == NULL)
		TRY(timer_make(supervisor->loop, take_restart_time, post, &post->timer));
	TRY(seats_take(supervisor->seats, post_faces_clients(post), &post->seat));
	post->instance = ++supervisor->last_instance;
	post->started_us = clock_wall_us();
	post->started_ms = clock_monotonic_ms();
	post->newest_socket = 0;
	life_watch_begin(&post->life, post->started_ms);
	enum status status = open_and_spawn(post);
	if (status == STATUS_OK)
		status = doors_attach(post);
	if (status != STATUS_OK) {
		int error = errno;
		let_process_go(post);
		errno = error;
		return status;
	}
	set_state(post, POST_STARTING);
	return STATUS_OK;
}

/* ---- ending one */

void post_drain(struct post *post, uint64_t limit_ms, enum role_drain how)
{
	const struct door_drain drain = { .limit_ms = limit_ms, .how = (uint8_t)how };
	if (post->process == NULL) {
		if (post->timer)
			timer_clear(post->timer);
		set_state(post, POST_GONE);
		return;
	}
	set_state(post, POST_DRAINING);
	if (post->door == NULL || door_send_drain(post->door, &drain) != STATUS_OK)
		post_kill(post);
}

void post_free(struct post *post)
{
	if (post->process)
		let_process_go(post);
	timer_free(&post->timer);
	timer_free(&post->renewal);
}
