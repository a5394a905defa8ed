/* Those who have sent most, of any number that are added one after the other: only so many are kept. Pure. */
#ifndef RELAY_RANKING_H
#define RELAY_RANKING_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/status.h"

#define RANKING_ROWS 200

struct ranked {
	uint64_t messages, recipients, bytes;
	uint64_t limit;     /* of messages; 0: none */
	uint64_t resets_at; /* seconds since 1970: when the day of that limit ends */
};

struct ranking_row {
	struct ranked figures;
	size_t user_size;
	char user[];
};

/* The most messages first; by name where they are the same. Zeroed: nobody. Owns its rows. */
struct ranking {
	struct ranking_row *rows[RANKING_ROWS];
	size_t count;
};

/* Somebody who is there already is there once, with the later figures. STATUS_NO_MEMORY: it is as it was. */
MUST_USE enum status ranking_add(struct ranking *ranking, struct span user, const struct ranked *figures);
void ranking_clear(struct ranking *ranking);

static inline struct span ranking_user(const struct ranking_row *row)
{
	return (struct span){ row->user, row->user_size };
}

#endif
