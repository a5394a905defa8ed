/*
 * When a refused login is answered. The time is drawn before anybody knows how the login ends, from what all logins
 * have in common: how many are being checked, and how long checks took lately. It leaves room for the slowest way a
 * check can go, so that an answer on time tells nothing of the user: neither whether there is one, nor how far their
 * password got. Pure.
 */
#ifndef AUTH_REPLY_TIME_H
#define AUTH_REPLY_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_LEAST_MS 1000 /* what a wrong guess costs */
#define REPLY_MOST_MS 8000  /* however slow the directory is; clients wait longer */

/* What checks took lately. A zeroed one knows nothing yet. */
struct reply_time {
	uint64_t cost_ms; /* of one check, if no other were under way: near the largest, and fading; 0: unknown */
	uint64_t at_ms;
	size_t checking; /* logins that are being checked now */
};

/* One of them. */
struct reply_draw {
	uint64_t from_ms;
	uint64_t delay_ms;
	size_t before; /* logins that were being checked when it began */
};

/* A check begins; `lanes` are made at a time. `random` is any number. */
void reply_time_begin(struct reply_time *times, size_t lanes, uint64_t random, uint64_t now_ms,
		      struct reply_draw *out_draw);
/* It has ended. `is_usual`: others may take as long. */
void reply_time_end(struct reply_time *times, size_t lanes, const struct reply_draw *draw, bool is_usual,
		    uint64_t now_ms);
/* For how long the answer waits now: until the time drawn; if that is over, until as much time has passed again. */
uint64_t reply_time_left_ms(const struct reply_draw *draw, uint64_t now_ms);

#define REPLY_STEP_MS 250

/*
 * For how long an answer waits that is right for everybody, but is sooner there for some than for others: until a whole
 * number of steps has passed since it was asked for, `took_ms` ago. A step is as long as the slowest of them took
 * lately, and as long again; what is not usual teaches nothing. `times` is for such answers alone.
 */
uint64_t reply_time_next_step_ms(struct reply_time *times, uint64_t took_ms, bool is_usual, uint64_t now_ms);

#endif
