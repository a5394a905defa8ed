/* What the two halves of the seccomp filters share. Private to the sandbox, as it includes libseccomp's header. */
#ifndef ROLE_SYSTEM_CALLS_H
#define ROLE_SYSTEM_CALLS_H

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "role/sandbox.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Adds one action for each of these calls. 0, or libseccomp's negative errno. */
static inline int system_calls_add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	int error = 0;
	for (size_t i = 0; i < count && error == 0; i++)
		error = seccomp_rule_add(filter, action, calls[i], 0);
	return error;
}

/* Adds what a gate, or the console, may do to a filter that refuses the rest. 0, or libseccomp's negative errno. */
int gate_calls_fill(scmp_filter_ctx filter);

#endif
