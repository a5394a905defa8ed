/* One receiver of the audit: the feed that reads records for it, and the sender that carries them. */
#ifndef EXPORT_EXPORTER_H
#define EXPORT_EXPORTER_H

#include "config/config.h"
#include "export/sender.h"
#include "stats/stats.h"

/* In the order of the labels of COUNTER_EXPORT_UP. */
enum exporter_target { EXPORTER_SYSLOG, EXPORTER_STREAM, EXPORTER_TARGETS };

struct exporter;

struct exporter_options {
	struct loop *loop;
	struct stats *stats;
	enum exporter_target target;
	enum config_audit_format format;
	enum { EXPORTER_PLAIN, EXPORTER_FRAME, EXPORTER_DATAGRAM } shape; /* a record alone, or a syslog message */
	const char *node;                                                 /* outlives it */
	/* More records have arrived. */
	void (*on_progress)(void *context);
	/* For the log: records wait (`is_well` false), go out again, or are lost. */
	void (*on_news)(void *context, enum exporter_target target, bool is_well, const char *what);
	void *context;
};

MUST_USE enum status exporter_create(const struct exporter_options *options, struct exporter **out_exporter);
/* NULL-safe. Its sender's Redis is freed before. */
void exporter_free(struct exporter **exporter);

/* What its sender is made with. */
struct sender_handler exporter_handler(struct exporter *exporter);
/* Begins; all three are the exporter's from now on, also on failure. */
MUST_USE enum status exporter_start(struct exporter *exporter, struct sender *sender, struct trail *trail,
				    int state_fd);

/* The audit is written in this file, too, from now on; the descriptor is the exporter's. */
void exporter_add_file(struct exporter *exporter, int fd);
/* Somebody waits for the newest records, or nobody does. */
void exporter_hurry(struct exporter *exporter, bool is_wanted);
/* Up to which record of this chain all have arrived. */
uint64_t exporter_find_exported(struct exporter *exporter, struct span chain_id);
/* False: the receiver can't be reached, or records can't be read. */
bool exporter_is_up(const struct exporter *exporter);
/* Another process exports from now on. */
void exporter_release(struct exporter *exporter);
/* Brings the metrics up to date: once a second. */
void exporter_measure(struct exporter *exporter);

#endif
