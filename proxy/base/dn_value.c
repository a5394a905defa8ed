/* Values of DNs: RFC 4514, 2.4 and 3 backwards, then RFC 4518, 2. */
#include "base/dn_value.h"

#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/ascii.h"
#include "base/dn.h"

/* ---- reading */

static bool ends_value(char c)
{
	return c == ',' || c == ';' || c == '+';
}

static int hex_pair(struct span text)
{
	int high = text.size >= 2 ? ascii_hex_value(text.data[0]) : -1;
	int low = high >= 0 ? ascii_hex_value(text.data[1]) : -1;
	return low >= 0 ? high * 16 + low : -1;
}

/* At a backslash. */
static enum status take_escaped(struct span *rest, struct buf *out)
{
	struct span after = span_slice(*rest, 1, rest->size);
	int pair = hex_pair(after);
	if (after.size == 0)
		return STATUS_INVALID;
	if (pair < 0 && (ascii_is_alphanumeric(after.data[0]) || after.data[0] == '\0'))
		return STATUS_INVALID;
	*rest = span_slice(after, pair >= 0 ? 2 : 1, after.size);
	return buf_append_byte(out, pair >= 0 ? (char)pair : after.data[0]);
}

static enum status read_plain(struct span *rest, struct buf *out)
{
	while (rest->size && !ends_value(rest->data[0])) {
		char c = rest->data[0];
		if (c == '\\') {
			TRY(take_escaped(rest, out));
			continue;
		}
		if (c == '"' || c == '\0')
			return STATUS_INVALID;
		TRY(buf_append_byte(out, c));
		*rest = span_slice(*rest, 1, rest->size);
	}
	return STATUS_OK;
}

static void skip_blanks(struct span *rest)
{
	while (rest->size && rest->data[0] == ' ')
		*rest = span_slice(*rest, 1, rest->size);
}

/* After the opening quote. */
static enum status read_quoted(struct span *rest, struct buf *out)
{
	while (rest->size && rest->data[0] != '"') {
		if (rest->data[0] == '\\') {
			TRY(take_escaped(rest, out));
			continue;
		}
		TRY(buf_append_byte(out, rest->data[0]));
		*rest = span_slice(*rest, 1, rest->size);
	}
	if (rest->size == 0)
		return STATUS_INVALID;
	*rest = span_slice(*rest, 1, rest->size);
	skip_blanks(rest);
	return rest->size == 0 || ends_value(rest->data[0]) ? STATUS_OK : STATUS_INVALID;
}

/* The contents of a BER string of less than 128 bytes, or with one byte of length after 0x81; none for others. */
static struct span string_in_ber(struct span ber)
{
	static const char tags[] = { 0x04, 0x0c, 0x13, 0x14, 0x16 }; /* octet, UTF-8, printable, teletex, IA5 */
	size_t head = ber.size > 1 && (unsigned char)ber.data[1] == 0x81 ? 3 : 2;
	if (ber.size < head || !memchr(tags, ber.data[0], sizeof(tags)))
		return (struct span){ 0 };
	size_t size = (unsigned char)ber.data[head - 1];
	return size == ber.size - head && (head == 3 || size < 0x80) ? span_slice(ber, head, ber.size)
								     : (struct span){ 0 };
}

/* At the number sign. What is no string stays as it was written. */
static enum status read_hex(struct span *rest, struct buf *out)
{
	struct buf ber BUF_AUTO;
	struct span whole = *rest;
	buf_init(&ber, DN_MAXIMUM);
	for (*rest = span_slice(*rest, 1, rest->size); hex_pair(*rest) >= 0; *rest = span_slice(*rest, 2, rest->size))
		TRY(buf_append_byte(&ber, (char)hex_pair(*rest)));
	struct span written = span_slice(whole, 0, whole.size - rest->size);
	skip_blanks(rest);
	if (buf_size(&ber) == 0 || (rest->size && !ends_value(rest->data[0])))
		return STATUS_INVALID;
	struct span value = string_in_ber(buf_span(&ber));
	return buf_append(out, value.data ? value : written);
}

