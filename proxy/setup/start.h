/* The service that is to run with the new configuration. */
#ifndef SETUP_START_H
#define SETUP_START_H

#include "setup/ask.h"

/* Where it is reached. */
struct start {
	const char *file;   /* its configuration */
	const char *socket; /* that subgatectl asks it by */
	const char *state;  /* its state folder */
	const char *log;    /* in there: what it writes where there is no systemd */
};

/*
 * Starts it if asked to: by systemd where that runs, else in the background; one that runs takes the configuration
 * over. *out_runs: it answers. STATUS_REFUSED: it did not come up, and `ask->errors` has why.
 */
MUST_USE enum status start_service(struct ask *ask, const struct start *start, bool *out_runs);
/* Runs subgatectl with these words; its output, and whether it was done. */
MUST_USE enum status start_ask_service(const struct start *start, const char *const *words, struct buf *out_output,
				       bool *out_done);

#endif
