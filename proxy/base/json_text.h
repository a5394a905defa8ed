/*
 * JSON to be read and to be written. When memory runs out, jansson loses a byte of a text or a member's name, and goes
 * on ("anna@example.cm"): here that is no JSON at all.
 */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include <jansson.h>

#include "base/span.h"

/* The value, the caller's to drop; NULL: it is no JSON, a member comes twice (RFC 8259, 4), or memory ran out. */
json_t *json_read(struct span text);
/* The same, where it matters which: STATUS_INVALID, STATUS_NO_MEMORY. */
MUST_USE enum status json_parse(struct span text, json_t **out_value);
/* As json_dumps, with what JSON_COMPACT says: for the caller to free. NULL: memory ran out. */
char *json_write(const json_t *value);

#endif
