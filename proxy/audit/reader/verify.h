/*
 * Whether the audit's files are as they were written: the rules of conf/audit.md, from the first line to the last.
 * Memory is bounded by the number of chains and of nodes. Blocks; for programs without a loop.
 */
#ifndef AUDIT_READER_VERIFY_H
#define AUDIT_READER_VERIFY_H

#include "audit/audit_statement.h"
#include "audit/reader/files.h"

/* What holds of one node. */
struct verify_node {
	const char *name;
	uint64_t records;                   /* linked by hashes */
	uint64_t former;                    /* of the former format, or not linked: none of them is proven */
	uint64_t unsigned_records;          /* after the last statement of their chains */
	struct audit_statement first, last; /* number 0: there is none */
	bool is_proven;                     /* by one of the keys */
};

struct verify_options {
	/* Public keys known from elsewhere, with commas between them: each node's first statement at hand, or a later
	 * one, must be signed with one of them. NULL: the first key of each node is taken as it is. */
	const char *keys;
	/* A statement known from elsewhere that the files must hold, such as the running daemon's last; NULL: none. */
	const struct audit_statement *known;
	const char *known_node;
	/* How much of what nodes saw of each other is kept at a time; 0: what 16 MiB hold. More takes more readings. */
	size_t claims_at_once;
	/* Something is wrong with this line of this file; 0: with the file. */
	void (*on_fault)(void *context, const char *file, uint64_t line, const char *what);
	/* Worth telling, and not wrong. */
	void (*on_note)(void *context, const char *file, uint64_t line, const char *what);
	/* A node at the end. */
	void (*on_node)(void *context, const struct verify_node *node);
	/*
	 * Asked before each line, and before each read of the disk; true: verify_files ends with STATUS_REFUSED. NULL:
	 * it never has to.
	 */
	bool (*has_to_end)(void *context);
	void *context;
};

/*
 * Reads the files, which are in order. STATUS_OK: all of them were read, and on_fault has told what is wrong, if
 * anything is. STATUS_NO_MEMORY, STATUS_SYSTEM (OpenSSL).
 */
MUST_USE enum status verify_files(const struct audit_files *files, const struct verify_options *options);

#endif
