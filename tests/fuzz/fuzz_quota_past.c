/*
 * What Redis holds of a user's former days. The input is the day on which it is read LF the field: whatever that is,
 * there are so many days as were asked for, each with a date that follows the one before, and no sum has overflowed.
 */
#include <assert.h>
#include <string.h>

#include "quota/quota_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, day;
	struct quota_history history;
	uint64_t day_s = 0;
	char before[QUOTA_DATE_SIZE] = "";
	if (span_cut(&text, '\n', &day) && span_to_u64(day, &day_s) != STATUS_OK)
		day_s = 0;
	size_t count = 1 + size % QUOTA_HISTORY_DAYS;
	const struct quota_past past = { .day_s = day_s, .before = text };
	quota_history_of(&past, count, &history);
	assert(history.count == count);
	for (size_t i = 0; i < history.count; i++) {
		char date[QUOTA_DATE_SIZE];
		const struct quota_sent *sent = &history.days[i];
		quota_history_date(&history, i, date);
		assert(strlen(date) == QUOTA_DATE_SIZE - 1);
		assert(strcmp(before, date) < 0 || history.today < QUOTA_HISTORY_DAYS);
		memcpy(before, date, sizeof(before));
		/* Each of 64 entries has at most 2^53. */
		assert(sent->messages < UINT64_C(1) << 60 && sent->recipients < UINT64_C(1) << 60 &&
		       sent->bytes < UINT64_C(1) << 60);
	}
	return 0;
}
