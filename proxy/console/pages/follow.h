/*
 * Whoever has the first page open follows it by server-sent events: a stream that brings its live part anew when that
 * would look otherwise, looked at every five seconds. Before each look admin decides for each follower, by their
 * session, whether they may still ask; that is no use of the session, but opening a stream is one. A stream lasts some
 * minutes, and its browser opens the next.
 */
#ifndef CONSOLE_PAGES_FOLLOW_H
#define CONSOLE_PAGES_FOLLOW_H

#include "console/pages/page_private.h"

#define FOLLOW_PATH "/now/events"

struct follow;

MUST_USE enum status follow_create(struct pages *pages, struct follow **out_follow);
void follow_free(struct follow **follow); /* NULL-safe; sets to NULL; ends all streams */

/* Answers the visit, now or later. */
void follow_begin(struct follow *follow, struct visit *visit, const struct language *language);
/* False: the question is none of theirs. */
bool follow_take_answer(struct follow *follow, const struct door_console_answered *answered);
/* Nobody can be asked: streams wait for the next admin process, and no other is begun. */
void follow_lose_admin(struct follow *follow);
/* Ends all streams, and begins no other. */
void follow_drain(struct follow *follow);

#endif
