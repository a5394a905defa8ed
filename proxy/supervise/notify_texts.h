/* The texts of warnings to users: read from notify.text by the supervisor, as the relay may open no file of ours. */
#ifndef SUPERVISE_NOTIFY_TEXTS_H
#define SUPERVISE_NOTIFY_TEXTS_H

#include <stdio.h>

#include "config/config.h"
#include "role/handover.h"

/*
 * Adds "notify-texts" to `list` for the relay: relay/warning_text.h says how it holds them. A folder that can't be
 * read, or has no such text, and a text that is none, is a line in `faults`.
 */
MUST_USE enum status notify_texts_open(const struct config *config, FILE *faults, struct handover *list);

#endif
