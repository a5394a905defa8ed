/*
 * What a refusal is about: its stage, the profile of the server that gave it,
 * and what it says by itself. Pure; inside of this room only.
 */
#ifndef RELAY_UPSTREAM_CLASS_H
#define RELAY_UPSTREAM_CLASS_H

#include "relay/upstream/upstream.h"

enum upstream_stage {
	STAGE_MAIL = 1,
	STAGE_RCPT = 2, /* UPSTREAM_RECIPIENTS is this recipient's refusal */
	STAGE_DATA = 4, /* the reply to DATA itself */
	STAGE_DOT = 8,  /* the reply to the message, or one that came in the middle of it */
};

/* Whose servers they are. */
enum upstream_profile { UPSTREAM_PROFILE_GENERIC, UPSTREAM_PROFILE_GMAIL, UPSTREAM_PROFILE_MICROSOFT365 };

/* By the option `profile`, or by the host. */
enum upstream_profile upstream_profile_of(const struct config_relay *relay);
/* What a 4xx or 5xx means, once its echoes are taken out; UPSTREAM_TRANSPORT when in doubt. */
enum upstream_class upstream_classify(enum upstream_profile profile, enum upstream_stage stage,
				      const struct reply *reply);
/* The row of class.def that decides; the number of rows: none does. */
size_t upstream_class_row(enum upstream_profile profile, enum upstream_stage stage, const struct reply *reply);
/* True if we may back off for it: no recipient and no recipient's server can have caused it. */
bool upstream_class_may_back_off(size_t row, enum upstream_stage stage);

#define PLAIN_SIZE 512       /* bytes of a refusal that are looked at: its front says what it is about */
#define UPSTREAM_ECHO '\x01' /* replaces an address; the text has no other control bytes */

/* A refusal without what it echoes. */
struct upstream_plain {
	size_t size;
	char bytes[PLAIN_SIZE]; /* on one line, the enhanced code first */
};

void upstream_plain_begin(struct upstream_plain *plain, const struct reply *reply);
/* Whole, by halves, quoted and unquoted, wherever it is. */
void upstream_plain_take_out(struct upstream_plain *plain, struct span address);
/* As a reply; its enhanced code is read again, as it may have been an echo. Views into `plain`. */
struct reply upstream_plain_reply(const struct upstream_plain *plain, unsigned code);

/* What a refusal leads to besides the end of its attempt. */
struct upstream_verdict {
	bool may_back_off; /* from its account or upstream */
	uint64_t hint_ms;  /* how long, if it says so; 0: it doesn't */
};

/*
 * How long a refusal says it will last ("try again in 5 minutes", "resets at 2026-11-23T00:00:00Z"): milliseconds;
 * 0: it doesn't say.
 */
uint64_t upstream_hint_ms(struct span text, uint64_t wall_ms);

#endif
