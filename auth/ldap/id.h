/* The immutable id of an entry, as text. Pure. */
#ifndef AUTH_LDAP_ID_H
#define AUTH_LDAP_ID_H

#include "base/span.h"

#define LDAP_ID_MAXIMUM 255                    /* bytes of a value */
#define LDAP_ID_SIZE (2 * LDAP_ID_MAXIMUM + 1) /* bytes of its text, the NUL included */

/*
 * The attributes that directories keep it in, by preference; NULL after the last. nsUniqueId comes before entryUUID:
 * of a 389 Directory Server every entry has it, and some have the other.
 */
char *ldap_id_attribute(size_t index);
/*
 * A value of `attribute`: an objectGUID as Active Directory shows it ("f81d4fae-7dec-…", its first three parts turned
 * round), other text in lower case, other bytes in hexadecimal. STATUS_INVALID: empty, or too long.
 */
MUST_USE enum status ldap_id_format(const char *attribute, struct span value, char out_id[LDAP_ID_SIZE]);

#endif
