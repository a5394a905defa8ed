/*
 * The bytes of a file as they were before gzip or zstd packed them; of any other file as they are. Which it is, its
 * first bytes tell. Blocks; for programs without a loop.
 */
#ifndef AUDIT_READER_UNPACK_H
#define AUDIT_READER_UNPACK_H

#include <stddef.h>

#include "base/status.h"

struct unpack;

/*
 * Begins with the file's first byte, and leaves the descriptor's offset alone. It stays its owner's. STATUS_SYSTEM,
 * STATUS_NO_MEMORY.
 */
MUST_USE enum status unpack_open(int fd, struct unpack **out_unpack);
void unpack_close(struct unpack **unpack);

/*
 * At least one byte, at most `room`. STATUS_END: that was all. STATUS_INVALID: the packed bytes are damaged, or end too
 * early. STATUS_SYSTEM.
 */
MUST_USE enum status unpack_read(struct unpack *unpack, char *at, size_t room, size_t *out_size);

#endif
