/* The lists of a loop: each member is embedded in its owner, and knows where it stands. Owns nothing; can't fail. */
#include "net/loop_lists.h"

/* ---- hooks */

static void append_hook(struct turn_end_list *list, struct turn_end *hook)
{
	hook->list = list;
	hook->next = NULL;
	hook->previous = list->last;
	if (list->last)
		list->last->next = hook;
	else
		list->first = hook;
	list->last = hook;
}

static void prepend_hook(struct turn_end_list *list, struct turn_end *hook)
{
	hook->list = list;
	hook->next = list->first;
	hook->previous = NULL;
	if (list->first)
		list->first->previous = hook;
	else
		list->last = hook;
	list->first = hook;
}

static void cut_out(struct turn_end *hook)
{
	struct turn_end_list *list = hook->list;
	if (hook->previous)
		hook->previous->next = hook->next;
	else
		list->first = hook->next;
	if (hook->next)
		hook->next->previous = hook->previous;
	else
		list->last = hook->previous;
	hook->list = NULL;
	hook->next = hook->previous = NULL;
}

void loop_lists_append(struct loop_lists *lists, struct turn_end *hook)
{
	if (hook->list == &lists->ends)
		return;
	if (hook->list)
		cut_out(hook);
	append_hook(&lists->ends, hook);
}

void loop_lists_prepend(struct loop_lists *lists, struct turn_end *hook)
{
	if (hook->list)
		cut_out(hook);
	prepend_hook(&lists->ends, hook);
}

void loop_lists_append_after(struct loop_lists *lists, struct turn_end *hook)
{
	if (hook->list == NULL)
		append_hook(&lists->afterwards, hook);
}

void loop_lists_forget(struct turn_end *hook)
{
	if (hook->list)
		cut_out(hook);
}

static void run_each(struct turn_end_list *list)
{
	while (list->first) {
		struct turn_end *hook = list->first;
		cut_out(hook);
		hook->run(hook->context);
	}
}

/* A look that changes nothing queues nothing in `ends`, so this comes to rest. */
void loop_lists_run(struct loop_lists *lists)
{
	do {
		run_each(&lists->ends);
		while (lists->afterwards.first) {
			struct turn_end *hook = lists->afterwards.first;
			cut_out(hook);
			append_hook(&lists->looks, hook);
		}
		run_each(&lists->looks);
	} while (lists->ends.first);
}

/* ---- guests */

void loop_lists_take_in(struct loop_lists *lists, struct loop_guest *guest)
{
	guest->next = lists->guests;
	guest->link = &lists->guests;
	if (guest->next)
		guest->next->link = &guest->next;
	lists->guests = guest;
}

void loop_guest_leave(struct loop_guest *guest)
{
	if (guest->link == NULL)
		return;
	*guest->link = guest->next;
	if (guest->next)
		guest->next->link = guest->link;
	guest->link = NULL;
}

void loop_lists_end_guests(struct loop_lists *lists)
{
	while (lists->guests)
		lists->guests->end(lists->guests->context);
}
