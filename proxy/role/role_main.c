/*
 * A role's process. Born by fork and exec, it gives up all that it doesn't need, starts its role, and serves until the
 * supervisor tells it to drain or is gone. Any failure before READY ends the process with exit 1; what follows is the
 * supervisor's decision.
 */
#include "role/role_main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "door/messages.h"
#include "net/tls_places.h"
#include "role/birth.h"
#include "role/role_memory.h"
#include "role/sandbox.h"
#include "role/title.h"
#include "role/turns.h"
#include "stats/life.h"

/* For the last replies to reach their clients; a client that doesn't read them loses them. */
#define LAST_WORDS_MS 2000
/* Lines of information wait so long for others: a process that logs much wakes the supervisor 20 times a second. */
#define LOG_WAIT_MS 50
/* A new process waits so long for what it needs of others, and looks for it so often. */
#define SERVE_WAIT_MS 3000
#define SERVE_LOOK_MS 10

/* The one role of this process. */
struct role_process {
	const struct role *role;
	struct role_context context;
	void *state;
	struct door *supervisor;
	struct config *config;
	struct timer *beat; /* shows that the loop turns */
	struct role_memory memory;
	struct timer *log_timer;
	struct timer *ready_timer; /* NULL unless the role says when it can serve */
	uint64_t ready_ms;         /* loop clock: READY is told then at the latest */
};

/* ---- giving up */

/* No other process of this user may look into this one, and no core dump shows what it knows. */
static void forbid_inspection(void)
{
#ifndef SUBGATE_SANITIZED /* the leak checker traces its own process */
	prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int compare_numbers(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes all but what was handed over, which no program that this one executes may inherit. */
static enum status close_others(const struct handover *list)
{
	int kept[HANDOVER_MAXIMUM + 1] = { STDERR_FILENO };
	size_t count = 1;
	for (size_t i = 0; i < list->count; i++) {
		kept[count++] = list->items[i].fd;
		if (fcntl(list->items[i].fd, F_SETFD, FD_CLOEXEC) < 0)
			return STATUS_SYSTEM;
	}
	qsort(kept, count, sizeof(kept[0]), compare_numbers);
	for (size_t i = 0; i < count; i++) {
		unsigned from = (unsigned)kept[i] + 1;
		unsigned to = i + 1 < count ? (unsigned)kept[i + 1] - 1 : ~0U;
		if (from <= to && close_range(from, to, 0) < 0)
			return STATUS_SYSTEM;
	}
	return STATUS_OK;
}

/*
 * Only the supervisor obeys signals: a terminal's Ctrl-C, or systemd's SIGTERM to all processes, must not end sessions.
 */
static void ignore_signals(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

static enum status give_up_privileges(const struct birth *birth)
{
	const struct rlimit no_core = { 0, 0 };
	umask(077);
	TRY(identity_assume(&birth->identity));
	forbid_inspection(); /* again, as a change of user undoes it */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != birth->parent)
		return STATUS_SYSTEM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0)
		return STATUS_SYSTEM;
	return STATUS_OK;
}

/* ---- the supervisor's door */

static enum status take_attach(struct role_process *process, struct door *door, struct span payload)
{
	struct door_attach attach;
	TRY(door_read_attach(payload, &attach));
	int fd = door_take_fd(door);
	if (fd < 0 || attach.role >= ROLE_KINDS)
		return STATUS_INVALID;
	process->role->attached(process->state, (enum role_kind)attach.role, attach.instance, fd);
	return STATUS_OK;
}

static enum status take_ticket_key(struct role_process *process, struct span payload)
{
	struct door_ticket_key message;
	TRY(door_read_ticket_key(payload, &message));
	return process->role->take_ticket_key ? process->role->take_ticket_key(process->state, message.key)
					      : STATUS_INVALID;
}

static enum status take_listen(struct role_process *process, struct door *door, struct span payload)
{
	struct door_listen message;
	TRY(door_read_listen(payload, &message));
	int fd = door_take_fd(door);
	if (fd >= 0 && process->role->listen)
		return process->role->listen(process->state, message.name, fd);
	if (fd >= 0)
		close(fd);
	return STATUS_INVALID;
}

static enum status take_replaced(struct role_process *process, struct door *door, struct span payload)
{
	struct door_replaced message;
	TRY(door_read_replaced(payload, &message));
	int fd = door_take_fd(door);
	if (fd >= 0 && process->role->take_file)
		return process->role->take_file(process->state, message.name, fd);
	if (fd >= 0)
		close(fd);
	return STATUS_INVALID;
}

static enum status take_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct role_process *process = context;
	struct door_drain drain;
	const struct door_draining draining = { .instance = process->context.instance };
	if (type == DOOR_ATTACH)
		return take_attach(process, door, payload);
	if (type == DOOR_LISTEN)
		return take_listen(process, door, payload);
	if (type == DOOR_REPLACED)
		return take_replaced(process, door, payload);
	if (type == DOOR_TICKET_KEY)
		return take_ticket_key(process, payload);
	if (type != DOOR_DRAIN)
		return STATUS_INVALID;
	TRY(door_read_drain(payload, &drain));
	if (drain.how >= ROLE_DRAINS)
		return STATUS_INVALID;
	log_info("drains, within %llu s", (unsigned long long)drain.limit_ms / 1000);
	process->role->drain(process->state, drain.limit_ms, (enum role_drain)drain.how);
	return door_send_draining(door, &draining);
}

