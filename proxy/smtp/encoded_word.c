/* Encoded words. Pure; fails with its buffer, and on what could hide an @. */
#include "smtp/encoded_word.h"

#include <string.h>

#include "base/ascii.h"

#define WORD_MAXIMUM (256U << 10) /* bytes of one decoded word: a header has no more */
#define ESCAPE '\x1B'
#define SHIFT_OUT '\x0E'
#define SHIFT_IN '\x0F'

/* How the names of charsets begin in which bytes below 128 are ASCII. cp875, windows-1200 and others are not. */
static const char *const ascii_charsets[] = {
	"utf-8",  "utf8",        "us-ascii",    "ascii",       "ansi_x3.4",  "iso-8859-",  "iso8859-",    "iso_8859-",
	"latin",  "windows-125", "windows-874", "windows-31j", "windows-93", "windows-94", "windows-950", "cp125",
	"cp437",  "cp850",       "cp852",       "cp858",       "cp866",      "cp874",      "cp932",       "cp936",
	"cp949",  "cp950",       "ibm437",      "ibm850",      "ibm852",     "ibm866",     "koi8-",       "gb2312",
	"gbk",    "gb18030",     "x-gbk",       "big5",        "euc-",       "x-euc-",     "shift_jis",   "shift-jis",
	"sjis",   "x-sjis",      "ms_kanji",    "ks_c_5601",   "iso-2022-",  "tis-620",    "macintosh",   "x-mac-",
	"viscii", "unknown",     "x-unknown",
};

/* The rest of a charset's name, or the language after it (RFC 2231, 5). */
static bool is_name_rest(struct span rest)
{
	for (size_t i = 0; i < rest.size; i++) {
		char c = rest.data[i];
		if (!ascii_is_alphanumeric(c) && (c == '\0' || strchr("-_.*", c) == NULL))
			return false;
	}
	return true;
}

static bool shows_ascii(struct span charset)
{
	for (size_t i = 0; i < sizeof(ascii_charsets) / sizeof(*ascii_charsets); i++) {
		struct span begin = span_of(ascii_charsets[i]);
		if (span_starts_with_nocase(charset, begin))
			return is_name_rest(span_slice(charset, begin.size, charset.size));
	}
	return false;
}

/* ---- encodings */

static enum status decode_q(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i] == '_' ? ' ' : text.data[i];
		int high = c == '=' && i + 2 < text.size ? ascii_hex_value(text.data[i + 1]) : -1;
		int low = high >= 0 ? ascii_hex_value(text.data[i + 2]) : -1;
		if (low >= 0) {
			c = (char)(high * 16 + low);
			i += 2;
		}
		TRY(buf_append_byte(out, c));
	}
	return STATUS_OK;
}

/* Readers disagree about strange bytes, and about padding before the end. */
static enum status decode_b(struct span text, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0;
	unsigned count = 0;
	while (text.size && text.data[text.size - 1] == '=')
		text.size--;
	for (size_t i = 0; i < text.size; i++) {
		const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;
		if (digit == NULL)
			return STATUS_INVALID;
		bits = (bits << 6 | (unsigned)(digit - digits)) & 0xFFFF;
		count += 6;
		if (count >= 8) {
			count -= 8;
			TRY(buf_append_byte(out, (char)(bits >> count & 0xFF)));
		}
	}
	return STATUS_OK;
}

/* ---- charsets */

/* ASCII in more bytes than it needs (RFC 3629, 3), which lenient readers decode all the same. */
static bool has_overlong(struct span text)
{
	for (size_t i = 0; i + 1 < text.size; i++) {
		unsigned char first = (unsigned char)text.data[i];
		unsigned char second = (unsigned char)text.data[i + 1];
		bool goes_on = second >= 0x80 && second < 0xC0;
		if (goes_on && (first == 0xC0 || first == 0xC1 || (first == 0xE0 && second < 0xA0) ||
				(first == 0xF0 && second < 0x90)))
			return true;
	}
	return false;
}

