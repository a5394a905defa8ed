/*
 * How much an hour of a user looks as if somebody else had their password: the rule, a pure function. 100 is about
 * where nobody would believe that it is them.
 *
 *   up to 70   recipients never written to before, against the highest hour of the last 28 days (at least 4)
 *   up to 25   messages, against the same (at least 8)
 *   28, 17     a network, and from there a kind of client, not known for a day yet (12, 6 in a user's first days)
 *   16         nearly all of 15 messages and more from such a network went to strangers
 *   up to 40   recipients that their servers refused within the hour (more than 5)
 *
 * Each doubling of strangers is 30 points, of messages 15, of refusals 20. Of a message from a network not known for a
 * day, what came from such networks is compared with what came from such before. So mail alone, however much, from
 * where the user has long written from, is no alarm; the same from elsewhere, or to addresses that don't exist, is.
 */
#ifndef QUOTA_SCORE_RULE_H
#define QUOTA_SCORE_RULE_H

#include <stddef.h>

#include "base/span.h"

#define SCORE_REASON_SIZE 400 /* bytes, the NUL included */

/* An hour, or the highest of its kind. Strangers: by weight; of one message they weigh 1 + log2 of how many. */
struct score_hour {
	uint64_t messages, strangers;
	uint64_t far_messages, far_strangers; /* from a network that is not known for a day yet */
};

struct score_facts {
	struct score_hour now, peak; /* the last 60 minutes; the peaks of days before today */
	uint64_t days;               /* of the last 28, before today, on which they sent something */
	uint64_t refused;            /* recipients, within the hour */
	bool network_is_new, client_is_new;
};

unsigned score_compute(const struct score_facts *facts);
/* Why it is so high, in words; `network` and `client` as they are to be shown. */
void score_explain(const struct score_facts *facts, struct span network, struct span client,
		   char out_text[SCORE_REASON_SIZE]);

#endif
