/*
 * The words of mails to users: texts that an administrator wrote, one a language, or our own. A text has a header like
 * a mail's, an empty line, and what the mail says:
 *
 *   Subject: Sie haben {used} von {limit} {unit} verschickt
 *   Messages: Nachrichten
 *   Recipients: Empfänger
 *   Bytes: Bytes
 *
 *   Guten Tag, …
 *
 * Messages, Recipients and Bytes are the words that {unit} stands for; without them, the English ones. In its subject
 * and its text, {user} {used} {limit} {unit} {percent} {resets} {host} stand for what is so at the time.
 */
#ifndef RELAY_WARNING_TEXT_H
#define RELAY_WARNING_TEXT_H

#include "base/buf.h"

#define WARNING_TEXTS_MAXIMUM 30       /* languages */
#define WARNING_TEXT_SIZE_MAXIMUM 8192 /* bytes of one; all of them fit what is handed over (base/secret.h) */

enum warning_unit { WARNING_MESSAGES, WARNING_RECIPIENTS, WARNING_BYTES, WARNING_UNITS };

/* One text. Views into what it was read from. */
struct warning_text {
	struct span language; /* "de", "pt-BR"; empty: for all others */
	struct span subject, body;
	struct span units[WARNING_UNITS];
};

/* What its variables stand for. */
struct warning_values {
	struct span user, host, resets;
	uint64_t used, limit;
	unsigned percent;
	enum warning_unit unit;
};

/* Reads one text; STATUS_INVALID, and `*out_fault` (static) says why. */
MUST_USE enum status warning_text_read(struct span text, struct warning_text *out_text, const char **out_fault);
/* Ours, in English. */
struct warning_text warning_text_default(void);
/*
 * The one for whoever prefers these languages, as Accept-Language (RFC 9110, 12.5.4) and preferredLanguage (RFC 2798)
 * list them, best first: "de-AT, en;q=0.5". "de-AT" finds "de", too. None fits: the one without a language, or ours.
 */
struct warning_text warning_text_find(const struct warning_text *texts, size_t count, struct span languages);
MUST_USE enum status warning_text_write(const struct warning_text *text, const struct warning_values *values,
					struct buf *out_subject, struct buf *out_body);

/* ---- several texts in one piece, as the supervisor hands them over: "LANGUAGE SIZE" LF and the text, each */

MUST_USE enum status warning_texts_add(struct buf *pack, struct span language, struct span text);
/* Views into `pack`. STATUS_INVALID, STATUS_TOO_LARGE. */
MUST_USE enum status warning_texts_read(struct span pack, struct warning_text out_texts[WARNING_TEXTS_MAXIMUM],
					size_t *out_count);

#endif
