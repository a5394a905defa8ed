/*
 * The audit as one stream of lines, over all of its files: those that it was renamed to and the one that is written.
 * They come as descriptors, so it matters to nobody how they are called, packed or deleted meanwhile. Blocks: for
 * threads.
 */
#ifndef EXPORT_TRAIL_H
#define EXPORT_TRAIL_H

#include "export/cursor.h"

struct trail;

MUST_USE enum status trail_create(struct trail **out_trail);
void trail_free(struct trail **trail); /* NULL-safe */

/*
 * One more file, whose descriptor is the trail's from now on, also on failure. `is_earlier`: it takes its place by its
 * first record's time, before the first that was added otherwise. Else it follows all others. STATUS_INVALID: it is no
 * regular file. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
MUST_USE enum status trail_add(struct trail *trail, int fd, bool is_earlier);

/*
 * Reading goes on there. NULL: after all that was written when the first file was added that was no earlier one.
 * *out_lost: its file is not there, or was cut; the first one after it is begun with. STATUS_NOT_FOUND: there is no
 * file. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
MUST_USE enum status trail_seek(struct trail *trail, const struct cursor_position *to, bool *out_lost);
/* The next line, until the next call. STATUS_END: none for now. STATUS_SYSTEM, STATUS_NO_MEMORY. */
MUST_USE enum status trail_next(struct trail *trail, struct span *out_line);
/* From where no line is missed that trail_next has not given (some may come twice). After a seek that succeeded. */
struct cursor_position trail_position(const struct trail *trail);
/* Whether lines were lost since the last call: a file was cut under our eyes, or is damaged. */
bool trail_has_lost(struct trail *trail);
/* Nobody will seek a place before this one: files that end before it are closed. */
void trail_forget_before(struct trail *trail, const struct cursor_position *position);

#endif