/* The size of an escape sequence at the front, and whether other than ASCII follows (RFC 1468; ECMA-35, 13.2). */
static size_t measure_escape(struct span text, bool *is_wide)
{
	size_t size = 1;
	while (size < text.size && text.data[size] >= ' ' && text.data[size] <= '/')
		size++;
	if (size == text.size)
		return size;
	bool is_g0 = size == 1 || text.data[1] == '(' || (text.data[1] == '$' && (size == 2 || text.data[2] == '('));
	if (is_g0)
		*is_wide = text.data[1] == '$' || (text.data[size] != 'B' && text.data[size] != 'J');
	return size + 1;
}

static enum status append_iso_2022(struct span text, struct buf *out)
{
	bool is_wide = false;
	bool is_shifted = false;
	while (text.size) {
		char c = *text.data;
		size_t size = c == ESCAPE ? measure_escape(text, &is_wide) : 1;
		text = span_slice(text, size, text.size);
		if (c == SHIFT_OUT || c == SHIFT_IN)
			is_shifted = c == SHIFT_OUT;
		else if (c != ESCAPE)
			TRY(buf_append_byte(out, (is_wide || is_shifted) && c > ' ' ? (char)(c | 0x80) : c));
	}
	return STATUS_OK;
}

static enum status append_in_ascii(struct span charset, struct span text, struct buf *out)
{
	if (span_starts_with_nocase(charset, SPAN("iso-2022-")))
		return append_iso_2022(text, out);
	if (span_starts_with_nocase(charset, SPAN("utf")) && has_overlong(text))
		return STATUS_INVALID;
	return buf_append(out, text);
}

/* ---- words */

/* Where "?=" stands in `text`; its size: nowhere. */
static size_t find_end(struct span text)
{
	const char *end = text.size ? memmem(text.data, text.size, "?=", 2) : NULL;
	return end ? (size_t)(end - text.data) : text.size;
}

/* "=?utf-8?Q?" off the front of `rest`. */
static bool take_beginning(struct span *rest, struct encoded_word *word)
{
	struct span left = span_slice(*rest, 2, rest->size);
	if (!span_starts_with(*rest, SPAN("=?")) || !span_cut(&left, '?', &word->charset))
		return false;
	size_t size = span_find_byte(left, '?');
	if (size == left.size)
		return false;
	word->encoding = span_slice(left, 0, size);
	*rest = span_slice(left, size + 1, left.size);
	return true;
}

bool encoded_word_begins(struct span text)
{
	struct encoded_word word;
	return take_beginning(&text, &word) &&
	       (span_equal_nocase(word.encoding, SPAN("Q")) || span_equal_nocase(word.encoding, SPAN("B")));
}

enum status encoded_word_take(struct span *rest, struct encoded_word *out_word)
{
	struct encoded_word word;
	struct span left = *rest;
	if (!take_beginning(&left, &word))
		return STATUS_NOT_FOUND;
	size_t end = find_end(left);
	if (end == left.size)
		return STATUS_NOT_FOUND;
	word.text = span_slice(left, 0, end);
	*rest = span_slice(left, end + 2, left.size);
	*out_word = word;
	return STATUS_OK;
}

enum status encoded_word_decode(const struct encoded_word *word, struct buf *out)
{
	struct buf raw BUF_AUTO;
	buf_init(&raw, WORD_MAXIMUM);
	if (!shows_ascii(word->charset))
		return STATUS_INVALID;
	if (span_equal_nocase(word->encoding, SPAN("B")))
		TRY(decode_b(word->text, &raw));
	else if (span_equal_nocase(word->encoding, SPAN("Q")))
		TRY(decode_q(word->text, &raw));
	else
		return STATUS_INVALID;
	return append_in_ascii(word->charset, buf_span(&raw), out);
}
