/*
 * A generation: all roles under one config, from opening what they need to the end of the last of them. Owns config,
 * descriptors and posts. What happened to its posts is looked at once, at the end of a turn, so that nothing is freed
 * while a callback still uses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "door/messages.h"
#include "role/role.h"
#include "supervise/memory_file.h"
#include "supervise/notify_texts.h"
#include "supervise/secrets.h"
#include "supervise/supervisor.h"

/* Posts before the gates: auth, relay. */
#define FIRST_GATE 2
/* Posts that are not gates: those two, and admin, which comes last; before it the console, where there is one. */
#define OTHERS 3
/* For all to be ready: they read files, and wait for nobody. */
#define START_LIMIT_MS 30000
/* When auth and relay are told to end together with their gates, they may outlast them by this much. */
#define LAST_GRACE_MS 30000
/* A process that is told to end by a limit is killed this much after it. */
#define KILL_GRACE_MS 10000

/* ---- making one */

static enum status add_shared_files(struct generation *generation, struct span text)
{
	struct supervisor *supervisor = generation->supervisor;
	const unsigned all = TO(ROLE_GATE) | TO(ROLE_AUTH) | TO(ROLE_RELAY) | TO(ROLE_ADMIN) | TO(ROLE_CONSOLE);
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

static size_t count_posts(const struct config *config)
{
	return OTHERS + (config->console.address.count ? 1U : 0U) + role_gate_count(config);
}

/* Enough for two generations at once, so that a reload finds free seats, and for the supervisor. */
static enum status make_seats(struct supervisor *supervisor, const struct config *config)
{
	unsigned taken = 0;
	for (struct generation *g = supervisor->outgoing; g; g = g->next)
		taken += (unsigned)g->post_count;
	unsigned needed = 1 + taken + 2 * (unsigned)count_posts(config);
	if (supervisor->current)
		needed += (unsigned)supervisor->current->post_count;
	return seats_grow(supervisor->seats, needed);
}

static enum role_kind kind_of(const struct config *config, size_t place, size_t count)
{
	if (place < FIRST_GATE)
		return place == 0 ? ROLE_AUTH : ROLE_RELAY;
	if (place + 1 == count)
		return ROLE_ADMIN;
	return config->console.address.count && place + 2 == count ? ROLE_CONSOLE : ROLE_GATE;
}

static enum status make_posts(struct generation *generation)
{
	size_t count = count_posts(generation->config);
	generation->posts = calloc(count, sizeof(*generation->posts));
	if (generation->posts == NULL)
		return STATUS_NO_MEMORY;
	generation->post_count = count;
	for (size_t i = 0; i < count; i++) {
		struct post *post = &generation->posts[i];
		post->generation = generation;
		post->kind = kind_of(generation->config, i, count);
		post->index = post->kind == ROLE_GATE ? (unsigned)(i - FIRST_GATE + 1) : 0;
	}
	return STATUS_OK;
}

static enum status inherit_files(struct generation *generation, const struct handover *renewed)
{
	const struct handover *former = &generation->supervisor->current->files;
	TRY(secrets_inherit(generation->config, renewed, former, &generation->files));
	int texts = handover_find(former, "notify-texts");
	int copy = texts < 0 ? -1 : fcntl(texts, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return texts < 0 ? STATUS_OK : STATUS_SYSTEM;
	return handover_give(&generation->files, TO(ROLE_RELAY), copy, "notify-texts");
}

static enum status read_files(struct generation *generation, FILE *faults)
{
	TRY(secrets_open(generation->config, faults, &generation->files));
	return notify_texts_open(generation->config, faults, &generation->files);
}

static enum status open_files(struct generation *generation, struct span text, const struct handover *renewed,
			      FILE *faults)
{
	struct supervisor *supervisor = generation->supervisor;
	const struct config *config = generation->config;
	TRY(renewed ? inherit_files(generation, renewed) : read_files(generation, faults));
	TRY(expiries_list(config, &generation->files, &generation->expiries));
	TRY(expiries_hand_over(&generation->expiries, &generation->files));
	TRY(folders_open(config, &supervisor->identities, faults, &generation->files));
	TRY(make_seats(supervisor, config));
	return add_shared_files(generation, text);
}

/* Another file for the role of this kind: for the process that lives, and for the next one. Takes `fd`. */
static void replace_file(struct generation *generation, enum role_kind kind, const char *name, struct span told_name,
			 int fd)
{
	const struct door_replaced message = { .name = told_name };
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0 || !handover_replace(&generation->files, name, copy)) {
		log_error("%s: the new file can't be handed over", name);
		if (copy >= 0)
			close(copy);
		close(fd);
		return;
	}
	for (size_t i = 0; i < generation->post_count; i++) {
		struct post *post = &generation->posts[i];
		if (post->kind != kind || post->door == NULL)
			continue;
		door_attach_fd(post->door, fd);
		if (door_send_replaced(post->door, &message) != STATUS_OK)
			post_kill(post);
		return;
	}
	close(fd);
}

static void take_app_passwords(void *context, int fd)
{
	replace_file(context, ROLE_AUTH, "app-passwords", SPAN("app-passwords"), fd);
}

static void take_audit(void *context, int fd, const char *former_name)
{
	char name[sizeof("audit:") + NAME_MAX];
	snprintf(name, sizeof(name), "audit:%s", former_name);
	replace_file(context, ROLE_RELAY, "audit", span_of(name), fd);
}

static enum status keep_audit(struct generation *generation)
{
	return audit_keeper_create(generation->supervisor->loop, generation->config,
				   seats_own(generation->supervisor->seats), handover_find(&generation->files, "audit"),
				   take_audit, generation, &generation->audit);
}

static enum status follow_app_passwords(struct generation *generation)
{
	if (generation->config->app_password.store != STORE_FILE)
		return STATUS_OK;
	return followed_file_create(generation->supervisor->loop, generation->config->app_password.path,
				    handover_find(&generation->files, "app-passwords"), take_app_passwords, generation,
				    &generation->app_passwords);
}

static void take_generation_limit(void *context);
static void look_at_posts(void *context);

enum status generation_create(struct supervisor *supervisor, struct config *config, struct span text,
			      const struct handover *renewed, FILE *faults, struct generation **out_generation)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	if (generation == NULL) {
		config_free(&config);
		return STATUS_NO_MEMORY;
	}
	generation->supervisor = supervisor;
	generation->config = config;
	generation->is_renewed = renewed != NULL;
	generation->look = (struct turn_end){ .run = look_at_posts, .context = generation };
	enum status status = timer_make(supervisor->loop, take_generation_limit, generation, &generation->limit);
	if (status == STATUS_OK)
		status = make_posts(generation);
	if (status == STATUS_OK)
		status = open_files(generation, text, renewed, faults);
	if (status == STATUS_OK)
		status = follow_app_passwords(generation);
	if (status == STATUS_OK)
		status = keep_audit(generation);
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
	followed_file_free(&g->app_passwords);
	audit_keeper_free(&g->audit);
	handover_close(&g->files);
	expiries_free(&g->expiries);
	config_free(&g->config);
	free(g->posts);
	free(g);
}

