/* Whether certificates, keys and authorities are what they should be. Pure: the files' contents are given. */
#ifndef SUPERVISE_CERTIFICATES_H
#define SUPERVISE_CERTIFICATES_H

#include <stdio.h>

#include "base/secret.h"
#include "supervise/secret_files.h"

/*
 * Checks that each certificate and its key make a server, or a client, and that authorities and what they revoked can
 * be read. contents[i] belongs to files->items[i]; where it is empty, nothing is said of that file. A fault is a line
 * in `faults`; STATUS_INVALID.
 */
MUST_USE enum status certificates_check(const struct secret_files *files, const struct secret *contents, FILE *faults);

/*
 * Reads the files by their paths, checks them, and warns of those that end soon. Nothing is said of those that can't be
 * read.
 */
MUST_USE enum status certificates_check_files(const struct config *config, FILE *faults);

#endif