/* Without a supervisor nobody replaces a process that dies, and the next supervisor starts roles of its own. */
static void take_closed(void *context, struct door *door)
{
	(void)context;
	(void)door;
	log_flush();
	_exit(1);
}

static const struct door_handler door_handler = { .on_frame = take_frame, .on_closed = take_closed };

static enum status open_door(struct role_process *process)
{
	int fd = role_take_fd(&process->context, "supervisor");
	if (fd < 0)
		return STATUS_NOT_FOUND;
	TRY(door_create(process->context.loop, fd, &door_handler, process, &process->supervisor));
	role_services_use_door(process->supervisor);
	return STATUS_OK;
}

/* ---- the start */

/* The supervisor found no fault in it, and sealed it. One that is found here goes to the log. */
static enum status load_sealed(struct role_process *process, const struct birth *birth, int fd)
{
	struct stat info;
	if (fstat(fd, &info) != 0 || info.st_size <= 0)
		return STATUS_SYSTEM;
	size_t size = (size_t)info.st_size;
	void *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return STATUS_SYSTEM;
	enum status status = config_load((struct span){ text, size }, birth->config_file, stderr, &process->config);
	munmap(text, size);
	return status;
}

static enum status take_config(struct role_process *process, const struct birth *birth)
{
	int fd = role_take_fd(&process->context, "config");
	if (fd < 0)
		return STATUS_NOT_FOUND;
	enum status status = load_sealed(process, birth, fd);
	close(fd);
	return status;
}

static enum status take_stats(struct role_process *process, const struct birth *birth)
{
	int fd = role_take_fd(&process->context, "stats");
	if (fd < 0)
		return STATUS_NOT_FOUND;
	enum status status = stats_map(fd, birth->seat, &process->context.stats);
	close(fd); /* so that a role that is taken over can't reach the counters of others */
	if (status == STATUS_OK)
		log_on_dropped(stats_count_log_dropped, process->context.stats);
	return status;
}

static void open_role_log(const struct role_process *process, const struct birth *birth)
{
	char who[32];
	if (birth->index)
		snprintf(who, sizeof(who), "%s %u", process->role->name, birth->index);
	else
		snprintf(who, sizeof(who), "%s", process->role->name);
	log_open(STDERR_FILENO, (enum log_level)process->config->log.level, who);
}

static void flush_log(void *context)
{
	(void)context;
	log_flush();
}

static void take_waiting_lines(void *context)
{
	struct role_process *process = context;
	timer_set(process->log_timer, LOG_WAIT_MS);
}

static enum status gather_log(struct role_process *process)
{
	TRY(timer_make(process->context.loop, flush_log, NULL, &process->log_timer));
	log_gather(take_waiting_lines, process);
	return STATUS_OK;
}

