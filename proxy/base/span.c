/* Views of bytes. Pure; allocates only in span_to_string. */
#include "base/span.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"

bool span_equal(struct span a, struct span b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool span_equal_nocase(struct span a, struct span b)
{
	return a.size == b.size && span_starts_with_nocase(a, b);
}

bool span_starts_with(struct span s, struct span prefix)
{
	return s.size >= prefix.size && span_equal(span_slice(s, 0, prefix.size), prefix);
}

bool span_starts_with_nocase(struct span s, struct span prefix)
{
	if (s.size < prefix.size)
		return false;
	for (size_t i = 0; i < prefix.size; i++) {
		if (ascii_lower(s.data[i]) != ascii_lower(prefix.data[i]))
			return false;
	}
	return true;
}

bool span_ends_with_nocase(struct span s, struct span suffix)
{
	return s.size >= suffix.size && span_equal_nocase(span_slice(s, s.size - suffix.size, s.size), suffix);
}

bool span_is_printable(struct span s)
{
	size_t at = 0;
	while (at < s.size && ascii_is_printable(s.data[at]))
		at++;
	return at == s.size;
}

bool span_contains_byte(struct span s, char byte)
{
	return span_find_byte(s, byte) < s.size;
}

size_t span_find_byte(struct span s, char byte)
{
	const char *found = s.size ? memchr(s.data, byte, s.size) : NULL;
	return found ? (size_t)(found - s.data) : s.size;
}

struct span span_first_word(struct span s)
{
	struct span word = span_slice(s, 0, span_find_byte(s, ' '));
	return span_slice(word, 0, span_find_byte(word, '\t'));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.size && is_blank(s.data[0])) {
		s.data++;
		s.size--;
	}
	while (s.size && is_blank(s.data[s.size - 1]))
		s.size--;
	return s;
}

bool span_cut(struct span *rest, char separator, struct span *out_part)
{
	if (rest->data == NULL)
		return false;
	size_t at = span_find_byte(*rest, separator);
	*out_part = span_slice(*rest, 0, at);
	if (at == rest->size)
		*rest = (struct span){ NULL, 0 };
	else
		*rest = (struct span){ rest->data + at + 1, rest->size - at - 1 };
	return true;
}

enum status span_to_u64(struct span s, uint64_t *out_value)
{
	uint64_t value = 0;
	if (s.size == 0)
		return STATUS_INVALID;
	for (size_t i = 0; i < s.size; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return STATUS_INVALID;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value))
			return STATUS_INVALID;
	}
	*out_value = value;
	return STATUS_OK;
}

char *span_to_string(struct span s)
{
	if (span_contains_byte(s, '\0'))
		return NULL;
	char *text = malloc(s.size + 1);
	if (text == NULL)
		return NULL;
	if (s.size)
		memcpy(text, s.data, s.size);
	text[s.size] = '\0';
	return text;
}
