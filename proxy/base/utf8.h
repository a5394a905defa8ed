/* UTF-8 (RFC 3629). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/span.h"

/* Bytes of the character at `s`'s front, 1 to 4; 0 where none is (overlong forms, surrogates and an empty `s` too). */
size_t utf8_length(struct span s);
size_t utf8_text_length(struct span s); /* the same, and 0 for control characters: C0, DEL, C1 (U+0080 to U+009F) */
bool utf8_is_text(struct span s);       /* whole, of such characters; an empty `s` is */
bool utf8_is_ascii(struct span s);      /* no byte above 127 */
/* Puts '?' in the place of each byte that belongs to no whole character, and of control characters. */
void utf8_mend(char *text);

#endif
