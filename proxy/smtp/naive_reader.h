/* What readers that don't parse an address field as RFC 5322 wants see in it. Private to this room. */
#ifndef SMTP_NAIVE_READER_H
#define SMTP_NAIVE_READER_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Gives every address that a naive reader may find in `value` (unfolded), each followed by LF; `addresses` is empty
 * before, and may hold one twice. Such a reader decodes encoded words first, each by itself or joined to the next one,
 * and then looks for whole addresses, in quotes and comments too. In quotes an address counts when its domain has a
 * dot; "root@web1" and "@jane" are names. Addresses that stand openly are among them. STATUS_INVALID: such readers
 * would disagree about what is an address.
 */
MUST_USE enum status naive_reader_find(struct span value, struct buf *addresses);

#endif
