/* Forms, written and read. Pure; the caller's buffer is a sensitive one where a value is. */
#include "auth/form.h"

#include "base/ascii.h"

static bool is_plain(char c)
{
	return ascii_is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

enum status form_encode(struct buf *form, struct span text)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (is_plain(text.data[i])) {
			TRY(buf_append_byte(form, text.data[i]));
			continue;
		}
		TRY(buf_append_byte(form, '%'));
		TRY(buf_append_byte(form, digits[c >> 4]));
		TRY(buf_append_byte(form, digits[c & 15]));
	}
	return STATUS_OK;
}

enum status form_add(struct buf *form, const char *name, struct span value)
{
	if (buf_size(form))
		TRY(buf_append_byte(form, '&'));
	TRY(buf_append_text(form, name));
	TRY(buf_append_byte(form, '='));
	return form_encode(form, value);
}

static enum status append_decoded(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i] == '+' ? ' ' : text.data[i];
		if (c == '%') {
			bool is_whole = text.size - i > 2;
			int high = is_whole ? ascii_hex_value(text.data[i + 1]) : -1;
			int low = is_whole ? ascii_hex_value(text.data[i + 2]) : -1;
			if (high < 0 || low < 0)
				return STATUS_INVALID;
			c = (char)(high << 4 | low);
			i += 2;
		}
		TRY(buf_append_byte(out, c));
	}
	return STATUS_OK;
}

enum status form_find(struct span form, const char *name, struct buf *out_value)
{
	struct span pair;
	while (span_cut(&form, '&', &pair)) {
		size_t equals = span_find_byte(pair, '=');
		if (span_equal(span_slice(pair, 0, equals), span_of(name)))
			return append_decoded(out_value, span_slice(pair, equals + 1, pair.size));
	}
	return STATUS_NOT_FOUND;
}
