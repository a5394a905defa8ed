/* Server-sent events, as browsers read them (HTML, 9.2). Pure. */
#ifndef CONSOLE_PAGES_EVENTS_H
#define CONSOLE_PAGES_EVENTS_H

#include "base/buf.h"

#define EVENTS_TYPE "text/event-stream"

/* After how long a browser asks again for a stream that has ended. STATUS_NO_MEMORY, STATUS_TOO_LARGE. */
MUST_USE enum status events_add_retry(unsigned milliseconds, struct buf *out_stream);
/* A message. Its line ends, CRLF and CR too, reach the reader as LF; nothing in it begins a field. The same. */
MUST_USE enum status events_add_message(struct span text, struct buf *out_stream);
/* What no reader notices, so that we notice when there is none. The same. */
MUST_USE enum status events_add_nothing(struct buf *out_stream);

#endif
