/*
 * A file that is followed by its path: where another one comes into its place (rename, restore, configuration
 * management), that one is opened, and whoever works with it is told.
 */
#ifndef SUPERVISE_FOLLOWED_FILE_H
#define SUPERVISE_FOLLOWED_FILE_H

#include "net/loop.h"

struct followed_file;

/* `fd` is the callee's: opened for reading and appending. */
typedef void followed_file_callback(void *context, int fd);

/* `fd` is what the path was opened as; both live as long. */
MUST_USE enum status followed_file_create(struct loop *loop, const char *path, int fd,
					  followed_file_callback *on_replaced, void *context,
					  struct followed_file **out_file);
void followed_file_free(struct followed_file **file); /* NULL-safe; sets to NULL */

#endif
