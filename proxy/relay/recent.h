/*
 * The newest records of this node's audit that match, read on a thread of its own: so many, from so many bytes at the
 * most and in so much time, backwards from the newest. What was packed meanwhile is left out, as is what is older:
 * `subgatectl audit search` reads all there is.
 */
#ifndef RELAY_RECENT_H
#define RELAY_RECENT_H

#include <jansson.h>

#include "audit/reader/outline.h"
#include "base/span.h"
#include "net/loop.h"

struct recent;

struct recent_options {
	const int *fds; /* of the audit's files, the oldest first; duplicated here */
	size_t count;
	/* What is searched for, as query_read has it; "limit": how many at most; "older": as an answer had it. */
	const json_t *request;
	bool only_outcomes; /* what came of messages, and nothing else */
	uint64_t limit_ms;  /* of reading; but it reads 16 MiB at least. 0: none */
	/* Which blocks need no reading; for one search at a time, which it outlives. NULL: all is read. */
	struct outline *outline;
	/* On the loop's thread, once; it may free the search. STATUS_OK, or why the files can't be read. */
	void (*on_done)(void *context, enum status status);
	void *context;
};

/* STATUS_INVALID: *out_fault says what can't be searched for. STATUS_NO_MEMORY, STATUS_SYSTEM. */
MUST_USE enum status recent_start(struct loop *loop, const struct recent_options *options, struct recent **out_recent,
				  const char **out_fault);
/*
 * After on_done with STATUS_OK: {"ok":true,"records":[…]}, the newest first, with "more":true if there may be others,
 * and then with "older", by which a further search goes on from there, if they can be read here. The search's own.
 */
struct span recent_answer(const struct recent *recent);
void recent_free(struct recent **recent); /* ends the thread, within a line; NULL-safe; sets to NULL */

#endif
