/* How values are shown to people. Pure. */
#ifndef CONSOLE_PAGES_FILTERS_H
#define CONSOLE_PAGES_FILTERS_H

#include <jansson.h>

#include "base/buf.h"

/*
 * Appends the value as plain text, not yet escaped; nothing for NULL, null and what has no text. `name` is that of a
 * filter, or empty. STATUS_INVALID: there is no such filter. STATUS_NO_MEMORY, STATUS_TOO_LARGE.
 */
MUST_USE enum status filter_value(struct span name, const json_t *value, struct buf *out_text);
/* A part of a URL: all but letters, digits and "-._~" as %XX (RFC 3986, 2.3). */
MUST_USE enum status filter_for_url(struct span text, struct buf *out_text);

#endif
