/*
 * Base64 as SASL uses it (RFC 4954, 4; RFC 4648, 4): one canonical text for
 * each value. No line ends, no spaces, padding complete, spare bits zero.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"
#include "base/span.h"

/* Appends the decoded bytes. STATUS_INVALID: not base64, and nothing was appended. */
MUST_USE enum status base64_decode(struct span text, struct buf *out);
MUST_USE enum status base64_encode(struct span bytes, struct buf *out);
/* The form for URLs (RFC 4648, 5), without padding, as JWT and PKCE want it. */
MUST_USE enum status base64url_encode(struct span bytes, struct buf *out);

/* Decodes that form. STATUS_INVALID, as above. */
MUST_USE enum status base64url_decode(struct span text, struct buf *out);

#endif
