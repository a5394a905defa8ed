/*
 * Whether the embedded Redis answers: a connection of the supervisor's own sends PING again and again, and never waits
 * for the reply. Any reply is a sign of life, even an error: Redis may still be reading its file (LOADING), or be busy.
 */
#ifndef SUPERVISE_REDIS_PULSE_H
#define SUPERVISE_REDIS_PULSE_H

#include "base/secret.h"
#include "net/loop.h"

struct redis_pulse;

/* `path` is that of its socket. Path and password are lent, and outlive the pulse. STATUS_NO_MEMORY. */
MUST_USE enum status redis_pulse_create(struct loop *loop, const char *path, const struct secret *password,
					struct redis_pulse **out_pulse);
void redis_pulse_free(struct redis_pulse **pulse); /* NULL-safe; sets to NULL */

/* There is a new process, of which nothing is known. */
void redis_pulse_begin(struct redis_pulse *pulse, uint64_t now_ms);
/* Notes what came, and asks once more. */
void redis_pulse_look(struct redis_pulse *pulse, uint64_t now_ms);
/* Time since its last answer, as stats/life.h counts it: a look adds LIFE_LOOK_MOST_MS at most. */
uint64_t redis_pulse_silent_ms(const struct redis_pulse *pulse);
/* This process has answered before. */
bool redis_pulse_has_answered(const struct redis_pulse *pulse);

#endif
