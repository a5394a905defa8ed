/*
 * What a role may still do (promise 2). Gates: a short list of system calls,
 * and nothing else. The others, which run large libraries: no path that they have no
 * business with (Landlock), and no system call that makes a process more than it is.
 *
 * Programs built with sanitizers (SUBGATE_SANITIZED) run without: their runtime needs what is forbidden.
 */
#ifndef ROLE_SANDBOX_H
#define ROLE_SANDBOX_H

#include "config/config.h"
#include "role/handover.h"

/*
 * Before role->start(), because Landlock binds only the calling thread and those
 * made after. A kernel without Landlock is no error: it is logged at info, and the rest of the sandbox
 * stands. Nothing for gates, which can open no path at all. STATUS_SYSTEM: the role must end. Needs no_new_privs.
 */
MUST_USE enum status sandbox_close_paths(enum role_kind kind, const struct config *config, const struct handover *list);
/* After role->start(), for all threads. STATUS_SYSTEM: the role must end. Needs no_new_privs. */
MUST_USE enum status sandbox_close_calls(enum role_kind kind);

/* ---- its parts */

/* seccomp, for the whole process. STATUS_SYSTEM: errno. */
MUST_USE enum status system_calls_restrict(enum role_kind kind);
/* Landlock, for this thread. STATUS_UNAVAILABLE: this kernel has none; STATUS_SYSTEM: errno. */
MUST_USE enum status paths_restrict(enum role_kind kind, const struct config *config, const struct handover *list);

#endif
