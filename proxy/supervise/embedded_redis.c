/*
 * The private redis-server. Owns its process, its password and its folder (state_dir/redis). While it is away the relay
 * refuses with 451.
 *
 * appendfsync is "always", so what Redis acknowledged is on disk, and not even a power cut takes a charge back (promise
 * 4). Redis syncs once for all commands of one turn. Measured on an SSD, a single charge took 0.21 ms instead of 0.06,
 * and twenty at once 0.4 ms: 40,000 a second, far more than a node sends.
 */
#include "supervise/embedded_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "supervise/backoff.h"
#include "supervise/folders.h"
#include "supervise/hang_limits.h"
#include "supervise/memory_file.h"
#include "supervise/redis_pulse.h"

/* Random bytes. */
#define PASSWORD_ENTROPY 32
/* Bytes of its config: two paths and a page of text; a pipe takes it at once. */
#define SETTINGS_ROOM 16384
/* From SIGTERM to SIGKILL; everything acknowledged is on disk anyway. */
#define STOP_LIMIT_MS 10000
/* Between two attempts to reach it at start. */
#define PROBE_PAUSE_MS 20
/* Bytes of the probe, and of its answer. */
#define REPLY_ROOM 256

struct embedded_redis {
	struct loop *loop;
	struct embedded_redis_options options; /* less config */
	int binary;
	char folder[PATH_MAX];
	char server[sizeof("unix:") + sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct secret password;
	int password_fd;
	bool shared; /* roles run as other users */
	struct process *process;
	struct timer *timer; /* to start it again, or to kill it */
	struct redis_pulse *pulse;
	enum hang hang;
	uint64_t killed_ms;  /* when it was, with HANG_KILLED */
	uint64_t started_us; /* wall clock */
	uint64_t started_ms;
	uint64_t delay_ms;
	bool stopping;
};

static const char *socket_path(const struct embedded_redis *redis)
{
	return redis->server + sizeof("unix:") - 1;
}

/* ---- starting it */

/* Finds the first of these names in PATH. valkey-server is the same server under another name. */
static int find_binary(void)
{
	static const char *const names[] = { "redis-server", "valkey-server" };
	const char *search = getenv("PATH");
	struct span folder;
	char path[PATH_MAX];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct span rest = span_of(search ? search : "/usr/local/bin:/usr/bin:/bin");
		while (span_cut(&rest, ':', &folder)) {
			snprintf(path, sizeof(path), "%.*s/%s", SPAN_ARGS(folder), names[i]);
			if (folder.size && access(path, X_OK) == 0)
				return open(path, O_RDONLY | O_CLOEXEC);
		}
	}
	return -1;
}

static enum status write_settings(const struct embedded_redis *redis, struct buf *b)
{
	TRY(buf_printf(b, "port 0\nunixsocket \"%s\"\nunixsocketperm %s\n", socket_path(redis),
		       redis->shared
			       ? "777"
			       : "700")); /* it is guarded by the password; the folder can only be passed through */
	TRY(buf_printf(b, "requirepass %.*s\n", SPAN_ARGS(secret_reveal(&redis->password))));
	TRY(buf_printf(b, "dir \"%s\"\n", redis->folder));
	return buf_append_text(b, "appendonly yes\n"
				  "appendfsync always\n"
				  "save \"\"\n"
				  "maxmemory-policy noeviction\n"
				  "daemonize no\n"
				  "supervised no\n"
				  "databases 1\n"
				  "loglevel warning\n"
				  "logfile \"\"\n"
				  "always-show-logo no\n"
				  "set-proc-title yes\n"
				  "proc-title-template \"subgate: redis\"\n");
}

/* Its config comes through a pipe, so that the password is on no disk and in no argument. */
static enum status open_settings(const struct embedded_redis *redis, int *out_fd)
{
	int ends[2];
	struct buf settings BUF_AUTO;
	buf_init_sensitive(&settings, SETTINGS_ROOM);
	TRY(write_settings(redis, &settings));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return STATUS_SYSTEM;
	struct span text = buf_span(&settings);
	bool written = write(ends[1], text.data, text.size) == (ssize_t)text.size;
	close(ends[1]);
	if (!written) {
		close(ends[0]);
		return STATUS_SYSTEM;
	}
	*out_fd = ends[0];
	return STATUS_OK;
}

static void take_redis_exit(void *context, const char *how);

static enum status launch_redis(struct embedded_redis *redis)
{
	static char *const argv[] = { "redis-server", "-", NULL };
	static char *const envp[] = { NULL };
	int input = -1, output = -1;
	TRY(open_settings(redis, &input));
	enum status status = logs_open(redis->options.logs, "redis", LOG_LEVEL_INFO, &output);
	if (status == STATUS_OK) {
		const struct process_options options = {
			.binary = redis->binary,
			.argv = argv,
			.envp = envp,
			.input = input,
			.output = output,
			.keep = &redis->options.lock,
			.keep_count = redis->options.lock >= 0,
			.folder = redis->folder,
			.identity = redis->options.identity,
			.death_signal = SIGTERM,
			.on_exit = take_redis_exit,
			.context = redis,
		};
		status = process_start(redis->loop, &options, &redis->process);
		close(output);
	}
	close(input);
	redis->started_ms = clock_monotonic_ms();
	redis->started_us = clock_wall_us();
	redis->hang = HANG_NONE;
	redis_pulse_begin(redis->pulse, redis->started_ms);
	return status;
}

