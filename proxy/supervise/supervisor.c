/*
 * The supervisor: prepares the node, starts its processes, and ends them in order. Owns everything that outlives a
 * role. Reads no byte from the network.
 *
 *   STARTING -> SERVING -> DRAINING (gates) -> CLOSING (auth, relay, admin) -> STOPPING (Redis) -> the end
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "role/title.h"
#include "role/turns.h"
#include "supervise/config_file.h"
#include "supervise/hangs.h"
#include "supervise/notify.h"
#include "supervise/supervisor.h"

/* A former Redis, orphaned by a kill -9 of its supervisor, is gone by then. */
#define LOCK_LIMIT_MS 5000
/* For Redis to read its file and answer. */
#define REDIS_LIMIT_MS 10000
/* For auth, relay and admin once the gates are gone: refunds, the audit's last records. */
#define LAST_LIMIT_MS 30000
/* The same, after a second signal. */
#define HURRY_LIMIT_MS 2000

/* ---- the end */

static void finish_loop(struct supervisor *supervisor, int exit_code)
{
	supervisor->exit_code = exit_code;
	loop_stop(supervisor->loop);
}

static void take_redis_stopped(void *context)
{
	struct supervisor *supervisor = context;
	log_info("ended");
	finish_loop(supervisor, 0);
}

static bool any_process(const struct supervisor *supervisor, bool gates_only)
{
	bool any = generation_has(supervisor->current, gates_only);
	for (const struct generation *g = supervisor->outgoing; g && !any; g = g->next)
		any = generation_has(g, gates_only);
	return any;
}

static void drain_last(struct supervisor *supervisor, uint64_t limit_ms)
{
	supervisor->stage = STAGE_CLOSING;
	generation_drain_last(supervisor->current, limit_ms);
	for (struct generation *g = supervisor->outgoing; g; g = g->next)
		generation_drain_last(g, limit_ms);
}

static void advance_end(struct supervisor *supervisor)
{
	if (supervisor->stage == STAGE_DRAINING && !any_process(supervisor, true))
		drain_last(supervisor, LAST_LIMIT_MS);
	if (supervisor->stage != STAGE_CLOSING || any_process(supervisor, false))
		return;
	supervisor->stage = STAGE_STOPPING;
	if (supervisor->redis)
		embedded_redis_stop(supervisor->redis);
	else
		take_redis_stopped(supervisor);
}

static void kill_all(struct supervisor *supervisor, bool gates_only)
{
	generation_kill(supervisor->current, gates_only);
	for (struct generation *g = supervisor->outgoing; g; g = g->next)
		generation_kill(g, gates_only);
}

void supervisor_end(struct supervisor *supervisor)
{
	if (supervisor->stage > STAGE_SERVING)
		return;
	supervisor->stage = STAGE_DRAINING;
	notify_stopping();
	log_info("ending: sessions may finish within %llu s",
		 (unsigned long long)supervisor->current->config->global.drain_timeout / 1000);
	if (supervisor->incoming)
		reload_fail(supervisor, "subgate is ending");
	sockets_close_gates(&supervisor->sockets);
	generation_drain(supervisor->current, supervisor->current->config->global.drain_timeout, false);
	for (struct generation *g = supervisor->outgoing; g; g = g->next) /* they have no successors any more */
		generation_drain(g, supervisor->current->config->global.drain_timeout, false);
	advance_end(supervisor);
}

/*
 * The first signal ends all in order. The second ends gates at once, and leaves the others a moment for what is under
 * way. The third ends all at once.
 */
static void take_termination(void *context)
{
	struct supervisor *supervisor = context;
	supervisor->terminations++;
	if (supervisor->terminations == 1) {
		supervisor_end(supervisor);
		return;
	}
	log_warning("asked to end once more: at once");
	kill_all(supervisor, supervisor->terminations == 2);
	if (supervisor->stage == STAGE_DRAINING)
		drain_last(supervisor, HURRY_LIMIT_MS);
}

static void take_hangup(void *context)
{
	struct supervisor *supervisor = context;
	const struct reload nobody = { 0 };
	char *error = NULL;
	if (reload_begin(supervisor, &nobody, &error) != STATUS_OK)
		free(error); /* the log has it */
}

