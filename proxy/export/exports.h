/*
 * The audit's way out of the house: to a syslog server and to a stream in Redis, each with a place of its own in the
 * audit's files, from which it goes on after a restart. Nothing is written twice: what waits for a receiver waits in
 * the audit itself.
 *
 * With audit.required a message leaves only once its record has arrived at all receivers: exports_wait. As far as they
 * let us know: a syslog server's kernel has it (syslog.h), or Redis has.
 */
#ifndef EXPORT_EXPORTS_H
#define EXPORT_EXPORTS_H

#include "export/exporter.h"
#include "net/resolver.h"
#include "redis/redis.h"

#define EXPORTS_WAIT_MS 20000 /* of the 50 s that a client waits for its reply, so that it hears why */

struct exports;

struct exports_options {
	struct loop *loop;
	const struct config *config; /* outlives it */
	struct stats *stats;
	const char *node;
	struct span ca_pem; /* of syslog_ca_file; empty: the system's */
	/* For the log, as exporter.h has it: "syslog" or "stream". */
	void (*on_news)(void *context, const char *target, bool is_well, const char *what);
	void *context;
};

/* True: the configuration names a receiver. */
bool exports_are_wanted(const struct config_audit *audit);

/* Nothing happens before exports_begin. STATUS_NO_MEMORY. */
MUST_USE enum status exports_create(const struct exports_options *options, struct exports **out_exports);
/* After its Redis, and before its resolver. Whoever waits is not told any more. NULL-safe. */
void exports_free(struct exports **exports);

/*
 * One of the files that the audit was in before; the one that is written comes last, and later each one that comes into
 * its place. The descriptor stays its owner's.
 */
MUST_USE enum status exports_add_file(struct exports *exports, int fd, bool is_earlier);
/*
 * The first export ever begins with what was written after the file was added that is no earlier one. `syslog_fd`,
 * `stream_fd`: the state files, the exports' from now on, also on failure; -1: there is none.
 */
MUST_USE enum status exports_begin(struct exports *exports, struct resolver *resolver, struct redis *redis,
				   int syslog_fd, int stream_fd);
/* Another relay process exports from now on. NULL-safe. */
void exports_release(struct exports *exports);

/*
 * Calls back once all that this chain holds up to `seq` has arrived; in a later turn. STATUS_TIMEOUT: it did not within
 * EXPORTS_WAIT_MS.
 */
typedef void exports_callback(void *context, enum status status);
MUST_USE enum status exports_wait(struct exports *exports, struct span chain_id, uint64_t seq,
				  exports_callback *callback, void *context);
/* True: a receiver can't be reached, so that whoever waited would do so in vain. */
bool exports_are_stuck(const struct exports *exports);

#endif
