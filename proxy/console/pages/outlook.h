/*
 * What the first page shows to one role, gathered once for all of that role who follow it: admin answers the page's
 * questions by role alone, and in words they differ by language. It is asked for with the token of one of them.
 */
#ifndef CONSOLE_PAGES_OUTLOOK_H
#define CONSOLE_PAGES_OUTLOOK_H

#include "console/pages/page_private.h"

#define OUTLOOK_PAGE "/now"
/* Bytes of a message: of a page, whose lines are a little longer here. */
#define OUTLOOK_MAXIMUM (2U << 20)
#define OUTLOOK_LANGUAGES 16U

/* One in a language. */
struct rendition {
	const struct language *language;
	struct buf event; /* empty: it can't be made */
};

/* Zeroed it is empty. */
struct outlook {
	struct pages *pages;
	uint64_t number; /* of its questions; 0: nothing is gathered */
	uint64_t begun_ms;
	unsigned waiting; /* for so many answers */
	bool is_ready;
	json_t *data;
	struct rendition renditions[OUTLOOK_LANGUAGES];
	size_t rendition_count;
};

/* Whether an answer may still come: whoever would ask anew can wait for that. */
bool outlook_is_under_way(const struct outlook *outlook, uint64_t now_ms);
/* Asks anew, as whoever has this token and address. Not STATUS_OK: it is empty. */
MUST_USE enum status outlook_gather(struct outlook *outlook, struct pages *pages, struct span token,
				    const char *address);
/* False: it is no answer to its questions. Once all are there it is ready. */
bool outlook_take_answer(struct outlook *outlook, const struct door_console_answered *answered);
/* The message, while it is ready; empty: it can't be made. */
struct span outlook_event(struct outlook *outlook, const struct language *language);
void outlook_clear(struct outlook *outlook);

#endif