/* ---- what generations tell */

void supervisor_generation_serves(struct supervisor *supervisor, struct generation *generation)
{
	if (generation == supervisor->incoming) {
		reload_succeeded(supervisor);
		return;
	}
	supervisor->stage = STAGE_SERVING;
	succession_tell(generation);
	log_info("ready: subgate " SUBGATE_VERSION " as %s, %u gates", generation->config->global.hostname,
		 generation_gates(generation->config));
	notify_ready();
}

void supervisor_generation_failed(struct supervisor *supervisor, struct generation *generation)
{
	if (generation == supervisor->incoming) {
		reload_fail(supervisor, "a process did not get ready, the log tells why; nothing has changed");
		return;
	}
	log_error("can't start: a process did not get ready");
	finish_loop(supervisor, 1);
}

static void forget_outgoing(struct supervisor *supervisor, struct generation *generation)
{
	for (struct generation **at = &supervisor->outgoing; *at; at = &(*at)->next)
		if (*at == generation) {
			*at = generation->next;
			generation_free(&generation);
			return;
		}
}

void supervisor_generation_shrank(struct supervisor *supervisor, struct generation *generation)
{
	reload_settle(supervisor, generation);
	if (generation != supervisor->current && !generation_has(generation, false)) {
		log_info("the processes of the former config are gone");
		forget_outgoing(supervisor, generation);
	}
	advance_end(supervisor);
}

/* ---- the beginning */

/*
 * Takes descriptors 0 to 2, so that nothing of ours gets their numbers, makes new files private, and prevents core
 * dumps, which would hold secrets.
 */
static void prepare_process(void)
{
	struct rlimit files;
	const struct rlimit no_core = { 0, 0 };
	int fd;
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	umask(077);
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &no_core);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	title_set("supervisor", 0);
}

static enum status open_log(struct supervisor *supervisor, const struct config *config)
{
	struct log_target *target = NULL;
	int fd = -1;
	if (log_target_open(config, &target) != STATUS_OK) {
		fprintf(stderr, "%s:%u: log.target: \"%s\" can't be opened: %s\n", config->file, config->log.line,
			config->log.target, strerror(errno));
		return STATUS_SYSTEM;
	}
	struct stats *stats = seats_own(supervisor->seats);
	enum status status = logs_create(supervisor->loop, target, stats, &supervisor->logs);
	if (status != STATUS_OK) {
		log_target_free(&target);
		return status;
	}
	TRY(logs_open(supervisor->logs, "supervisor", LOG_LEVEL_INFO, &fd));
	log_open(fd, (enum log_level)config->log.level, "supervisor");
	log_on_dropped(stats_count_log_dropped, stats);
	return STATUS_OK;
}

static enum status open_binary(struct supervisor *supervisor)
{
	supervisor->binary = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (supervisor->binary >= 0)
		return STATUS_OK;
	fprintf(stderr, "/proc/self/exe: %s\n", strerror(errno));
	return STATUS_SYSTEM;
}

static enum status start_redis(struct supervisor *supervisor, const struct config *config)
{
	if (strcmp(config->redis.server, "embedded") != 0)
		return STATUS_OK;
	const struct embedded_redis_options options = {
		.config = config,
		.identity = &supervisor->identities.redis,
		.lock = supervisor->folders.state_lock,
		.logs = supervisor->logs,
		.stats = seats_own(supervisor->seats),
		.on_stopped = take_redis_stopped,
		.context = supervisor,
	};
	return embedded_redis_create(supervisor->loop, &options, REDIS_LIMIT_MS, stderr, &supervisor->redis);
}

static void take_ticket_key(void *context, struct span key)
{
	struct supervisor *supervisor = context;
	if (supervisor->current)
		generation_tell_ticket_key(supervisor->current, key);
	if (supervisor->incoming)
		generation_tell_ticket_key(supervisor->incoming, key);
	for (struct generation *g = supervisor->outgoing; g; g = g->next)
		generation_tell_ticket_key(g, key);
}

