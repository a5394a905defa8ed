/* Control characters in UTF-8. Owns nothing; can't fail. */
#include "base/text.h"

#include <string.h>

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
		memset(text + i, '?', bad);
		i += bad ? bad : 1;
	}
}
