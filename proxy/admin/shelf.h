/*
 * Small files of the admin role in its folder of state_dir: each is read whole and replaced whole, under a lock that
 * the admin of another generation heeds. For threads: every call may wait for the disk.
 */
#ifndef ADMIN_SHELF_H
#define ADMIN_SHELF_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/buf.h"

#define SHELF_FILE_MAXIMUM (4U << 20) /* bytes */

/* Which file it was: one that is written or replaced has another mark. Zeroed: none at all. */
struct shelf_mark {
	uint64_t inode, size;
	struct timespec changed;
};

bool shelf_same(const struct shelf_mark *a, const struct shelf_mark *b);
/* What is there now; a zeroed mark where there is no file. STATUS_SYSTEM: errno. */
MUST_USE enum status shelf_look(int folder, const char *name, struct shelf_mark *out_mark);
/*
 * Appends the file's text to `out_text`; nothing where there is no file. Links are not followed. STATUS_TOO_LARGE,
 * STATUS_NO_MEMORY, STATUS_SYSTEM with errno.
 */
MUST_USE enum status shelf_read(int folder, const char *name, struct buf *out_text, struct shelf_mark *out_mark);
/* Puts a file of this text, mode 0600, into the place of the former one, and forces both to disk. All or nothing. */
MUST_USE enum status shelf_replace(int folder, const char *name, struct span text, struct shelf_mark *out_mark);
/* The lock for changes of the file, in another file beside it; the descriptor is the lock. STATUS_TIMEOUT. */
MUST_USE enum status shelf_lock(int folder, const char *name, int *out_lock);
void shelf_unlock(int lock);

#endif
