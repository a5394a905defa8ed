/*
 * `subgatectl setup`: the first hour. Asks, shows what it will write, writes it, has it checked, starts the service,
 * and sends a first mail. Until the configuration is in its place nothing has changed, whatever happens.
 */
#ifndef SETUP_SETUP_H
#define SETUP_SETUP_H

#include <stdio.h>

#include "base/status.h"

#define SETUP_CONFIG "/etc/subgate/subgate.conf"

struct setup_options {
	const char *config;  /* the file to write; NULL: SETUP_CONFIG */
	const char *answers; /* a file in the place of a person; NULL: none */
};

/* STATUS_OK: all that was wanted is done. Anything else: not, and `errors` says what. */
MUST_USE enum status setup_run(const struct setup_options *options, FILE *errors);

#endif
