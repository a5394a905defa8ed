/* Through the audit's files, record by record, in the order of time or against it. */
#ifndef AUDIT_READER_WALK_H
#define AUDIT_READER_WALK_H

#include <jansson.h>

#include "audit/reader/files.h"
#include "audit/reader/query.h"

struct walk {
	const struct audit_files *files; /* in order */
	const struct query *query;
	bool newest_first;
	/* A record that matches, and its line; false: that is enough. */
	bool (*on_record)(void *context, struct span line, json_t *record);
	/* A file of which not all can be read; the others follow. */
	void (*on_fault)(void *context, const char *name, const char *what);
	void *context;
};

/* STATUS_INVALID: on_fault was called. STATUS_NO_MEMORY. */
MUST_USE enum status walk_records(const struct walk *walk);

#endif
