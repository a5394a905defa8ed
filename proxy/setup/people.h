/* Who the users are: app passwords alone, or a directory, which is asked at once. */
#ifndef SETUP_PEOPLE_H
#define SETUP_PEOPLE_H

#include "setup/plan.h"

MUST_USE enum status people_ask(struct ask *ask, struct plan *plan);

#endif
