/* Words for the result type. */
#include "base/status.h"

const char *status_text(enum status status)
{
	switch (status) {
	case STATUS_OK:
		return "ok";
	case STATUS_AGAIN:
		return "not yet";
	case STATUS_END:
		return "end";
	case STATUS_INVALID:
		return "invalid";
	case STATUS_TOO_LARGE:
		return "too large";
	case STATUS_NO_MEMORY:
		return "out of memory";
	case STATUS_NOT_FOUND:
		return "not found";
	case STATUS_REFUSED:
		return "refused";
	case STATUS_UNAVAILABLE:
		return "unavailable";
	case STATUS_TIMEOUT:
		return "timeout";
	case STATUS_SYSTEM:
		return "system error";
	}
	return "unknown status";
}
