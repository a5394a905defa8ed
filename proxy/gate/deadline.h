/*
 * How long a session may take for what it does, and what happens then.
 *
 * A command has limits.command_timeout from the answer before it to the end of its line: bytes alone are no progress.
 * Within a transaction only what moves it on is. A login has auth_timeout from the connection on, whatever the client
 * does meanwhile.
 *
 * When others serve in this gate's place, whoever works is not disturbed: a client that logs in, or sends one message
 * after another. A logged-in client that is idle hears 421 after a while. Without a successor there is no time to wait
 * for.
 *
 * A message has data_timeout, and each byte of it adds what it may take at data_rate, up to data_timeout again: a fast
 * client may pause that long, and one slower than the rate uses it up, in DATA and over all chunks of BDAT. While we
 * are the ones who don't read, no clock runs.
 *
 * This is arithmetic alone: what is done about a deadline that passed is the session's life (session_life.c).
 */
#ifndef GATE_DEADLINE_H
#define GATE_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>

struct session;

/* Which of a session's deadlines passed. */
enum deadline {
	DEADLINE_IDLE,    /* of a client that is idle at a draining gate: its next step says goodbye */
	DEADLINE_LOGIN,   /* nobody has logged in */
	DEADLINE_OUTCOME, /* the relay has been silent about the message */
	DEADLINE_ROOM,    /* the relay door stayed full */
	DEADLINE_RATE,    /* the message came, but too slowly */
	DEADLINE_STATE,   /* the client did not get on in any other way */
};

/* The present state's deadline begins anew: there was progress. */
void deadline_touch(struct session *s);
/* The data of a message begins, or a chunk that is dropped. */
void deadline_begin_data(struct session *s);
/* So many bytes of it were taken. */
void deadline_take_data(struct session *s, size_t bytes);
/* The session begins to wait for room in the relay door; there is room again. */
void deadline_pause(struct session *s);
void deadline_resume(struct session *s);

/* Between transactions of a draining gate: whether now is a time to say goodbye. */
bool deadline_may_end(const struct session *s);

/* Tells the stream, after steps were taken. */
void deadline_arm(struct session *s);
/* The stream's deadline has passed: which one it was. The next one is armed after the session's next steps. */
enum deadline deadline_take_passed(struct session *s);

#endif
