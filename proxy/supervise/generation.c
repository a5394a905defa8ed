/*
 * A generation: all roles under one config, from opening what they need to the end of the last of them. Owns config,
 * descriptors and posts. What happened to its posts is looked at once, at the end of a turn, so that nothing is freed
 * while a callback still uses it.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "door/messages.h"
#include "supervise/memory_file.h"
#include "supervise/secrets.h"
#include "supervise/supervisor.h"

/* Posts before the gates: auth, relay. */
#define FIRST_GATE 2
/* Posts that are not gates: those two, and admin, which comes last. */
#define OTHERS 3
/* For all to be ready: they read files, and wait for nobody. */
#define START_LIMIT_MS 30000
/* When auth and relay are told to end together with their gates, they may outlast them by this much. */
#define LAST_GRACE_MS 30000
/* A process that is told to end by a limit is killed this much after it. */
#define KILL_GRACE_MS 10000

unsigned generation_gates(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (config->global.gates)
		return (unsigned)config->global.gates;
	return cores > 0 ? (unsigned)cores : 1;
}

/* ---- making one */

static enum status add_shared_files(struct generation *generation, struct span text)
{
	struct supervisor *supervisor = generation->supervisor;
	const unsigned all = TO(ROLE_GATE) | TO(ROLE_AUTH) | TO(ROLE_RELAY) | TO(ROLE_ADMIN);
	int fd = -1;
	TRY(memory_file_seal("config", text, &fd));
	TRY(handover_give(&generation->files, all, fd, "config"));
	fd = dup(seats_fd(supervisor->seats));
	TRY(fd < 0 ? STATUS_SYSTEM : handover_give(&generation->files, TO(ROLE_ADMIN), fd, "slabs"));
	if (supervisor->redis == NULL)
		return STATUS_OK;
	fd = dup(embedded_redis_password_fd(supervisor->redis));
	return fd < 0 ? STATUS_SYSTEM
		      : handover_give(&generation->files, TO(ROLE_AUTH) | TO(ROLE_RELAY), fd, "redis-password");
}

/* Enough for two generations at once, so that a reload finds free seats, and for the supervisor. */
static enum status make_seats(struct supervisor *supervisor, const struct config *config)
{
	unsigned taken = 0;
	for (struct generation *g = supervisor->outgoing; g; g = g->next)
		taken += (unsigned)g->post_count;
	unsigned needed = 1 + taken + 2 * (OTHERS + generation_gates(config));
	if (supervisor->current)
		needed += (unsigned)supervisor->current->post_count;
	return seats_grow(supervisor->seats, needed);
}

static enum role_kind kind_of(size_t place, size_t count)
{
	if (place < FIRST_GATE)
		return place == 0 ? ROLE_AUTH : ROLE_RELAY;
	return place + 1 < count ? ROLE_GATE : ROLE_ADMIN;
}

static enum status make_posts(struct generation *generation)
{
	size_t count = OTHERS + generation_gates(generation->config);
	generation->posts = calloc(count, sizeof(*generation->posts));
	if (generation->posts == NULL)
		return STATUS_NO_MEMORY;
	generation->post_count = count;
	for (size_t i = 0; i < count; i++) {
		struct post *post = &generation->posts[i];
		post->generation = generation;
		post->kind = kind_of(i, count);
		post->index = post->kind == ROLE_GATE ? (unsigned)(i - FIRST_GATE + 1) : 0;
	}
	return STATUS_OK;
}

static enum status open_files(struct generation *generation, struct span text, FILE *faults)
{
	struct supervisor *supervisor = generation->supervisor;
	const struct config *config = generation->config;
	TRY(secrets_open(config, faults, &generation->files));
	TRY(folders_open(config, &supervisor->identities, faults, &generation->files));
	TRY(make_seats(supervisor, config));
	return add_shared_files(generation, text);
}

static void take_generation_limit(void *context);
static void look_at_posts(void *context);

enum status generation_create(struct supervisor *supervisor, struct config *config, struct span text, FILE *faults,
			      struct generation **out_generation)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	if (generation == NULL) {
		config_free(&config);
		return STATUS_NO_MEMORY;
	}
	generation->supervisor = supervisor;
	generation->config = config;
	generation->look = (struct turn_end){ .run = look_at_posts, .context = generation };
	enum status status = timer_make(supervisor->loop, take_generation_limit, generation, &generation->limit);
	if (status == STATUS_OK)
		status = make_posts(generation);
	if (status == STATUS_OK)
		status = open_files(generation, text, faults);
	if (status == STATUS_OK)
		*out_generation = generation;
	else
		generation_free(&generation);
	return status;
}

