/* What hangs on a loop and needs no libev: the hooks at the end of a turn, and the guests. See net/loop.h. */
#ifndef NET_LOOP_LISTS_H
#define NET_LOOP_LISTS_H

#include "net/loop.h"

/* Invariant: first == NULL iff last == NULL. */
struct turn_end_list {
	struct turn_end *first;
	struct turn_end *last;
};

/* Zeroed: empty. */
struct loop_lists {
	struct turn_end_list ends;
	struct turn_end_list afterwards; /* run when `ends` is empty */
	struct turn_end_list looks;      /* those of `afterwards` whose time has come */
	struct loop_guest *guests;
};

/* As loop_at_turn_end, loop_first_at_turn_end and loop_after_turn_end. */
void loop_lists_append(struct loop_lists *lists, struct turn_end *hook);
void loop_lists_prepend(struct loop_lists *lists, struct turn_end *hook);
void loop_lists_append_after(struct loop_lists *lists, struct turn_end *hook);
/* As loop_forget_turn_end. */
void loop_lists_forget(struct turn_end *hook);
/* Runs the hooks, and what they queue, until none is left. */
void loop_lists_run(struct loop_lists *lists);

/* As loop_take_in; loop_guest_leave undoes it. */
void loop_lists_take_in(struct loop_lists *lists, struct loop_guest *guest);
/* Has each guest end, and so leave. */
void loop_lists_end_guests(struct loop_lists *lists);

#endif
