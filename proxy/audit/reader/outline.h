/*
 * What stands where in the audit's plain files, in short: for each block of them a filter of the types, ids and users
 * of the lines that end in it. A search for one of those passes over each block that has it not. A filter may say
 * "perhaps" of what isn't there, and never "no" of what is.
 *
 * Filters are made when they are first asked for, of blocks that are written to their end, and held in memory alone: on
 * a disk they could be torn, stale, or of another file. The audit is only ever appended to; of a file that was cut or
 * begun anew, all is forgotten. Blocks on the disk; for one thread at a time.
 */
#ifndef AUDIT_READER_OUTLINE_H
#define AUDIT_READER_OUTLINE_H

#include <stdbool.h>

#include "audit/reader/query.h"

#define OUTLINE_BLOCK_SIZE (UINT64_C(256) << 10) /* bytes of a file */

struct outline;

/* STATUS_NO_MEMORY. Takes 2 MiB at most, for 1 GiB of audit; of more, the newest blocks have filters. */
MUST_USE enum status outline_create(struct outline **out_outline);
void outline_free(struct outline **outline); /* NULL-safe; sets to NULL */

/* Whether such a search can pass over anything. */
bool outline_helps(const struct query *query);
/*
 * Before a search in these files, the oldest first; they stay open until it ends. What is known of others is forgotten.
 * STATUS_NO_MEMORY: nothing may be asked.
 */
MUST_USE enum status outline_begin(struct outline *outline, const int *fds, size_t count);
/*
 * True: no line matches whose LF is among the bytes from block * OUTLINE_BLOCK_SIZE up to the next block. False: one
 * may, or it is not known.
 */
bool outline_lacks(struct outline *outline, size_t file, uint64_t block, const struct query *query);

#endif
