/*
 * Telling Redis again what it granted lately, each time that it is connected: whatever it lost of that is charged once
 * more. No charge may be made before the replay has ended. Where Redis can't take it for now (its clock is a day off,
 * or it is full), it is repeated until Redis can; that is no loss.
 */
#ifndef QUOTA_REPLAY_H
#define QUOTA_REPLAY_H

#include "quota/receipts.h"

#define REPLAY_WHY_SIZE 160 /* bytes */

struct replay {
	struct loop *loop;
	struct redis *redis;
	const char *prefix;
	struct receipts *receipts;
	struct redis_script script;
	size_t pending;
	uint64_t missing; /* charges that Redis had lost */
	bool is_under_way, has_failed;
	char put_off[REPLAY_WHY_SIZE]; /* why Redis can't take some for now; "": it can */
	struct timer *retry;
	/* Redis answers, and would not take some: they may be lost. */
	void (*on_refused)(void *context);
	void *context;
};

/* Zeroed but for its owner's parts: all but script, pending and what follows it up to retry. */
MUST_USE enum status replay_init(struct replay *replay);
void replay_close(struct replay *replay); /* after Redis; zeroed, too */
/* The connection is new. Goes on by itself; `is_under_way` ends, also when the connection is lost again. */
void replay_begin(struct replay *replay);

#endif
