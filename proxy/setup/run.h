/* Other programs, with their arguments as they are: no shell. Nothing secret belongs in arguments: `ps` shows them. */
#ifndef SETUP_RUN_H
#define SETUP_RUN_H

#include <limits.h>
#include <sys/types.h>

#include "base/buf.h"

#define RUN_OUTPUT_MAXIMUM 262144U /* bytes; what comes after them is read and dropped */
#define RUN_FILES 2
#define RUN_FIRST_FILE 3 /* the descriptor of the first of `files` in the program */

struct run {
	const char *const *arguments; /* the first is the program's path; NULL at the end */
	int files[RUN_FILES];         /* become RUN_FIRST_FILE and the next; 0: none */
	struct buf *output;           /* what it wrote, to whichever of the two; NULL: nobody wants it */
};

/*
 * Runs it to its end. Its exit code, 128 for a signal. STATUS_SYSTEM: it can't be run. STATUS_END: we were interrupted,
 * and it was told to end, too.
 */
MUST_USE enum status run_program(const struct run *run, int *out_code);
/* Starts it to go on without us, with no terminal; what it writes is appended to the file `log`. */
MUST_USE enum status run_detached(const char *const *arguments, const char *log, pid_t *out_process);
/* Whether that one has ended all the same. */
bool run_has_ended(pid_t process);
/*
 * The path of a program of Subgate: beside ours, or in the folder sbin beside that of ours. STATUS_NOT_FOUND.
 */
MUST_USE enum status run_find_own(const char *name, char out_path[PATH_MAX]);
/* The path of a program of the machine, by the folders that such programs are in. STATUS_NOT_FOUND. */
MUST_USE enum status run_find(const char *name, char out_path[PATH_MAX]);

#endif
