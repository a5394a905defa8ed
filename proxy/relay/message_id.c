/* Making message ids. Owns nothing. */
#include "relay/message_id.h"

#include <sys/random.h>
#include <sys/types.h>

#define TIME_DIGITS 9
#define INSTANCE_DIGITS 4
#define COUNTER_DIGITS 3
#define NODE_DIGITS 4
#define COUNTER_END (1U << (5 * COUNTER_DIGITS))

enum status message_ids_init(struct message_ids *ids, uint32_t instance)
{
	uint32_t node;
	if (getrandom(&node, sizeof(node), 0) != (ssize_t)sizeof(node))
		return STATUS_SYSTEM;
	*ids = (struct message_ids){ .instance = instance, .node = node };
	return STATUS_OK;
}

/* Crockford's base32: in ASCII order, and without letters that look like digits. */
static char *put_digits(char *at, uint64_t value, unsigned digits)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	for (unsigned i = digits; i > 0; i--) {
		at[i - 1] = alphabet[value & 31];
		value >>= 5;
	}
	return at + digits;
}

void message_ids_next(struct message_ids *ids, uint64_t now_ms, char out_id[MESSAGE_ID_SIZE])
{
	if (now_ms > ids->last_ms) {
		ids->last_ms = now_ms;
		ids->counter = 0;
	} else if (++ids->counter == COUNTER_END) {
		ids->last_ms++;
		ids->counter = 0;
	}
	char *at = put_digits(out_id, ids->last_ms, TIME_DIGITS);
	at = put_digits(at, ids->counter, COUNTER_DIGITS);
	at = put_digits(at, ids->instance, INSTANCE_DIGITS);
	at = put_digits(at, ids->node, NODE_DIGITS);
	*at = '\0';
}
