/* Owns the exporters, and the list of those who wait, in the order in which they came. */
#include "export/exports.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "export/redis_stream.h"
#include "export/syslog.h"

#define MEASURE_MS 1000

struct export_waiter {
	char chain_id[CURSOR_CHAIN_SIZE];
	uint64_t seq;
	uint64_t until_ms;
	exports_callback *callback;
	void *context;
	TAILQ_ENTRY(export_waiter) in_list;
};

struct exports {
	struct exports_options options;
	struct resolver *resolver;
	struct redis *redis;
	struct exporter *exporters[EXPORTER_TARGETS]; /* NULL: not configured */
	struct trail *trails[EXPORTER_TARGETS];       /* before it begins */
	TAILQ_HEAD(export_waiters, export_waiter) waiters;
	struct timer *timer; /* of the next look: at metrics, and at whoever has waited for too long */
};

static const char *const target_names[EXPORTER_TARGETS] = { "syslog", "stream" };

bool exports_are_wanted(const struct config_audit *audit)
{
	return *audit->syslog || audit->stream;
}

static bool is_wanted(const struct exports *exports, enum exporter_target target)
{
	const struct config_audit *audit = &exports->options.config->audit;
	return target == EXPORTER_SYSLOG ? *audit->syslog != '\0' : audit->stream;
}

/* ---- who waits */

static bool has_arrived(const struct exports *exports, const struct export_waiter *waiter)
{
	for (int i = 0; i < EXPORTER_TARGETS; i++) {
		struct exporter *exporter = exports->exporters[i];
		if (exporter && exporter_find_exported(exporter, span_of(waiter->chain_id)) < waiter->seq)
			return false;
	}
	return true;
}

static void hurry_all(const struct exports *exports)
{
	for (int i = 0; i < EXPORTER_TARGETS; i++)
		if (exports->exporters[i])
			exporter_hurry(exports->exporters[i], !TAILQ_EMPTY(&exports->waiters));
}

/* A callback may wait anew, at the list's end. */
static void release_waiters(struct exports *exports)
{
	struct export_waiter *waiter;
	uint64_t now = loop_now_ms(exports->options.loop);
	while ((waiter = TAILQ_FIRST(&exports->waiters)) != NULL) {
		bool arrived = has_arrived(exports, waiter);
		if (!arrived && now < waiter->until_ms)
			break;
		TAILQ_REMOVE(&exports->waiters, waiter, in_list);
		waiter->callback(waiter->context, arrived ? STATUS_OK : STATUS_TIMEOUT);
		free(waiter);
	}
	if (TAILQ_EMPTY(&exports->waiters))
		hurry_all(exports);
}

enum status exports_wait(struct exports *exports, struct span chain_id, uint64_t seq, exports_callback *callback,
			 void *context)
{
	struct export_waiter *waiter = calloc(1, sizeof(*waiter));
	if (waiter == NULL)
		return STATUS_NO_MEMORY;
	snprintf(waiter->chain_id, sizeof(waiter->chain_id), "%.*s", SPAN_ARGS(chain_id));
	waiter->seq = seq;
	waiter->until_ms = loop_now_ms(exports->options.loop) + EXPORTS_WAIT_MS;
	waiter->callback = callback;
	waiter->context = context;
	TAILQ_INSERT_TAIL(&exports->waiters, waiter, in_list);
	hurry_all(exports);
	return STATUS_OK;
}

bool exports_are_stuck(const struct exports *exports)
{
	for (int i = 0; i < EXPORTER_TARGETS; i++)
		if (exports->exporters[i] && !exporter_is_up(exports->exporters[i]))
			return true;
	return false;
}

/* ---- what exporters tell */

static void on_progress(void *context)
{
	release_waiters(context);
}

static void on_news(void *context, enum exporter_target target, bool is_well, const char *what)
{
	const struct exports *exports = context;
	exports->options.on_news(exports->options.context, target_names[target], is_well, what);
}

static void on_timer(void *context)
{
	struct exports *exports = context;
	for (int i = 0; i < EXPORTER_TARGETS; i++)
		if (exports->exporters[i])
			exporter_measure(exports->exporters[i]);
	release_waiters(exports);
	timer_set(exports->timer, MEASURE_MS);
}

/* ---- life */

enum status exports_create(const struct exports_options *options, struct exports **out_exports)
{
	struct exports *exports = calloc(1, sizeof(*exports));
	if (exports == NULL)
		return STATUS_NO_MEMORY;
	exports->options = *options;
	TAILQ_INIT(&exports->waiters);
	enum status status = timer_make(options->loop, on_timer, exports, &exports->timer);
	for (int i = 0; i < EXPORTER_TARGETS && status == STATUS_OK; i++)
		if (is_wanted(exports, (enum exporter_target)i))
			status = trail_create(&exports->trails[i]);
	if (status != STATUS_OK) {
		exports_free(&exports);
		return status;
	}
	*out_exports = exports;
	return STATUS_OK;
}

