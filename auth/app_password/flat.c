/* Flat lines of JSON. Owns nothing. */
#include "auth/app_password/flat.h"

#include <string.h>

#define NUMBER_MAXIMUM ((1ULL << 53) - 1) /* what every reader of JSON keeps exact: RFC 8259, 6 */

struct flat flat_of(struct span line, char *scratch)
{
	return (struct flat){ .rest = line, .scratch = scratch };
}

/* ---- bytes */

static void skip_bytes(struct flat *flat, size_t count)
{
	flat->rest.data += count;
	flat->rest.size -= count;
}

static void skip_blanks(struct flat *flat)
{
	size_t i = 0;
	while (i < flat->rest.size && (flat->rest.data[i] == ' ' || flat->rest.data[i] == '\t'))
		i++;
	skip_bytes(flat, i);
}

/* Takes this byte, and blanks before it. */
static bool take_byte(struct flat *flat, char byte)
{
	skip_blanks(flat);
	if (flat->rest.size == 0 || *flat->rest.data != byte)
		return false;
	skip_bytes(flat, 1);
	return true;
}

/* The size of the UTF-8 character at the front (RFC 3629, 4); 0: it is none, or a control character. */
static size_t measure_character(struct span text)
{
	const unsigned char *byte = (const unsigned char *)text.data;
	unsigned char first = byte[0];
	if (first < 0x80)
		return first >= 0x20 && first != 0x7f;
	size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || text.size < size)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
	bool is_odd = (first == 0xe0 && byte[1] < 0xa0) || (first == 0xed && byte[1] >= 0xa0) ||
		      (first == 0xf0 && byte[1] < 0x90) || (first == 0xf4 && byte[1] >= 0x90) ||
		      (first == 0xc2 && byte[1] < 0xa0); /* overlong, a surrogate, past U+10FFFF, C1 */
	return is_odd ? 0 : size;
}

/* How many bytes at the front of a text are characters that stand for themselves. */
static bool measure_plain(struct span text, size_t *out_size)
{
	size_t size = 0;
	while (size < text.size) {
		unsigned char byte = (unsigned char)text.data[size];
		if (byte == '"' || byte == '\\')
			break;
		size_t count = byte >= 0x20 && byte < 0x7f ? 1 : measure_character(span_slice(text, size, text.size));
		if (count == 0)
			return false;
		size += count;
	}
	*out_size = size;
	return true;
}

/* ---- texts with escapes */

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool take_unit(struct flat *flat, unsigned *out_unit)
{
	unsigned unit = 0;
	if (flat->rest.size < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		int digit = digit_value(flat->rest.data[i]);
		if (digit < 0)
			return false;
		unit = unit << 4 | (unsigned)digit;
	}
	skip_bytes(flat, 4);
	*out_unit = unit;
	return true;
}

static size_t encode_character(unsigned code, char out_bytes[4])
{
	if (code < 0x80) {
		out_bytes[0] = (char)code;
		return 1;
	}
	size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = size; i-- > 1; code >>= 6)
		out_bytes[i] = (char)(0x80 | (code & 0x3f));
	out_bytes[0] = (char)((0xf00 >> size) | code);
	return size;
}

