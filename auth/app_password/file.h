/*
 * The file of app passwords and the table that its lines come to. The file is the truth, and only grows: a change is
 * appended and forced to disk by one process, and read back by all that look, so that two auth roles that live at once
 * during a reload see each other's changes. Of a file that was changed otherwise (shorter, or another end than was
 * read) nothing more is read: a new reader has to begin.
 *
 * A line that can't be read is skipped and counted.
 */
#ifndef AUTH_APP_PASSWORD_FILE_H
#define AUTH_APP_PASSWORD_FILE_H

#include "auth/app_password/table.h"

#define FILE_SIZE_MAXIMUM (512 << 20) /* bytes: about a million app passwords */

struct password_file;

/* Takes the descriptor over (read-write, append), also on failure. Nothing is read yet. */
MUST_USE enum status file_open(int fd, struct password_file **out_file);
void file_close(struct password_file **file); /* NULL-safe; sets to NULL */
/*
 * Reads the whole file, with a last line that has no end. May wait for another process's append: for a thread, or
 * before the loop runs.
 */
MUST_USE enum status file_load(struct password_file *file);
/*
 * Reads what was appended since; `on_change` may be NULL. STATUS_INVALID: this is not the file that was read any more.
 * STATUS_SYSTEM, STATUS_NO_MEMORY: later, perhaps.
 */
MUST_USE enum status file_read_on(struct password_file *file, table_change_callback *on_change, void *context);

const struct password_table *file_table(const struct password_file *file);
/* How many lines could not be read, and the number of the last of them, from 1. */
uint64_t file_skipped(const struct password_file *file, uint64_t *out_line);

/* Another descriptor of the same open file; -1. The caller's. */
int file_duplicate(const struct password_file *file);
/*
 * Appends lines to the file of this descriptor and forces it to disk. For a thread. All or nothing: if it fails, the
 * part that was written is cut off again. STATUS_NOT_FOUND: there is another file in this one's place.
 */
MUST_USE enum status file_append(int fd, struct span lines);

#endif