static void launch_redis_later(struct embedded_redis *redis)
{
	redis->delay_ms = backoff_next(redis->delay_ms, clock_monotonic_ms() - redis->started_ms);
	timer_set(redis->timer, redis->delay_ms);
}

static void take_redis_exit(void *context, const char *how)
{
	struct embedded_redis *redis = context;
	process_free(&redis->process);
	if (redis->stopping) {
		timer_clear(redis->timer);
		redis->options.on_stopped(redis->options.context);
		return;
	}
	redis->hang = HANG_NONE;
	stats_add(redis->options.stats, COUNTER_ROLE_RESTARTS, ROLE_KINDS, 1);
	launch_redis_later(redis);
	log_error("the embedded Redis is gone (%s); it is started again in %llu ms", how,
		  (unsigned long long)redis->delay_ms);
}

static void take_redis_time(void *context)
{
	struct embedded_redis *redis = context;
	if (redis->stopping && redis->process == NULL) {
		redis->options.on_stopped(redis->options.context);
	} else if (redis->stopping) {
		log_warning("the embedded Redis does not end; it is killed");
		process_signal(redis->process, SIGKILL);
	} else if (launch_redis(redis) != STATUS_OK) {
		log_error("the embedded Redis can't be started: %s", strerror(errno));
		launch_redis_later(redis);
	}
}

/* ---- signs of life */

static void judge_silence(struct embedded_redis *redis, uint64_t now_ms)
{
	unsigned long long silent_ms = redis_pulse_silent_ms(redis->pulse);
	bool has_answered = redis_pulse_has_answered(redis->pulse);
	if (silent_ms >= (has_answered ? HANG_KILL_MS : HANG_START_KILL_MS)) {
		log_error("the embedded Redis hangs, and is killed: it has not answered for %llu ms", silent_ms);
		redis->hang = HANG_KILLED;
		redis->killed_ms = now_ms;
		process_signal(redis->process, SIGKILL);
	} else if (has_answered && silent_ms >= HANG_SEEN_MS && redis->hang == HANG_NONE) {
		log_error("the embedded Redis hangs: it has not answered for %llu ms", silent_ms);
		redis->hang = HANG_SEEN;
	} else if (silent_ms < HANG_SEEN_MS && redis->hang == HANG_SEEN) {
		log_warning("the embedded Redis goes on");
		redis->hang = HANG_NONE;
	}
}

void embedded_redis_look(struct embedded_redis *redis, uint64_t now_ms)
{
	if (redis->process == NULL || redis->stopping || redis->hang == HANG_KILLED)
		return;
	redis_pulse_look(redis->pulse, now_ms);
	judge_silence(redis, now_ms);
}

bool embedded_redis_is_hung(const struct embedded_redis *redis)
{
	return redis->hang != HANG_NONE;
}

bool embedded_redis_is_stubborn(const struct embedded_redis *redis, uint64_t now_ms)
{
	return redis->hang == HANG_KILLED && now_ms - redis->killed_ms >= HANG_STUBBORN_MS;
}

pid_t embedded_redis_pid(const struct embedded_redis *redis)
{
	return redis->process ? process_id(redis->process) : 0;
}

uint64_t embedded_redis_started_us(const struct embedded_redis *redis)
{
	return redis->started_us;
}

/* ---- waiting for its first answer */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool ask_for_pong(int fd, const struct secret *password)
{
	struct buf request BUF_AUTO;
	char reply[REPLY_ROOM];
	size_t size = 0;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	buf_init_sensitive(&request, REPLY_ROOM);
	if (buf_printf(&request, "AUTH %.*s\r\nPING\r\n", SPAN_ARGS(secret_reveal(password))) != STATUS_OK)
		return false;
	struct span text = buf_span(&request);
	if (send(fd, text.data, text.size, MSG_NOSIGNAL) != (ssize_t)text.size)
		return false;
	while (size < sizeof(reply) && poll(&ready, 1, 1000) == 1) {
		ssize_t got = read(fd, reply + size, sizeof(reply) - size);
		if (got <= 0)
			return false;
		size += (size_t)got;
		if (memmem(reply, size, "+PONG", 5))
			return true;
		if (reply[0] == '-' || memmem(reply, size, "\n-", 2))
			return false; /* -LOADING: it is still reading its file */
	}
	return false;
}

static bool redis_answers(const struct embedded_redis *redis)
{
	int fd = connect_to(socket_path(redis));
	if (fd < 0)
		return false;
	bool right = ask_for_pong(fd, &redis->password);
	close(fd);
	return right;
}

