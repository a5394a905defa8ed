/* The replies by verdict. In doubt it is a temporary one. */
#include "auth/replies.h"

const char *auth_reply_of(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_WRONG:
		return REPLY_WRONG;
	case VERDICT_DISABLED:
		return REPLY_DISABLED;
	case VERDICT_MUST_CHANGE:
		return REPLY_MUST_CHANGE;
	case VERDICT_APP_PASSWORD:
		return REPLY_APP_PASSWORD;
	case VERDICT_THROTTLED:
		return REPLY_THROTTLED;
	case VERDICT_NONE:
	case VERDICT_GRANTED:
	case VERDICT_UNAVAILABLE:
	default:
		return REPLY_UNAVAILABLE;
	}
}
