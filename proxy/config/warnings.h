/* The parts of config_warn. Private to this room. */
#ifndef CONFIG_WARNINGS_H
#define CONFIG_WARNINGS_H

#include <stdio.h>

#include "config/config.h"

/*
 * "FILE:LINE: warning: …" of files and folders that others can write, and of secrets that may have been saved wrongly.
 */
void warn_of_files(const struct config *config, FILE *out);

#endif
