/*
 * Processes that hang. They are found by their signs of life (stats/life.h), shown, and killed; they are then replaced
 * as if they had died. The signs are looked at twice a second. Time in which the supervisor itself was held up
 * (stopped, suspended, on a busy machine) counts against nobody.
 */
#ifndef SUPERVISE_HANGS_H
#define SUPERVISE_HANGS_H

#include "supervise/supervisor.h"

struct hangs;

/* Watches all processes of the supervisor from now on, and feeds systemd's watchdog. */
MUST_USE enum status hangs_begin(struct supervisor *supervisor, struct hangs **out_hangs);
void hangs_free(struct hangs **hangs); /* NULL-safe; sets to NULL */

/* Bytes, the NUL included. */
#define HANGS_TEXT_SIZE 64
/* What is seen of the supervisor's own helper threads, which are shown and can't be replaced. */
const struct life_watch *hangs_own_life(const struct hangs *hangs);
/* Which helper threads of a process are late: "audit", "check 2 of 4"; "" if none. */
void hangs_list_threads(const struct life_watch *life, char out_text[HANGS_TEXT_SIZE]);

#endif
