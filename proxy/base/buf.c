/* The byte queue. Owns its memory; fails with a status, never by abort. */
#include "base/buf.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_LEAST 256 /* bytes: the smallest allocation worth making */

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

size_t buf_size(const struct buf *b)
{
	return b->end - b->start;
}

size_t buf_room(const struct buf *b)
{
	return b->maximum - buf_size(b);
}

struct span buf_span(const struct buf *b)
{
	return (struct span){ b->data ? b->data + b->start : NULL, buf_size(b) };
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

enum status buf_append(struct buf *b, struct span bytes)
{
	char *at;
	if (bytes.size == 0)
		return STATUS_OK;
	TRY(buf_reserve(b, bytes.size, &at));
	memcpy(at, bytes.data, bytes.size);
	buf_commit(b, bytes.size);
	return STATUS_OK;
}

enum status buf_append_text(struct buf *b, const char *text)
{
	return buf_append(b, span_of(text));
}

enum status buf_append_byte(struct buf *b, char byte)
{
	return buf_append(b, (struct span){ &byte, 1 });
}

enum status buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int size = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (size < 0)
		return STATUS_INVALID;
	if ((size_t)size > buf_room(b))
		return STATUS_TOO_LARGE;
	char *text = malloc((size_t)size + 1);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	vsnprintf(text, (size_t)size + 1, format, args);
	enum status status = buf_append(b, (struct span){ text, (size_t)size });
	if (b->sensitive)
		explicit_bzero(text, (size_t)size);
	free(text);
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

void buf_consume(struct buf *b, size_t size)
{
	assert(size <= buf_size(b));
	b->start += size;
	if (b->start == b->end)
		buf_clear(b);
}
