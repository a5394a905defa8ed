/*
 * Replies in our text form, and as they go to the client. Pure but for the
 * buffers given; on failure these are as they were.
 */
#include "smtp/reply.h"

#include <string.h>

#include "base/ascii.h"
#include "base/number.h"
#include "base/utf8.h"
#include "smtp/reply_codes.h"

#define CODE_DIGITS 3
#define WIRE_LINE_MAXIMUM 500 /* bytes without CRLF; RFC 5321, 4.5.3.1.5 allows 510 */

enum status reply_read_code(struct span text, unsigned *out_code)
{
	if (text.size < 3 || !ascii_is_digit(text.data[0]) || !ascii_is_digit(text.data[1]) ||
	    !ascii_is_digit(text.data[2]))
		return STATUS_INVALID;
	unsigned code = (unsigned)(text.data[0] - '0') * 100 + (unsigned)(text.data[1] - '0') * 10 +
			(unsigned)(text.data[2] - '0');
	if (code < 200 || code > 599)
		return STATUS_INVALID;
	*out_code = code;
	return STATUS_OK;
}

/* One to three digits at `at`; 0 where there are none or more. */
static size_t count_digits(struct span text, size_t at)
{
	size_t count = 0;
	while (at + count < text.size && ascii_is_digit(text.data[at + count]))
		count++;
	return count <= 3 ? count : 0;
}

struct span reply_find_enhanced(struct span text, unsigned code)
{
	struct span none = { text.data, 0 };
	unsigned class = code / 100;
	if (class == 3 || text.size < 5 || text.data[0] != (char)('0' + class) || text.data[1] != '.')
		return none;
	size_t subject = count_digits(text, 2);
	size_t dot = 2 + subject;
	if (subject == 0 || dot >= text.size || text.data[dot] != '.')
		return none;
	size_t detail = count_digits(text, dot + 1);
	size_t end = dot + 1 + detail;
	if (detail == 0 || (end < text.size && text.data[end] != ' ' && text.data[end] != '\n'))
		return none;
	return span_slice(text, 0, end);
}

static struct span skip_space(struct span text)
{
	return text.size && text.data[0] == ' ' ? span_slice(text, 1, text.size) : text;
}

enum status reply_read(struct span text, struct reply *out_reply)
{
	struct reply reply;
	TRY(reply_read_code(text, &reply.code));
	text = span_slice(text, 3, text.size);
	if (text.size && text.data[0] != ' ' && text.data[0] != '\n')
		return STATUS_INVALID;
	if (span_contains_byte(text, '\r') || span_contains_byte(text, '\0'))
		return STATUS_INVALID;
	text = skip_space(text);
	reply.enhanced = reply_find_enhanced(text, reply.code);
	reply.text = skip_space(span_slice(text, reply.enhanced.size, text.size));
	*out_reply = reply;
	return STATUS_OK;
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7F;
}

static char *put_bytes(char *at, struct span bytes)
{
	memcpy(at, bytes.data, bytes.size);
	return at + bytes.size;
}

static char *put_clean(char *at, struct span text)
{
	for (size_t i = 0; i < text.size; i++)
		*at++ = is_control(text.data[i]) && text.data[i] != '\n' ? '?' : text.data[i];
	return at;
}

enum status reply_write(struct buf *b, const struct reply *reply)
{
	size_t size = CODE_DIGITS + (reply->enhanced.size ? reply->enhanced.size + 1 : 0) +
		      (reply->text.size ? reply->text.size + 1 : 0);
	char *at;
	if (reply->code < 200 || reply->code > 599)
		return STATUS_INVALID;
	if (reply_find_enhanced(reply->enhanced, reply->code).size != reply->enhanced.size)
		return STATUS_INVALID;
	if (size > REPLY_SIZE_MAXIMUM)
		return STATUS_TOO_LARGE;
	TRY(buf_reserve(b, size, &at));
	at = number_write_field(reply->code, CODE_DIGITS, at);
	if (reply->enhanced.size) {
		*at++ = ' ';
		at = put_bytes(at, reply->enhanced);
	}
	if (reply->text.size) {
		*at++ = ' ';
		put_clean(at, reply->text);
	}
	buf_commit(b, size);
	return STATUS_OK;
}

/* ---- to the wire */

/* Bytes of the character at the front that may go to the client; 0: a '?' goes in the place of one byte. */
static size_t wire_character(struct span text, bool utf8)
{
	char c = text.data[0];
	if ((unsigned char)c >= 0x80)
		return utf8 ? utf8_length(text) : 0;
	return is_control(c) ? 0 : 1;
}

/* The part of `text` that fits into `room` bytes: cut at a space where one is, and never within a character. */
static size_t fold_line(struct span text, size_t room, bool utf8)
{
	size_t at = 0, space = 0;
	if (text.size <= room)
		return text.size;
	while (at < text.size) {
		struct span rest = span_slice(text, at, text.size);
		size_t length = wire_character(rest, utf8);
		length = length ? length : 1;
		if (at + length > room)
			return space ? space : at;
		if (*rest.data == ' ' && at)
			space = at;
		at += length;
	}
	return at;
}

static enum status append_piece(struct buf *b, struct span piece, bool utf8)
{
	size_t size = piece.size; /* of what it becomes, too: a '?' stands for one byte */
	char *at;
	TRY(buf_reserve(b, size, &at));
	while (piece.size) {
		size_t length = wire_character(piece, utf8);
		at = put_bytes(at, length ? span_slice(piece, 0, length) : SPAN("?"));
		piece = span_slice(piece, length ? length : 1, piece.size);
	}
	buf_commit(b, size);
	return STATUS_OK;
}

/* One line of the wire off the front of *text; all of its lines but the last carry '-'. */
static enum status append_wire_line(struct buf *b, const struct reply *reply, struct span *line, bool is_last,
				    bool utf8)
{
	size_t room = WIRE_LINE_MAXIMUM - 4 - (reply->enhanced.size ? reply->enhanced.size + 1 : 0);
	struct span piece = span_slice(*line, 0, fold_line(*line, room, utf8));
	*line = skip_space(span_slice(*line, piece.size, line->size));
	char code[CODE_DIGITS + 1];
	*number_write_field(reply->code, CODE_DIGITS, code) = is_last && line->size == 0 ? ' ' : '-';
	TRY(buf_append(b, (struct span){ code, sizeof(code) }));
	TRY(buf_append(b, reply->enhanced));
	if (reply->enhanced.size && piece.size)
		TRY(buf_append_byte(b, ' '));
	TRY(append_piece(b, piece, utf8));
	return buf_append(b, SPAN("\r\n"));
}

static enum status append_wire(struct buf *b, const struct reply *reply, bool utf8)
{
	struct span rest = reply->text;
	struct span line = { NULL, 0 };
	if (rest.data == NULL)
		rest = SPAN("");
	while (span_cut(&rest, '\n', &line)) {
		do
			TRY(append_wire_line(b, reply, &line, rest.data == NULL, utf8));
		while (line.size);
	}
	return STATUS_OK;
}

enum status reply_write_wire(struct buf *b, struct span text, bool utf8)
{
	struct reply reply;
	size_t before = buf_size(b);
	TRY(reply_read(text, &reply));
	enum status status = append_wire(b, &reply, utf8);
	if (status != STATUS_OK)
		buf_truncate(b, before);
	return status;
}
