/*
 * The search for open messages of dead processes in many files, by a thread of its own: it may take minutes. What it
 * finds becomes message.unknown, by ordinary records; once those are written, the dead processes' places are free. What
 * fails is tried again by the next process that starts.
 */
#ifndef AUDIT_AUDIT_SEARCH_H
#define AUDIT_AUDIT_SEARCH_H

#include "audit/audit_private.h"

struct audit_search;

/* As audit_submit. */
typedef enum status audit_search_submit(struct audit *audit, const struct audit_event *event, audit_callback *callback,
					void *context);

/* Makes one that searches nothing yet. `audit`, by which it submits, must outlive it. STATUS_NO_MEMORY. */
MUST_USE enum status audit_search_create(struct audit *audit, audit_search_submit *submit,
					 struct audit_search **out_search);
/* For this dead process, too. STATUS_NO_MEMORY. */
MUST_USE enum status audit_search_add(struct audit_search *search, const struct audit_place *place);
/* Begins, in copies of these descriptors. `journal` must outlive it. */
MUST_USE enum status audit_search_start(struct audit_search *search, struct loop *loop, struct audit_journal *journal,
					const int *fds, size_t fd_count);
void audit_search_free(struct audit_search **search); /* ends it; NULL-safe; sets to NULL */

#endif
