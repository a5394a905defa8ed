/*
 * Receipts: what this process charged lately, by name and token, so that a Redis which lost it can be told again. A
 * replica that is promoted may lack the last seconds, and so may a Redis that was killed.
 *
 * A charge is kept for RECEIPTS_KEPT_MS, and for as long as it may be given back; while Redis is away, or can't be told
 * of them, nothing grows old. No I/O.
 */
#ifndef QUOTA_RECEIPTS_H
#define QUOTA_RECEIPTS_H

#include <sys/queue.h>

#include "base/map.h"
#include "quota/quota.h"

#define RECEIPTS_KEPT_MS 45000  /* longer than MARKER_REPLAYED_MS */
#define RECEIPTS_MAXIMUM 100000 /* charges; beyond it the oldest are forgotten: some 30 MB */

struct receipts_entry {
	TAILQ_ENTRY(receipts_entry) in_order;
	struct map_link in_map;
	uint64_t charged_ms; /* loop clock */
	uint64_t ends_s;     /* since 1970: when the day ends that it is of */
	uint64_t recipients, bytes;
	char app_password[QUOTA_APP_PASSWORD_SIZE]; /* "": none that has a limit */
	bool is_settled;                            /* it will not be given back */
	bool is_recorded;                           /* this node's audit has it, as last read */
	bool is_brought; /* a memory that lacked counts has been told of it, or of the record */
	struct span name, token;
	char text[];
};

struct receipts {
	struct map map;
	TAILQ_HEAD(receipts_entries, receipts_entry) entries; /* the oldest first */
	struct receipts_entry *next;                          /* that receipts_next gives; NULL: none is left */
	bool keeps_old;
	/* A settled charge has grown old: Redis may forget its token. */
	void (*on_old)(void *context, struct span name, struct span token);
	void *context;
};

MUST_USE enum status receipts_init(struct receipts *receipts,
				   void (*on_old)(void *context, struct span name, struct span token), void *context);
void receipts_clear(struct receipts *receipts); /* frees what it holds */

/* Keeps a copy of the granted charge's name, token, numbers and app password. False: out of memory, it isn't there. */
bool receipts_add(struct receipts *receipts, const struct receipts_entry *charge, uint64_t now_ms);
/* It was given back, or will be. */
void receipts_drop(struct receipts *receipts, struct span name, struct span token);
/* It won't be given back. on_old follows, maybe at once. */
void receipts_settle(struct receipts *receipts, struct span name, struct span token, uint64_t now_ms);

/* While Redis has yet to be told of them, none goes for its age. */
void receipts_keep_old(struct receipts *receipts, bool keeps_old);

/* All that there are: a Redis that keeps this memory need not be told of them again. */
void receipts_note_brought(struct receipts *receipts);

/* From the beginning: each entry once, however many go meanwhile; NULL: that was the last. */
void receipts_rewind(struct receipts *receipts);
const struct receipts_entry *receipts_next(struct receipts *receipts);

#endif
