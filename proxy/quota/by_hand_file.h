/*
 * Rows of by_hand.h as a node keeps them: in memory, and in two files in turns, so that one is whole at any time. Each
 * begins with "1 SHA-256 LF", the digest being of all that follows: "GENERATION LF", and of each row its name and its
 * value, each with an LF. The higher generation of those that are whole counts.
 *
 * One of them is on the disk when the other is begun, whatever happens to the machine; and of two processes of a node
 * (a reload) only one writes a generation: the other takes over what that one has written first.
 */
#ifndef QUOTA_BY_HAND_FILE_H
#define QUOTA_BY_HAND_FILE_H

#include <sys/queue.h>

#include "base/buf.h"
#include "base/map.h"
#include "quota/by_hand.h"

#define BY_HAND_ROWS_MAXIMUM 200000

/* Embedded views point into `text`. */
struct by_hand_kept {
	TAILQ_ENTRY(by_hand_kept) in_order;
	struct map_link link;
	struct by_hand_row row;
	uint64_t seen; /* the version in Redis, as the last reading saw it; 0: it is not there */
	struct span value;
	char text[];
};

TAILQ_HEAD(by_hand_rows, by_hand_kept);

/* What one of the files is to hold. */
struct by_hand_page {
	int fds[2]; /* borrowed */
	uint64_t generation;
	struct buf head, body;
	enum status status;
	int error; /* errno */
};

/* Invariant: `order` and `map` hold the same rows. */
struct by_hand_file {
	struct map map;
	struct by_hand_rows order;
	int fds[2]; /* owned; -1: kept in memory alone */
	uint64_t generation;
	bool is_dirty; /* the files lack something */
};

/* Takes the descriptors over, also on failure. Files that are not whole are as if empty. */
MUST_USE enum status by_hand_file_open(struct by_hand_file *file, const int fds[2]);
void by_hand_file_close(struct by_hand_file *file); /* twice, too */
/* There is no memory for one. */
void by_hand_file_drop_fds(const int fds[2]);

struct by_hand_kept *by_hand_file_find(const struct by_hand_file *file, struct span field);
/* In the place of the one of that name. STATUS_INVALID: it is none; STATUS_TOO_LARGE: there are too many. */
MUST_USE enum status by_hand_file_put(struct by_hand_file *file, struct span field, struct span value,
				      struct by_hand_kept **out_kept);
void by_hand_file_drop(struct by_hand_file *file, struct by_hand_kept *kept);

/* The next page, if the files lack something; else STATUS_END. It is ended by by_hand_file_end_page. */
MUST_USE enum status by_hand_file_begin_page(struct by_hand_file *file, struct by_hand_page *out_page);
/*
 * On any thread: waits for the disk. STATUS_SYSTEM: `error`. STATUS_AGAIN: another process is writing, or has written,
 * since the files were read.
 */
void by_hand_page_write(struct by_hand_page *page);
/* What was not written is due again, together with what another process has written. Returns the page's status. */
enum status by_hand_file_end_page(struct by_hand_file *file, struct by_hand_page *page);

#endif
