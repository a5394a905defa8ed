/* Encoded words in display names (RFC 2047). Private to this room. */
#ifndef SMTP_ENCODED_WORD_H
#define SMTP_ENCODED_WORD_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Appends `text` with every encoded word in it ("=?utf-8?Q?J=C3=B6rg?=", wherever it stands, whatever its charset)
 * replaced by the bytes it stands for. Faulty encodings give what a lenient reader makes of them.
 */
MUST_USE enum status encoded_word_decode(struct span text, struct buf *out);

#endif
