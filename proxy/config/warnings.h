/* The parts of config_warn. Private to this room. */
#ifndef CONFIG_WARNINGS_H
#define CONFIG_WARNINGS_H

#include <stdio.h>

#include "config/config.h"

/*
 * "FILE:LINE: warning: …" about files and folders that others can write, and about secrets that may have been saved
 * wrongly.
 */
void warn_of_files(const struct config *config, FILE *out);
/* About quotas that together exceed what the relays' accounts may send. */
void warn_of_quotas(const struct config *config, FILE *out);

#endif
