/* What a back end, and in the end the chain of them, says about somebody's name and password. */
#ifndef AUTH_VERDICT_H
#define AUTH_VERDICT_H

#include "stats/stats.h"

enum verdict {
	VERDICT_NONE, /* not mine to judge: the next one is asked */
	VERDICT_GRANTED,
	VERDICT_WRONG,        /* unknown user or wrong password; nobody is told which */
	VERDICT_DISABLED,     /* the right password of an account that may not be used */
	VERDICT_MUST_CHANGE,  /* the right password, which has to be changed before it is good for anything */
	VERDICT_APP_PASSWORD, /* the right password of somebody who has to use an app password */
	VERDICT_UNAVAILABLE,  /* can't be known now */
	VERDICT_THROTTLED,    /* not looked at: too many wrong guesses before */
};

#define REASON_SIZE 128 /* bytes of a reason for the audit, the NUL included */

#endif
