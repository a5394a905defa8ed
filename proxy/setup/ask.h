/*
 * Questions to a person at a terminal, line by line, or to an answers file. What was answered is in the output, but no
 * secret is. Owns nothing but what the answers own.
 *
 * All return STATUS_END when the person has left (end of input, Ctrl-C) and STATUS_INVALID when the answers file has
 * an answer that won't do, which then was told.
 */
#ifndef SETUP_ASK_H
#define SETUP_ASK_H

#include <stdio.h>

#include "base/secret.h"
#include "setup/answers.h"

#define ASK_SIZE 512 /* bytes of an answer, the NUL included */

struct ask {
	int in;
	FILE *out;
	FILE *errors;
	struct answers *answers; /* NULL: a person answers */
	unsigned count;          /* of questions asked */
};

struct ask_choice {
	const char *name;
	const char *label;
};

/* What is wrong with an answer, static; NULL: nothing. */
typedef const char *ask_judge(const char *text);

/* One line of text; `fallback` is what an empty line means. "-" means "". `judge` may be NULL. */
MUST_USE enum status ask_text(struct ask *ask, enum question question, const char *fallback, ask_judge *judge,
			      char out_text[ASK_SIZE]);
/* One of several, by name or number; `fallback` and the answer are indices. */
MUST_USE enum status ask_choice(struct ask *ask, enum question question, const struct ask_choice *choices, size_t count,
				size_t fallback, size_t *out_index);
MUST_USE enum status ask_yes(struct ask *ask, enum question question, bool fallback, bool *out_yes);
/*
 * A secret, not echoed. `kept`: says which one an empty line keeps: *out_secret, which is empty, stays so. NULL: there
 * must be an answer. `is_grouped`: blanks within it are dropped, as Google shows them and takes none.
 */
MUST_USE enum status ask_secret(struct ask *ask, enum question question, const char *kept, bool is_grouped,
				ask_judge *judge, struct secret *out_secret);

#endif
