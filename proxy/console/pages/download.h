/*
 * What a search of the audit finds, as a file: asked of admin part by part, each once the browser has the one before.
 * So neither the console nor admin holds more than a part of it, and the relay searches for one part at a time, on a
 * thread of its own.
 */
#ifndef CONSOLE_PAGES_DOWNLOAD_H
#define CONSOLE_PAGES_DOWNLOAD_H

#include "console/pages/page_private.h"

#define DOWNLOAD_PATH "/mail/download"

struct download;

/* Answers the visit, now or later. */
void download_begin(struct pages *pages, struct visit *visit, const struct language *language);
/* False: the question is none of a download's. */
bool download_take_answer(struct pages *pages, const struct door_console_answered *answered);
/* No part follows: whatever has its last one goes on. */
void download_lose_admin(struct pages *pages);
/* The role ends. */
void download_end_all(struct pages *pages);

#endif
