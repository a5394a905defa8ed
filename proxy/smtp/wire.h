/*
 * The lines of a message in wire form (CRLF, dots stuffed), walked in runs:
 * what the scanner and the check of smtp/body.h share. Private to this room.
 *
 * Each byte is searched at most once for each of CR, LF and NUL, however the
 * bytes are mixed, so that no input makes the walk quadratic.
 */
#ifndef SMTP_WIRE_H
#define SMTP_WIRE_H

#include "base/span.h"

/*
 * A function for which the program chooses at its start between code for every x86-64 and for those with AVX2. The
 * choice comes before ThreadSanitizer is ready for it.
 */
#if defined(__x86_64__) && !defined(__clang__) && !defined(SUBGATE_SANITIZED)
#define WIRE_FOR_EACH_CPU __attribute__((target_clones("avx2", "default")))
#else
#define WIRE_FOR_EACH_CPU
#endif

enum wire_state {
	WIRE_LINE = 0, /* at the beginning of a line, and so of the message */
	WIRE_AFTER_LF, /* at the beginning of a line, after a bare LF */
	WIRE_TEXT,     /* within a line */
	WIRE_CR,       /* a CR, held back until its LF comes */
	WIRE_DOT,      /* a dot that begins a line, held back: perhaps the end */
	WIRE_DOT_CR,   /* these two */
	WIRE_BROKEN,   /* the check found a fault */
};

/*
 * Invariant: begin <= at <= end; cr, lf and nul are the next ones at or after `at`, or were when last looked at, and
 * NULL before the first look.
 */
struct wire_cursor {
	const char *at;
	const char *end;
	const char *cr, *lf, *nul; /* `end` where there is none */
	const char *odd_end;       /* of the block that has to be walked line by line; or NULL */
};

struct wire_cursor wire_look(struct span bytes);
/*
 * Moves over at most `most` bytes that need no change, whole lines at a time, with *state moving along. Stops where
 * a single byte needs a look; may not move at all. Gives how many of the bytes were stuffed dots.
 */
size_t wire_pass(struct wire_cursor *cursor, size_t most, unsigned *state);

#endif
