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
#include "role/role.h"
#include "role/title.h"
#include "role/turns.h"
#include "supervise/config_file.h"
#include "supervise/hangs.h"
#include "supervise/notify.h"
#include "supervise/supervisor.h"

/* A former Redis, orphaned by a kill -9 of its supervisor, is gone by then. */
#define LOCK_LIMIT_MS 5000
/* Between two starts of audit.anchor_command, and for it to end: less than the pause. */
#define ANCHOR_PAUSE_MS 60000
#define ANCHOR_LIMIT_MS 10000
/* For Redis to read its file and answer. */
#define REDIS_LIMIT_MS 10000

/* ---- what generations tell */

static void take_generation_serving(struct supervisor *supervisor, struct generation *generation)
{
	if (generation == supervisor->incoming) {
		reload_succeeded(supervisor);
		return;
	}
	supervisor->stage = STAGE_SERVING;
	generation_lead_audit(generation, true);
	renewal_follow(supervisor->renewal, generation->config, &generation->files);
	expiry_watch_follow(supervisor->expiry, generation->config, &generation->expiries);
	succession_tell(generation);
	log_info("ready: subgate " SUBGATE_VERSION " as %s, %u gates", generation->config->global.hostname,
		 role_gate_count(generation->config));
	notify_ready();
}

static void take_generation_failure(struct supervisor *supervisor, struct generation *generation)
{
	if (generation == supervisor->incoming) {
		reload_fail(supervisor, "a process did not get ready, the log tells why; nothing has changed");
		return;
	}
	log_error("can't start: a process did not get ready");
	loop_stop(supervisor->loop); /* exit_code is 1 from the start */
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

static void take_generation_shrunk(struct supervisor *supervisor, struct generation *generation)
{
	reload_settle(supervisor, generation);
	if (generation != supervisor->current && !generation_has(generation, false)) {
		log_info("the processes of the former config are gone");
		forget_outgoing(supervisor, generation);
	}
	ending_advance(supervisor);
}

static const struct generation_handler generation_handler = {
	.on_serving = take_generation_serving,
	.on_failed = take_generation_failure,
	.on_shrunk = take_generation_shrunk,
};

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
	if (!config_redis_is_embedded(config))
		return STATUS_OK;
	const struct embedded_redis_options options = {
		.config = config,
		.identity = &supervisor->identities.redis,
		.lock = supervisor->folders.state_lock,
		.logs = supervisor->logs,
		.stats = seats_own(supervisor->seats),
		.on_stopped = ending_take_redis_stopped,
		.context = supervisor,
	};
	return embedded_redis_create(supervisor->loop, &options, REDIS_LIMIT_MS, stderr, &supervisor->redis);
}

static enum status make_anchor(struct supervisor *supervisor)
{
	const struct anchor_command_options options = {
		.identity = &supervisor->identities.role[ROLE_RELAY],
		.logs = supervisor->logs,
		.stats = seats_own(supervisor->seats),
		.pause_ms = ANCHOR_PAUSE_MS,
		.limit_ms = ANCHOR_LIMIT_MS,
	};
	return anchor_command_create(supervisor->loop, &options, &supervisor->anchor);
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
	life_use(stats_life(seats_own(supervisor->seats)));
	TRY(open_log(supervisor, config));
	TRY(make_anchor(supervisor));
	TRY(expiry_watch_create(supervisor->loop, seats_own(supervisor->seats), &supervisor->expiry));
	TRY(renewal_create(supervisor->loop, reload_renew, supervisor, &supervisor->renewal));
	turns_measure(supervisor->loop, seats_own(supervisor->seats), ROLE_SUPERVISOR);
	TRY(census_board_create(&supervisor->census));
	TRY(ticket_keys_create(supervisor->loop, take_ticket_key, supervisor, &supervisor->ticket_keys));
	ticket_keys_set_lifetime(supervisor->ticket_keys, config->tls.ticket_lifetime);
	TRY(sockets_open(&supervisor->sockets, config, role_gate_count(config), &supervisor->identities, stderr));
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
	return generation_create(supervisor, config, buf_span(&text), NULL, stderr, &supervisor->current);
}

static void take_hangup(void *context)
{
	struct supervisor *supervisor = context;
	const struct reload nobody = { 0 };
	char *error = NULL;
	if (reload_begin(supervisor, &nobody, &error) != STATUS_OK)
		free(error); /* the log has it */
}

struct signals {
	struct signal_watch *watches[3];
};

static enum status watch_signals(struct supervisor *supervisor, struct signals *signals)
{
	TRY(signal_watch_create(supervisor->loop, SIGTERM, ending_take_termination, supervisor, &signals->watches[0]));
	TRY(signal_watch_create(supervisor->loop, SIGINT, ending_take_termination, supervisor, &signals->watches[1]));
	return signal_watch_create(supervisor->loop, SIGHUP, take_hangup, supervisor, &signals->watches[2]);
}

static void tear_down(struct supervisor *supervisor)
{
	hangs_free(&supervisor->hangs);
	traffic_free(&supervisor->traffic);
	renewal_free(&supervisor->renewal);
	expiry_watch_free(&supervisor->expiry);
	generation_free(&supervisor->incoming);
	generation_free(&supervisor->current);
	while (supervisor->outgoing)
		forget_outgoing(supervisor, supervisor->outgoing);
	timer_free(&supervisor->answer_limit);
	anchor_command_free(&supervisor->anchor);
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
		.generation_handler = &generation_handler,
		.command_handler = &supervisor_command_handler,
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
	if (status == STATUS_OK)
		status = traffic_begin(supervisor.loop, supervisor.seats, &supervisor.traffic);
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
