/*
 * The nodes, and what role/role.h promises to a role: this runs the relay role as its process does, with real files.
 * A process that is killed keeps its memory; its descriptors are closed, as their locks must end.
 */
#include "tests/simulate/nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "role/role.h"
#include "tests/simulate/books.h"
#include "tests/simulate/servers.h"

#define DRAIN_MS 30000
#define DESCRIPTORS 512 /* looked at, when a process starts */

struct descriptor {
	int fd;
	dev_t device;
	ino_t inode;
};

/* One relay process. */
struct relay_process {
	struct process process; /* the first: found from it */
	struct role_context context;
	struct node *node;
	void *state;
	struct gate *gate;
	struct descriptor descriptors[DESCRIPTORS];
	size_t descriptor_count;
	bool is_draining;
	uint64_t drains_since_us;
	struct relay_process *older; /* that drains still */
	char name[48];
};

struct node {
	unsigned index;
	char folder[128];
	char name[32];
	struct config *config;
	int64_t shift_us;
	bool disk_is_full;
	struct relay_process *newest; /* NULL: none runs */
	uint32_t last_instance;
};

/* ---- configuration */

static const char form[] = "hostname = \"%s\"\n"
			   "state_dir = \"%s\"\nrun_dir = \"%s\"\n"
			   "tls { certificate = \"none\"  private_key = \"none\" }\n"
			   "listener l { address = {\"127.0.0.1:465\"}  tls = \"implicit\" }\n"
			   "redis { server = \"redis://" REDIS_ADDRESS "\" }\n"
			   "quota default { messages_per_day = %u  messages_per_minute = %u }\n"
			   "quota_day { timezone = \"%s\" }\n"
			   "relay one { host = \"192.0.2.1\"  port = 25  tls = \"none\"  auth = \"none\" }\n"
			   "relay two { host = \"192.0.2.2\"  port = 25  tls = \"none\"  auth = \"none\" }\n"
			   "route default { relays = {\"one\", \"two\"} }\n"
			   "audit { sync = \"%s\" }\n";

static struct config *load_config(const struct node *node, unsigned messages_per_day, const char *zone)
{
	static const char *const syncs[] = { "none", "interval", "always" };
	char text[2048], path[160];
	struct config *config = NULL;
	snprintf(text, sizeof(text), form, node->name, node->folder, node->folder, messages_per_day,
		 sim_chance(300) ? 4U : 0U, zone, syncs[sim_draw(3)]);
	snprintf(path, sizeof(path), "%s/subgate.conf", node->folder);
	if (config_load(span_of(text), path, stderr, &config) != STATUS_OK)
		sim_fail("the configuration of %s is wrong", node->name);
	return config;
}

struct node *node_make(unsigned index, const char *folder, unsigned messages_per_day, const char *zone)
{
	struct node *node = calloc(1, sizeof(*node));
	assert(node);
	node->index = index;
	snprintf(node->name, sizeof(node->name), "node%u", index);
	snprintf(node->folder, sizeof(node->folder), "%s/%s", folder, node->name);
	if (mkdir(node->folder, 0700) != 0)
		sim_fail("%s can't be made", node->folder);
	node->config = load_config(node, messages_per_day, zone);
	return node;
}

unsigned node_index(const struct node *node)
{
	return node->index;
}

void node_step_clock(struct node *node, int64_t shift_us)
{
	node->shift_us = shift_us;
}

void node_fill_disk(struct node *node, bool is_full)
{
	node->disk_is_full = is_full;
}

bool node_is_running(const struct node *node)
{
	return node->newest && !node->newest->is_draining;
}

bool node_is_over(const struct node *node)
{
	return node->newest == NULL;
}

/* ---- what a role asks of its process */

static struct relay_process *find_running_relay(const struct role_context *context)
{
	return (struct relay_process *)(void *)((char *)(uintptr_t)context - offsetof(struct relay_process, context));
}

static bool is_folder(const char *name)
{
	return strcmp(name, "spool") == 0 || strcmp(name, "slots") == 0;
}

static int open_folder(const char *path)
{
	(void)mkdir(path, 0700);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int role_take_fd(const struct role_context *context, const char *name)
{
	const struct node *node = find_running_relay(context)->node;
	char path[256];
	if (strchr(name, ':') || strstr(name, "password") || strstr(name, "secret"))
		return -1;
	snprintf(path, sizeof(path), "%s/%s", node->folder, strcmp(name, "audit") == 0 ? "audit.jsonl" : name);
	if (is_folder(name))
		return open_folder(path);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | (strcmp(name, "audit") == 0 ? O_APPEND : 0), 0600);
}

enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret)
{
	(void)context;
	return strcmp(name, "audit-key") == 0 ? secret_random_hex(32, out_secret) : STATUS_NOT_FOUND;
}

static void end_process(void *context);

void role_anchor_audit(const struct role_context *context, const struct audit_statement *statement)
{
	(void)context, (void)statement;
}

void role_finish(const struct role_context *context)
{
	sim_after(&sim_outside, 1, end_process, find_running_relay(context));
}

