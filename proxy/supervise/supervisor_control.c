/*
 * Administrators' commands for the supervisor, passed on by the admin role: status, reload, drain. The admin role talks
 * to people, so what it sends is treated as a peer's: it is bounded, parsed, and refused where it is not understood.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "door/messages.h"
#include "supervise/hangs.h"
#include "supervise/supervisor_answers.h"
#include "supervise/surroundings.h"

#define US_PER_SECOND 1000000

/* ---- status */

static json_t *describe_time(uint64_t wall_us)
{
	char text[CLOCK_TEXT_SIZE];
	clock_format_seconds(wall_us / US_PER_SECOND, text);
	return json_string(text);
}

static json_t *describe_process(const char *role, unsigned index, pid_t pid, uint64_t since_us, const char *state)
{
	return json_pack("{s:s, s:i, s:i, s:o, s:s}", "role", role, "index", (int)index, "pid", (int)pid, "since",
			 describe_time(since_us), "state", state);
}

/* What is wrong with the audit; NULL: nothing. */
static const char *describe_audit(const struct post *post)
{
	const struct seats *seats = post->generation->supervisor->seats;
	if (post->kind != ROLE_RELAY || post->process == NULL)
		return NULL;
	if (seats_gauge(seats, post->seat, COUNTER_AUDIT_STUCK))
		return "can't be written";
	return seats_gauge(seats, post->seat, COUNTER_AUDIT_LOW_SPACE) ? "disk nearly full" : NULL;
}

/* Other nodes that count by other rules; NULL: none. */
static json_t *describe_quota(const struct post *post)
{
	const struct seats *seats = post->generation->supervisor->seats;
	char text[64];
	uint64_t count = post->kind == ROLE_RELAY && post->process
				 ? seats_gauge(seats, post->seat, COUNTER_QUOTA_NODES_DIFFER)
				 : 0;
	snprintf(text, sizeof(text), "%llu other node%s by other rules", (unsigned long long)count,
		 count == 1 ? " counts" : "s count");
	return count ? json_string(text) : NULL;
}

static void add_stuck_threads(json_t *row, const struct life_watch *life)
{
	char threads[HANGS_TEXT_SIZE];
	hangs_list_threads(life, threads);
	if (threads[0])
		json_object_set_new(row, "stuck_threads", json_string(threads));
}

static json_t *describe_post(const struct post *post)
{
	pid_t pid = post_has_process(post) ? process_id(post->process) : 0;
	const char *state = post->hang == HANG_NONE ? post_state_text(post->state) : "hung";
	json_t *row = describe_process(role_kind_text(post->kind), post->index, pid, post->started_us, state);
	add_stuck_threads(row, &post->life);
	const char *audit = describe_audit(post);
	if (audit)
		json_object_set_new(row, "audit", json_string(audit));
	json_t *quota = describe_quota(post);
	if (quota)
		json_object_set_new(row, "quota", quota);
	return row;
}

static void add_generation(json_t *list, const struct generation *generation)
{
	for (size_t i = 0; generation && i < generation->post_count; i++) {
		const struct post *post = &generation->posts[i];
		if (post->state != POST_EMPTY && post->state != POST_GONE)
			json_array_append_new(list, describe_post(post));
	}
}

static void add_redis(json_t *list, const struct embedded_redis *redis)
{
	if (redis == NULL)
		return;
	pid_t pid = embedded_redis_pid(redis);
	const char *state = embedded_redis_is_hung(redis) ? "hung" : pid ? "ready" : "waiting";
	json_array_append_new(list, describe_process("redis", 0, pid, embedded_redis_started_us(redis), state));
}

static json_t *describe_certificates(const struct generation *generation)
{
	json_t *list = json_array();
	for (size_t i = 0; i < generation->expiries.count; i++) {
		const struct expiry *expiry = &generation->expiries.items[i];
		char text[EXPIRY_TEXT_SIZE];
		expiry_describe(expiry->at_s, clock_wall_us() / US_PER_SECOND, text);
		json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "certificate", expiry->name, "expires",
						      describe_time(expiry->at_s * US_PER_SECOND), "state", text));
	}
	return list;
}

static const char *stage_text(enum stage stage)
{
	static const char *const texts[] = { "starting", "ready", "draining", "draining", "draining" };
	return texts[stage];
}

static json_t *describe_node(const struct supervisor *supervisor)
{
	json_t *list = json_array();
	json_t *own =
		describe_process("supervisor", 0, getpid(), supervisor->started_us, stage_text(supervisor->stage));
	add_stuck_threads(own, hangs_own_life(supervisor->hangs));
	json_array_append_new(list, own);
	add_generation(list, supervisor->current);
	add_generation(list, supervisor->incoming);
	for (const struct generation *g = supervisor->outgoing; g; g = g->next)
		add_generation(list, g);
	add_redis(list, supervisor->redis);
	const struct config *config = supervisor->current->config;
	/* A path that is not UTF-8 is left out, and nothing else. */
	return json_pack("{s:b, s:s, s:s, s:o, s:o*, s:o, s:o, s:o, s:o}", "ok", 1, "version", SUBGATE_VERSION, "node",
			 config->global.hostname, "started", describe_time(supervisor->started_us), "audit_file",
			 json_string(config->audit.file), "processes", list, "services",
			 surroundings_describe(supervisor), "traffic", surroundings_describe_traffic(supervisor),
			 "certificates", describe_certificates(supervisor->current));
}

/* ---- commands */

static enum status run_status(struct post *admin, struct door *door, uint64_t request)
{
	return supervisor_answer(door, request, describe_node(admin->generation->supervisor));
}

/* Answered when its outcome is known, or at once when it can't begin. */
static enum status run_reload(struct post *admin, struct door *door, uint64_t request)
{
	const struct reload reload = { .admin = admin->instance, .request = request };
	char *error = NULL;
	if (reload_begin(admin->generation->supervisor, &reload, &error) == STATUS_OK)
		return STATUS_OK;
	enum status status = supervisor_refuse(door, request, error ? error : "out of memory");
	free(error);
	return status;
}

static enum status run_drain(struct post *admin, struct door *door, uint64_t request)
{
	enum status status = supervisor_answer_done(door, request);
	ending_begin(admin->generation->supervisor);
	return status;
}

static const struct {
	const char *name;
	enum status (*run)(struct post *admin, struct door *door, uint64_t request);
} commands[] = {
#define SUPERVISOR_COMMAND(function, words, ...) { words, run_##function },
#include "door/commands.def"
};

static enum status run_command(struct post *admin, struct door *door, uint64_t request, const char *name)
{
	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(admin, door, request);
	return supervisor_refuse(door, request, "the supervisor knows no such command");
}

static enum status take_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_control_request request;
	if (type != DOOR_CONTROL_REQUEST)
		return STATUS_INVALID;
	TRY(door_read_control_request(payload, &request));
	json_t *json = json_read(request.json);
	enum status status =
		run_command(context, door, request.request, json_string_value(json_object_get(json, "command")));
	json_decref(json);
	return status;
}

static void take_closed(void *context, struct door *door)
{
	struct post *admin = context;
	(void)door;
	door_free(&admin->control);
}

const struct door_handler supervisor_command_handler = { .on_frame = take_frame, .on_closed = take_closed };
