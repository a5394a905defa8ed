/*
 * Message ids: 20 letters and digits that sort by time. Milliseconds since 1970
 * (9 digits of base32), a counter within it (3), the process's instance (4), and random
 * bits of the process (4), so that nodes don't meet.
 */
#ifndef RELAY_MESSAGE_ID_H
#define RELAY_MESSAGE_ID_H

#include <stdint.h>

#include "base/status.h"

#define MESSAGE_ID_SIZE 21 /* bytes, the NUL included */

struct message_ids {
	uint32_t instance;
	uint32_t node;    /* random */
	uint64_t last_ms; /* never goes back, whatever the clock does */
	uint32_t counter; /* of ids in last_ms */
};

MUST_USE enum status message_ids_init(struct message_ids *ids, uint32_t instance); /* STATUS_SYSTEM: no random bytes */
/* `now_ms`: wall clock, milliseconds since 1970. Never gives the same id twice. */
void message_ids_next(struct message_ids *ids, uint64_t now_ms, char out_id[MESSAGE_ID_SIZE]);

#endif
