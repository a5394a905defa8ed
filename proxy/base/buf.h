/*
 * A byte queue that grows up to a declared maximum: appended at the back,
 * consumed at the front. It holds no memory while it is empty, so that an
 * idle session costs nothing.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/span.h"
#include "base/status.h"

/* Invariant: start <= end <= capacity <= maximum; data == NULL iff capacity == 0; capacity >= kept. */
struct buf {
	char *data;
	size_t start;    /* first unread byte */
	size_t end;      /* one past the last */
	size_t capacity; /* bytes allocated */
	size_t maximum;  /* bytes it may ever hold unread */
	size_t kept;     /* bytes of memory that stay while it is empty; else 0 */
	bool sensitive;  /* what was committed is wiped when it moves or is freed */
};

void buf_init(struct buf *b, size_t maximum);
/* As buf_init; its memory is wiped before it goes back to the heap. */
void buf_init_sensitive(struct buf *b, size_t maximum);
/* Wipes what was consumed so far; from now on nothing is wiped. */
void buf_expect_no_secrets(struct buf *b);
/* As buf_init_sensitive; so much memory is taken now and kept: appending up to it can't fail. STATUS_NO_MEMORY. */
MUST_USE enum status buf_init_keeping(struct buf *b, size_t maximum, size_t kept);
void buf_free(struct buf *b); /* leaves it initialized and empty */

/* Bytes of memory that all buffers of this process hold now. From any thread. */
size_t buf_memory(void);

/* Unread bytes. */
static inline size_t buf_size(const struct buf *b)
{
	return b->end - b->start;
}

/* Bytes that may still be appended. */
static inline size_t buf_room(const struct buf *b)
{
	return b->maximum - buf_size(b);
}

/* All unread bytes; valid until the next change. */
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){ b->data ? b->data + b->start : NULL, buf_size(b) };
}

/* As buf_append, where the memory that is there may be too little. */
MUST_USE enum status buf_append_more(struct buf *b, struct span bytes);

/* STATUS_TOO_LARGE past the maximum, STATUS_NO_MEMORY; all or nothing. */
MUST_USE static inline enum status buf_append(struct buf *b, struct span bytes)
{
	if (bytes.size > b->capacity - b->end)
		return buf_append_more(b, bytes);
	if (bytes.size)
		memcpy(b->data + b->end, bytes.data, bytes.size);
	b->end += bytes.size;
	return STATUS_OK;
}

MUST_USE static inline enum status buf_append_text(struct buf *b, const char *text)
{
	return buf_append(b, span_of(text));
}

MUST_USE static inline enum status buf_append_byte(struct buf *b, char byte)
{
	return buf_append(b, (struct span){ &byte, 1 });
}

MUST_USE enum status buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
MUST_USE enum status buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Room for at least `size` bytes at *out_at, to be filled and then committed. */
MUST_USE enum status buf_reserve(struct buf *b, size_t size, char **out_at);
void buf_commit(struct buf *b, size_t size); /* size <= what was reserved */

/* Drops bytes from the back until `size` are left, and keeps the memory. size <= what there is. */
void buf_truncate(struct buf *b, size_t size);
/* Drops bytes from the front; gives the memory back once it is empty. */
void buf_consume(struct buf *b, size_t size);
void buf_clear(struct buf *b); /* drops all bytes and the memory */

#define BUF_AUTO __attribute__((cleanup(buf_free)))

#endif
