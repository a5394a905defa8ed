/*
 * What a request's header fields say of who asks: texts of a stranger's, read without trust. Pure. What could be read
 * in two ways counts as not said.
 */
#ifndef CONSOLE_HEAD_H
#define CONSOLE_HEAD_H

#include <stdbool.h>

#include "base/span.h"

#define HEAD_ADDRESS_SIZE 64 /* bytes, the NUL included */

/* The value of the cookie of this name in a field Cookie (RFC 6265, 4.2). Empty: there is none, or more than one. */
struct span head_find_cookie(struct span field, struct span name);
/*
 * What a field Authorization holds of the scheme Bearer (RFC 6750, 2.1), whatever it looks like; empty for another
 * scheme, which a web server in front may have asked for.
 */
struct span head_find_bearer(struct span field);
/* Whether a field Content-Type is that of JSON, with or without parameters. */
bool head_is_json(struct span field);
/*
 * The last address of a field X-Forwarded-For, as the web server in front adds it, in its one spelling. False: it is
 * none, and nothing was written.
 */
bool head_find_forwarded(struct span field, char out_address[HEAD_ADDRESS_SIZE]);

#endif
