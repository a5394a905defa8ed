/* The audit's files, as subgatectl reads them: by itself, so that no process of the daemon waits for a disk. */
#ifndef ADMIN_CTL_RECORDS_H
#define ADMIN_CTL_RECORDS_H

#include "admin/ctl.h"
#include "audit/reader/walk.h"

/* What is read, and how that goes; the context of a walk begins with it. */
struct ctl_reading {
	FILE *errors; /* where files are named that can't be read */
	struct audit_files files;
	bool has_walked;    /* such files are named once */
	bool is_incomplete; /* there was such a file: set by the walk */
};

/*
 * Walks through the file that the request names as "file", or else through those of the daemon's audit. The latter
 * belong to the relay, which may write there what it likes: root takes on the rights of their owner before it reads a
 * byte. The first walk opens them, further ones read them again. `walk` without files and on_fault; its
 * context begins with a struct ctl_reading. *out_reply is NULL once
 * all was read that can be, and else tells what went wrong. STATUS_UNAVAILABLE: no daemon answers that knows where the
 * audit is.
 */
MUST_USE enum status ctl_records_walk(const struct ctl_call *call, struct walk walk, json_t **out_reply);

/*
 * Only opens them, the same: what the request names as "file", one or a list, or else the daemon's. STATUS_REFUSED: the
 * answer tells why not.
 */
MUST_USE enum status ctl_records_open(const struct ctl_call *call, struct ctl_reading *reading, json_t **out_reply);

void ctl_records_close(struct ctl_reading *reading);

/* An answer that says why there is none. */
json_t *ctl_records_refuse(const char *error);

#endif
