/*
 * The words of pages, in each language of which there is a catalogue in this folder: CODE.words, a line "key = words"
 * each. Another language needs such a file, and nothing else.
 */
#ifndef CONSOLE_PAGES_LANGUAGES_H
#define CONSOLE_PAGES_LANGUAGES_H

#include "base/span.h"

#define LANGUAGES_OTHERWISE "en" /* for who wants none of ours; every key is in it */

struct language;
struct languages;

/* STATUS_NO_MEMORY; STATUS_INVALID: a catalogue is none. */
MUST_USE enum status languages_open(struct languages **out_languages);
void languages_close(struct languages **languages); /* NULL-safe; sets to NULL */
/* The one that a field Accept-Language prefers (RFC 9110, 12.5.4). */
const struct language *languages_choose(const struct languages *languages, struct span field);

/* "vi" */
struct span language_code(const struct language *language);
/* The words, or else the English ones; data is NULL: there are none. */
struct span language_find(const struct language *language, struct span key);

#endif
