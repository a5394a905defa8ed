/* Digits, from the last to the first. Pure. */
#include "base/number.h"

#include <string.h>

size_t number_write(uint64_t number, char *out_digits)
{
	char digits[NUMBER_DIGITS];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	memcpy(out_digits, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

char *number_write_field(unsigned number, unsigned count, char *out_digits)
{
	for (unsigned i = count; i > 0; i--) {
		out_digits[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
	return out_digits + count;
}

enum status number_append(struct buf *b, uint64_t number)
{
	char digits[NUMBER_DIGITS];
	size_t count = number_write(number, digits);
	return buf_append(b, (struct span){ digits, count });
}
