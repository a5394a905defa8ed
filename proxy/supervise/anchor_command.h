/*
 * Gives heads of the audit's chain to the administrator's program (audit.anchor_command), which keeps them where this
 * machine can't change them. Roles can't run programs, so the relay tells us of its checkpoints. Each run gets one line
 * on its standard input:
 *
 *   {"node":"mail.example.com","checkpoint":{"number":7,…}}      (conf/audit.md)
 *
 * One program runs at a time, and starts are a pause apart: of the checkpoints in between only the latest is given, and
 * of a run that failed it is given again unless there is a newer one. Never waits. What the relay says reaches the
 * program as numbers and hexadecimal digits alone, so a relay that was taken over can do no more than lie in them.
 */
#ifndef SUPERVISE_ANCHOR_COMMAND_H
#define SUPERVISE_ANCHOR_COMMAND_H

#include "audit/audit_statement.h"
#include "net/loop.h"
#include "role/privileges.h"
#include "stats/stats.h"
#include "supervise/logs.h"

struct anchor_command;

/* All of it outlives the anchor. */
struct anchor_command_options {
	const struct identity *identity; /* whom the program runs as */
	struct logs *logs;               /* for what it writes, as "anchor" */
	struct stats *stats;
	uint64_t pause_ms; /* from one start to the next, at least */
	uint64_t limit_ms; /* a run that takes longer is killed, with all that it has started */
};

MUST_USE enum status anchor_command_create(struct loop *loop, const struct anchor_command_options *options,
					   struct anchor_command **out_anchor);
/* The payload of an ANCHOR. STATUS_INVALID: it is no statement. Whether it is signed rightly is not looked at. */
MUST_USE enum status anchor_command_read(struct span payload, struct audit_statement *out_statement);
/* The latest one, of this node, for the program at this absolute path. Copies all three. */
void anchor_command_take(struct anchor_command *anchor, const char *program, const char *node,
			 const struct audit_statement *statement);
/*
 * Gives the last one without a pause, and calls `on_ended` when that has ended, within three limits; at once if there
 * is nothing to do.
 */
void anchor_command_end(struct anchor_command *anchor, void (*on_ended)(void *context), void *context);
/* Kills what runs, and begins nothing more; the end that was asked for, or will be, is told all the same. */
void anchor_command_give_up(struct anchor_command *anchor);
void anchor_command_free(struct anchor_command **anchor); /* kills what runs; NULL-safe; sets to NULL */

#endif
