/* Masking. Reads its text once, from the left: at each place the longest secret, else a run, else one byte. */
#include "base/mask.h"

#include <stdio.h>

#include "base/ascii.h"

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

/* How many bytes at the front of `text` are the secret; 0: none. */
static size_t measure_quote(struct span text, struct span secret)
{
	size_t at = 0;
	if (secret.size < MASK_QUOTE_LEAST || text.size == 0 || is_blank(text.data[0]))
		return 0;
	for (size_t i = 0; i < secret.size; i++) {
		if (is_blank(secret.data[i]))
			continue;
		while (at < text.size && is_blank(text.data[at]))
			at++;
		if (at == text.size || text.data[at++] != secret.data[i])
			return 0;
	}
	return at;
}

bool mask_quotes(struct span text, struct span secret)
{
	for (size_t i = 0; i < text.size; i++) {
		if (measure_quote(span_slice(text, i, text.size), secret))
			return true;
	}
	return false;
}

static bool is_token_byte(char c)
{
	return ascii_is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '=';
}

/* How many bytes at the front of `rest` must not be seen. */
static size_t measure_hidden(struct span rest, const struct span *secrets, size_t count)
{
	size_t hidden = 0;
	for (size_t i = 0; i < count; i++) {
		size_t quoted = measure_quote(rest, secrets[i]);
		if (quoted > hidden)
			hidden = quoted;
	}
	size_t run = 0;
	while (run < rest.size && is_token_byte(rest.data[run]))
		run++;
	return run >= MASK_RUN && run > hidden ? run : hidden;
}

static char show_byte(char c)
{
	return (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f ? '?' : c;
}

void mask_text(struct span text, const struct span *secrets, size_t count, char *out_text, size_t size)
{
	static const char stars[] = "***";
	size_t used = 0;
	size_t at = 0;
	while (at < text.size && used + sizeof(stars) <= size) {
		size_t hidden = measure_hidden(span_slice(text, at, text.size), secrets, count);
		if (hidden) {
			used += (size_t)snprintf(out_text + used, size - used, "%s", stars);
			at += hidden;
		} else {
			out_text[used++] = show_byte(text.data[at++]);
		}
	}
	out_text[used] = '\0';
}
