/*
 * What is searched for in the audit: up to a dozen criteria, all of which must hold. Names and addresses are compared
 * without regard to ASCII case.
 */
#ifndef AUDIT_READER_QUERY_H
#define AUDIT_READER_QUERY_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/network.h"

enum query_by {
	QUERY_BY_USER,
	QUERY_BY_TO,
	QUERY_BY_FROM,
	QUERY_BY_RESULT,
	QUERY_BY_ID,
	QUERY_BY_MESSAGE_ID,
	QUERY_BY_RELAY,
	QUERY_BY_UPSTREAM_ID,
	QUERY_BY_CLIENT,
	QUERY_BY_TEXT,
	QUERY_BY_COUNT
};

struct query {
	struct criterion {
		const char *text;  /* NULL: not asked for */
		char *owned;       /* the same, where it had to be rewritten */
		struct buf needle; /* as a record holds it; empty: no line can be told by its bytes */
	} by[QUERY_BY_COUNT];
	struct network client;
	char since[CLOCK_TEXT_SIZE], until[CLOCK_TEXT_SIZE]; /* as records tell the time; empty: no bound */
	/* Which records count, by time and type; all but message.leaving, which says nothing of what came of it. */
	bool (*wants)(const struct query *query, struct span ts, struct span type);
	const void *context; /* for `wants` */
};

/*
 * From the members of a request: "user", "to", …, "message-id", and "since" and "until" in seconds since 1970. Texts
 * stay the request's. STATUS_INVALID: *out_fault says which value can't be. It is to be freed in any case.
 */
MUST_USE enum status query_read(const json_t *request, struct query *out_query, const char **out_fault);
void query_free(struct query *query);

/* Whether the line may be of use; false for most that are not, and much faster than reading it. */
bool query_may_match(const struct query *query, struct span line);
bool query_matches(const struct query *query, const json_t *record);

#endif
