/*
 * The audit's earlier files, as the supervisor handed them over: those of the last day, and those in which a dead
 * process may have left open messages. They are there while the relay starts; whoever needs one for longer keeps a copy
 * of the descriptor. Several read them, so nobody moves their offsets.
 */
#ifndef RELAY_EARLIER_AUDIT_H
#define RELAY_EARLIER_AUDIT_H

#include "role/role.h"

#define EARLIER_AUDIT_MAXIMUM 256

struct earlier_audit {
	int fds[EARLIER_AUDIT_MAXIMUM]; /* the one that was written last comes first */
	size_t count;
};

void earlier_audit_take(const struct role_context *context, struct earlier_audit *out_earlier);
void earlier_audit_close(struct earlier_audit *earlier);

#endif
