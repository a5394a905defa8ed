/* What the files of the dialogue share. Private to them. */
#ifndef SETUP_ASK_PRIVATE_H
#define SETUP_ASK_PRIVATE_H

#include "setup/ask.h"

void ask_show_question(struct ask *ask, enum question question);
void ask_show_prompt(struct ask *ask, const char *fallback);
void ask_complain(struct ask *ask, const char *what);
/* Prompts for a line that the terminal does not show, and reads it. STATUS_TOO_LARGE: the rest of it was skipped. */
MUST_USE enum status ask_read_hidden(struct ask *ask, const char *fallback, char out_line[ASK_SIZE]);
/* What the file says; marks it as used. */
const struct answer *ask_take_answer(struct ask *ask, enum question question);
/* STATUS_INVALID, with the line that won't do. `what` never holds the answer. */
enum status ask_refuse_answer(struct ask *ask, enum question question, const char *what);

#endif
