/* What pages say of records of the audit, beside what stands there. Pure. */
#ifndef CONSOLE_PAGES_HISTORY_H
#define CONSOLE_PAGES_HISTORY_H

#include <jansson.h>
#include <stdbool.h>

/*
 * To each record of "messages" and "found": "result", its type without "message.", and to each recipient "outcome":
 * accepted, refused, failed or unknown.
 */
void history_prepare(json_t *data);
/* The same, in the order in which it happened. */
void history_prepare_message(json_t *data);
/*
 * Leaves out the latter half of the records, and says so by "more" and "is_cut": for a page that would be too large.
 * False: there is one at the most.
 */
bool history_halve(json_t *data);

#endif
