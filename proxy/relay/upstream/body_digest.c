/* Goes from one dot at a line's start to the next, so that most of a message is digested in few pieces. */
#include "relay/upstream/body_digest.h"

#include <string.h>

enum status body_digest_begin(struct body_digest *body)
{
	body->at_line_start = true;
	return digest_begin(&body->digest);
}

/* How many bytes come before the next dot that stands at a line's start, the LF before it included. */
static size_t measure_to_dot(struct span bytes)
{
	const char *found = memmem(bytes.data, bytes.size, "\n.", 2);
	return found ? (size_t)(found - bytes.data) + 1 : bytes.size;
}

enum status body_digest_add(struct body_digest *body, struct span bytes)
{
	if (body->digest.state == NULL)
		return STATUS_OK;
	while (bytes.size) {
		if (body->at_line_start && bytes.data[0] == '.')
			bytes = span_slice(bytes, 1, bytes.size);
		struct span part = span_slice(bytes, 0, measure_to_dot(bytes));
		TRY(digest_add(&body->digest, part));
		if (part.size)
			body->at_line_start = part.data[part.size - 1] == '\n';
		else
			body->at_line_start = false; /* the dot alone */
		bytes = span_slice(bytes, part.size, bytes.size);
	}
	return STATUS_OK;
}

enum status body_digest_end(struct body_digest *body, char out_hex[HASH_SHA256_HEX_SIZE])
{
	return digest_end(&body->digest, out_hex);
}

void body_digest_free(struct body_digest *body)
{
	digest_free(&body->digest);
}
