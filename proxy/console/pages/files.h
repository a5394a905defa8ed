/*
 * The files of this folder that browsers get, or that pages are made of: part of the program, as consoles open none.
 */
#ifndef CONSOLE_PAGES_FILES_H
#define CONSOLE_PAGES_FILES_H

#include "base/span.h"

/* By its name, such as "style.css"; data is NULL: there is none. */
struct span files_find(struct span name);
/* The name and text of each, from 0 on; false: there are no more. */
bool files_at(size_t index, const char **out_name, struct span *out_text);

#endif
