/*
 * The audit's files: the one that is written, and what it was renamed to by whoever rotates it, packed or not. All are
 * opened at once, so that none is missed that is renamed, packed or deleted meanwhile, and so that whoever opened them
 * as root can read them as somebody who may do less. Where there are more than descriptors, the rest is opened when it
 * is read.
 */
#ifndef AUDIT_READER_FILES_H
#define AUDIT_READER_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "stats/life.h"

#define FILES_FAULT_SIZE 512 /* bytes, the NUL included */

struct audit_file_entry {
	char *name;
	int fd;              /* -1: audit_files_borrow opens it */
	bool is_beside;      /* its name is one in the folder, else a path */
	uint64_t modified_s; /* no record in it is younger */
	dev_t device;
	ino_t inode;
	char first[CLOCK_TEXT_SIZE]; /* when its first record is of; empty: it has none */
};

struct audit_files {
	struct audit_file_entry *list;
	size_t count, room;
	int folder; /* of the files beside the one that is written, where has_folder */
	bool has_folder;
	uid_t owner; /* of the file that is written, or the one that was named */
	gid_t group;
	struct life_thread *sign; /* of the thread that sorts them, or NULL: where it shows that it goes on */
	/* Asked by audit_files_sort before each read of the disk. NULL: it never has to end early. */
	bool (*has_to_end)(void *context);
	void *context;
	char fault[FILES_FAULT_SIZE]; /* what was wrong, where something was */
};

/*
 * `path`, and with it what stands beside it as "NAME.…" or "NAME-…"; then a rotation under way is waited for, for a
 * second at most. STATUS_SYSTEM, STATUS_INVALID, STATUS_NO_MEMORY:
 * out_files->fault says what is wrong; it is to be closed in any case.
 */
MUST_USE enum status audit_files_open(const char *path, bool with_earlier, struct audit_files *out_files);
/* The same, with those alone of the earlier ones that may have records since then; what can't be opened is left out. */
MUST_USE enum status audit_files_open_since(const char *path, uint64_t since_s, struct audit_files *out_files);
/* One more, with a name of its own; the same. */
MUST_USE enum status audit_files_add(struct audit_files *files, const char *path);
/*
 * The oldest first, by their first records. Reads up to these: a file without any is read to its end, unless
 * has_to_end says otherwise. STATUS_REFUSED: it had to end. STATUS_NO_MEMORY, STATUS_SYSTEM.
 */
MUST_USE enum status audit_files_sort(struct audit_files *files);
/*
 * A descriptor of one of them, until audit_files_give_back. STATUS_SYSTEM: errno; ENOENT: it was deleted since it was
 * found.
 */
MUST_USE enum status audit_files_borrow(const struct audit_files *files, const struct audit_file_entry *entry,
					int *out_fd);
void audit_files_give_back(const struct audit_file_entry *entry, int fd);
void audit_files_close(struct audit_files *files);

#endif
