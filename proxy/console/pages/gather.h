/* A list that comes in parts, in no order and some rows twice: put together, and the heaviest first. Pure. */
#ifndef CONSOLE_PAGES_GATHER_H
#define CONSOLE_PAGES_GATHER_H

#include <jansson.h>

/*
 * Adds the rows of answer's `list` to those of the answer that `data` has under this name, or puts it there; takes the
 * answer over. What data has then, with "next" as the answer had it, or its "error"; NULL: out of memory.
 */
json_t *gather_add(json_t *data, const char *name, const char *list, json_t *answer);
/* Whether as many rows fit as a part may have. */
int gather_has_room(const json_t *whole, const char *list);
/* The rows by "used", or by "messages" where there is none, the most first; all but so many of them are dropped. */
void gather_sort(json_t *whole, const char *list, size_t most);

#endif
