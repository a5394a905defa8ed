/* The life of a role's process from its first instruction, as far as it is the same for all roles. */
#ifndef ROLE_ROLE_MAIN_H
#define ROLE_ROLE_MAIN_H

#include "role/handover.h"

/* Runs this role to its end; the process's exit code. */
int role_main(const struct role *role);

/* ---- role_services.c: role/role.h's functions for roles */

/* What role_take_fd gives out. Takes the list over; called once, at start. */
void role_services_open(struct handover *list);
const struct handover *role_services_list(void);
/* The door over which roles talk to the supervisor. It is lent until this is called with NULL. */
struct door;
void role_services_use_door(struct door *door);

#endif