/* ---- its life */

static bool is_gate(const struct post *post)
{
	return post->kind == ROLE_GATE;
}

static void look_at_turn_end(struct generation *generation)
{
	loop_at_turn_end(generation->supervisor->loop, &generation->look);
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
		look_at_turn_end(generation);
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
 * Gates take clients at once, so they start after the roles that they need, as does the console. Admin starts last:
 * that it answers says that all are there.
 */
static void look_at_start(struct generation *generation)
{
	struct supervisor *supervisor = generation->supervisor;
	size_t count = generation->post_count;
	if (generation->failed) {
		supervisor->generation_handler->on_failed(supervisor, generation);
	} else if (are_ready(generation, 0, count)) {
		timer_clear(generation->limit);
		generation->stage = GENERATION_SERVING;
		supervisor->generation_handler->on_serving(supervisor, generation);
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
		generation->supervisor->generation_handler->on_shrunk(generation->supervisor, generation);
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

static void drain_posts(struct generation *generation, bool gates, uint64_t limit_ms, enum role_drain how)
{
	for (size_t i = 0; i < generation->post_count; i++)
		if (is_gate(&generation->posts[i]) == gates && generation->posts[i].state != POST_GONE)
			post_drain(&generation->posts[i], limit_ms, how);
	/* A process that was told to end cuts short what is left at the limit, and needs a moment for that. */
	timer_set(generation->limit, limit_ms + KILL_GRACE_MS);
}

void generation_drain_last(struct generation *generation, uint64_t limit_ms)
{
	if (generation->last_drained)
		return;
	generation->last_drained = true;
	drain_posts(generation, false, limit_ms, ROLE_DRAIN_ENDS);
}

void generation_drain(struct generation *generation, uint64_t limit_ms, enum role_drain how)
{
	generation->stage = GENERATION_DRAINING;
	drain_posts(generation, true, limit_ms, how);
	if (how != ROLE_DRAIN_ENDS)
		generation_drain_last(generation, limit_ms + LAST_GRACE_MS);
}

void generation_lead_audit(struct generation *generation, bool leads)
{
	audit_keeper_lead(generation->audit, leads);
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
		look_at_turn_end(generation);
		return;
	}
	log_warning("a drain took too long; what is left is killed");
	generation_kill(generation, generation_has(generation, true) && !generation->last_drained);
}