enum status dn_value_read(struct span *rest, struct buf *out)
{
	skip_blanks(rest);
	if (rest->size && rest->data[0] == '#')
		return read_hex(rest, out);
	if (rest->size && rest->data[0] == '"') {
		*rest = span_slice(*rest, 1, rest->size);
		return read_quoted(rest, out);
	}
	return read_plain(rest, out);
}

/* ---- preparing: RFC 4518, 2.2 to 2.4 and 2.6.1 */

static bool is_dropped(ucs4_t c)
{
	bool is_blank = (c >= 0x09 && c <= 0x0d) || c == 0x85;
	return !is_blank && (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf) ||
			     uc_is_property_default_ignorable_code_point(c) || c == 0xfffc);
}

static bool is_space(ucs4_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x85 ||
	       uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp);
}

/* Into `out`, which has room for as many bytes. *out_size is how many it became. */
static void map_characters(struct span value, uint8_t *out, size_t *out_size)
{
	size_t at = 0;
	*out_size = 0;
	while (at < value.size) {
		ucs4_t c;
		int length = u8_mbtouc(&c, (const uint8_t *)value.data + at, value.size - at);
		if (is_space(c)) {
			out[(*out_size)++] = ' ';
		} else if (!is_dropped(c)) {
			memcpy(out + *out_size, value.data + at, (size_t)length);
			*out_size += (size_t)length;
		}
		at += (size_t)length;
	}
}

static enum status write_byte(char c, bool escaped, bool is_first, struct buf *out)
{
	bool means_something = memchr(",;+\"\\<>=", c, 8) || (is_first && c == '#');
	if (escaped && c == '\0')
		return buf_append_text(out, "\\00");
	if (escaped && means_something)
		TRY(buf_append_byte(out, '\\'));
	return buf_append_byte(out, c);
}

static enum status write_words(struct span text, bool escaped, struct buf *out)
{
	struct span word;
	bool is_first = true;
	while (span_cut(&text, ' ', &word)) {
		if (word.size == 0)
			continue;
		if (!is_first)
			TRY(buf_append_byte(out, ' '));
		for (size_t i = 0; i < word.size; i++)
			TRY(write_byte(word.data[i], escaped, is_first && i == 0, out));
		is_first = false;
	}
	return STATUS_OK;
}

static bool is_ascii(struct span value)
{
	for (size_t i = 0; i < value.size; i++) {
		if ((unsigned char)value.data[i] >= 0x80)
			return false;
	}
	return true;
}

static enum status write_ascii(struct span value, bool escaped, struct buf *out)
{
	char text[DN_MAXIMUM];
	size_t size = 0;
	for (size_t i = 0; i < value.size; i++) {
		char c = value.data[i];
		if (c >= '\t' && c <= '\r')
			c = ' ';
		if (!ascii_is_control(c))
			text[size++] = ascii_lower(c);
	}
	return write_words((struct span){ text, size }, escaped, out);
}

enum status dn_value_write(struct span value, bool escaped, struct buf *out)
{
	uint8_t mapped[DN_MAXIMUM], folded[DN_MAXIMUM];
	size_t size, folded_size = sizeof(folded);
	if (value.size > DN_MAXIMUM)
		return STATUS_TOO_LARGE;
	if (is_ascii(value))
		return write_ascii(value, escaped, out);
	if (u8_check((const uint8_t *)value.data, value.size))
		return write_words(value, escaped, out);
	map_characters(value, mapped, &size);
	uint8_t *result = u8_casefold(mapped, size, NULL, UNINORM_NFKC, folded, &folded_size);
	if (result == folded)
		return write_words((struct span){ (char *)folded, folded_size }, escaped, out);
	free(result);
	return result ? STATUS_TOO_LARGE : STATUS_NO_MEMORY;
}
