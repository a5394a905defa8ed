/*
 * One of the audit's files, plain or packed, read line by line from any place on, while others append to it. Blocks:
 * for threads.
 */
#ifndef EXPORT_INPUT_H
#define EXPORT_INPUT_H

#include "base/buf.h"
#include "export/cursor.h"

struct unpack;

/* Zeroed: closed. Invariant: `taken` and `scanned` <= bytes pending. */
struct input {
	bool is_open;
	int fd;
	uint64_t inode;
	struct unpack *unpack;           /* NULL: a plain file */
	struct cursor_position position; /* of the first byte pending */
	struct buf pending;
	size_t taken;     /* of it, the line that input_next gave last */
	size_t scanned;   /* of it, without a line's end */
	bool is_skipping; /* amid a line that is too long for a record */
};

/* What a file is known by. */
struct input_identity {
	unsigned char first[HASH_SHA256_SIZE]; /* SHA-256 of its first line */
	char ts[CLOCK_TEXT_SIZE];              /* of that line; empty: it is no record */
};

/* STATUS_NOT_FOUND: it has no whole line yet, or is damaged. STATUS_SYSTEM, STATUS_NO_MEMORY. */
MUST_USE enum status input_identify(int fd, struct input_identity *out_identity);

/* Takes the descriptor, also on failure. STATUS_INVALID: no regular file. STATUS_SYSTEM, STATUS_NO_MEMORY. */
MUST_USE enum status input_open(struct input *input, int fd, uint64_t offset);
void input_close(struct input *input); /* one that is closed, too */
/* Where the first line is known already. */
void input_know(struct input *input, const struct input_identity *identity);
/* The next whole line, without its LF, until the next call. STATUS_END: none for now; of a packed file: ever. */
MUST_USE enum status input_next(struct input *input, struct span *out_line);
/* After the line that input_next gave last. */
struct cursor_position input_position(const struct input *input);
/* True: it is shorter than what was read of it: somebody cut it. */
bool input_was_cut(const struct input *input);

#endif
