/* Keys that this node makes for itself, once: 32 random bytes in a file of the state folder. */
#ifndef SUPERVISE_KEYS_H
#define SUPERVISE_KEYS_H

#include <stdio.h>

#include "base/span.h"

/* Bytes: as long as the digest of the keyed hashes they are for. */
#define KEY_SIZE 32

/*
 * The key of that file as a sealed descriptor. A missing file is made, whole or not at all. A file of another size, or
 * one that others can read, is refused with a text in `faults`.
 */
MUST_USE enum status key_file_open(const char *path, FILE *faults, int *out_fd);

#endif
