/*
 * Which of the audit's earlier files a relay process gets when it starts: it has no right to open any. They are those
 * in which open messages of a dead process may be, those that an export has not got to yet, and those of the last day,
 * for whoever counts what was recorded. With them come those that no path leads to any more (audit_strays.h).
 */
#ifndef SUPERVISE_AUDIT_EARLIER_H
#define SUPERVISE_AUDIT_EARLIER_H

#include "role/handover.h"

#define AUDIT_EARLIER_MAXIMUM 256 /* of them; the newest ones */

#define AUDIT_EARLIER_EXPORTS 2

/* By what the files are chosen. */
struct audit_earlier_wish {
	int state_fd;                          /* of "audit-state" */
	int export_fds[AUDIT_EARLIER_EXPORTS]; /* of "export-syslog", "export-stream"; -1: not configured */
	uint64_t now_s;
	int audit_fd; /* the file that it gets as "audit"; -1: it has none */
};

/*
 * Opens them for reading, and gives each to `list` as "audit-earlier:N", from 0: the one that was written last comes
 * first. What can't be opened is logged, and left out. STATUS_NO_MEMORY.
 */
MUST_USE enum status audit_earlier_open(const char *path, const struct audit_earlier_wish *wish, struct handover *list);

#endif
