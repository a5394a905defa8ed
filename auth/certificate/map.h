/* certificate_map_file: whom certificates stand for, a line each. Views of the text. */
#ifndef AUTH_CERTIFICATE_MAP_H
#define AUTH_CERTIFICATE_MAP_H

#include <stddef.h>

#include "base/span.h"

/* The line of the first fault, from 1; 0: there is none. Blank lines and those that begin with "#" are none. */
size_t certificate_map_find_fault(struct span text);
/*
 * Whom the map names for this subject (RFC 4514) or this fingerprint (hexadecimal). Empty: nobody, or two lines that
 * say different things.
 */
struct span certificate_map_find(struct span text, struct span subject, struct span fingerprint);

#endif
