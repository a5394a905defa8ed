/*
 * How long the turns of this process's loop take, as nobody else is served during one. Each is counted
 * (subgate_loop_turn_seconds), and long ones are logged.
 */
#ifndef ROLE_TURNS_H
#define ROLE_TURNS_H

#include "role/role.h"

/* Measures from now on until the process ends; a process has one loop. `stats` outlives the loop. */
void turns_measure(struct loop *loop, struct stats *stats, enum role_kind role);

#endif
