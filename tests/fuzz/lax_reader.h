/*
 * Readers of a message's wire form, written from RFC 5321 and from what careless relays do, not from how ours works.
 *
 * What a relay may take for the end of a message, if it is careless: a dot alone between any two of CR, LF, NUL, in any
 * mixture (RFC 5321, 4.1.1.4 knows one end only).
 */
#ifndef TESTS_FUZZ_LAX_READER_H
#define TESTS_FUZZ_LAX_READER_H

#include <assert.h>
#include <stdbool.h>

#include "base/buf.h"

static inline bool lax_is_line_end(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

/* True when somebody would stop within `data`, which comes after the CRLF of DATA and before the true ".CRLF". */
static inline bool lax_reader_stops_within(struct span data)
{
	for (size_t i = 0; i < data.size; i++) {
		bool begins_line = i == 0 || lax_is_line_end(data.data[i - 1]);
		bool ends_line = i + 1 < data.size && lax_is_line_end(data.data[i + 1]);
		if (data.data[i] == '.' && begins_line && ends_line)
			return true;
	}
	return false;
}

/* True when every reader sees the same lines: an LF after each CR, a CR before each LF, and no NUL. */
static inline bool lax_readers_agree_on_lines(struct span data)
{
	for (size_t i = 0; i < data.size; i++) {
		char c = data.data[i];
		if (c == '\0' || (c == '\n' && (i == 0 || data.data[i - 1] != '\r')) ||
		    (c == '\r' && (i + 1 == data.size || data.data[i + 1] != '\n')))
			return false;
	}
	return true;
}

/*
 * What an honest receiver of wire form keeps: no dot that begins a line after CRLF (RFC 5321, 4.5.2); bare LF is then
 * made CRLF.
 */
static inline void honest_reader_keeps(struct span wire, struct buf *out)
{
	for (size_t i = 0; i < wire.size; i++) {
		bool begins_line = i == 0 || (i >= 2 && wire.data[i - 2] == '\r' && wire.data[i - 1] == '\n');
		bool is_bare = wire.data[i] == '\n' && (i == 0 || wire.data[i - 1] != '\r');
		if (wire.data[i] == '.' && begins_line)
			continue;
		enum status status = is_bare ? buf_append(out, SPAN("\r\n")) : buf_append_byte(out, wire.data[i]);
		assert(status == STATUS_OK);
	}
}

#endif
