/*
 * The audit's earlier files: how they come about, what they are called, how they are packed, and when they are deleted.
 * They lie beside the file that is written, under its name, the time of the rotation in UTC, and a number where there
 * is one of that name already: "audit.jsonl-20261129-203000", "….2", and packed "….gz" or "….zst". What others have
 * named is never touched.
 *
 * Blocks, and needs the folder's rights; for threads of the supervisor. Nothing follows a symbolic link.
 */
#ifndef AUDIT_ARCHIVE_ARCHIVE_H
#define AUDIT_ARCHIVE_ARCHIVE_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stats/life.h"

#define ARCHIVE_NAME_SIZE (NAME_MAX + 1) /* bytes, the NUL included */

struct archive_policy {
	uint64_t rotate_ms;   /* a file's records are of one such span of UTC; 0: of any */
	uint64_t rotate_size; /* bytes, from which on a file is rotated; 0: never */
	uint64_t keep_ms;     /* after the rotation, before a file is deleted; 0: for ever */
	enum config_audit_compress compress;
};

/* Of the thread that packs and deletes. */
struct archive_work {
	const atomic_bool *stop;  /* it should end early */
	struct life_thread *sign; /* where it shows that it goes on; NULL: nowhere */
	/* Whether a file is to be passed over; NULL: none is. */
	bool (*is_left)(void *context, const char *name);
	void *context;
};

#define ARCHIVE_DISK_LIMIT_MS 30000 /* for one step: a disk that takes longer is shown as hanging */

/* ---- names.c */

enum archive_form { ARCHIVE_PLAIN, ARCHIVE_PACKED, ARCHIVE_PARTIAL /* being packed, or left by a crash */ };

/* Of a file called `base` that is rotated at `now_s`, the `number`th of that second (from 1). STATUS_TOO_LARGE. */
MUST_USE enum status archive_name_make(const char *base, uint64_t now_s, unsigned number,
				       char out_name[ARCHIVE_NAME_SIZE]);
/* STATUS_INVALID: it is none of ours. */
MUST_USE enum status archive_name_read(const char *name, const char *base, uint64_t *out_rotated_s,
				       enum archive_form *out_form);

/* ---- rotate.c */

/* The folder of a file of this path, and the file's name in it. STATUS_SYSTEM: errno. */
MUST_USE enum status archive_open_folder(const char *path, const char **out_name, int *out_folder);
/*
 * Whether the file, open as `fd`, is to be rotated. An empty one never is. By time: it was made, by our own clock, in
 * an earlier span, and what its first record says, which whoever writes it may forge, can only put that off within the
 * span. Where the file system doesn't tell when a file was made, the record alone decides.
 */
bool archive_is_due(int fd, const struct archive_policy *policy, uint64_t now_s);
/* Renames the file to what it is called from then on. STATUS_SYSTEM: errno; then it is where it was. */
MUST_USE enum status archive_rotate(const char *path, uint64_t now_s, char out_name[ARCHIVE_NAME_SIZE]);
/*
 * Opens the file of this path, and makes it, with the owner and mode of `former_fd`, where there is none. The
 * descriptor holds a shared lock (flock) until its writer drops that, or all its copies are closed: so long the file
 * is not packed. STATUS_SYSTEM: errno; EINVAL: it is no regular file; EMLINK: it has a second name.
 */
MUST_USE enum status archive_open(const char *path, int former_fd, int *out_fd);
/* The name of an open file; "": it was deleted. */
void archive_name_of(int fd, char out_name[ARCHIVE_NAME_SIZE]);

/* ---- tidy.c */

/*
 * Packs the oldest rotated file that nobody writes any more. STATUS_END: there is none, or it is not wanted;
 * STATUS_REFUSED: `stop` was set meanwhile; STATUS_SYSTEM: errno, and out_name says at which file, or is "".
 */
MUST_USE enum status archive_pack_one(const char *path, const struct archive_policy *policy,
				      const struct archive_work *work, char out_name[ARCHIVE_NAME_SIZE]);
/* Deletes the oldest rotated file if it is older than is kept. The same. */
MUST_USE enum status archive_delete_one(const char *path, const struct archive_policy *policy, uint64_t now_s,
					const struct archive_work *work, char out_name[ARCHIVE_NAME_SIZE]);

/* ---- pack.c */

/*
 * Packs all of `from` into `to`, in the form of `compress`. STATUS_REFUSED: `stop` was set; STATUS_SYSTEM: errno;
 * STATUS_NO_MEMORY.
 */
MUST_USE enum status archive_pack(int from, int to, enum config_audit_compress compress,
				  const struct archive_work *work);

#endif
