/*
 * Result codes of binds. Servers differ in how they tell of disabled and locked accounts:
 * Active Directory answers 49 with "data XXX" in the text, 389 Directory Server
 * 53 or 19, OpenLDAP 49 with the password policy control.
 */
#include "auth/ldap/verdict.h"

#include <ldap.h>
#include <string.h>

/* Win32 error codes, in hexadecimal, in Active Directory's diagnostic text. */
struct directory_code {
	const char *data;
	enum verdict verdict;
	const char *reason;
};

static const struct directory_code directory_codes[] = {
	/* said only to clients that gave the right password */
	{ "data 532,", VERDICT_MUST_CHANGE, "password expired" },
	{ "data 533,", VERDICT_DISABLED, "account disabled" },
	{ "data 701,", VERDICT_DISABLED, "account expired" },
	{ "data 773,", VERDICT_MUST_CHANGE, "password must be changed" },
	/* said to anyone */
	{ "data 775,", VERDICT_WRONG, "account locked" },
};

static enum verdict judge_refusal(const struct ldap_bind_answer *answer, const char **out_reason)
{
	if (answer->policy == LDAP_POLICY_LOCKED) {
		*out_reason = "account locked";
		return VERDICT_WRONG;
	}
	if (answer->policy == LDAP_POLICY_EXPIRED) { /* OpenLDAP, 389: after they found it right */
		*out_reason = "password expired";
		return VERDICT_MUST_CHANGE;
	}
	for (size_t i = 0; i < sizeof(directory_codes) / sizeof(directory_codes[0]); i++) {
		if (strstr(answer->diagnostic, directory_codes[i].data) == NULL)
			continue;
		*out_reason = directory_codes[i].reason;
		return directory_codes[i].verdict;
	}
	*out_reason = "wrong password";
	return VERDICT_WRONG;
}

static enum verdict judge_success(const struct ldap_bind_answer *answer, const char **out_reason)
{
	switch (answer->policy) {
	case LDAP_POLICY_SILENT:
		*out_reason = "";
		return VERDICT_GRANTED;
	case LDAP_POLICY_EXPIRED:
		*out_reason = "password expired";
		return VERDICT_MUST_CHANGE;
	case LDAP_POLICY_MUST_CHANGE:
		*out_reason = "password must be changed";
		return VERDICT_MUST_CHANGE;
	case LDAP_POLICY_LOCKED:
	default:
		*out_reason = "account locked";
		return VERDICT_DISABLED;
	}
}

enum verdict ldap_judge_bind(const struct ldap_bind_answer *answer, const char **out_reason)
{
	switch (answer->code) {
	case LDAP_SUCCESS:
		return judge_success(answer, out_reason);
	case LDAP_INVALID_CREDENTIALS:
		return judge_refusal(answer, out_reason);
	case LDAP_UNWILLING_TO_PERFORM: /* 389: inactivated, said before the password is looked at */
		*out_reason = "account disabled";
		return VERDICT_WRONG;
	case LDAP_CONSTRAINT_VIOLATION: /* 389: too many wrong passwords */
		*out_reason = "account locked";
		return VERDICT_WRONG;
	case LDAP_INAPPROPRIATE_AUTH: /* an entry without a password */
	case LDAP_NO_SUCH_OBJECT:     /* the entry is gone since the search */
		*out_reason = "no password there";
		return VERDICT_WRONG;
	default:
		*out_reason = "directory unavailable";
		return VERDICT_UNAVAILABLE;
	}
}
