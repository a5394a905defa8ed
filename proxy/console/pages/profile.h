/* A profile for Apple's devices, which sets mail up with an app password that its reader has just made. */
#ifndef CONSOLE_PAGES_PROFILE_H
#define CONSOLE_PAGES_PROFILE_H

#include <jansson.h>

#include "console/visit.h"

/* Sets the answer: a file made of the data's "settings", and of the form's "password"; or a page that says why not. */
void profile_write(const json_t *data, struct visit *visit);

#endif
