/* The codes at the front of a reply. Private to this room. */
#ifndef SMTP_REPLY_CODES_H
#define SMTP_REPLY_CODES_H

#include "base/span.h"

/* The three digits at the front: 200 to 599, else STATUS_INVALID. */
MUST_USE enum status reply_read_code(struct span text, unsigned *out_code);

#endif
