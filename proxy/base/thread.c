/* Starting threads. Owns what a thread needs to begin, until it has read it. */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 16 /* bytes, the NUL included; the kernel's bound */

struct thread_begin {
	char name[NAME_SIZE];
	void *(*run)(void *context);
	void *context;
};

/* It names itself: naming another thread opens a file in /proc, which a sandbox refuses. */
static void *run_named_thread(void *given)
{
	struct thread_begin begin = *(struct thread_begin *)given;
	free(given);
	pthread_setname_np(pthread_self(), begin.name);
	return begin.run(begin.context);
}

static int create_thread(size_t stack_size, struct thread_begin *begin, pthread_t *out_thread)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int failure = pthread_attr_init(&attributes);
	if (failure != 0)
		return failure;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread inherits the mask of its maker */
	failure = pthread_attr_setstacksize(&attributes, stack_size);
	if (failure == 0)
		failure = pthread_create(out_thread, &attributes, run_named_thread, begin);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return failure;
}

enum status thread_start(const char *name, size_t stack_size, void *(*run)(void *context), void *context,
			 pthread_t *out_thread)
{
	struct thread_begin *begin = malloc(sizeof(*begin));
	if (begin == NULL)
		return STATUS_NO_MEMORY;
	*begin = (struct thread_begin){ .run = run, .context = context };
	memcpy(begin->name, name, strnlen(name, sizeof(begin->name) - 1));
	int failure = create_thread(stack_size, begin, out_thread);
	if (failure == 0)
		return STATUS_OK;
	free(begin);
	errno = failure;
	return STATUS_SYSTEM;
}
