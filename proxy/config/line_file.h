/* Files that hold a secret of one line, as people and their editors write them. Private to this room. */
#ifndef CONFIG_LINE_FILE_H
#define CONFIG_LINE_FILE_H

#include "base/secret.h"
#include "base/status.h"

/* All of it. Any other status: it can't be read now; "" is no file. */
MUST_USE enum status line_file_read(const char *path, struct secret *out_secret);
/* What is wrong with it, and what was expected: static text; NULL: nothing. */
const char *line_file_find_fault(struct span text);
/* What may not be meant: static text; NULL: nothing. */
const char *line_file_find_doubt(struct span text);

#endif
