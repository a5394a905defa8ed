/* What a line of the audit says, before it is read as JSON: most lines are of no concern, and needn't be understood. */
#ifndef AUDIT_READER_RECORD_H
#define AUDIT_READER_RECORD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/span.h"

/* Its time, "2026-11-23T08:15:30.123456Z", which sorts as text. STATUS_INVALID: it has none of this form. */
MUST_USE enum status record_read_time(struct span line, struct span *out_ts);
/* Whether the bytes occur in the line, ASCII letters in either case. */
bool record_has(struct span line, struct span bytes);
/* "message.sent"; empty if it has none. Without copying. */
struct span record_read_type(struct span line);
/* "mail.example.com"; likewise. */
struct span record_read_node(struct span line);
/* The whole line. STATUS_INVALID: it is no JSON. STATUS_NO_MEMORY. */
MUST_USE enum status record_parse(struct span line, json_t **out_record);
/* The member's text; "" if it has none, or is no text. */
const char *record_text(const json_t *record, const char *name);

#endif
