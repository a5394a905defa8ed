/*
 * What a relay may take for the end of a message, if it is careless: a dot alone between any two of CR, LF, NUL, in any
 * mixture. Written from what such readers do (RFC 5321, 4.1.1.4 knows one end only), not from how ours works.
 */
#ifndef TESTS_FUZZ_LAX_READER_H
#define TESTS_FUZZ_LAX_READER_H

#include <stdbool.h>

#include "base/span.h"

static inline bool lax_is_line_end(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

/* True when somebody would stop within `data`, which stands behind the CRLF of DATA and in front of the true ".CRLF". */
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

/* True when every reader sees the same lines: each CR stands in front of an LF, each LF behind a CR, and there is no NUL. */
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

#endif
