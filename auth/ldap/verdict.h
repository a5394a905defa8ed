/* What the answer to a user's bind means. Pure: codes and texts in, a verdict out. */
#ifndef AUTH_LDAP_VERDICT_H
#define AUTH_LDAP_VERDICT_H

#include <stdbool.h>

#include "auth/verdict.h"

struct ldap_bind_answer {
	int code;               /* LDAP result code, or libldap's own, which are negative */
	const char *diagnostic; /* never NULL */
	bool policy_locked;     /* the password policy control said accountLocked */
};

/*
 * *out_reason is a static text for the audit. VERDICT_DISABLED only where the
 * server says so after it found the password right; a lock that shows to anyone
 * is VERDICT_WRONG, or it would tell a stranger that the account exists.
 */
enum verdict ldap_judge_bind(const struct ldap_bind_answer *answer, const char **out_reason);

#endif
