/*
 * Where an exporter stands in the audit: a state file that outlives it, and that the relay processes of a node share.
 * One of them exports at a time, whoever holds the file's lock, which the kernel drops with its process; the others
 * read what it has exported.
 */
#ifndef EXPORT_CURSOR_H
#define EXPORT_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/hash.h"

#define CURSOR_CHAINS 32     /* processes that may write the audit at once, and more */
#define CURSOR_CHAIN_SIZE 48 /* bytes of a chain's id, the NUL included */

/* A place in one of the audit's files. */
struct cursor_position {
	uint64_t offset;    /* bytes, of the file as it was before it was packed */
	uint64_t inode;     /* by which a file without a line is known */
	uint64_t has_first; /* 1: `first` is the SHA-256 of the file's first line, by which it is known anywhere */
	unsigned char first[HASH_SHA256_SIZE];
	char ts[CLOCK_TEXT_SIZE]; /* of the last record before it; empty: none */
};

/* Up to which record a chain was exported. */
struct cursor_chain {
	char id[CURSOR_CHAIN_SIZE];
	uint64_t seq;
	uint64_t touched; /* the cursor's `records` then: the chain that rests longest gives its place to a new one */
};

struct cursor {
	struct cursor_position position;
	uint64_t records; /* exported so far */
	struct cursor_chain chains[CURSOR_CHAINS];
};

/* Notes that a record of this chain was exported. */
void cursor_note_chain(struct cursor *cursor, struct span id, uint64_t seq);
/* 0: none was. */
uint64_t cursor_find_chain(const struct cursor *cursor, struct span id);

/* ---- the file */

struct cursor_file {
	int fd; /* its owner's */
	uint64_t generation;
	bool is_held;
};

/* True: this process exports from now on, and is the only one. Don't close any other descriptor of the file. */
bool cursor_file_hold(struct cursor_file *file);
void cursor_file_release(struct cursor_file *file);
/* STATUS_NOT_FOUND: never written, or damaged. STATUS_SYSTEM. */
MUST_USE enum status cursor_file_read(struct cursor_file *file, struct cursor *out_cursor);
/* When the last exported record was written, in seconds: by that, files are chosen. STATUS_NOT_FOUND: none was. */
MUST_USE enum status cursor_find_time(int fd, uint64_t *out_s);
/* By the one that holds it. The former one stays readable until this one is whole. Not forced to disk. */
MUST_USE enum status cursor_file_write(struct cursor_file *file, const struct cursor *cursor);

#endif
