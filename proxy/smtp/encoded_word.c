/* Encoded words. Pure; fails only with its buffer. */
#include "smtp/encoded_word.h"

#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum status decode_q(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		int high = c == '=' && i + 2 < text.size ? hex_value(text.data[i + 1]) : -1;
		int low = high >= 0 ? hex_value(text.data[i + 2]) : -1;
		if (low >= 0) {
			c = (char)(high * 16 + low);
			i += 2;
		}
		TRY(buf_append_byte(out, c));
	}
	return STATUS_OK;
}

static enum status decode_b(struct span text, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0;
	unsigned count = 0;
	for (size_t i = 0; i < text.size; i++) {
		const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;
		if (digit == NULL)
			continue;
		bits = (bits << 6 | (unsigned)(digit - digits)) & 0xFFFF;
		count += 6;
		if (count >= 8) {
			count -= 8;
			TRY(buf_append_byte(out, (char)(bits >> count & 0xFF)));
		}
	}
	return STATUS_OK;
}

enum status encoded_word_decode(struct span word, struct buf *out)
{
	struct span charset, encoding;
	struct span text = span_slice(word, 2, word.size < 2 ? 0 : word.size - 2);
	if (!span_starts_with(word, SPAN("=?")) || !span_ends_with_nocase(word, SPAN("?=")) || text.size == 0)
		return buf_append(out, word);
	if (!span_cut(&text, '?', &charset) || !span_cut(&text, '?', &encoding) || text.data == NULL)
		return buf_append(out, word);
	if (span_equal_nocase(encoding, SPAN("Q")))
		return decode_q(text, out);
	if (span_equal_nocase(encoding, SPAN("B")))
		return decode_b(text, out);
	return buf_append(out, word);
}
