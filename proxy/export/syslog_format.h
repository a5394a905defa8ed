/* A record as a syslog message (RFC 5424), whole or framed for a stream (RFC 5425, 4.3; RFC 6587, 3.4.1). Pure. */
#ifndef EXPORT_SYSLOG_FORMAT_H
#define EXPORT_SYSLOG_FORMAT_H

#include "base/buf.h"
#include "export/record_line.h"

/* A datagram that all networks may carry, in fragments (RFC 5426, 3.2, leaves it to us); a longer record is cut. */
#define SYSLOG_DATAGRAM_MAXIMUM 60000 /* bytes */

/*
 * Appends the message: priority by the record's type in the facility "log audit" (13), its time, `node`, "subgate", its
 * type as MSGID, no structured data, and `payload` as it is (JSON in UTF-8 without a BOM: a MSG-ANY).
 * STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status syslog_format_message(const struct record_line *line, struct span payload, const char *node,
					   struct buf *out);
/* The same with its length before it. */
MUST_USE enum status syslog_format_frame(const struct record_line *line, struct span payload, const char *node,
					 struct buf *out);
/* The same message for a datagram: of a payload that is too long, only what names the record is sent. */
MUST_USE enum status syslog_format_datagram(const struct record_line *line, struct span payload, const char *node,
					    struct buf *out);

#endif
