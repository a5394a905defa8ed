/*
 * An allocator that can fail, for a whole test program, the libraries it uses included: the n-th allocation from now
 * on, or all of them. Only those of a thread that says so; and it counts the blocks that live. Not with a sanitizer,
 * which has an allocator of its own.
 */
#ifndef TESTS_FAILING_MEMORY_H
#define TESTS_FAILING_MEMORY_H

#ifndef SUBGATE_SANITIZED

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);

static _Thread_local bool memory_counts; /* allocations of this thread may fail */
static bool memory_is_out;               /* each of them fails */
static unsigned long memory_left;        /* until the one that fails; 0: it has failed, or none is to fail */
static atomic_long memory_living;        /* blocks */

static inline bool memory_fails(void)
{
	if (memory_counts && memory_is_out)
		return true;
	return memory_counts && memory_left > 0 && --memory_left == 0;
}

void *malloc(size_t size)
{
	void *memory = memory_fails() ? NULL : __libc_malloc(size);
	memory_living += memory != NULL;
	return memory;
}

void *calloc(size_t count, size_t size)
{
	void *memory = memory_fails() ? NULL : __libc_calloc(count, size);
	memory_living += memory != NULL;
	return memory;
}

void *realloc(void *memory, size_t size)
{
	void *grown = memory_fails() ? NULL : __libc_realloc(memory, size);
	memory_living += memory == NULL && grown != NULL;
	return grown;
}

void *reallocarray(void *memory, size_t count, size_t size)
{
	size_t whole;
	if (__builtin_mul_overflow(count, size, &whole))
		return NULL;
	return realloc(memory, whole);
}

void free(void *memory)
{
	memory_living -= memory != NULL;
	__libc_free(memory);
}

#endif
#endif
