/* Search filters: the configured template with the user's name put in, escaped. Pure text. */
#ifndef AUTH_LDAP_FILTER_H
#define AUTH_LDAP_FILTER_H

#include "base/buf.h"
#include "base/span.h"

/* Bytes: a template of a few hundred with a name of 255, tripled by escaping, twenty times. */
#define LDAP_FILTER_MAXIMUM 16384

/*
 * Appends `value` as an assertion value (RFC 4515, 3): every byte that means something in a filter, and every byte
 * outside printable ASCII, as \XX.
 */
MUST_USE enum status ldap_filter_escape(struct span value, struct buf *out);
/* Appends `template` with each %u replaced by the escaped name, and each %d by the escaped DN (empty: none yet). */
MUST_USE enum status ldap_filter_expand(const char *template, struct span name, struct span dn, struct buf *out);
/* Where a search begins: at `base`; if that is empty, at the top of the domain ("dc=…") of `users`, or there. */
const char *ldap_filter_base(const char *base, const char *users);

#endif
