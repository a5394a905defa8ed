/* The count of what was left out. Owns nothing. */
#include "base/log_pace.h"

#include <inttypes.h>
#include <stdio.h>

static const struct pace_limit limit = { .burst = 20, .a_second = 1 };

bool log_pace_take(struct log_pace *lines, uint64_t now_ms, char out_more[LOG_PACE_TEXT])
{
	out_more[0] = '\0';
	if (!pace_take(&lines->pace, &limit, 1, now_ms)) {
		lines->silent++;
		return false;
	}
	if (lines->silent)
		snprintf(out_more, LOG_PACE_TEXT, " (%" PRIu64 " more since the last such line)", lines->silent);
	lines->silent = 0;
	return true;
}
