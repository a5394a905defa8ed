/* The names of rotated files. Pure. */
#include <stdio.h>
#include <string.h>

#include "audit/archive/archive.h"
#include "base/clock.h"
#include "base/span.h"

#define TIME_SIZE 15 /* "20261129-203000" */

/* "20261129-203000" */
static void write_time(uint64_t s, char out_text[TIME_SIZE + 1])
{
	char text[CLOCK_TEXT_SIZE]; /* "2026-11-29T20:30:00Z" */
	clock_format_seconds(s, text);
	snprintf(out_text, TIME_SIZE + 1, "%.4s%.2s%.2s-%.2s%.2s%.2s", text, text + 5, text + 8, text + 11, text + 14,
		 text + 17);
}

static enum status read_time(struct span text, uint64_t *out_s)
{
	char form[CLOCK_TEXT_SIZE], again[TIME_SIZE + 1];
	const char *t = text.data;
	if (text.size < TIME_SIZE || t[8] != '-')
		return STATUS_INVALID;
	snprintf(form, sizeof(form), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", t, t + 4, t + 6, t + 9, t + 11, t + 13);
	TRY(clock_read_seconds(span_of(form), out_s));
	write_time(*out_s, again); /* the 60th minute is the next hour's first: not our way to write it */
	return memcmp(again, t, TIME_SIZE) == 0 ? STATUS_OK : STATUS_INVALID;
}

enum status archive_name_make(const char *base, uint64_t now_s, unsigned number, char out_name[ARCHIVE_NAME_SIZE])
{
	char time[TIME_SIZE + 1], count[16] = "";
	write_time(now_s, time);
	if (number > 1)
		snprintf(count, sizeof(count), ".%u", number);
	int size = snprintf(out_name, ARCHIVE_NAME_SIZE, "%s-%s%s", base, time, count);
	/* There must be room for what packing appends. */
	return size + (int)sizeof(".zst.partial") <= ARCHIVE_NAME_SIZE ? STATUS_OK : STATUS_TOO_LARGE;
}

static bool cut_ending(struct span *name, struct span ending)
{
	if (!span_ends_with_nocase(*name, ending))
		return false;
	name->size -= ending.size;
	return true;
}

/* "" or ".2" */
static bool is_number(struct span text)
{
	uint64_t number;
	return text.size == 0 ||
	       (text.data[0] == '.' && span_to_u64(span_slice(text, 1, text.size), &number) == STATUS_OK);
}

enum status archive_name_read(const char *name, const char *base, uint64_t *out_rotated_s, enum archive_form *out_form)
{
	struct span rest = span_of(name);
	size_t size = strlen(base);
	uint64_t rotated_s = 0;
	if (!span_starts_with(rest, span_of(base)) || rest.size <= size || rest.data[size] != '-')
		return STATUS_INVALID;
	rest = span_slice(rest, size + 1, rest.size);
	bool partial = cut_ending(&rest, SPAN(".partial"));
	bool packed = cut_ending(&rest, SPAN(".gz")) || cut_ending(&rest, SPAN(".zst"));
	TRY(read_time(rest, &rotated_s));
	if ((partial && !packed) || !is_number(span_slice(rest, TIME_SIZE, rest.size)))
		return STATUS_INVALID;
	*out_rotated_s = rotated_s;
	*out_form = partial ? ARCHIVE_PARTIAL : packed ? ARCHIVE_PACKED : ARCHIVE_PLAIN;
	return STATUS_OK;
}