void exports_free(struct exports **exports)
{
	struct export_waiter *waiter;
	if (*exports == NULL)
		return;
	for (int i = 0; i < EXPORTER_TARGETS; i++) {
		exporter_free(&(*exports)->exporters[i]);
		trail_free(&(*exports)->trails[i]);
	}
	while ((waiter = TAILQ_FIRST(&(*exports)->waiters)) != NULL) {
		TAILQ_REMOVE(&(*exports)->waiters, waiter, in_list);
		free(waiter);
	}
	timer_free(&(*exports)->timer);
	free(*exports);
	*exports = NULL;
}

enum status exports_add_file(struct exports *exports, int fd, bool is_earlier)
{
	for (int i = 0; i < EXPORTER_TARGETS; i++) {
		if (!is_wanted(exports, (enum exporter_target)i))
			continue;
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return STATUS_SYSTEM;
		if (exports->trails[i])
			TRY(trail_add(exports->trails[i], copy, is_earlier));
		else
			exporter_add_file(exports->exporters[i], copy);
	}
	return STATUS_OK;
}

/* ---- the beginning */

static enum status make_syslog_sender(struct exports *exports, struct exporter *exporter, struct sender **out_sender)
{
	const struct exports_options *options = &exports->options;
	struct config_syslog server;
	char *error = NULL;
	TRY(config_read_syslog(options->config->audit.syslog, &server));
	const struct syslog_options syslog = {
		.loop = options->loop,
		.resolver = exports->resolver,
		.server = server,
		.ca_pem = options->ca_pem,
		.handler = exporter_handler(exporter),
	};
	enum status status = syslog_create(&syslog, out_sender, &error);
	if (status != STATUS_OK && error)
		on_news(exports, EXPORTER_SYSLOG, false, error);
	free(error);
	return status;
}

static enum status make_sender(struct exports *exports, enum exporter_target target, struct sender **out_sender)
{
	const struct exports_options *options = &exports->options;
	const struct sender_handler handler = exporter_handler(exports->exporters[target]);
	if (target == EXPORTER_SYSLOG)
		return make_syslog_sender(exports, exports->exporters[target], out_sender);
	return redis_stream_create(options->loop, exports->redis, options->config->redis.prefix,
				   options->config->audit.stream_length, &handler, out_sender);
}

static enum status make_exporter(struct exports *exports, enum exporter_target target)
{
	const struct exports_options *options = &exports->options;
	struct config_syslog syslog = { .transport = CONFIG_SYSLOG_TLS };
	if (target == EXPORTER_SYSLOG)
		TRY(config_read_syslog(options->config->audit.syslog, &syslog));
	const struct exporter_options exporter = {
		.loop = options->loop,
		.stats = options->stats,
		.target = target,
		.format = options->config->audit.format,
		.shape = target == EXPORTER_STREAM               ? EXPORTER_PLAIN
			 : syslog.transport == CONFIG_SYSLOG_UDP ? EXPORTER_DATAGRAM
								 : EXPORTER_FRAME,
		.node = options->node,
		.on_progress = on_progress,
		.on_news = on_news,
		.context = exports,
	};
	return exporter_create(&exporter, &exports->exporters[target]);
}

/* The state file goes to the exporter, or is closed. */
static enum status begin_target(struct exports *exports, enum exporter_target target, int fd)
{
	struct sender *sender = NULL;
	struct trail *trail = exports->trails[target];
	enum status status = fd < 0 ? STATUS_NOT_FOUND : make_exporter(exports, target);
	if (status == STATUS_OK)
		status = make_sender(exports, target, &sender);
	if (status != STATUS_OK) {
		if (fd >= 0)
			close(fd);
		return status;
	}
	exports->trails[target] = NULL;
	return exporter_start(exports->exporters[target], sender, trail, fd);
}

enum status exports_begin(struct exports *exports, struct resolver *resolver, struct redis *redis, int syslog_fd,
			  int stream_fd)
{
	int fds[EXPORTER_TARGETS] = { syslog_fd, stream_fd };
	enum status status = STATUS_OK;
	exports->resolver = resolver;
	exports->redis = redis;
	for (int i = 0; i < EXPORTER_TARGETS; i++) {
		if (status == STATUS_OK && is_wanted(exports, (enum exporter_target)i))
			status = begin_target(exports, (enum exporter_target)i, fds[i]);
		else if (fds[i] >= 0)
			close(fds[i]);
	}
	timer_set(exports->timer, MEASURE_MS);
	return status;
}

void exports_release(struct exports *exports)
{
	for (int i = 0; exports && i < EXPORTER_TARGETS; i++)
		if (exports->exporters[i])
			exporter_release(exports->exporters[i]);
}
