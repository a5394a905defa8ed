/*
 * The lines of an audit file, plain or packed, from its first to its last or, of a plain one, from its last to its
 * first. Memory is bounded by the longest record. Blocks; for programs without a loop.
 */
#ifndef AUDIT_READER_LINES_H
#define AUDIT_READER_LINES_H

#include "base/span.h"
#include "stats/life.h"

#define LINES_LINE_MAXIMUM (8U << 20) /* bytes; a longer line is no record, and left out */

struct lines;

/* The descriptor stays its owner's. STATUS_SYSTEM, STATUS_NO_MEMORY. */
MUST_USE enum status lines_open(int fd, struct lines **out_lines);
/* From the end backwards. Of a plain file. */
MUST_USE enum status lines_open_backward(int fd, struct lines **out_lines);
/* The same of its first bytes alone; STATUS_INVALID: it has not so many. */
MUST_USE enum status lines_open_before(int fd, uint64_t end, struct lines **out_lines);
void lines_close(struct lines **lines);
/* Each read of the disk is shown there from now on, for a thread of a role; NULL: nowhere. */
void lines_show_life(struct lines *lines, struct life_thread *sign);
/* Asked before each read of the disk from now on; true: lines_next ends with STATUS_REFUSED. */
void lines_ask(struct lines *lines, bool (*has_to_end)(void *context), void *context);

/*
 * The next line, without its LF; it lives until the next call. STATUS_END: there is none. STATUS_INVALID: what is
 * packed is damaged, or ends too early. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
MUST_USE enum status lines_next(struct lines *lines, struct span *out_line);
/* Forward: the number of the line that was given last, from 1; of those that there are, empty ones too. */
uint64_t lines_number(const struct lines *lines);
/* Backward: how many bytes of the file come before the end of the line that was given last. */
uint64_t lines_end_of_line(const struct lines *lines);
/* Backward: how many bytes of the file come before the end of the line that is next; where there is none, 0. */
uint64_t lines_end_of_next(const struct lines *lines);
/* Backward: passes over the lines that end after the file's first `end` bytes, fewer than are left. */
void lines_go_back(struct lines *lines, uint64_t end);

#endif
