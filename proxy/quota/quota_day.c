/* When days begin, in the configured zone. Uses the C library's time zone, which the process owns. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "quota/quota_private.h"

#define ZONE_FOLDER "/usr/share/zoneinfo/"

enum status quota_day_set_zone(const char *zone)
{
	char path[256];
	struct span name = span_of(zone);
	if (name.size == 0 || zone[0] == '/' || strstr(zone, "..") || name.size > 200)
		return STATUS_INVALID;
	snprintf(path, sizeof(path), ZONE_FOLDER "%s", zone);
	if (!span_equal(name, SPAN("UTC")) && access(path, R_OK) != 0)
		return STATUS_INVALID;
	if (setenv("TZ", zone, 1) != 0)
		return STATUS_NO_MEMORY;
	tzset();
	return STATUS_OK;
}

void quota_day_numbers(uint64_t now_s, uint64_t out_numbers[QUOTA_DAY_NUMBERS])
{
	time_t now = (time_t)now_s;
	struct tm local;
	localtime_r(&now, &local);
	out_numbers[0] = now_s;
	for (int i = 1; i < QUOTA_DAY_NUMBERS; i++) {
		/* Midnight of a date, whatever daylight saving does around it: mktime finds the offset. */
		struct tm day = { .tm_year = local.tm_year,
				  .tm_mon = local.tm_mon,
				  .tm_mday = local.tm_mday + i - 2,
				  .tm_isdst = -1 };
		out_numbers[i] = (uint64_t)mktime(&day);
	}
}

/* mktime is slow, and these numbers stay the same for all of a day. */
struct span quota_days_text(struct quota_days *days, uint64_t now_s)
{
	uint64_t numbers[QUOTA_DAY_NUMBERS];
	if (now_s < days->from_s || now_s >= days->until_s) {
		quota_day_numbers(now_s, numbers);
		days->from_s = numbers[QUOTA_DAY_TODAY];
		days->until_s = numbers[QUOTA_DAY_TODAY + 1];
		snprintf(days->text, sizeof(days->text),
			 "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, numbers[1], numbers[2],
			 numbers[3], numbers[4], numbers[5], numbers[6]);
	}
	return span_of(days->text);
}
