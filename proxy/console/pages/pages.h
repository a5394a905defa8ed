/*
 * The console's pages: HTML for people, made here from what admin answers. A page is nobody's word for anything: it
 * asks admin with its reader's token, question by question of the API, and shows what comes. Forms are the same, and
 * then send their reader on.
 */
#ifndef CONSOLE_PAGES_PAGES_H
#define CONSOLE_PAGES_PAGES_H

#include "console/site.h"
#include "door/messages.h"

/* In the numbers of questions, so that none is a visit's. */
#define PAGES_NUMBERS (UINT64_C(1) << 62)

struct pages;

struct pages_options {
	struct loop *loop;
	struct site *(*site)(void *context);
	/* To admin. Not STATUS_OK: it is away. */
	enum status (*ask)(void *context, const struct door_console_asked *question);
	bool has_tls;                    /* else a web server in front says who asks */
	bool has_password, has_provider; /* how people log in */
	const char *url;                 /* of the console, for browsers; or "" */
	uint64_t idle_limit_ms;          /* of a session */
	void *context;
};

/* STATUS_NO_MEMORY, STATUS_INVALID: a catalogue is none. */
MUST_USE enum status pages_create(const struct pages_options *options, struct pages **out_pages);
void pages_free(struct pages **pages); /* NULL-safe; sets to NULL */

/* Answers the visit, now or later. */
void pages_take_visit(struct pages *pages, struct visit *visit);
/* An answer to a question with a number of PAGES_NUMBERS. STATUS_INVALID: admin would not say so. */
MUST_USE enum status pages_take_answer(struct pages *pages, const struct door_console_answered *answered);
/* Admin is gone: whoever waits hears so. */
void pages_lose_admin(struct pages *pages);
/* The role is about to end: what lasts ends now. */
void pages_drain(struct pages *pages);

#endif