static enum status fill_context(struct role_process *process, const struct birth *birth)
{
	TRY(take_config(process, birth));
	open_role_log(process, birth);
	TRY(take_stats(process, birth));
	process->context.config = process->config;
	process->context.instance = birth->instance;
	process->context.index = birth->index;
	process->context.seat = birth->seat;
	process->context.seats = birth->seats;
	process->context.node = process->config->global.hostname;
	process->context.redis_server = birth->redis_server;
	process->context.admin_group = birth->admin_group;
	process->context.operator_group = birth->operator_group;
	return STATUS_OK;
}

static void take_beat(void *context)
{
	struct role_process *process = context;
	life_beat(stats_life(process->context.stats));
	role_memory_beat(&process->memory, loop_turn(process->context.loop));
	timer_set(process->beat, LIFE_BEAT_MS);
}

/* ---- READY */

static enum status tell_ready(const struct role_process *process)
{
	const struct door_ready ready = { .instance = process->context.instance };
	return door_send_ready(process->supervisor, &ready);
}

static void look_whether_it_serves(void *context)
{
	struct role_process *process = context;
	if (!process->role->can_serve(process->state) && loop_now_ms(process->context.loop) < process->ready_ms) {
		timer_set(process->ready_timer, SERVE_LOOK_MS);
		return;
	}
	if (tell_ready(process) == STATUS_OK)
		return;
	log_error("the supervisor can't be told that this process is ready");
	role_finish(&process->context); /* so that it is replaced at once */
}

static enum status get_ready(struct role_process *process)
{
	if (process->role->can_serve == NULL)
		return tell_ready(process);
	process->ready_ms = loop_now_ms(process->context.loop) + SERVE_WAIT_MS;
	TRY(timer_make(process->context.loop, look_whether_it_serves, process, &process->ready_timer));
	timer_set(process->ready_timer, 0);
	return STATUS_OK;
}

/* Each step that fails logs the reason or returns it. The order is that of role/role.h. */
static enum status start_role(struct role_process *process, const struct birth *birth)
{
	enum role_kind kind = process->role->kind;
	TRY(loop_create(&process->context.loop));
	TRY(fill_context(process, birth));
	TRY(gather_log(process));
	turns_measure(process->context.loop, process->context.stats, kind);
	life_use(stats_life(process->context.stats));
	TRY(timer_make(process->context.loop, take_beat, process, &process->beat));
	timer_set(process->beat, 0);
	TRY(sandbox_close_paths(kind, process->config, role_services_list()));
	TRY(process->role->start(&process->context, &process->state));
	TRY(open_door(process));
	TRY(sandbox_close_calls(kind));
	return get_ready(process);
}

static void stop_role(struct role_process *process)
{
	life_end(stats_life(process->context.stats));
	process->role->stop(process->state);
	role_services_use_door(NULL);
	door_flush(process->supervisor);
	door_free(&process->supervisor); /* its frames have no receiver any more */
	loop_finish(process->context.loop, LAST_WORDS_MS);
	timer_free(&process->beat);
	log_gather(NULL, NULL);
	timer_free(&process->log_timer);
	timer_free(&process->ready_timer);
	config_free(&process->config);
	loop_free(process->context.loop);
}

static enum status be_born(const struct role *role, struct birth *birth)
{
	struct handover list = { 0 };
	TRY(birth_read(birth, &list));
	title_set(role->name, birth->index);
	TRY(close_others(&list));
	role_services_open(&list);
	return give_up_privileges(birth);
}

int role_main(const struct role *role)
{
	static struct role_process process;
	struct birth birth = { 0 };
	forbid_inspection();
	role_memory_begin();
	if (role->kind == ROLE_GATE)
		tls_use_places(); /* it has one thread, and clients by the thousand */
	ignore_signals();
	process.role = role;
	enum status status = be_born(role, &birth);
	if (status == STATUS_OK)
		status = start_role(&process, &birth);
	if (status != STATUS_OK) {
		log_error("%s can't start: %s", role->name, status_text(status)); /* with all that waits */
		return 1;
	}
	loop_run(process.context.loop);
	log_debug("ends");
	stop_role(&process);
	return 0;
}
