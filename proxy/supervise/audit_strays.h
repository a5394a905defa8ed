/*
 * Files of the audit that no path leads to any more, as somebody deleted them or took them elsewhere while they were
 * written. A relay carries what is open in such a file into the next one; should it die before that, its successor
 * finds the messages under way here. Kept for two minutes, in which a relay is replaced several times over; that long a
 * deleted file keeps its space. From any thread.
 */
#ifndef SUPERVISE_AUDIT_STRAYS_H
#define SUPERVISE_AUDIT_STRAYS_H

#include "role/handover.h"

#define AUDIT_STRAYS_MAXIMUM 8 /* the newest ones; a node has one, and more only if somebody deletes them in a row */

/* Keeps a copy of the descriptor, unless the file is kept already. */
void audit_strays_keep(int fd);
/* Lets go of those whose time is over. The disk may take its time for that. */
void audit_strays_tidy(void);
/*
 * Gives each one, opened for reading, to `list` for the relay as "audit-earlier:N", from *given on, the newest first;
 * *given counts them. Not that which `audit_fd` is, if it is one of them. STATUS_NO_MEMORY.
 */
MUST_USE enum status audit_strays_give(int audit_fd, struct handover *list, size_t *given);

#endif
