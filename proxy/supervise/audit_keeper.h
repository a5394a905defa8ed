/*
 * Keeps the audit's files, for roles that have no right to their folder: a file that was renamed or deleted by somebody
 * is noticed within a second, one whose time or size is over is rotated, and in either case the relay gets the next
 * one. Earlier files are packed, and deleted in the end. All of that by two threads, as a disk may take its time, or
 * hang: nobody waits for them, and another keeper does not work at the same file beside them.
 */
#ifndef SUPERVISE_AUDIT_KEEPER_H
#define SUPERVISE_AUDIT_KEEPER_H

#include "config/config.h"
#include "net/loop.h"
#include "stats/stats.h"

struct audit_keeper;

/* `fd` is the callee's: the file to go on in. The one before is called `former_name` now; "": it was deleted. */
typedef void audit_keeper_callback(void *context, int fd, const char *former_name);

/*
 * `fd` is what config->audit.file was opened as, and stays the caller's. `stats`, or NULL, is never freed. Of a device
 * or a pipe nothing is kept. At first it only follows: see audit_keeper_lead.
 */
MUST_USE enum status audit_keeper_create(struct loop *loop, const struct config *config, struct stats *stats, int fd,
					 audit_keeper_callback *on_next, void *context,
					 struct audit_keeper **out_keeper);
/* Whether it rotates, packs and deletes: of several that keep one file, one does. NULL-safe. */
void audit_keeper_lead(struct audit_keeper *keeper, bool leads);
/* Its threads end as soon as their disk lets them; nothing is called back any more. NULL-safe; sets to NULL. */
void audit_keeper_free(struct audit_keeper **keeper);

#endif
