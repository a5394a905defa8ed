/* Judges of answers that name files (setup/ask.h). */
#ifndef SETUP_PATHS_H
#define SETUP_PATHS_H

#include <stdbool.h>

/* Whether this machine's services are systemd's: sd_booted(3). */
bool paths_has_systemd(void);
/* A whole path of a file that can be read, by the service, too. */
const char *paths_judge_file(const char *text);
/* The same, or none. */
const char *paths_judge_optional_file(const char *text);

#endif
