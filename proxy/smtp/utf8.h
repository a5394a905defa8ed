/* UTF-8 (RFC 3629). */
#ifndef SMTP_UTF8_H
#define SMTP_UTF8_H

#include "base/span.h"

/* Bytes of the character at `s`'s front, 1 to 4; 0 where none is (overlong forms, surrogates and an empty `s` too). */
size_t utf8_length(struct span s);
bool utf8_is_valid(struct span s); /* whole; an empty `s` is */
bool utf8_is_ascii(struct span s); /* no byte above 127 */

#endif