void generation_free(struct generation **generation)
{
	struct generation *g = *generation;
	if (g == NULL)
		return;
	*generation = NULL;
	for (size_t i = 0; i < g->post_count; i++)
		post_free(&g->posts[i]);
	loop_forget_turn_end(g->supervisor->loop, &g->look);
	timer_free(&g->limit);
	handover_close(&g->files);
	config_free(&g->config);
	free(g->posts);
	free(g);
}

/* ---- its life */

static bool is_gate(const struct post *post)
{
	return post->kind == ROLE_GATE;
}

static void start_posts(struct generation *generation, size_t from, size_t to)
{
	for (size_t i = from; i < to && !generation->failed; i++) {
		char name[POST_NAME_SIZE];
		if (generation->posts[i].state != POST_EMPTY || post_start(&generation->posts[i]) == STATUS_OK)
			continue;
		post_name(&generation->posts[i], name);
		log_error("%s can't be started: %s", name, strerror(errno));
		generation->failed = true;
		generation_post_changed(generation);
	}
}

void generation_start(struct generation *generation)
{
	timer_set(generation->limit, START_LIMIT_MS);
	start_posts(generation, 0, FIRST_GATE);
}

static bool are_ready(const struct generation *generation, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (generation->posts[i].state != POST_READY)
			return false;
	return true;
}

/*
 * Gates take clients at once, so they start after the roles that they need. Admin starts last: that it answers says
 * that all are there.
 */
static void look_at_start(struct generation *generation)
{
	struct supervisor *supervisor = generation->supervisor;
	size_t count = generation->post_count;
	if (generation->failed) {
		supervisor_generation_failed(supervisor, generation);
	} else if (are_ready(generation, 0, count)) {
		timer_clear(generation->limit);
		generation->stage = GENERATION_SERVING;
		supervisor_generation_serves(supervisor, generation);
	} else if (are_ready(generation, 0, count - 1)) {
		start_posts(generation, count - 1, count);
	} else if (are_ready(generation, 0, FIRST_GATE)) {
		start_posts(generation, FIRST_GATE, count - 1);
	}
}

static void look_at_posts(void *context)
{
	struct generation *generation = context;
	if (generation->stage == GENERATION_STARTING)
		look_at_start(generation);
	else if (generation->stage == GENERATION_DRAINING)
		supervisor_generation_shrank(generation->supervisor, generation);
}

void generation_post_changed(struct generation *generation)
{
	loop_at_turn_end(generation->supervisor->loop, &generation->look);
}

bool generation_has(const struct generation *generation, bool gates_only)
{
	for (size_t i = 0; i < generation->post_count; i++)
		if (post_has_process(&generation->posts[i]) && (!gates_only || is_gate(&generation->posts[i])))
			return true;
	return false;
}

bool generation_takes_nothing(const struct generation *generation)
{
	for (size_t i = 0; i < generation->post_count; i++)
		if (post_has_process(&generation->posts[i]) && !generation->posts[i].takes_nothing)
			return false;
	return generation->stage == GENERATION_DRAINING;
}

/* ---- its end */

static void drain_posts(struct generation *generation, bool gates, uint64_t limit_ms, bool succeeded)
{
	for (size_t i = 0; i < generation->post_count; i++)
		if (is_gate(&generation->posts[i]) == gates && generation->posts[i].state != POST_GONE)
			post_drain(&generation->posts[i], limit_ms, succeeded);
	/* A process that was told to end cuts short what is left at the limit, and needs a moment for that. */
	timer_set(generation->limit, limit_ms + KILL_GRACE_MS);
}

void generation_drain_last(struct generation *generation, uint64_t limit_ms)
{
	if (generation->last_drained)
		return;
	generation->last_drained = true;
	drain_posts(generation, false, limit_ms, false);
}

void generation_drain(struct generation *generation, uint64_t limit_ms, bool all)
{
	generation->stage = GENERATION_DRAINING;
	drain_posts(generation, true, limit_ms, all);
	if (all)
		generation_drain_last(generation, limit_ms + LAST_GRACE_MS);
}

void generation_tell_ticket_key(struct generation *generation, struct span key)
{
	const struct door_ticket_key message = { .key = key };
	for (size_t i = 0; i < generation->post_count; i++) {
		struct post *post = &generation->posts[i];
		if (is_gate(post) && post->door && door_send_ticket_key(post->door, &message) != STATUS_OK)
			post_kill(post);
	}
}

void generation_kill(struct generation *generation, bool gates_only)
{
	for (size_t i = 0; i < generation->post_count; i++)
		if (!gates_only || is_gate(&generation->posts[i]))
			post_kill(&generation->posts[i]);
}

static void take_generation_limit(void *context)
{
	struct generation *generation = context;
	if (generation->stage == GENERATION_STARTING) {
		log_error("a process was not ready in time");
		generation->failed = true;
		generation_post_changed(generation);
		return;
	}
	log_warning("a drain took too long; what is left is killed");
	generation_kill(generation, generation_has(generation, true) && !generation->last_drained);
}
