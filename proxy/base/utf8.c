/* UTF-8, one character at a time. Pure. */
#include "base/utf8.h"

/* The second bytes between which a form is neither overlong nor a surrogate, and stays below U+110000. */
static bool is_second(unsigned char first, unsigned char second)
{
	unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
	unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
	return second >= least && second <= most;
}

size_t utf8_length(struct span s)
{
	if (s.size == 0)
		return 0;
	unsigned char first = (unsigned char)s.data[0];
	if (first < 0x80)
		return 1;
	size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
	if (length == 0 || s.size < length || !is_second(first, (unsigned char)s.data[1]))
		return 0;
	for (size_t i = 2; i < length; i++) {
		if (((unsigned char)s.data[i] & 0xC0) != 0x80)
			return 0;
	}
	return length;
}

static bool is_control(struct span s)
{
	unsigned char first = (unsigned char)s.data[0];
	return first < ' ' || first == 0x7F || (first == 0xC2 && s.size > 1 && (unsigned char)s.data[1] < 0xA0);
}

size_t utf8_text_length(struct span s)
{
	return s.size && is_control(s) ? 0 : utf8_length(s);
}

bool utf8_is_text(struct span s)
{
	size_t length = 1;
	for (; s.size && length; s = span_slice(s, length, s.size))
		length = utf8_text_length(s);
	return length > 0;
}

bool utf8_is_ascii(struct span s)
{
	for (size_t i = 0; i < s.size; i++) {
		if ((unsigned char)s.data[i] >= 0x80)
			return false;
	}
	return true;
}

void utf8_mend(char *text)
{
	for (struct span rest = span_of(text); rest.size;) {
		size_t length = utf8_text_length(rest);
		if (length == 0)
			text[rest.data - text] = '?';
		rest = span_slice(rest, length ? length : 1, rest.size);
	}
}
