/* Base64, strictly. Decodes into the caller's buffer, which wipes itself when it is a sensitive one. */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The digit's value, or -1. */
static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Four digits, of which the last `padding` are '='. False: not base64. */
static bool read_quantum(const char *digits, size_t padding, char out_bytes[3])
{
	unsigned bits = 0;
	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? digit_value(digits[i]) : 0;
		if (value < 0)
			return false;
		bits = bits << 6 | (unsigned)value;
	}
	unsigned spare = (1U << 8 * padding) - 1; /* bits that stand for no byte must be zero */
	if (bits & spare)
		return false;
	out_bytes[0] = (char)(bits >> 16);
	out_bytes[1] = (char)(bits >> 8);
	out_bytes[2] = (char)bits;
	return true;
}

static size_t count_padding(struct span text)
{
	if (text.size == 0 || text.data[text.size - 1] != '=')
		return 0;
	return text.data[text.size - 2] == '=' ? 2 : 1;
}

enum status base64_decode(struct span text, struct buf *out)
{
	if (text.size % 4 != 0)
		return STATUS_INVALID;
	if (text.size == 0)
		return STATUS_OK;
	char *at = NULL;
	TRY(buf_reserve(out, text.size / 4 * 3, &at));
	size_t last_padding = count_padding(text);
	for (size_t i = 0; i < text.size; i += 4) {
		size_t padding = i + 4 == text.size ? last_padding : 0;
		if (!read_quantum(text.data + i, padding, at + i / 4 * 3))
			return STATUS_INVALID;
	}
	buf_commit(out, text.size / 4 * 3 - last_padding);
	return STATUS_OK;
}

/* The digits of up to three bytes. */
static size_t write_quantum(struct span bytes, const char *digits, char out_text[4])
{
	unsigned bits = 0;
	for (size_t i = 0; i < 3; i++)
		bits = bits << 8 | (i < bytes.size ? (unsigned char)bytes.data[i] : 0U);
	size_t count = bytes.size >= 3 ? 4 : bytes.size + 1;
	for (size_t i = 0; i < count; i++)
		out_text[i] = digits[bits >> (18 - 6 * i) & 63];
	return count;
}

static enum status encode_with(struct span bytes, const char *digits, bool pads, struct buf *out)
{
	char *at = NULL;
	if (bytes.size == 0)
		return STATUS_OK;
	TRY(buf_reserve(out, (bytes.size + 2) / 3 * 4, &at));
	size_t size = 0;
	for (size_t i = 0; i < bytes.size; i += 3)
		size += write_quantum(span_slice(bytes, i, bytes.size), digits, at + size);
	while (pads && size % 4 != 0)
		at[size++] = '=';
	buf_commit(out, size);
	return STATUS_OK;
}

enum status base64_encode(struct span bytes, struct buf *out)
{
	return encode_with(bytes, alphabet, true, out);
}

enum status base64url_encode(struct span bytes, struct buf *out)
{
	return encode_with(bytes, url_alphabet, false, out);
}

enum status base64url_decode(struct span text, struct buf *out)
{
	struct buf plain BUF_AUTO;
	char *at = NULL;
	size_t padding = (4 - text.size % 4) % 4;
	buf_init_sensitive(&plain, text.size + padding + 1);
	if (padding == 3 || span_contains_byte(text, '+') || span_contains_byte(text, '/') ||
	    span_contains_byte(text, '='))
		return STATUS_INVALID;
	TRY(buf_reserve(&plain, text.size + padding, &at));
	for (size_t i = 0; i < text.size; i++)
		at[i] = text.data[i] == '-' ? '+' : text.data[i] == '_' ? '/' : text.data[i];
	for (size_t i = 0; i < padding; i++)
		at[text.size + i] = '=';
	buf_commit(&plain, text.size + padding);
	return base64_decode(buf_span(&plain), out);
}
