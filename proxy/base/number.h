/* Numbers as text, where printf would take longer than all else. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include "base/buf.h"

#define NUMBER_DIGITS 20U /* of the largest uint64_t; a sign and the digits of an int64_t are no more */

/* Decimal digits without a NUL; returns how many, up to NUMBER_DIGITS. */
size_t number_write(uint64_t number, char *out_digits);
/* The lowest `count` digits, zeros before them: a field of fixed width. Returns where it ends. */
char *number_write_field(unsigned number, unsigned count, char *out_digits);
/* STATUS_TOO_LARGE, STATUS_NO_MEMORY; all or nothing. */
MUST_USE enum status number_append(struct buf *b, uint64_t number);

#endif
