/* Records and handshake messages, as far as they are sent in clear. Keeps their headers only. */
#include "net/hello.h"

#include <string.h>

/* RFC 8446, 5.1. */
enum { RECORD_CHANGE_CIPHER = 20, RECORD_ALERT, RECORD_HANDSHAKE, RECORD_DATA };

/* Moves what fits of `bytes` to a header of `size` bytes; true when it is whole. */
static bool take_header(unsigned char *header, unsigned *seen, unsigned size, struct span *bytes)
{
	size_t wanted = size - *seen;
	size_t taken = bytes->size < wanted ? bytes->size : wanted;
	memcpy(header + *seen, bytes->data, taken);
	*bytes = span_slice(*bytes, taken, bytes->size);
	*seen += (unsigned)taken;
	return *seen == size;
}

static size_t skip_some(size_t *left, struct span *bytes)
{
	size_t taken = bytes->size < *left ? bytes->size : *left;
	*bytes = span_slice(*bytes, taken, bytes->size);
	*left -= taken;
	return taken;
}

/* Anything else has no header that says anything, and is OpenSSL's to judge. */
static void begin_record(struct hello_watch *watch, bool is_old)
{
	unsigned type = watch->record[0];
	watch->record_left = (size_t)watch->record[3] << 8 | watch->record[4];
	watch->over =
		type < RECORD_CHANGE_CIPHER || type > RECORD_HANDSHAKE || (type == RECORD_CHANGE_CIPHER && is_old);
	if (watch->over)
		watch->record_left = 0;
}

/* A message may begin and end anywhere in a record, its header too. */
static bool take_messages(struct hello_watch *watch, struct span body)
{
	while (body.size) {
		if (watch->message_left) {
			skip_some(&watch->message_left, &body);
			continue;
		}
		if (!take_header(watch->message, &watch->message_seen, sizeof(watch->message), &body))
			return true;
		watch->message_seen = 0;
		watch->message_left =
			(size_t)watch->message[1] << 16 | (size_t)watch->message[2] << 8 | watch->message[3];
		if (watch->message_left > HELLO_MAXIMUM)
			return false;
	}
	return true;
}

bool hello_take(struct hello_watch *watch, struct span bytes, bool is_old)
{
	while (bytes.size && !watch->over) {
		if (watch->record_left == 0) {
			if (!take_header(watch->record, &watch->record_seen, sizeof(watch->record), &bytes))
				return true;
			watch->record_seen = 0;
			begin_record(watch, is_old);
			continue;
		}
		const char *body = bytes.data;
		size_t size = skip_some(&watch->record_left, &bytes);
		if (watch->record[0] == RECORD_HANDSHAKE && !take_messages(watch, (struct span){ body, size }))
			return false;
	}
	return true;
}
