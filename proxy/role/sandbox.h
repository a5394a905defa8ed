/*
 * What a role may still do (promise 2). Gates may make a few system calls and no others. The other roles, which run
 * large libraries, are kept to the paths they need (Landlock), and from system calls that give a process more power
 * than it has.
 *
 * Programs built with sanitizers (SUBGATE_SANITIZED) run without a sandbox, as their runtime needs what it forbids.
 */
#ifndef ROLE_SANDBOX_H
#define ROLE_SANDBOX_H

#include "config/config.h"
#include "role/handover.h"

/*
 * To be called before role->start(), as Landlock binds only the calling thread and the threads it makes afterwards. A
 * kernel without Landlock is no error: that is logged at info, and the rest of the sandbox holds. Does nothing for
 * gates, which can open no path at all. STATUS_SYSTEM: the role must end. Needs no_new_privs.
 */
MUST_USE enum status sandbox_close_paths(enum role_kind kind, const struct config *config, const struct handover *list);
/* To be called after role->start(); binds all threads. STATUS_SYSTEM: the role must end. Needs no_new_privs. */
MUST_USE enum status sandbox_close_calls(enum role_kind kind);

/* ---- its parts */

/* seccomp, for the whole process. STATUS_SYSTEM: errno. */
MUST_USE enum status system_calls_restrict(enum role_kind kind);
/* Landlock, for this thread. STATUS_UNAVAILABLE: this kernel has none; STATUS_SYSTEM: errno. */
MUST_USE enum status paths_restrict(enum role_kind kind, const struct config *config, const struct handover *list);

#endif
