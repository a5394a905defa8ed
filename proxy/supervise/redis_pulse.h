/*
 * Whether the embedded Redis answers: one connection of the supervisor's own
 * asks PING, again and again, and never waits for it. Any reply is a sign of life, an error too: it
 * reads its file still (LOADING), or is busy.
 */
#ifndef SUPERVISE_REDIS_PULSE_H
#define SUPERVISE_REDIS_PULSE_H

#include "base/secret.h"
#include "net/loop.h"

struct redis_pulse;

/* `path`: of its socket. Both are lent, and outlive it. STATUS_NO_MEMORY. */
MUST_USE enum status redis_pulse_create(struct loop *loop, const char *path, const struct secret *password,
					struct redis_pulse **out_pulse);
void redis_pulse_free(struct redis_pulse **pulse); /* NULL-safe; sets to NULL */

/* A new process: nothing is known of it. */
void redis_pulse_begin(struct redis_pulse *pulse, uint64_t now_ms);
/* Takes note of what came, and asks once more. */
void redis_pulse_look(struct redis_pulse *pulse, uint64_t now_ms);
/* Since its last answer, as stats/life.h counts: a look stands for LIFE_LOOK_MOST_MS at most. */
uint64_t redis_pulse_silent_ms(const struct redis_pulse *pulse);
/* This process has answered before. */
bool redis_pulse_has_answered(const struct redis_pulse *pulse);

#endif
