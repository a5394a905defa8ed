/* What pages say of the whole that no answer of admin's says by itself. Pure. */
#ifndef CONSOLE_PAGES_OVERVIEW_H
#define CONSOLE_PAGES_OVERVIEW_H

#include <jansson.h>

/*
 * From the answers "status", "relays" and "throttled": a list "problems", each with a "kind" and what its words need,
 * and the figures of the page.
 */
void overview_prepare(json_t *data);
/* Of "people", the heaviest; each with "is_near", if most of the limit is used; and what all sent, in the figures. */
void overview_prepare_people(json_t *data);
/* What the page /me needs of "messages" (history.h), and the same of "history" as below. */
void overview_prepare_me(json_t *data);
/* In "history", "most": of a day's messages. "has_own_limits": some were set by hand. */
void overview_prepare_person(json_t *data);
/* "dialog" and "has_dialog": what was said to a relay, whether that went well or not; "is_tested": well.
 * And what consent.h adds. */
void overview_prepare_relays(json_t *data);

#endif
