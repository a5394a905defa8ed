/* How a session speaks and listens: replies, errors, the last word, and lines. */
#ifndef GATE_SESSION_TALK_H
#define GATE_SESSION_TALK_H

#include "gate/session.h"

/* Replies of several units. */
#define TALK_NO_MEMORY "451 4.3.0 Out of memory, please try again"
#define TALK_ENDED "421 4.7.0 This session was ended, please log in again"
#define TALK_SHUTTING_DOWN "421 4.3.2 This server is shutting down, please try again"

/* Queues a reply in our text form (smtp/reply.h). */
void session_reply(struct session *s, struct span text);
void session_replyf(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As session_reply, and counts an error; the last one allowed also ends the session with 421. */
void session_refuse(struct session *s, struct span text);
void session_count_error(struct session *s);

/* Ends it in an orderly way: replies still waited for become 451, `text` is the last one. `reason` is static. */
void session_farewell(struct session *s, struct span text, const char *reason);
/* Ends it as a limit is reached, which is counted: as session_farewell does, or silently where `text` is empty. */
void session_reach_limit(struct session *s, enum stats_refusal limit, struct span text, const char *reason);
/* Ends it for an incident, which counts as refused syntax: as session_farewell does, or silently without a `text`. */
void session_end_abuse(struct session *s, struct span text, const char *what);

/*
 * Something that a security officer wants to read about: it becomes the reason of the session's end in the audit, even
 * of one that never came to TLS, at the rate of refused.h.
 */
void session_note_incident(struct session *s, const char *what);

/*
 * Finds one command line, or one response of AUTH, in the input: a view into it, valid until *out_used bytes are
 * consumed. STATUS_AGAIN: none yet. STATUS_TOO_LARGE, STATUS_INVALID: a line that is none, for session_refuse_line.
 */
MUST_USE enum status session_take_line(struct session *s, size_t maximum, struct span *out_line, size_t *out_used);
/* Drops that line with an error for its answer. */
void session_refuse_line(struct session *s, enum status fault, size_t used);

#endif
