/* The first app password, and the first mail. */
#ifndef SETUP_TRIAL_H
#define SETUP_TRIAL_H

#include "setup/plan.h"
#include "setup/start.h"

/* `config` is the one that the service runs with. */
MUST_USE enum status trial_run(struct ask *ask, const struct config *config, const struct start *start);

#endif
