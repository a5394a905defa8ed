/*
 * Replies as an upstream sends them. An upstream is a peer too: what is not SMTP is STATUS_INVALID, and nothing of it
 * grows without bound.
 */
#include "smtp/reply.h"
#include "smtp/reply_codes.h"

#define BEGIN_MAXIMUM 500 /* bytes: as much as one line of the wire has */

struct wire_line {
	unsigned code;
	bool is_last;
	struct span text;
	size_t used; /* bytes with the CRLF */
};

/* A line that is not there yet; it may be too long, or malformed, already. */
static enum status refuse_early(struct span bytes)
{
	if (bytes.size >= REPLY_LINE_MAXIMUM)
		return STATUS_TOO_LARGE;
	size_t cr = span_find_byte(bytes, '\r');
	return cr + 1 < bytes.size || span_contains_byte(bytes, '\0') ? STATUS_INVALID : STATUS_AGAIN;
}

/* STATUS_AGAIN: no whole line yet. */
static enum status take_line(struct span bytes, struct wire_line *out_line)
{
	struct wire_line line;
	size_t end = span_find_byte(bytes, '\n');
	if (end == bytes.size)
		return refuse_early(bytes);
	if (end >= REPLY_LINE_MAXIMUM)
		return STATUS_TOO_LARGE;
	if (span_find_byte(bytes, '\r') + 1 != end)
		return STATUS_INVALID;
	struct span text = span_slice(bytes, 0, end - 1);
	if (span_contains_byte(text, '\0'))
		return STATUS_INVALID;
	TRY(reply_read_code(text, &line.code));
	if (text.size > 3 && text.data[3] != ' ' && text.data[3] != '-')
		return STATUS_INVALID;
	line.is_last = text.size == 3 || text.data[3] == ' ';
	line.text = span_slice(text, 4, text.size);
	line.used = end + 1;
	*out_line = line;
	return STATUS_OK;
}

/* An endless line, too, has the code of those before it. */
static bool has_other_code(struct span bytes, unsigned code)
{
	unsigned other;
	return code && reply_read_code(bytes, &other) == STATUS_OK && other != code;
}

/* Checks that a whole reply is there, and how far it goes. */
static enum status measure_reply(struct span bytes, size_t *out_used)
{
	struct wire_line line;
	unsigned code = 0;
	size_t used = 0;
	do {
		enum status status = take_line(span_slice(bytes, used, bytes.size), &line);
		if (status == STATUS_AGAIN && bytes.size >= REPLY_SIZE_MAXIMUM)
			return STATUS_TOO_LARGE;
		if (status == STATUS_TOO_LARGE && has_other_code(span_slice(bytes, used, bytes.size), code))
			return STATUS_INVALID;
		TRY(status);
		used += line.used;
		if (used > REPLY_SIZE_MAXIMUM)
			return STATUS_TOO_LARGE;
		if (code && line.code != code)
			return STATUS_INVALID;
		code = line.code;
	} while (!line.is_last);
	*out_used = used;
	return STATUS_OK;
}

/* Takes the first line's enhanced code, and the space after it, off a line that repeats it. */
static struct span strip_enhanced(struct span text, struct span enhanced)
{
	if (enhanced.size == 0 || !span_starts_with(text, enhanced))
		return text;
	if (text.size > enhanced.size && text.data[enhanced.size] != ' ')
		return text;
	return span_slice(text, enhanced.size + 1, text.size);
}

enum status reply_parse_wire(struct span bytes, struct buf *scratch, struct reply *out_reply, size_t *out_used)
{
	struct wire_line line = { 0 };
	struct reply reply = { 0 };
	size_t used = 0;
	TRY(measure_reply(bytes, &used));
	buf_clear(scratch);
	struct span rest = span_slice(bytes, 0, used);
	size_t enhanced_size = 0;
	for (bool is_first = true; rest.size; is_first = false) {
		TRY(take_line(rest, &line));
		rest = span_slice(rest, line.used, rest.size);
		if (is_first) {
			reply.enhanced = reply_find_enhanced(line.text, line.code);
			enhanced_size = reply.enhanced.size;
			TRY(buf_append(scratch, reply.enhanced));
		} else {
			TRY(buf_append_byte(scratch, '\n'));
		}
		TRY(buf_append(scratch, strip_enhanced(line.text, reply.enhanced)));
	}
	reply.code = line.code;
	reply.enhanced = span_slice(buf_span(scratch), 0, enhanced_size);
	reply.text = span_slice(buf_span(scratch), enhanced_size, buf_size(scratch));
	*out_reply = reply;
	*out_used = used;
	return STATUS_OK;
}

/* Up to the line's end, or to what can't be text. */
static struct span cut_line(struct span text)
{
	size_t size = 0;
	text = span_slice(text, 0, BEGIN_MAXIMUM);
	while (size < text.size && text.data[size] != '\r' && text.data[size] != '\n' && text.data[size] != '\0')
		size++;
	return span_slice(text, 0, size);
}

enum status reply_parse_begin(struct span bytes, struct reply *out_reply)
{
	struct reply reply;
	TRY(reply_read_code(bytes, &reply.code));
	if (bytes.size < 4 || (bytes.data[3] != '-' && bytes.data[3] != ' '))
		return STATUS_INVALID;
	struct span text = cut_line(span_slice(bytes, 4, bytes.size));
	reply.enhanced = reply_find_enhanced(text, reply.code);
	reply.text = strip_enhanced(text, reply.enhanced);
	*out_reply = reply;
	return STATUS_OK;
}
