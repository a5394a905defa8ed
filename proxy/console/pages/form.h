/* What a browser sends of a form: application/x-www-form-urlencoded, a stranger's. Pure. */
#ifndef CONSOLE_PAGES_FORM_H
#define CONSOLE_PAGES_FORM_H

#include <jansson.h>

#include "base/span.h"
#include "base/status.h"

#define FORM_FIELDS 32
#define FORM_FIELD_BYTES 4096 /* of a name, or of a value */

/* Whether a field Content-Type is that of a form. */
bool form_is_type(struct span field);
/*
 * An object of texts, the caller's to drop. STATUS_INVALID: a field comes twice, or is no text in UTF-8.
 * STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status form_read(struct span body, json_t **out_fields);

#endif
