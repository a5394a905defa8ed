/*
 * A session from its connection to its end. Whatever happens outside is noted on the session, which is then driven
 * until it has to wait, or is freed.
 */
#ifndef GATE_SESSION_LIFE_H
#define GATE_SESSION_LIFE_H

#include "gate/session.h"

/* Takes over a connected descriptor, counted under `network`; closes it on failure. The session frees itself. */
void session_open(struct gate_listener *listener, int fd, const struct endpoint *peer, uint64_t network);
/* Takes steps until it has to wait, then sets the deadline or frees the session: it must not be touched afterwards. */
void session_drive(struct session *s);

/* The relay says that its right to send has ended; a message under way gets its outcome first. It drives. */
void session_on_ended(struct session *s);

/* The gate drains, or its time is up (`now`): it drives. */
void session_on_drain(struct session *s, bool now);

/* A client was turned away for want of memory: a line of the log, rationed. */
void session_log_no_memory(struct gate *gate);

#endif
