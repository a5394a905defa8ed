/*
 * Which pages there are: what each asks admin for, and by what it is shown; and which forms, with what each asks admin
 * to do. Each question is one of the API's: a page shows and does what its reader could have by the API, no more.
 */
#ifndef CONSOLE_PAGES_TABLE_H
#define CONSOLE_PAGES_TABLE_H

#include <jansson.h>

#include "base/span.h"

struct visit;

#define TABLE_ARGUMENTS 9
#define TABLE_QUESTIONS 7

enum table_source {
	SOURCE_NONE,     /* the list's end */
	SOURCE_READER,   /* the name of who is logged in */
	SOURCE_URL,      /* that argument of the page's own address; left out if it has none */
	SOURCE_FIELD,    /* the form's field of this name; left out if it is empty */
	SOURCE_MESSAGES, /* the same, as a limit of messages a day */
	SOURCE_DAYS,     /* the same, a number of days: a time so many days from now; left out if it is 0 */
	SOURCE_SOON,     /* a time 30 days from now */
	SOURCE_FIXED,    /* what `of` says */
	SOURCE_NUMBER,   /* the same, a number */
};

struct table_argument {
	const char *name;
	enum table_source source;
	const char *of; /* the field's or argument's name; NULL: as `name` */
};

struct table_question {
	const char *name; /* in the page's data; NULL: the list's end */
	const char *path;
	struct table_argument arguments[TABLE_ARGUMENTS];
};

enum table_rank { RANK_STRANGER, RANK_USER, RANK_AUDITOR, RANK_OPERATOR, RANK_ADMIN };

struct table_page {
	const char *path;
	const char *name;     /* its template, with ".html"; and "here" in its data */
	enum table_rank rank; /* who sees it, and all above them */
	struct table_question questions[TABLE_QUESTIONS];
	void (*prepare)(json_t *data); /* adds what a template can't find out; NULL */
	/* In the place of a template: sets the visit's answer, with a secret that the form brought. Such a page is
	 * asked for by a form alone, with the session's token for changes. NULL: it has a template. */
	void (*write)(const json_t *data, struct visit *visit);
};

struct table_form {
	const char *path;
	const char *asks; /* of the API */
	struct table_argument arguments[TABLE_ARGUMENTS];
	const char *page;  /* the path where it is; there its reader goes on */
	const char *done;  /* what is said there: words "done.…"; NULL: the answer is shown, as "result" */
	const char *keeps; /* an argument of that page's address, from the form's field of the same name; NULL */
};

/* NULL: there is none. */
const struct table_page *table_find_page(struct span path);
const struct table_form *table_find_form(struct span path);
/* Of a role's name, as the API tells it. */
enum table_rank table_rank_of(const char *role);

#endif
