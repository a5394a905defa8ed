/*
 * The inside of the verifier: verify.c reads files and lines, verify_chains.c follows the hashes, verify_rows.c the
 * statements of each node and their keys, verify_claims.c what nodes say of each other; verify_file.c opens, and
 * verify_told.c tells.
 */
#ifndef AUDIT_READER_VERIFY_PRIVATE_H
#define AUDIT_READER_VERIFY_PRIVATE_H

#include <jansson.h>

#include "audit/audit_link.h"
#include "audit/reader/lines.h"
#include "audit/reader/verify.h"
#include "base/map.h"

#define VERIFY_NAME_SIZE 256 /* bytes of a node's name, the NUL included; longer ones are cut */
#define VERIFY_NOWHERE SIZE_MAX

struct verify_place {
	size_t file; /* index; VERIFY_NOWHERE: before the files at hand */
	uint64_t line;
};

/* The statements of one node, in their order. */
struct verify_row {
	char name[VERIFY_NAME_SIZE];
	size_t first_file; /* the oldest of its files: what began before it may be missing */
	size_t last_file;
	size_t former_file; /* the one before last_file; VERIFY_NOWHERE: none */
	uint64_t records, former, unsigned_records;
	uint64_t statements; /* that were news */
	struct audit_statement first, last;
	bool is_proven;
	struct verify_row *next;
};

struct verify_chain {
	struct map_link link;
	char id[AUDIT_CHAIN_ID_SIZE];
	struct verify_row *row;
	uint64_t seq;                    /* of its last record so far */
	char hash[HASH_SHA256_HEX_SIZE]; /* of that */
	struct verify_place place;
	uint64_t signed_count; /* records that a statement covers */
	uint64_t told_count;   /* that a statement, or the next process, tells of; with that statement's own record */
	uint64_t statements;   /* of its node, before its last record */
	size_t ended_file;     /* which it said that it leaves; VERIFY_NOWHERE: none */
	bool has_ended;        /* by audit.end */
};

/* That a node's statement was seen somewhere else; keyed hashes, and the statement's number. */
struct verify_claim {
	uint64_t statement, node;
	uint64_t number;
	bool is_found;
};

struct verify {
	const struct verify_options *options;
	const struct audit_files *files;
	struct map chains;
	struct verify_row *rows;
	struct verify_claim *claims;
	size_t claim_count, claim_room;
	uint64_t claims_seen;      /* in audit.peer records; not all of them are in the list */
	struct verify_place place; /* of the line that is read */
	bool file_has_begun;       /* a linked record of it was read */
	bool is_file_noted;        /* that it has records of the former format */
};

/* What a record says, beyond its link. */
struct verify_record {
	struct span line;
	struct span type;
	struct audit_link link;
	struct verify_row *row;
	json_t *json; /* of the chain's own records alone; else NULL */
};

/* ---- verify_file.c */

/* Its lines, from the first one. STATUS_SYSTEM, STATUS_NO_MEMORY. */
MUST_USE enum status verify_open_file(struct verify *verify, size_t file, int *out_fd, struct lines **out_lines);
/* As lines_next; STATUS_REFUSED: it has to end. */
MUST_USE enum status verify_next_line(const struct verify *verify, struct lines *lines, struct span *out_line);
void verify_close_file(struct verify *verify, size_t file, int fd, struct lines **lines);

/* ---- verify_told.c */

const char *verify_file_name(const struct verify *verify, size_t file); /* "" if it is not at hand */

/* At the line that is read, or at another place. */
__attribute__((format(printf, 2, 3))) void verify_blame(struct verify *verify, const char *format, ...);
__attribute__((format(printf, 3, 4))) void verify_blame_at(struct verify *verify, struct verify_place place,
							   const char *format, ...);
__attribute__((format(printf, 2, 3))) void verify_note(struct verify *verify, const char *format, ...);
/* ---- verify_chains.c */

struct verify_chain *verify_find_chain(struct verify *verify, const char *id);
/* STATUS_NO_MEMORY, STATUS_SYSTEM. */
MUST_USE enum status verify_take_link(struct verify *verify, const struct verify_record *record,
				      struct verify_chain **out_chain);
/* Of a record that is not linked: only what it is is noted, as the next process may tell of it. The same. */
MUST_USE enum status verify_take_unlinked(struct verify *verify, const struct verify_record *record);
/* `former` of audit.begin. */
void verify_take_former(struct verify *verify, const struct verify_record *record);
void verify_free_chains(struct verify *verify);
/* Adds up what no statement covers, and blames what nothing tells of. */
void verify_settle_chains(struct verify *verify);

/* ---- verify_rows.c */

/* NULL: there is none. */
struct verify_row *verify_find_row(struct verify *verify, const char *name);
/* That of the node which wrote the line. NULL: out of memory. */
struct verify_row *verify_row_of_line(struct verify *verify, struct span line);
/* `before` and `checkpoint` of a record of the chain itself. STATUS_SYSTEM. */
MUST_USE enum status verify_take_statements(struct verify *verify, const struct verify_record *record,
					    struct verify_chain *chain);
/* Whether this key is one of those that were given. */
bool verify_knows_key(const struct verify *verify, const char *key);

/* ---- verify_claims.c */

/* STATUS_NO_MEMORY. */
MUST_USE enum status verify_take_peer(struct verify *verify, const struct verify_record *record);
/* Reads the files again for what was claimed. STATUS_NO_MEMORY, STATUS_SYSTEM. */
MUST_USE enum status verify_settle_claims(struct verify *verify);
/* The same for a statement that the running daemon knows of. */
MUST_USE enum status verify_settle_known(struct verify *verify, const char *node,
					 const struct audit_statement *statement);

#endif
