/* What --check says of the file of app passwords. */
#ifndef SUPERVISE_APP_PASSWORDS_H
#define SUPERVISE_APP_PASSWORDS_H

#include <stdio.h>

#include "config/config.h"

/* STATUS_INVALID: lines of it can't be read; auth skips them. A file that is not there yet has no faults. */
MUST_USE enum status app_passwords_check(const struct config *config, FILE *faults);

#endif
