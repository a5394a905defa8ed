/*
 * A span is a view of bytes that somebody else owns: a pointer and a length.
 * It is not terminated, may hold NUL, and lives as long as its owner says.
 * The empty span may have a NULL pointer.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

struct span {
	const char *data;
	size_t size; /* bytes */
};

/* A span of a string literal, without its NUL. */
#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })
/* For printf: "%.*s", SPAN_ARGS(s). The caller has made sure that it is printable. */
#define SPAN_ARGS(s) (int)((s).size), ((s).data ? (s).data : "")

/* Of a NUL-terminated string, which stays its owner's; NULL gives the empty span. */
static inline struct span span_of(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

/* Clamped to s. */
static inline struct span span_slice(struct span s, size_t from, size_t to)
{
	if (to > s.size)
		to = s.size;
	if (from >= to)
		return (struct span){ s.data, 0 };
	return (struct span){ s.data + from, to - from };
}

static inline bool span_is_empty(struct span s)
{
	return s.size == 0;
}

bool span_equal(struct span a, struct span b);
bool span_equal_nocase(struct span a, struct span b); /* ASCII only */
bool span_starts_with(struct span s, struct span prefix);
bool span_starts_with_nocase(struct span s, struct span prefix);
bool span_ends_with_nocase(struct span s, struct span suffix);
bool span_is_printable(struct span s); /* ASCII only, spaces too: it may become part of a command line */
bool span_contains_byte(struct span s, char byte);

/* Index of the first such byte, or s.size. */
size_t span_find_byte(struct span s, char byte);
/* The part before the first space or tab. */
struct span span_first_word(struct span s);
/* Without spaces and tabs at both ends. */
struct span span_trim(struct span s);
/*
 * Cuts the part before `separator`, or the whole where there is none, off the front of *rest. False: *rest is
 * exhausted.
 */
bool span_cut(struct span *rest, char separator, struct span *out_part);
/* Decimal digits only, no sign, no space, no overflow: else STATUS_INVALID. */
MUST_USE enum status span_to_u64(struct span s, uint64_t *out_value);
/* A heap copy with a NUL after it, for free(). NULL out of memory or when s holds a NUL. */
char *span_to_string(struct span s);

#endif
