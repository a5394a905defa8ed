/* The byte queue. Owns its memory; fails with a status, never by abort. */
#include "base/buf.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_LEAST 256     /* bytes: the smallest allocation worth making */
#define PRINTED_SMALL 512 /* bytes of a text that is printed once, and not for its size first */

static atomic_size_t memory; /* of all buffers */

static char *take_memory(size_t size)
{
	char *data = malloc(size);
	if (data)
		atomic_fetch_add_explicit(&memory, size, memory_order_relaxed);
	return data;
}

static void give_memory(char *data, size_t size)
{
	free(data);
	atomic_fetch_sub_explicit(&memory, size, memory_order_relaxed);
}

size_t buf_memory(void)
{
	return atomic_load_explicit(&memory, memory_order_relaxed);
}

void buf_init(struct buf *b, size_t maximum)
{
	*b = (struct buf){ .maximum = maximum };
}

void buf_init_sensitive(struct buf *b, size_t maximum)
{
	*b = (struct buf){ .maximum = maximum, .sensitive = true };
}

void buf_expect_no_secrets(struct buf *b)
{
	if (b->sensitive && b->data)
		explicit_bzero(b->data, b->start);
	b->sensitive = false;
}

/* Nothing was ever written past b->end: what moved to the front was wiped there. */
static void drop_memory(struct buf *b)
{
	if (b->sensitive && b->data)
		explicit_bzero(b->data, b->end);
	give_memory(b->data, b->capacity);
	b->data = NULL;
	b->start = b->end = b->capacity = 0;
}

enum status buf_init_keeping(struct buf *b, size_t maximum, size_t kept)
{
	buf_init_sensitive(b, maximum);
	b->data = take_memory(kept);
	if (b->data == NULL)
		return STATUS_NO_MEMORY;
	b->capacity = b->kept = kept;
	return STATUS_OK;
}

/* Back to what is kept; the larger piece stays when there is no memory for that. */
static void shrink_memory(struct buf *b)
{
	char *data = b->capacity > b->kept ? take_memory(b->kept) : NULL;
	if (b->sensitive)
		explicit_bzero(b->data, b->end);
	b->start = b->end = 0;
	if (data == NULL)
		return;
	give_memory(b->data, b->capacity);
	b->data = data;
	b->capacity = b->kept;
}

void buf_free(struct buf *b)
{
	drop_memory(b);
	b->kept = 0;
}

void buf_clear(struct buf *b)
{
	if (b->kept)
		shrink_memory(b);
	else
		drop_memory(b);
}

static void move_to_front(struct buf *b)
{
	size_t size = buf_size(b);
	memmove(b->data, b->data + b->start, size);
	if (b->sensitive)
		explicit_bzero(b->data + size, b->end - size);
	b->start = 0;
	b->end = size;
}

static enum status grow_memory(struct buf *b, size_t wanted)
{
	size_t capacity = b->capacity ? b->capacity : BUF_LEAST;
	while (capacity < wanted)
		capacity *= 2;
	if (capacity > b->maximum)
		capacity = b->maximum;
	char *data = take_memory(capacity);
	if (data == NULL)
		return STATUS_NO_MEMORY;
	size_t size = buf_size(b);
	if (size)
		memcpy(data, b->data + b->start, size);
	drop_memory(b);
	b->data = data;
	b->end = size;
	b->capacity = capacity;
	return STATUS_OK;
}

enum status buf_reserve(struct buf *b, size_t size, char **out_at)
{
	if (size > buf_room(b))
		return STATUS_TOO_LARGE;
	if (size > b->capacity - b->end) {
		size_t wanted = buf_size(b) + size;
		if (b->start && wanted <= b->capacity) {
			move_to_front(b);
		} else {
			TRY(grow_memory(b, wanted));
		}
	}
	*out_at = b->data + b->end;
	return STATUS_OK;
}

void buf_commit(struct buf *b, size_t size)
{
	assert(size <= b->capacity - b->end);
	b->end += size;
}

enum status buf_append_more(struct buf *b, struct span bytes)
{
	char *at;
	TRY(buf_reserve(b, bytes.size, &at));
	memcpy(at, bytes.data, bytes.size);
	buf_commit(b, bytes.size);
	return STATUS_OK;
}

/* Of `size` bytes, which are many. */
static enum status append_printed(struct buf *b, size_t size, const char *format, va_list args)
{
	char *text = malloc(size + 1);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	vsnprintf(text, size + 1, format, args);
	enum status status = buf_append(b, (struct span){ text, size });
	if (b->sensitive)
		explicit_bzero(text, size);
	free(text);
	return status;
}

enum status buf_vprintf(struct buf *b, const char *format, va_list args)
{
	char printed[PRINTED_SMALL];
	enum status status = STATUS_INVALID;
	va_list again;
	va_copy(again, args);
	int size = vsnprintf(printed, sizeof(printed), format, args);
	if (size >= 0 && (size_t)size > buf_room(b))
		status = STATUS_TOO_LARGE;
	else if (size >= (int)sizeof(printed))
		status = append_printed(b, (size_t)size, format, again);
	else if (size >= 0)
		status = buf_append(b, (struct span){ printed, (size_t)size });
	if (b->sensitive)
		explicit_bzero(printed, sizeof(printed));
	va_end(again);
	return status;
}

enum status buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	enum status status = buf_vprintf(b, format, args);
	va_end(args);
	return status;
}

void buf_truncate(struct buf *b, size_t size)
{
	assert(size <= buf_size(b));
	if (b->sensitive && b->data)
		explicit_bzero(b->data + b->start + size, buf_size(b) - size);
	b->end = b->start + size;
}

void buf_consume(struct buf *b, size_t size)
{
	assert(size <= buf_size(b));
	b->start += size;
	if (b->start == b->end)
		buf_clear(b);
}
