/* A record in the words of the Elastic Common Schema 8.11, for those who search many products' logs at once. Pure. */
#ifndef EXPORT_ECS_H
#define EXPORT_ECS_H

#include "base/buf.h"
#include "export/record_line.h"

/*
 * Appends one JSON object: @timestamp, event.*, host, user, source, tls, email.*, related, and below `subgate` all of
 * the record but its time and type. STATUS_INVALID: the line is no record. STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status ecs_write(struct span line, struct buf *out);
/*
 * What can be said of a line that ecs_write doesn't take: when it was written, its type, its chain, and the beginning
 * of its text as event.original, with '?' for what JSON can't hold as it is. STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status ecs_write_unread(const struct record_line *line, struct buf *out);

#endif
