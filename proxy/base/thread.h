/* The one way to start a thread: beside a loop, which alone takes the process's signals. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

#include "base/status.h"

/*
 * Runs `run` on a thread that blocks every signal and has `stack_size` bytes of stack. The kernel keeps the first 15
 * bytes of `name`. The thread is the caller's to join. STATUS_NO_MEMORY; STATUS_SYSTEM with errno.
 */
MUST_USE enum status thread_start(const char *name, size_t stack_size, void *(*run)(void *context), void *context,
				  pthread_t *out_thread);

#endif
