/* Time. Locale-free, so that a record's date never changes its language. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/number.h"

uint64_t clock_monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_monotonic_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_wall_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct tm utc_of(uint64_t wall_s)
{
	time_t seconds = (time_t)wall_s;
	struct tm utc;
	gmtime_r(&seconds, &utc);
	return utc;
}

/* The years that four digits can show. */
static unsigned year_of(const struct tm *utc)
{
	return (unsigned)(utc->tm_year + 1900) % 10000U;
}

/* "2026-11-23T08:15:30"; returns its end. */
static char *write_seconds(const struct tm *utc, char *at)
{
	at = number_write_field(year_of(utc), 4, at);
	*at++ = '-';
	at = number_write_field((unsigned)utc->tm_mon + 1, 2, at);
	*at++ = '-';
	at = number_write_field((unsigned)utc->tm_mday, 2, at);
	*at++ = 'T';
	at = number_write_field((unsigned)utc->tm_hour, 2, at);
	*at++ = ':';
	at = number_write_field((unsigned)utc->tm_min, 2, at);
	*at++ = ':';
	return number_write_field((unsigned)utc->tm_sec, 2, at);
}

void clock_format_us(uint64_t wall_us, char out_text[CLOCK_TEXT_SIZE])
{
	struct tm utc = utc_of(wall_us / 1000000);
	char *at = write_seconds(&utc, out_text);
	*at++ = '.';
	at = number_write_field((unsigned)(wall_us % 1000000), 6, at);
	memcpy(at, "Z", sizeof("Z"));
}

void clock_format_seconds(uint64_t wall_s, char out_text[CLOCK_TEXT_SIZE])
{
	struct tm utc = utc_of(wall_s);
	memcpy(write_seconds(&utc, out_text), "Z", sizeof("Z"));
}

enum status clock_read_seconds(struct span text, uint64_t *out_wall_s)
{
	static const char form[] = "0000-00-00T00:00:00Z";
	static const size_t begins[6] = { 0, 5, 8, 11, 14, 17 };
	uint64_t fields[6];
	if (text.size != sizeof(form) - 1)
		return STATUS_INVALID;
	for (size_t i = 0; i < text.size; i++) {
		if (form[i] != '0' && text.data[i] != form[i])
			return STATUS_INVALID;
	}
	for (size_t i = 0; i < 6; i++)
		TRY(span_to_u64(span_slice(text, begins[i], begins[i] + (i ? 2 : 4)), &fields[i]));
	struct tm utc = { .tm_year = (int)fields[0] - 1900,
			  .tm_mon = (int)fields[1] - 1,
			  .tm_mday = (int)fields[2],
			  .tm_hour = (int)fields[3],
			  .tm_min = (int)fields[4],
			  .tm_sec = (int)fields[5] };
	struct tm normal = utc;
	time_t seconds = timegm(&normal); /* it carries over what is out of range: 31 June is 1 July */
	if (seconds < 0 || normal.tm_mon != utc.tm_mon || normal.tm_mday != utc.tm_mday || normal.tm_sec != utc.tm_sec)
		return STATUS_INVALID;
	*out_wall_s = (uint64_t)seconds;
	return STATUS_OK;
}

void clock_format_mail(uint64_t wall_us, char out_text[CLOCK_TEXT_SIZE])
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm utc = utc_of(wall_us / 1000000);
	snprintf(out_text, CLOCK_TEXT_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u +0000",
		 days[(unsigned)utc.tm_wday % 7U], (unsigned)utc.tm_mday % 100U, months[(unsigned)utc.tm_mon % 12U],
		 year_of(&utc), (unsigned)utc.tm_hour % 100U, (unsigned)utc.tm_min % 100U, (unsigned)utc.tm_sec % 100U);
}
