/*
 * Heads of the audit's chain for the machine's syslog daemon, which keeps them where we can't change them, or sends
 * them on: a cut or forged audit is found by comparing (conf/audit.md). Never waits: while the daemon is away or full,
 * heads are lost, and the next one stands for them.
 */
#ifndef EXPORT_ANCHOR_H
#define EXPORT_ANCHOR_H

#include "audit/audit_statement.h"

#define ANCHOR_SYSLOG "/dev/log"

struct anchor;

/* `path`: of the daemon's socket; `node`: this node's name. Both outlive it. STATUS_NO_MEMORY. */
MUST_USE enum status anchor_create(const char *path, const char *node, struct anchor **out_anchor);
void anchor_free(struct anchor **anchor); /* NULL-safe */
/* STATUS_UNAVAILABLE: the daemon did not take it. STATUS_NO_MEMORY. */
MUST_USE enum status anchor_post(struct anchor *anchor, const struct audit_statement *statement);

#endif
