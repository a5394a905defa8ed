/* Whether what the product made is UTF-8 throughout: it has no need of its own to ask that. */
#ifndef TESTS_FUZZ_UTF8_H
#define TESTS_FUZZ_UTF8_H

#include "base/utf8.h"

static inline bool is_utf8(struct span s)
{
	size_t length = 1;
	for (; s.size && length; s = span_slice(s, length, s.size))
		length = utf8_length(s);
	return length > 0;
}

#endif
