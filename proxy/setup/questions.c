/* The rows of questions.def. */
#include "setup/questions.h"

#define QUESTION(name, title, help) { #name, title, help, false },
#define SECRET(name, title, help) { #name, title, help, true },
const struct question_text questions[QUESTIONS] = {
#include "setup/questions.def"
};
