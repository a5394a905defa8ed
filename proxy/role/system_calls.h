/* What the two halves of the seccomp filters share. Private to the sandbox: includes libseccomp's header. */
#ifndef ROLE_SYSTEM_CALLS_H
#define ROLE_SYSTEM_CALLS_H

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "role/sandbox.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The same action for each of these calls. 0, or libseccomp's negative errno. */
int system_calls_add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count);
/* What a gate may do, into a filter that refuses. 0, or libseccomp's negative errno. */
int gate_calls_fill(scmp_filter_ctx filter);

#endif
