/* Log lines about entries: anybody's login can cause one, so there is one of a kind in ten minutes. */
#ifndef AUTH_LDAP_TELL_H
#define AUTH_LDAP_TELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum ldap_tell_kind {
	LDAP_TELL_ID,
	LDAP_TELL_NAME,
	LDAP_TELL_UNREADABLE,
	LDAP_TELL_TOO_LARGE,
	LDAP_TELL_KINDS,
};

/* Zeroed at first, but for the name. From any thread. */
struct ldap_tell {
	const char *directory;                         /* its section's name */
	atomic_uint_fast64_t last_ms[LDAP_TELL_KINDS]; /* 0: never */
	atomic_bool has_asked;                         /* for unread attributes (unread.h) */
};

/* "ldap SECTION: DN: TEXT", a warning. */
void ldap_tell(struct ldap_tell *tell, enum ldap_tell_kind kind, const char *dn, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
