/*
 * `subgate -c FILE --directory USER`: what the directories of a configuration say of somebody, step by step, before any
 * process runs: what `subgatectl directory test` asks a running one. No password of users is tried.
 */
#ifndef SUPERVISE_DIRECTORY_TRIAL_H
#define SUPERVISE_DIRECTORY_TRIAL_H

#include <stdio.h>

#include "config/config.h"

/* STATUS_REFUSED: they could not log in; STATUS_INVALID: there is nothing to ask. `out` has the reason. */
MUST_USE enum status directory_trial_run(const struct config *config, const char *user, FILE *out);

#endif
