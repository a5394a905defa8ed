/* The config file: read whole, parsed, and checked against the machine, TLS included. */
#ifndef SUPERVISE_CONFIG_FILE_H
#define SUPERVISE_CONFIG_FILE_H

#include <stdio.h>

#include "base/buf.h"
#include "config/config.h"

/* Bytes: thousands of sections; no more than config_load takes. */
#define CONFIG_FILE_MAXIMUM (8U << 20)

/*
 * Reads and parses. *out_text, which the caller has initialized with that maximum, gets the file's bytes. Faults are as
 * in config.h.
 */
MUST_USE enum status config_file_load(const char *file, FILE *faults, struct buf *out_text, struct config **out_config);
/*
 * Runs config_check, looks users and groups up, and checks that each certificate and its key make a server.
 * STATUS_INVALID, with faults.
 */
MUST_USE enum status config_file_check(const struct config *config, FILE *faults);

#endif
