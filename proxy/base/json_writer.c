/*
 * Each piece of text is given room for its longest form, and then written without looking at the buffer again. Owns
 * nothing.
 */
#include "base/json_writer.h"

#include <string.h>

#include "base/number.h"
#include "base/utf8.h"

#define PIECE 128U     /* bytes of a text that are written at a time; a character may reach beyond them */
#define LONGEST_FORM 6 /* bytes: of a control, which is one byte; of a character, no more */

/* ---- the buffer */

/* NULL: there is none, as the status says. */
static char *take_room(struct json_writer *writer, size_t size)
{
	char *at = NULL;
	if (writer->status == STATUS_OK)
		writer->status = buf_reserve(writer->out, size, &at);
	return at;
}

static char *put_bytes(char *at, struct span bytes)
{
	memcpy(at, bytes.data, bytes.size);
	return at + bytes.size;
}

/* Comma and name, as they are due, and room for `size` bytes after them; NULL as above. */
static char *begin_value(struct json_writer *writer, struct span name, size_t size, char **out_begin)
{
	char *at = take_room(writer, name.size + sizeof(",\"\":") + size);
	*out_begin = at;
	if (at == NULL)
		return NULL;
	if (!writer->is_first)
		*at++ = ',';
	writer->is_first = false;
	if (name.size) {
		*at++ = '"';
		at = put_bytes(at, name);
		*at++ = '"';
		*at++ = ':';
	}
	return at;
}

static void put_byte(struct json_writer *writer, char byte)
{
	char *at = take_room(writer, 1);
	if (at == NULL)
		return;
	*at = byte;
	buf_commit(writer->out, 1);
}

/* ---- texts */

#define EACH_BYTE(value) (0x0101010101010101U * (value))

/* Eight bytes of which none is a control, a quote, a backslash, or beyond ASCII: none of the differences borrows. */
static bool is_plain_word(uint64_t word)
{
	uint64_t quotes = word ^ EACH_BYTE('"'), backslashes = word ^ EACH_BYTE('\\');
	uint64_t found = word | (word - EACH_BYTE(' ')) | (quotes - EACH_BYTE(1)) | (backslashes - EACH_BYTE(1));
	return (found & EACH_BYTE(0x80)) == 0;
}

static bool is_plain(char byte)
{
	return (unsigned char)byte >= ' ' && (unsigned char)byte < 0x80 && byte != '"' && byte != '\\';
}

/* How many bytes at the front stand for themselves. */
static size_t count_plain(const char *text, size_t size)
{
	size_t count = 0;
	uint64_t word;
	while (count + sizeof(word) <= size) {
		memcpy(&word, text + count, sizeof(word));
		if (!is_plain_word(word))
			break;
		count += sizeof(word);
	}
	while (count < size && is_plain(text[count]))
		count++;
	return count;
}

/* RFC 8259, 7. */
static char *put_escaped(char *at, char byte)
{
	static const char digits[] = "0123456789ABCDEF";
	static const char letters[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'
	};
	*at++ = '\\';
	if (letters[(unsigned char)byte]) {
		*at++ = letters[(unsigned char)byte];
		return at;
	}
	at = put_bytes(at, SPAN("u00"));
	*at++ = digits[(unsigned char)byte >> 4];
	*at++ = digits[byte & 15];
	return at;
}

static bool is_c1(struct span character)
{
	return character.size == 2 && character.data[0] == '\xc2' && (unsigned char)character.data[1] < 0xa0;
}

/* The character at the front, which does not stand for itself, or what stands for it; returns how many bytes it has. */
static size_t put_special(char **at, struct span text)
{
	if ((unsigned char)text.data[0] < 0x80) {
		*at = put_escaped(*at, text.data[0]);
		return 1;
	}
	struct span character = span_slice(text, 0, utf8_length(text));
	bool is_shown = character.size && !is_c1(character);
	*at = put_bytes(*at, is_shown ? character : SPAN("\xef\xbf\xbd"));
	return character.size ? character.size : 1;
}

static size_t size_of_piece(struct span text)
{
	return text.size < PIECE ? text.size : PIECE;
}

static size_t room_for_piece(struct span text)
{
	return (size_of_piece(text) + 1) * LONGEST_FORM;
}

/* Returns how many bytes of the text it took. */
static size_t put_piece(char **at, struct span text)
{
	size_t end = size_of_piece(text), taken = 0;
	while (taken < end) {
		size_t plain = count_plain(text.data + taken, end - taken);
		*at = put_bytes(*at, span_slice(text, taken, taken + plain));
		taken += plain;
		if (taken < end)
			taken += put_special(at, span_slice(text, taken, text.size));
	}
	return taken;
}

/* What is left of a text after its first piece, and its end. */
static void put_rest(struct json_writer *writer, struct span text)
{
	while (text.size) {
		char *begin = take_room(writer, room_for_piece(text)), *at = begin;
		if (at == NULL)
			return;
		text = span_slice(text, put_piece(&at, text), text.size);
		buf_commit(writer->out, (size_t)(at - begin));
	}
	put_byte(writer, '"');
}

void json_put_text(struct json_writer *writer, struct span name, struct span text)
{
	char *begin, *at = begin_value(writer, name, sizeof("\"\"") + room_for_piece(text), &begin);
	if (at == NULL)
		return;
	*at++ = '"';
	size_t taken = put_piece(&at, text);
	if (taken == text.size)
		*at++ = '"';
	buf_commit(writer->out, (size_t)(at - begin));
	if (taken < text.size)
		put_rest(writer, span_slice(text, taken, text.size));
}

/* ---- everything else */

void json_put_number(struct json_writer *writer, struct span name, int64_t number)
{
	char *begin, *at = begin_value(writer, name, NUMBER_DIGITS, &begin);
	uint64_t size = (uint64_t)number;
	if (at == NULL)
		return;
	if (number < 0) {
		*at++ = '-';
		size = -size;
	}
	at += number_write(size, at);
	buf_commit(writer->out, (size_t)(at - begin));
}

void json_put_true(struct json_writer *writer, struct span name)
{
	char *begin, *at = begin_value(writer, name, sizeof("true"), &begin);
	if (at == NULL)
		return;
	at = put_bytes(at, SPAN("true"));
	buf_commit(writer->out, (size_t)(at - begin));
}

void json_put_again(struct json_writer *writer, struct span members)
{
	char *at = take_room(writer, members.size);
	if (at == NULL)
		return;
	put_bytes(at, members);
	buf_commit(writer->out, members.size);
}

static void open_value(struct json_writer *writer, struct span name, char bracket)
{
	char *begin, *at = begin_value(writer, name, 1, &begin);
	if (at == NULL)
		return;
	*at++ = bracket;
	buf_commit(writer->out, (size_t)(at - begin));
	writer->is_first = true;
}

static void close_value(struct json_writer *writer, char bracket)
{
	put_byte(writer, bracket);
	writer->is_first = false;
}

void json_writer_begin(struct json_writer *writer, struct buf *out)
{
	*writer = (struct json_writer){ .out = out, .status = STATUS_OK, .is_first = true };
	open_value(writer, (struct span){ 0 }, '{');
}

void json_open_object(struct json_writer *writer, struct span name)
{
	open_value(writer, name, '{');
}

void json_open_array(struct json_writer *writer, struct span name)
{
	open_value(writer, name, '[');
}

void json_close_object(struct json_writer *writer)
{
	close_value(writer, '}');
}

void json_close_array(struct json_writer *writer)
{
	close_value(writer, ']');
}
