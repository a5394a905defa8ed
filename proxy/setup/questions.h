/* The questions of setup, from questions.def. Constant data. */
#ifndef SETUP_QUESTIONS_H
#define SETUP_QUESTIONS_H

#include <stdbool.h>

#define QUESTION(name, title, help) QUESTION_##name,
#define SECRET QUESTION
enum question {
#include "setup/questions.def"
	QUESTIONS
};
#undef QUESTION
#undef SECRET

struct question_text {
	const char *name;
	const char *title;
	const char *help;
	bool is_secret;
};

extern const struct question_text questions[QUESTIONS];

#endif
