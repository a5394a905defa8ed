/* Search filters: the configured template with the user's name put in, escaped. Pure text. */
#ifndef AUTH_LDAP_FILTER_H
#define AUTH_LDAP_FILTER_H

#include "base/buf.h"
#include "base/span.h"

/* Bytes: a template of a few hundred with a name of 255, tripled by escaping, a few times. */
#define LDAP_FILTER_MAXIMUM 4096

/*
 * Appends `value` as an assertion value (RFC 4515, 3): every byte that means something in a filter, and every byte
 * outside printable ASCII, as \XX.
 */
MUST_USE enum status ldap_filter_escape(struct span value, struct buf *out);
/* Appends `template` with each %u replaced by the escaped name. */
MUST_USE enum status ldap_filter_expand(const char *template, struct span name, struct buf *out);

#endif
