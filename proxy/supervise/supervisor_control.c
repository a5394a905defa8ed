/*
 * Administrators' commands for the supervisor, passed on by the admin role: status, reload, drain. The admin role talks
 * to people, so what it sends is treated as a peer's: it is bounded, parsed, and refused where it is not understood.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "door/messages.h"
#include "supervise/hangs.h"
#include "supervise/supervisor.h"

#define US_PER_SECOND 1000000

/* ---- answers */

/* Takes `answer` over. */
static enum status send_answer(struct door *door, uint64_t request, json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	const struct door_control_reply reply = { .request = request, .json = span_of(text) };
	enum status status = door_send_control_reply(door, &reply);
	free(text);
	return status;
}

static enum status send_done(struct door *door, uint64_t request)
{
	return send_answer(door, request, json_pack("{s:b}", "ok", 1));
}

static enum status send_refusal(struct door *door, uint64_t request, const char *error)
{
	char *text = strdup(error);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	size_t size = strlen(text);
	if (size && text[size - 1] == '\n')
		text[size - 1] = '\0';
	/* A path in a fault may not be UTF-8, which JSON requires. */
	json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", text);
	if (answer == NULL)
		answer = json_pack("{s:b, s:s}", "ok", 0, "error", "refused; the log tells why");
	free(text);
	return send_answer(door, request, answer);
}

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

static json_t *describe_post(const struct post *post)
{
	pid_t pid = post_has_process(post) ? process_id(post->process) : 0;
	const char *state = post->hang == HANG_NONE ? post_state_text(post->state) : "hung";
	char threads[HANGS_TEXT_SIZE];
	json_t *row = describe_process(role_kind_text(post->kind), post->index, pid, post->started_us, state);
	hangs_list_threads(post, threads);
	if (threads[0])
		json_object_set_new(row, "stuck_threads", json_string(threads));
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

static const char *stage_text(enum stage stage)
{
	static const char *const texts[] = { "starting", "ready", "draining", "draining", "draining" };
	return texts[stage];
}

static json_t *describe_node(const struct supervisor *supervisor)
{
	json_t *list = json_array();
	json_array_append_new(list, describe_process("supervisor", 0, getpid(), supervisor->started_us,
						     stage_text(supervisor->stage)));
	add_generation(list, supervisor->current);
	add_generation(list, supervisor->incoming);
	for (const struct generation *g = supervisor->outgoing; g; g = g->next)
		add_generation(list, g);
	add_redis(list, supervisor->redis);
	return json_pack("{s:b, s:s, s:s, s:o, s:o}", "ok", 1, "version", SUBGATE_VERSION, "node",
			 supervisor->current->config->global.hostname, "started", describe_time(supervisor->started_us),
			 "processes", list);
}

/* ---- commands */

static enum status run_status(struct post *admin, struct door *door, uint64_t request)
{
	return send_answer(door, request, describe_node(admin->generation->supervisor));
}

/* Answered when its outcome is known, or at once when it can't begin. */
static enum status run_reload(struct post *admin, struct door *door, uint64_t request)
{
	const struct reload reload = { .admin = admin->instance, .request = request };
	char *error = NULL;
	if (reload_begin(admin->generation->supervisor, &reload, &error) == STATUS_OK)
		return STATUS_OK;
	enum status status = send_refusal(door, request, error ? error : "out of memory");
	free(error);
	return status;
}

static enum status run_drain(struct post *admin, struct door *door, uint64_t request)
{
	enum status status = send_done(door, request);
	supervisor_end(admin->generation->supervisor);
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
	return send_refusal(door, request, "the supervisor knows no such command");
}

static enum status take_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_control_request request;
	if (type != DOOR_CONTROL_REQUEST)
		return STATUS_INVALID;
	TRY(door_read_control_request(payload, &request));
	json_t *json = json_loadb(request.json.data, request.json.size, JSON_REJECT_DUPLICATES, NULL);
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

const struct door_handler control_door_handler = { .on_frame = take_frame, .on_closed = take_closed };

/* ---- the answer to a reload */

static struct post *find_admin(struct generation *generation, uint32_t instance)
{
	for (size_t i = 0; generation && i < generation->post_count; i++) {
		struct post *post = &generation->posts[i];
		if (post->kind == ROLE_ADMIN && post->instance == instance && post->control)
			return post;
	}
	return NULL;
}

void control_answer_reload(struct supervisor *supervisor, const char *error)
{
	const struct reload reload = supervisor->reload;
	struct post *admin = NULL;
	supervisor->reload = (struct reload){ 0 };
	if (reload.admin == 0)
		return;
	admin = find_admin(supervisor->current, reload.admin);
	for (struct generation *g = supervisor->outgoing; g && admin == NULL; g = g->next)
		admin = find_admin(g, reload.admin);
	if (admin == NULL)
		return;
	enum status status =
		error ? send_refusal(admin->control, reload.request, error) : send_done(admin->control, reload.request);
	if (status != STATUS_OK)
		door_free(&admin->control);
}
