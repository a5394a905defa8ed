/* The size of a message (RFC 1870) against the largest one that is taken: declared, announced by BDAT, or counted. */
#ifndef SMTP_SIZE_H
#define SMTP_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* The refusal without the largest size: from the relay role, which sees no such message from an honest gate. */
#define SIZE_REFUSAL "552 5.3.4 Message too large"
#define SIZE_REFUSAL_MAXIMUM 96 /* bytes of the refusal with the largest size, the NUL included */

/* Whether `more` bytes after `so_far` are too many; both may be any number. */
bool size_exceeds(uint64_t so_far, uint64_t more, uint64_t maximum);
/* The refusal in our text form (smtp/reply.h), which names the largest size. */
void size_format_refusal(uint64_t maximum, char out_text[static SIZE_REFUSAL_MAXIMUM]);

#endif
