/* When days begin, in the configured zone. Uses the C library's time zone, which the process owns. */
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

void quota_day_beginnings(uint64_t now_s, uint64_t out_beginnings[QUOTA_DAYS])
{
	time_t now = (time_t)now_s;
	struct tm local;
	localtime_r(&now, &local);
	for (int i = 0; i < QUOTA_DAYS; i++) {
		/* Midnight of a date, whatever daylight saving does around it: mktime finds the offset. */
		struct tm day = { .tm_year = local.tm_year,
				  .tm_mon = local.tm_mon,
				  .tm_mday = local.tm_mday + i - 1,
				  .tm_isdst = -1 };
		out_beginnings[i] = (uint64_t)mktime(&day);
	}
}
