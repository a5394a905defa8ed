/*
 * Files that appear all at once or not at all: each is written beside its target, and takes its place at the end. What
 * goes wrong before that, or then, is undone: files, and folders that were made. Whoever is killed outright in between
 * leaves nothing but files whose names begin with a dot and end in .setup; the next run removes them.
 *
 * No link is followed for a file, and each has its mode from the start.
 */
#ifndef SETUP_STAGE_H
#define SETUP_STAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/span.h"

#define STAGE_FILES 8
#define STAGE_FOLDERS 8

struct staged_file {
	char target[PATH_MAX];
	char written[PATH_MAX]; /* what was written beside it */
	char former[PATH_MAX];  /* what was at the target; "" for none */
	bool is_placed;
};

/* Zeroed at first. */
struct stage {
	FILE *errors; /* what went wrong, a line */
	struct staged_file files[STAGE_FILES];
	size_t file_count;
	char folders[STAGE_FOLDERS][PATH_MAX]; /* made by us, outer ones first */
	size_t folder_count;
};

/* Where the new content of `target` is written: beside it. */
MUST_USE enum status stage_name(const char *target, const char *suffix, char out_path[PATH_MAX]);
/* Makes a folder, and those above it with mode 0755, where it is not there. */
MUST_USE enum status stage_folder(struct stage *stage, const char *path, mode_t mode);
/* Writes the new content of `target`, whose folder is there; once more for the same target: instead. */
MUST_USE enum status stage_file(struct stage *stage, const char *target, struct span content, mode_t mode);
/* Puts all files in their places, in the order in which they came. On failure none is. */
MUST_USE enum status stage_place(struct stage *stage);
/* What was there before is gone for good. */
void stage_keep(struct stage *stage);
/* Everything is as it was before. Safe after stage_keep, and on an empty one. */
void stage_undo(struct stage *stage);

#endif
