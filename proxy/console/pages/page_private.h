/* What the files of pages share. */
#ifndef CONSOLE_PAGES_PAGE_PRIVATE_H
#define CONSOLE_PAGES_PAGE_PRIVATE_H

#include "base/secret.h"
#include "console/head.h"
#include "console/pages/languages.h"
#include "console/pages/pages.h"
#include "console/pages/table.h"

/* The part of a question's number that says which of its page's it is. */
#define PAGE_QUESTION_BITS 3
/* The numbers of questions: 0 is the form's or the session's, 1 and on those of the table. */
#define PAGE_FIRST_QUESTION 1U

enum page_stage {
	PAGE_ACTS,      /* the form's answer is awaited */
	PAGE_KNOWS_WHO, /* that to who is logged in */
	PAGE_ASKS,      /* those to the page's questions */
	PAGE_LEAVES,    /* where the provider is */
	PAGE_RETURNS,   /* whom the provider's answer names */
};

/* One page under way. Invariant: in pages->first from begin to end; it ends when its visit is answered. */
struct page {
	struct page *next;
	struct pages *pages;
	uint64_t number, visit;
	enum page_stage stage;
	const struct table_page *kind;
	const struct table_form *form; /* NULL: it is only looked at */
	const struct language *language;
	struct secret token; /* of the session's cookie; or empty */
	char address[HEAD_ADDRESS_SIZE];
	json_t *data;     /* what the template is run on */
	unsigned waiting; /* for so many answers */
	unsigned code;    /* of HTTP, for the page once it is made */
	bool is_login;    /* it counts among these */
};

struct pages {
	const struct pages_options *options;
	struct languages *languages;
	struct page *first;
	struct download *downloads;
	struct follow *follow;
	size_t count, login_count; /* of pages; of those that log somebody in */
	uint64_t last_number;
};

/* ---- page_life.c */

/* NULL: there are too many, or no memory. */
struct page *page_begin(struct pages *pages, const struct visit *visit, const struct language *language, bool is_login);
void page_end(struct page *page); /* without an answer */
/* Ends the page, too. Its visit is set, unless the browser is gone. */
void page_answer(struct page *page, void (*set)(const struct page *page, struct visit *visit));
/* That it can't be shown now. */
void page_set_unavailable(const struct page *page, struct visit *visit);
/* For questions: no two are the same, and the bits of PAGE_QUESTION_BITS are 0. */
uint64_t page_next_number(struct pages *pages);
/* The answer's object, or one that says with "error" that there is none; the caller's to drop. NULL: out of memory. */
json_t *page_read_answer(const struct door_console_answered *answered);
/* Another site's page may send somebody here, but not in its own name. */
bool page_is_from_here(const struct visit *visit);

/* ---- page_provider.c: logins by OpenID Connect */

/* False: the visit is no part of one. */
bool page_take_provider_visit(struct pages *pages, struct visit *visit, const struct language *language);
/* An answer to one that LEAVES or RETURNS; it ends the page. */
void page_take_provider_answer(struct page *page, const struct door_console_answered *answered);

/* ---- page_ask.c: STATUS_UNAVAILABLE: admin is away; STATUS_NO_MEMORY, STATUS_TOO_LARGE */

MUST_USE enum status page_ask_session(struct page *page);
/* All of the page's questions; page->waiting says how many. */
MUST_USE enum status page_ask_questions(struct page *page);
/* STATUS_INVALID: none of its fields is filled in. */
MUST_USE enum status page_ask_form(struct page *page);
/* To do something, with these arguments; the next stage is the caller's to set. */
MUST_USE enum status page_ask_to_do(struct page *page, const char *path, json_t *body);

/* ---- page_show.c: each sets the visit's answer */

void page_show(const struct page *page, struct visit *visit);
/* By another template than that of its kind. */
void page_show_as(const struct page *page, struct visit *visit, const char *name);
/* The template alone, in the language's words. The statuses of template_render. */
MUST_USE enum status page_render(const struct language *language, const char *name, json_t *data, struct buf *out_html);
/* A page that only says why there is none: words "fault.…". */
void page_show_fault(const struct language *language, struct visit *visit, unsigned code, const char *why);
/* To another page, with an argument of its address from this form's field, and what is done; either may be NULL. */
void page_send_on(struct visit *visit, const char *path, const char *argument, const char *value, const char *done);

#endif