void role_distrust_gate(const struct role_context *context, uint32_t instance)
{
	(void)context;
	sim_fail("gate %u is distrusted", instance);
}

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	(void)context, (void)peer, (void)instance;
}

const char *role_kind_text(enum role_kind kind)
{
	return kind == ROLE_GATE ? "gate" : kind == ROLE_AUTH ? "auth" : "other";
}

/* ---- descriptors */

static void note_open(bool *is_open)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		is_open[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void note_new(struct relay_process *self, const bool *was_open)
{
	struct stat file;
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (!was_open[fd] && fstat(fd, &file) == 0)
			self->descriptors[self->descriptor_count++] =
				(struct descriptor){ fd, file.st_dev, file.st_ino };
}

static void close_all(struct relay_process *self)
{
	struct stat file;
	for (size_t i = 0; i < self->descriptor_count; i++) {
		const struct descriptor *d = &self->descriptors[i];
		if (fstat(d->fd, &file) == 0 && file.st_dev == d->device && file.st_ino == d->inode)
			close(d->fd);
	}
}

/* ---- life */

static void attach_doors(void *context)
{
	struct relay_process *self = context;
	struct doors doors;
	self->gate = clients_attach(self->node, &self->process, &doors);
	relay_role.attached(self->state, ROLE_GATE, doors.instance, doors.gate);
	relay_role.attached(self->state, ROLE_AUTH, 0, doors.auth);
}

static void start_role(void *context)
{
	struct relay_process *self = context;
	if (relay_role.start(&self->context, &self->state) == STATUS_OK)
		attach_doors(self);
}

static void drain_role(void *context)
{
	struct relay_process *self = context;
	self->is_draining = true;
	self->drains_since_us = sim_now_us;
	clients_drain(self->gate);
	relay_role.drain(self->state, DRAIN_MS, ROLE_DRAIN_SUCCEEDED);
}

static struct relay_process *make_process(struct node *node)
{
	struct relay_process *self = calloc(1, sizeof(*self));
	assert(self);
	node->last_instance++;
	snprintf(self->name, sizeof(self->name), "%s.%u", node->name, node->last_instance);
	self->node = node;
	self->process = (struct process){ .name = self->name,
					  .shift_us = &node->shift_us,
					  .disk_is_full = &node->disk_is_full };
	snprintf(self->process.zone, sizeof(self->process.zone), "%s", node->config->quota_day.timezone);
	sim_enter(&self->process);
	enum status status = loop_create(&self->process.loop);
	assert(status == STATUS_OK);
	self->context = (struct role_context){ .loop = self->process.loop,
					       .config = node->config,
					       .instance = node->last_instance,
					       .node = node->name,
					       .redis_server = node->config->redis.server };
	status = stats_create_private(&self->context.stats);
	assert(status == STATUS_OK);
	sim_enter(&sim_outside);
	return self;
}

/* A full disk may keep it from starting: then it is tried again, as the supervisor does. */
static void start_again(void *context)
{
	struct node *node = context;
	if (!node_is_running(node))
		node_start(node);
}

void node_start(struct node *node)
{
	bool was_open[DESCRIPTORS];
	struct relay_process *self = make_process(node);
	sim_note("%s starts", self->name);
	note_open(was_open);
	sim_turn(&self->process, start_role, self);
	note_new(self, was_open);
	if (self->state == NULL) {
		sim_note("%s could not start", self->name);
		sim_drop_threads(&self->process);
		close_all(self);
		self->process.is_dead = true;
		if (!node_is_running(node))
			sim_after(&sim_outside, SECOND_US, start_again, node);
		return;
	}
	if (node->newest && !node->newest->is_draining)
		sim_turn(&node->newest->process, drain_role, node->newest);
	self->older = node->newest;
	node->newest = self;
}

static void unlink_process(struct relay_process *self)
{
	struct relay_process **at = &self->node->newest;
	while (*at != self)
		at = &(*at)->older;
	*at = self->older;
}

static void stop_role(void *context)
{
	struct relay_process *self = context;
	relay_role.stop(self->state);
}

/* In order: it has drained. */
static void end_process(void *context)
{
	struct relay_process *self = context;
	if (self->process.is_dead)
		return;
	sim_note("%s ends", self->name);
	/* Its time was over: what Redis had not confirmed by then is not given back. */
	if (sim_now_us - self->drains_since_us > (DRAIN_MS - 1000) * 1000ULL)
		books_lose_relay(self->gate);
	sim_turn(&self->process, stop_role, self);
	self->process.is_dead = true;
	clients_detach(self->gate);
	unlink_process(self);
}

void node_kill(struct node *node)
{
	struct relay_process *self = node->newest;
	if (self == NULL)
		return;
	sim_note("%s is killed", self->name);
	books_lose_relay(self->gate);
	self->process.is_dead = true;
	sim_drop_threads(&self->process);
	sim_drop_watches(&self->process);
	sim_close_streams(&self->process);
	close_all(self);
	clients_detach(self->gate);
	unlink_process(self);
}

void node_drain(struct node *node)
{
	for (struct relay_process *self = node->newest; self; self = self->older)
		if (!self->is_draining)
			sim_turn(&self->process, drain_role, self);
}
