/*
 * Which thread works at which audit file. Of several keepers of one file, as there are during and after a reload, one
 * looks at it at a time, and one tidies: also where the former one's disk hangs. Nobody waits here.
 */
#ifndef SUPERVISE_AUDIT_CLAIMS_H
#define SUPERVISE_AUDIT_CLAIMS_H

#include <stdbool.h>

enum audit_job { AUDIT_JOB_LOOK, AUDIT_JOB_TIDY };

/* While it is held, it is in a list, and must stay where it is. */
struct audit_claim {
	const char *path; /* as configured */
	enum audit_job job;
	struct audit_claim *next;
};

/* False: somebody else is at it. From any thread. */
bool audit_claim_take(struct audit_claim *claim);
void audit_claim_drop(struct audit_claim *claim);

#endif
