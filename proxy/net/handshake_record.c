/* Records of handshakes. Without memory, or past the maximum, there is none. */
#include "net/handshake_record.h"

/* Bytes: two hellos, our chain and the client's. Whoever sends more can't use the handshake as a proof. */
#define RECORD_MAXIMUM 49152
#define CERTIFICATE_VERIFY 15 /* RFC 8446, 4 */

void handshake_record_begin(struct handshake_record *record)
{
	buf_init(&record->messages, RECORD_MAXIMUM);
	record->state = RECORD_ON;
}

void handshake_record_drop(struct handshake_record *record)
{
	if (record->state != RECORD_OFF)
		buf_free(&record->messages);
	record->state = RECORD_OFF;
}

void handshake_record_take(struct handshake_record *record, bool is_ours, struct span message)
{
	if (record->state != RECORD_ON)
		return;
	if (buf_append(&record->messages, message) != STATUS_OK)
		handshake_record_drop(record);
	else if (!is_ours && message.size > 0 && message.data[0] == CERTIFICATE_VERIFY)
		record->state = RECORD_COMPLETE;
}

void handshake_record_end(struct handshake_record *record)
{
	if (record->state != RECORD_COMPLETE)
		handshake_record_drop(record);
}
