/* Makes the plan true, whole or not at all. */
#ifndef SETUP_APPLY_H
#define SETUP_APPLY_H

#include "setup/plan.h"

/*
 * Writes files beside their targets, makes users, asks `subgate --check`, and only then puts the files in their places.
 * STATUS_END: interrupted; STATUS_REFUSED: the check, or the machine, said no: `ask->errors` has why, and everything is
 * as it was before.
 */
MUST_USE enum status apply_plan(struct ask *ask, const struct plan *plan);

#endif
