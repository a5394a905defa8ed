/* JSON from outside, for threads with small stacks. */
#ifndef AUTH_BEARER_JSON_H
#define AUTH_BEARER_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/span.h"

#define BEARER_JSON_DEPTH 32 /* what is within each other; jansson's parser calls itself as often */

/* NULL: no JSON, too deep, a name twice, or no memory. */
json_t *bearer_json_read(struct span text);
/*
 * Whether the text is base64url without padding (RFC 7515, 2), and not empty. cjose is given nothing else to decode: it
 * aborts on some of what is not.
 */
bool bearer_json_is_base64url(struct span text);

#endif
