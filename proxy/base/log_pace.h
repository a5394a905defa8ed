/*
 * A ration of log lines, for those that somebody outside can cause at will: 20 at once, one a second in the long run.
 * The next line tells how many were left out. A zeroed one is fresh.
 */
#ifndef BASE_LOG_PACE_H
#define BASE_LOG_PACE_H

#include "base/pace.h"

#define LOG_PACE_TEXT 64 /* bytes, the NUL included */

struct log_pace {
	struct pace pace;
	uint64_t silent; /* left out since the last line */
};

/* False: it is left out. `out_more` is for the line's end: "", or " (7 more since the last such line)". */
bool log_pace_take(struct log_pace *lines, uint64_t now_ms, char out_more[LOG_PACE_TEXT]);

#endif
