/*
 * How long the turns of this process's loop take: while one lasts, nobody else is
 * served. Each is counted (subgate_loop_turn_seconds), and a log line tells of long ones.
 */
#ifndef ROLE_TURNS_H
#define ROLE_TURNS_H

#include "role/role.h"

/* From now on, until the process ends; one loop a process. `stats` outlives the loop. */
void turns_measure(struct loop *loop, struct stats *stats, enum role_kind role);

#endif
