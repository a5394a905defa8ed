/* Encoded words. Pure; fails only with its buffer. */
#include "smtp/encoded_word.h"

#include <string.h>

struct encoded_word {
	struct span encoding, text;
};

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
		char c = text.data[i] == '_' ? ' ' : text.data[i];
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

/* "=?charset?Q?text?=" at the front of `text`; STATUS_NOT_FOUND. */
static enum status take_word(struct span *text, struct encoded_word *out_word)
{
	struct encoded_word word;
	struct span charset, rest = span_slice(*text, 2, text->size);
	if (!span_starts_with(*text, SPAN("=?")) || !span_cut(&rest, '?', &charset) ||
	    !span_cut(&rest, '?', &word.encoding) || !span_cut(&rest, '?', &word.text))
		return STATUS_NOT_FOUND;
	if (rest.size == 0 || rest.data[0] != '=')
		return STATUS_NOT_FOUND;
	*text = span_slice(rest, 1, rest.size);
	*out_word = word;
	return STATUS_OK;
}

enum status encoded_word_decode(struct span text, struct buf *out)
{
	struct encoded_word word;
	while (text.size) {
		if (take_word(&text, &word) != STATUS_OK) {
			TRY(buf_append(out, span_slice(text, 0, 1)));
			text = span_slice(text, 1, text.size);
		} else if (span_equal_nocase(word.encoding, SPAN("B"))) {
			TRY(decode_b(word.text, out));
		} else {
			TRY(decode_q(word.text, out));
		}
	}
	return STATUS_OK;
}
