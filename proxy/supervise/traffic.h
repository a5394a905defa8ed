/*
 * How much mail went through this node lately: the counters of all roles, noted every few seconds, so that the last
 * minute's part of them can be told.
 */
#ifndef SUPERVISE_TRAFFIC_H
#define SUPERVISE_TRAFFIC_H

#include "net/loop.h"
#include "supervise/seats.h"

#define TRAFFIC_STEP_MS 5000    /* between two notes */
#define TRAFFIC_MINUTE_MS 60000 /* how far back it is told at most */
#define TRAFFIC_NOTES (TRAFFIC_MINUTE_MS / TRAFFIC_STEP_MS + 1)

enum traffic_kind {
	TRAFFIC_OK, /* messages that a relay took, refused, …: enum stats_result */
	TRAFFIC_REFUSED,
	TRAFFIC_FAILED,
	TRAFFIC_UNKNOWN,
	TRAFFIC_TURNED_AWAY, /* connections, commands and messages that we refused */
	TRAFFIC_KINDS
};

/* What happened within so much time. */
struct traffic_part {
	uint64_t ms;
	uint64_t counts[TRAFFIC_KINDS];
};

/* Zeroed it is empty. Pure. */
struct traffic_notes {
	struct {
		uint64_t at_ms;
		uint64_t counts[TRAFFIC_KINDS];
	} items[TRAFFIC_NOTES]; /* the oldest first */
	size_t count;
};

void traffic_note(struct traffic_notes *notes, uint64_t now_ms, const uint64_t counts[TRAFFIC_KINDS]);
/* From the oldest note of the last minute until now; nothing where there is none. A counter that fell tells 0. */
void traffic_tell(const struct traffic_notes *notes, uint64_t now_ms, const uint64_t counts[TRAFFIC_KINDS],
		  struct traffic_part *out_part);

struct traffic;

/* Notes from now on; `seats` is borrowed. STATUS_NO_MEMORY. */
MUST_USE enum status traffic_begin(struct loop *loop, const struct seats *seats, struct traffic **out_traffic);
void traffic_show(const struct traffic *traffic, struct traffic_part *out_part);
void traffic_free(struct traffic **traffic); /* NULL-safe; sets to NULL */

#endif
