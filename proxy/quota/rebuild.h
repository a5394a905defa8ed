/* Bringing counts to a memory that lacks them, some users at once. Inside of memory.h. */
#ifndef QUOTA_REBUILD_H
#define QUOTA_REBUILD_H

#include "quota/memory.h"
#include "quota/receipts.h"
#include "redis/script.h"

struct rebuild {
	struct loop *loop;
	struct redis *redis;
	const char *prefix;
	struct receipts *receipts;
	struct redis_script script;
	struct turn_end start;
	struct memory_bringing bringing;
	size_t pending;
	bool is_under_way, has_failed, has_all; /* has_all: the last part was sent */
	char why[SCRIPT_REASON_SIZE];           /* has_failed: the first reason */
};

/* Zeroed but for loop, redis, prefix and receipts. */
MUST_USE enum status rebuild_init(struct rebuild *rebuild);
void rebuild_begin(struct rebuild *rebuild, const struct memory_bringing *bringing);

#endif
