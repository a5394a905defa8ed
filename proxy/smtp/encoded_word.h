/* Encoded words (RFC 2047). Private to this room. */
#ifndef SMTP_ENCODED_WORD_H
#define SMTP_ENCODED_WORD_H

#include "base/buf.h"
#include "base/span.h"

struct encoded_word {
	struct span charset, encoding, text;
};

/*
 * Takes "=?utf-8?Q?J=C3=B6rg?=" off the front of `rest`, as the most lenient reader finds it: anything may stand in
 * its text, up to the first "?=". STATUS_NOT_FOUND: there is none at the front.
 */
MUST_USE enum status encoded_word_take(struct span *rest, struct encoded_word *out_word);
/* Whether an encoded word begins at the front of `text`, be it ended or not: some readers decode it all the same. */
bool encoded_word_begins(struct span text);
/*
 * Appends what `word` says to readers who know its charset, in bytes where those below 128 are ASCII; those of a
 * two-byte set of ISO 2022 become bytes above 127. STATUS_INVALID: readers may decode it differently (faulty base64),
 * or to other ASCII than its bytes show: UTF-7, UTF-16, EBCDIC, overlong UTF-8, charsets not known here.
 */
MUST_USE enum status encoded_word_decode(const struct encoded_word *word, struct buf *out);

#endif