static enum status wait_for_answer(const struct embedded_redis *redis, uint64_t limit_ms, FILE *faults)
{
	const struct timespec pause = { .tv_nsec = PROBE_PAUSE_MS * 1000000L };
	uint64_t end_ms = clock_monotonic_ms() + limit_ms;
	while (process_is_alive(redis->process)) {
		if (redis_answers(redis))
			return STATUS_OK;
		if (clock_monotonic_ms() >= end_ms) {
			fprintf(faults, "the embedded Redis in %s does not answer\n", redis->folder);
			return STATUS_TIMEOUT;
		}
		nanosleep(&pause, NULL);
	}
	logs_flush(redis->options.logs);
	fprintf(faults, "the embedded Redis in %s ended at once; its log tells why\n", redis->folder);
	return STATUS_UNAVAILABLE;
}

/* ---- life */

/* The socket is in the state folder, or in the run folder where the path is too long for a socket (108 bytes). */
static enum status choose_socket(const struct config *config, FILE *faults, struct embedded_redis *redis)
{
	const char *const bases[] = { config->global.state_dir, config->global.run_dir };
	char folder[PATH_MAX];
	for (size_t i = 0; i < 2; i++) {
		int size = snprintf(redis->server, sizeof(redis->server), "unix:%s/redis/redis.sock", bases[i]);
		if (size < 0 || size >= (int)sizeof(redis->server) - 1)
			continue;
		snprintf(folder, sizeof(folder), "%s/redis", bases[i]);
		return folder_make(folder, redis->shared ? 0711 : 0700, redis->options.identity);
	}
	fprintf(faults, "%s: state_dir and run_dir are too long for the socket of the embedded Redis\n", config->file);
	return STATUS_INVALID;
}

static enum status prepare_folder(const struct config *config, FILE *faults, struct embedded_redis *redis)
{
	snprintf(redis->folder, sizeof(redis->folder), "%s/redis", config->global.state_dir);
	if (folder_make(redis->folder, redis->shared ? 0711 : 0700, redis->options.identity) != STATUS_OK) {
		fprintf(faults, "%s: can't make this folder: %s\n", redis->folder, strerror(errno));
		return STATUS_SYSTEM;
	}
	TRY(choose_socket(config, faults, redis));
	/* A quote or a line end in a path would end its setting. */
	if (strpbrk(redis->folder, "\"\\\n") || strpbrk(redis->server, "\"\\\n")) {
		fprintf(faults, "%s: the embedded Redis takes no quotes in paths\n", redis->folder);
		return STATUS_INVALID;
	}
	return STATUS_OK;
}

static enum status prepare_redis(struct embedded_redis *redis, const struct config *config, FILE *faults)
{
	TRY(prepare_folder(config, faults, redis));
	redis->binary = find_binary();
	if (redis->binary < 0) {
		fprintf(faults,
			"%s:%u: redis.server = \"embedded\" needs the program redis-server; install it (Debian: apt "
			"install"
			" redis-server), or name a server\n",
			config->file, config->redis.line);
		return STATUS_NOT_FOUND;
	}
	TRY(secret_random_hex(PASSWORD_ENTROPY, &redis->password));
	TRY(redis_pulse_create(redis->loop, socket_path(redis), &redis->password, &redis->pulse));
	TRY(memory_file_seal("redis-password", secret_reveal(&redis->password), &redis->password_fd));
	return timer_make(redis->loop, take_redis_time, redis, &redis->timer);
}

enum status embedded_redis_create(struct loop *loop, const struct embedded_redis_options *options, uint64_t limit_ms,
				  FILE *faults, struct embedded_redis **out_redis)
{
	struct embedded_redis *redis = calloc(1, sizeof(*redis));
	if (redis == NULL)
		return STATUS_NO_MEMORY;
	*redis = (struct embedded_redis){ .loop = loop, .options = *options, .binary = -1, .password_fd = -1 };
	redis->options.config = NULL;
	redis->shared = options->identity && options->identity->changes;
	enum status status = prepare_redis(redis, options->config, faults);
	if (status == STATUS_OK) {
		status = launch_redis(redis);
		if (status != STATUS_OK)
			fprintf(faults, "the embedded Redis can't be started: %s\n", strerror(errno));
	}
	if (status == STATUS_OK)
		status = wait_for_answer(redis, limit_ms, faults);
	if (status == STATUS_OK)
		*out_redis = redis;
	else
		embedded_redis_free(&redis);
	return status;
}

const char *embedded_redis_server(const struct embedded_redis *redis)
{
	return redis->server;
}

int embedded_redis_password_fd(const struct embedded_redis *redis)
{
	return redis->password_fd;
}

void embedded_redis_stop(struct embedded_redis *redis)
{
	redis->stopping = true;
	if (redis->process)
		process_signal(redis->process, SIGTERM);
	timer_set(redis->timer, redis->process ? STOP_LIMIT_MS : 0);
}

void embedded_redis_free(struct embedded_redis **redis)
{
	struct embedded_redis *r = *redis;
	if (r == NULL)
		return;
	*redis = NULL;
	redis_pulse_free(&r->pulse);
	process_free(&r->process);
	timer_free(&r->timer);
	secret_wipe(&r->password);
	if (r->password_fd >= 0)
		close(r->password_fd);
	if (r->binary >= 0)
		close(r->binary);
	free(r);
}
