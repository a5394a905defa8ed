/*
 * A file of answers, in the place of a person who types them: `name = value`, one a line; what begins with # is a
 * comment. Owns the text, which may hold secrets and is wiped.
 */
#ifndef SETUP_ANSWERS_H
#define SETUP_ANSWERS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "setup/questions.h"

#define ANSWERS_MAXIMUM 65536U /* bytes */

struct answer {
	struct span value;
	unsigned line; /* 0: not given */
	bool is_file;  /* the value names a file that has the answer */
	bool is_used;
};

struct answers {
	const char *file;
	struct buf text;
	struct answer of[QUESTIONS];
};

/*
 * Reads a whole file; `file` lives longer. Faults are lines "FILE:LINE: …": STATUS_INVALID. One that has a secret must
 * not be readable by others.
 */
MUST_USE enum status answers_read(const char *file, FILE *faults, struct answers *out_answers);
/* The same of a text, but for who can read it. */
MUST_USE enum status answers_parse(struct span text, const char *file, FILE *faults, struct answers *out_answers);
/* What was given and never asked for, of the questions from `first` to before `end`: a fault each. */
MUST_USE enum status answers_check_used(const struct answers *answers, enum question first, enum question end,
					FILE *faults);
void answers_free(struct answers *answers);

#endif
