/*
 * After a loss of Redis's: this node's part of the day's counts is read from its audit and brought to Redis, together
 * with what this process has charged and not yet recorded as leaving. Then come the locks and limits that were set by
 * hand, as far as it has a newer copy of them. Mail waits until all nodes have done so.
 *
 * An older process of the node, which drains, brings what it has charged itself; the newest one brings the audit, but
 * reads it only after each older process that lives has done so (marker.h). Else a message that an older one lets out
 * just then would be in neither. One that leaves between the two is counted twice: never over quota.
 */
#ifndef RELAY_REBUILDING_H
#define RELAY_REBUILDING_H

#include "quota/memory.h"
#include "relay/services.h"

#define REBUILDING_FILES 64 /* of the audit, at most; the newest are read */

struct recount;
struct brought;
struct by_hand_copy;
struct events;

/* Zeroed but for services. Invariant: `id` is "" unless counts are being brought. */
struct rebuilding {
	struct services *services;
	struct marker *marker;
	struct memory *memory;
	struct by_hand_copy *by_hand;
	struct events *events;     /* borrowed */
	int fds[REBUILDING_FILES]; /* the audit's; owned */
	size_t fd_count;
	struct recount *recount;
	struct brought *brought;
	struct timer *retry;
	char id[MARKER_ID_SIZE];     /* of the memory that they are brought to */
	char wanted[MARKER_ID_SIZE]; /* of the one that lacks them; Redis may lose its memory meanwhile */
	uint64_t began_ms;
	bool is_draining;
	bool has_begun; /* since the last time that all was brought: what was brought may have to be replaced */
};

extern const struct marker_handler rebuilding_handler; /* with the struct as context */

/* A file of the audit, of which a duplicate is kept. */
void rebuilding_add_file(struct rebuilding *rebuilding, int fd);
MUST_USE enum status rebuilding_open(struct rebuilding *rebuilding, struct redis *redis, struct events *events);
void rebuilding_close(struct rebuilding *rebuilding); /* after Redis */
/* The next relay process brings what the audit has; this one what it has charged itself. */
void rebuilding_drain(struct rebuilding *rebuilding);

#endif