/* What follows "\u": one unit, or two that make a pair. */
static bool take_code(struct flat *flat, unsigned *out_code)
{
	unsigned high = 0, low = 0;
	if (!take_unit(flat, &high))
		return false;
	*out_code = high;
	if (high < 0xd800 || high > 0xdbff)
		return true; /* a lone low half is no character, as the caller finds */
	if (!span_starts_with(flat->rest, SPAN("\\u")))
		return false;
	skip_bytes(flat, 2);
	if (!take_unit(flat, &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*out_code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* What follows a backslash, as UTF-8. 0: no escape, or of a control character. */
static size_t take_escape(struct flat *flat, char out_bytes[4])
{
	unsigned code = 0;
	if (flat->rest.size == 0)
		return 0;
	char kind = *flat->rest.data;
	skip_bytes(flat, 1);
	if (kind == '"' || kind == '\\' || kind == '/')
		code = (unsigned char)kind;
	else if (kind != 'u' || !take_code(flat, &code))
		return 0;
	size_t size = encode_character(code, out_bytes);
	return measure_character((struct span){ out_bytes, size }) == size ? size : 0;
}

/* Appends the rest of a text to `out`; the closing mark is taken. */
static bool copy_text(struct flat *flat, char *out, size_t *size)
{
	for (;;) {
		size_t plain = 0;
		if (!measure_plain(flat->rest, &plain))
			return false;
		memcpy(out + *size, flat->rest.data, plain);
		*size += plain;
		skip_bytes(flat, plain);
		if (flat->rest.size == 0)
			return false;
		char mark = *flat->rest.data;
		skip_bytes(flat, 1);
		if (mark == '"')
			return true;
		char bytes[4];
		size_t count = take_escape(flat, bytes);
		if (count == 0)
			return false;
		memcpy(out + *size, bytes, count);
		*size += count;
	}
}

/* ---- values */

/* The opening mark was taken. Most texts have no escape and stay where they are. */
static bool take_text(struct flat *flat, struct span *out_text)
{
	size_t plain = 0;
	const struct span rest = flat->rest;
	if (!measure_plain(rest, &plain))
		return false;
	skip_bytes(flat, plain);
	if (flat->rest.size && *flat->rest.data == '"') {
		skip_bytes(flat, 1);
		*out_text = span_slice(rest, 0, plain);
		return true;
	}
	char *copy = flat->scratch;
	memcpy(copy, rest.data, plain);
	if (!copy_text(flat, copy, &plain))
		return false;
	flat->scratch += plain;
	*out_text = (struct span){ copy, plain };
	return true;
}

/* The opening bracket was taken. */
static bool take_list(struct flat *flat, struct span *out_list)
{
	char *list = flat->scratch;
	size_t size = 0;
	bool more = !take_byte(flat, ']');
	while (more) {
		size_t before = size;
		if (!take_byte(flat, '"') || !copy_text(flat, list, &size) || size == before)
			return false;
		more = take_byte(flat, ',');
		if (more)
			list[size++] = '\n';
		else if (!take_byte(flat, ']'))
			return false;
	}
	flat->scratch += size;
	*out_list = (struct span){ list, size };
	return true;
}

static bool take_number(struct flat *flat, uint64_t *out_number)
{
	size_t digits = 0;
	while (digits < flat->rest.size && flat->rest.data[digits] >= '0' && flat->rest.data[digits] <= '9')
		digits++;
	struct span text = span_slice(flat->rest, 0, digits);
	if (digits == 0 || (digits > 1 && *text.data == '0') || span_to_u64(text, out_number) != STATUS_OK)
		return false;
	skip_bytes(flat, digits);
	return *out_number <= NUMBER_MAXIMUM;
}

static bool take_value(struct flat *flat, struct flat_member *member)
{
	if (take_byte(flat, '"')) {
		member->kind = FLAT_TEXT;
		return take_text(flat, &member->text);
	}
	if (take_byte(flat, '[')) {
		member->kind = FLAT_LIST;
		return take_list(flat, &member->text);
	}
	member->kind = FLAT_NUMBER;
	return take_number(flat, &member->number);
}

static enum status finish_object(struct flat *flat)
{
	skip_blanks(flat);
	return flat->rest.size == 0 ? STATUS_END : STATUS_INVALID;
}

enum status flat_next(struct flat *flat, struct flat_member *out_member)
{
	struct flat_member member = { 0 };
	bool first = !flat->begun;
	flat->begun = true;
	if (first && !take_byte(flat, '{'))
		return STATUS_INVALID;
	if (take_byte(flat, '}'))
		return finish_object(flat);
	if (!first && !take_byte(flat, ','))
		return STATUS_INVALID;
	if (!take_byte(flat, '"') || !take_text(flat, &member.name) || !take_byte(flat, ':') ||
	    !take_value(flat, &member))
		return STATUS_INVALID;
	*out_member = member;
	return STATUS_OK;
}
