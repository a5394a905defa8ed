/* Questions about the relay. */
#ifndef SETUP_RELAYS_H
#define SETUP_RELAYS_H

#include "setup/plan.h"

/* Asks which relay, and what it needs. */
MUST_USE enum status relays_ask(struct ask *ask, struct plan *plan);

#endif
