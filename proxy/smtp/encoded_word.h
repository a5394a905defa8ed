/* Encoded words in display names (RFC 2047). Private to this room. */
#ifndef SMTP_ENCODED_WORD_H
#define SMTP_ENCODED_WORD_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Appends the bytes that `word` stands for where it is one encoded word ("=?utf-8?Q?J=C3=B6rg?="), whatever
 * the charset, and its own bytes where it is not. Faulty encodings give what a lenient reader makes of them.
 */
MUST_USE enum status encoded_word_decode(struct span word, struct buf *out);

#endif
