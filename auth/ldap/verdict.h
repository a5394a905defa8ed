/* What the answer to a user's bind means. Pure: codes and texts in, a verdict out. */
#ifndef AUTH_LDAP_VERDICT_H
#define AUTH_LDAP_VERDICT_H

#include "auth/verdict.h"

/* What the server says of the password besides the result. */
enum ldap_policy {
	LDAP_POLICY_SILENT,
	LDAP_POLICY_LOCKED,
	LDAP_POLICY_EXPIRED, /* too old; a bind that succeeded all the same has used up one of the last */
	LDAP_POLICY_MUST_CHANGE,
};

struct ldap_bind_answer {
	int code;               /* LDAP result code, or libldap's own, which are negative */
	const char *diagnostic; /* never NULL */
	enum ldap_policy policy;
};

/*
 * *out_reason is a static text for the audit. VERDICT_DISABLED and
 * VERDICT_MUST_CHANGE only where the server says so after it found the password right; a lock that shows to anyone
 * is VERDICT_WRONG, or it would tell a stranger that the account exists.
 */
enum verdict ldap_judge_bind(const struct ldap_bind_answer *answer, const char **out_reason);

#endif
