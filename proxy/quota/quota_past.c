/*
 * What was sent on days that are over, as the user's hash has it (past.lua). A day counts by the date of its middle, so
 * that one that began by another node's midnight is the date that it is there; two of one date count together. Pure.
 */
#include <string.h>
#include <time.h>

#include "quota/quota_private.h"

#define NUMBERS 4 /* of an entry: the day, messages, recipients, bytes */
#define DAY_S 86400
#define HALF_DAY_S 43200
#define ENTRIES_MAXIMUM 64                  /* of a field; there are fewer, unless somebody else wrote it */
#define NUMBER_MAXIMUM (UINT64_C(1) << 53)  /* what Redis's scripts count exactly */
#define LATEST_DAY_S UINT64_C(253402000000) /* of the year 9999, whose dates have ten letters in any zone */

/* The date of a day that began then, in days since 1970. */
static uint64_t date_of(uint64_t begins_s)
{
	time_t middle = (time_t)(begins_s < LATEST_DAY_S ? begins_s : LATEST_DAY_S) + HALF_DAY_S;
	struct tm local;
	localtime_r(&middle, &local);
	struct tm date = { .tm_year = local.tm_year, .tm_mon = local.tm_mon, .tm_mday = local.tm_mday };
	time_t midnight = timegm(&date);
	return midnight > 0 ? (uint64_t)midnight / DAY_S : 0;
}

void quota_history_date(const struct quota_history *history, size_t index, char out_date[QUOTA_DATE_SIZE])
{
	uint64_t back = history->count - 1 - index;
	time_t midnight = (time_t)((history->today > back ? history->today - back : 0) * DAY_S);
	struct tm date;
	gmtime_r(&midnight, &date);
	if (strftime(out_date, QUOTA_DATE_SIZE, "%Y-%m-%d", &date) == 0)
		out_date[0] = '\0';
}

static bool read_entry(struct span entry, uint64_t out_numbers[NUMBERS])
{
	struct span part;
	for (size_t i = 0; i < NUMBERS; i++) {
		if (!span_cut(&entry, ' ', &part) || span_to_u64(part, &out_numbers[i]) != STATUS_OK ||
		    out_numbers[i] > NUMBER_MAXIMUM)
			return false;
	}
	return entry.size == 0;
}

/* Adds what was sent on a day that began then, if it is one of the history's. */
static void add_day(struct quota_history *history, uint64_t begins_s, const struct quota_sent *sent)
{
	uint64_t date = date_of(begins_s);
	if (date > history->today || history->today - date >= history->count)
		return;
	struct quota_sent *day = &history->days[history->count - 1 - (size_t)(history->today - date)];
	day->messages += sent->messages;
	day->recipients += sent->recipients;
	day->bytes += sent->bytes;
}

static void add_days_before(struct quota_history *history, struct span before)
{
	struct span entry, version;
	uint64_t numbers[NUMBERS];
	if (!span_cut(&before, ' ', &version) || !span_equal(version, SPAN("1")))
		return;
	for (size_t i = 0; i < ENTRIES_MAXIMUM && span_cut(&before, ';', &entry); i++) {
		if (!read_entry(entry, numbers))
			continue;
		const struct quota_sent sent = { numbers[1], numbers[2], numbers[3] };
		add_day(history, numbers[0], &sent);
	}
}

void quota_history_of(const struct quota_past *past, size_t days, struct quota_history *out_history)
{
	out_history->today = date_of(past->day_s);
	out_history->count = days < QUOTA_HISTORY_DAYS ? days : QUOTA_HISTORY_DAYS;
	memset(out_history->days, 0, sizeof(out_history->days));
	add_days_before(out_history, past->before);
	add_day(out_history, past->day_s, &past->today);
}
