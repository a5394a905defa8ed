/* Time: monotonic for deadlines, wall for records. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/span.h"

#define CLOCK_TEXT_SIZE 32 /* bytes, the NUL included */

uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
uint64_t clock_wall_us(void); /* microseconds since 1970-01-01T00:00:00Z */

/* RFC 3339 in UTC with microseconds: 2026-11-23T08:15:30.123456Z */
void clock_format_us(uint64_t wall_us, char out_text[CLOCK_TEXT_SIZE]);
/* RFC 3339 in UTC to the second: 2026-11-23T08:15:30Z */
void clock_format_seconds(uint64_t wall_s, char out_text[CLOCK_TEXT_SIZE]);
/* Reads what clock_format_seconds writes, and nothing else: STATUS_INVALID. */
MUST_USE enum status clock_read_seconds(struct span text, uint64_t *out_wall_s);
/* RFC 5322 date-time in UTC: Mon, 23 Nov 2026 08:15:30 +0000 */
void clock_format_mail(uint64_t wall_us, char out_text[CLOCK_TEXT_SIZE]);

#endif
