/* For tests that count by days: a zone in which the day's end is far away. */
#ifndef TESTS_WITH_NOON_H
#define TESTS_WITH_NOON_H

#include <stdio.h>
#include <time.h>

/* The name of a zone in which it is noon, or some hours later, so that no test runs into midnight. */
static inline const char *test_noon(int hours_later)
{
	static char zone[24];
	time_t now = time(NULL);
	struct tm utc;
	int offset = 12 - gmtime_r(&now, &utc)->tm_hour + hours_later;
	snprintf(zone, sizeof(zone), "Etc/GMT%+d", -offset); /* their signs are those of POSIX */
	return zone;
}

#endif
