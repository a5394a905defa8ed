/*
 * Packs the audit's earlier files, and deletes them in the end. A file that can't be packed or deleted is logged once,
 * counted (subgate_audit_files_left), and left for an hour: those after it have their turn. Blocks; for a thread of
 * the audit's keeper.
 */
#ifndef SUPERVISE_AUDIT_TIDIER_H
#define SUPERVISE_AUDIT_TIDIER_H

#include "audit/archive/archive.h"
#include "stats/stats.h"

struct audit_tidier;

struct audit_tidier_options {
	const char *path;
	struct archive_policy policy;
	const atomic_bool *stop;  /* it should end early */
	struct life_thread *sign; /* the thread's; or NULL */
	struct stats *stats;      /* the supervisor's; or NULL */
};

/* What the options point to must live as long. STATUS_NO_MEMORY. */
MUST_USE enum status audit_tidier_create(const struct audit_tidier_options *options, struct audit_tidier **out_tidier);
/* One round: packs all that can be packed, and deletes one that is older than is kept. */
void audit_tidier_run(struct audit_tidier *tidier);
void audit_tidier_free(struct audit_tidier **tidier); /* NULL-safe; sets to NULL */

#endif