/* Everything that outlives a generation, each part after those that it needs. */
static enum status prepare_node(struct supervisor *supervisor, const struct config *config)
{
	TRY(identities_find(config, stderr, &supervisor->identities));
	TRY(open_binary(supervisor));
	TRY(folders_lock(config, LOCK_LIMIT_MS, stderr, &supervisor->folders));
	TRY(seats_create(1, &supervisor->seats));
	TRY(open_log(supervisor, config));
	turns_measure(supervisor->loop, seats_own(supervisor->seats), ROLE_SUPERVISOR);
	TRY(census_board_create(&supervisor->census));
	TRY(ticket_keys_create(supervisor->loop, take_ticket_key, supervisor, &supervisor->ticket_keys));
	ticket_keys_set_lifetime(supervisor->ticket_keys, config->tls.ticket_lifetime);
	TRY(sockets_open(&supervisor->sockets, config, generation_gates(config), &supervisor->identities, stderr));
	return start_redis(supervisor, config);
}

static enum status prepare_supervisor(struct supervisor *supervisor)
{
	struct buf text BUF_AUTO;
	struct config *config = NULL;
	buf_init(&text, CONFIG_FILE_MAXIMUM);
	TRY(loop_create(&supervisor->loop));
	TRY(timer_make(supervisor->loop, reload_take_answer_limit, supervisor, &supervisor->answer_limit));
	TRY(config_file_load(supervisor->config_file, stderr, &text, &config));
	enum status status = config_file_check(config, stderr);
	if (status == STATUS_OK)
		status = prepare_node(supervisor, config);
	if (status != STATUS_OK) {
		config_free(&config);
		return status;
	}
	return generation_create(supervisor, config, buf_span(&text), stderr, &supervisor->current);
}

struct signals {
	struct signal_watch *watches[3];
};

static enum status watch_signals(struct supervisor *supervisor, struct signals *signals)
{
	TRY(signal_watch_create(supervisor->loop, SIGTERM, take_termination, supervisor, &signals->watches[0]));
	TRY(signal_watch_create(supervisor->loop, SIGINT, take_termination, supervisor, &signals->watches[1]));
	return signal_watch_create(supervisor->loop, SIGHUP, take_hangup, supervisor, &signals->watches[2]);
}

static void tear_down(struct supervisor *supervisor)
{
	hangs_free(&supervisor->hangs);
	generation_free(&supervisor->incoming);
	generation_free(&supervisor->current);
	while (supervisor->outgoing)
		forget_outgoing(supervisor, supervisor->outgoing);
	timer_free(&supervisor->answer_limit);
	embedded_redis_free(&supervisor->redis);
	sockets_close(&supervisor->sockets);
	log_target_free(&supervisor->next_target);
	logs_free(&supervisor->logs);
	log_on_dropped(NULL, NULL);
	seats_free(&supervisor->seats);
	census_board_free(&supervisor->census);
	folders_unlock(&supervisor->folders);
	ticket_keys_free(&supervisor->ticket_keys);
	if (supervisor->binary >= 0)
		close(supervisor->binary);
	loop_free(supervisor->loop);
}

int supervisor_run(const char *config_file)
{
	struct supervisor supervisor = {
		.config_file = config_file,
		.binary = -1,
		.folders = FOLDERS_NONE,
		.started_us = clock_wall_us(),
		.exit_code = 1,
	};
	struct signals signals = { 0 };
	prepare_process();
	enum status status = prepare_supervisor(&supervisor);
	if (status == STATUS_OK)
		status = watch_signals(&supervisor, &signals);
	if (status == STATUS_OK)
		status = hangs_begin(&supervisor, &supervisor.hangs);
	if (status == STATUS_OK) {
		generation_start(supervisor.current);
		loop_run(supervisor.loop);
	}
	for (size_t i = 0; i < sizeof(signals.watches) / sizeof(signals.watches[0]); i++)
		signal_watch_free(&signals.watches[i]);
	tear_down(&supervisor); /* flushes the log */
	if (supervisor.exit_code != 0)
		fprintf(stderr, "subgate: can't start\n");
	return supervisor.exit_code;
}
