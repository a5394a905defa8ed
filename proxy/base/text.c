/* Characters of UTF-8 that people should not be shown as they are. Owns nothing. */
#include "base/text.h"

#include <string.h>
#include <uniwidth.h>

/* How many bytes the control character at the front has; 0: there is none. */
static size_t control_size(const char *at, size_t left)
{
	unsigned char first = (unsigned char)at[0];
	if (first < 0x20 || first == 0x7f)
		return 1;
	unsigned char second = left > 1 ? (unsigned char)at[1] : 0;
	return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

void text_blank_controls(char *text, size_t size)
{
	for (size_t i = 0; i < size;) {
		size_t bad = control_size(text + i, size - i);
		if (bad)
			memset(text + i, '?', bad);
		i += bad ? bad : 1;
	}
}

/* ---- escaping */

/*
 * The character at the front (RFC 3629, 4), and its bytes; 0: there is none, because it is cut off, longer than it
 * needs to be, half of a pair, or past the last one.
 */
static size_t read_character(struct span text, uint32_t *out_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)text.data[0];
	size_t size = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first >= 0xf8 || size == 0 || size > text.size)
		return 0;
	uint32_t code = size == 1 ? first : first & (0x7fU >> size);
	for (size_t i = 1; i < size; i++) {
		unsigned char next = (unsigned char)text.data[i];
		if ((next & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (next & 0x3f);
	}
	if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*out_code = code;
	return size;
}

static bool is_shown(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} unseen[] = {
		{ 0, 0x1f },             /* C0 */
		{ 0x7f, 0x9f },          /* DEL, C1 */
		{ 0xad, 0xad },          /* soft hyphen */
		{ 0x61c, 0x61c },        /* Arabic letter mark */
		{ 0x200b, 0x200f },      /* without a width; directions */
		{ 0x2028, 0x202e },      /* line and paragraph ends; directions */
		{ 0x2060, 0x206f },      /* without a width; directions */
		{ 0xfeff, 0xfeff },      /* byte order mark */
		{ 0xfff0, 0xffff },      /* specials */
		{ 0xe0000, UINT32_MAX }, /* tags, private use */
	};
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
		if (code >= unseen[i].first && code <= unseen[i].last)
			return false;
	return true;
}

static enum status escape_front(struct span text, struct buf *out_text, size_t *out_size)
{
	uint32_t code = 0;
	size_t size = read_character(text, &code);
	*out_size = size ? size : 1;
	if (size == 0)
		return buf_printf(out_text, "\\x%02x", (unsigned char)text.data[0]);
	if (code == '\\')
		return buf_append_text(out_text, "\\\\");
	if (!is_shown(code))
		return buf_printf(out_text, "\\u{%x}", (unsigned)code);
	return buf_append(out_text, span_slice(text, 0, size));
}

enum status text_escape(struct span text, struct buf *out_text)
{
	size_t size = 0;
	for (; !span_is_empty(text); text = span_slice(text, size, text.size))
		TRY(escape_front(text, out_text, &size));
	return STATUS_OK;
}

/* ---- columns */

unsigned text_width(struct span text)
{
	unsigned columns = 0;
	while (text.size) {
		uint32_t code = 0;
		size_t size = read_character(text, &code);
		int width = size ? uc_width(code, "UTF-8") : 1;
		columns += width > 0 ? (unsigned)width : 0;
		text = span_slice(text, size ? size : 1, text.size);
	}
	return columns;
}
