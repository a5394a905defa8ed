/* Owns nothing. Times are those of UTC, as in the audit; a browser with JavaScript shows its own beside them. */
#include "console/pages/filters.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define DAY_SIZE 10    /* bytes: 2026-11-23 */
#define MINUTE_SIZE 16 /* bytes: 2026-11-23T08:15 */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
}

enum status filter_for_url(struct span text, struct buf *out_text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (c && is_plain(c))
			TRY(buf_append_byte(out_text, c));
		else
			TRY(buf_printf(out_text, "%%%02X", (unsigned)(unsigned char)c));
	}
	return STATUS_OK;
}

static struct span text_of(const json_t *value)
{
	return (struct span){ json_string_value(value), json_string_length(value) };
}

static enum status show_plain(const json_t *value, struct buf *out_text)
{
	if (json_is_string(value))
		return buf_append(out_text, text_of(value));
	if (json_is_integer(value))
		return buf_printf(out_text, "%lld", (long long)json_integer_value(value));
	return STATUS_OK;
}

static enum status show_for_url(const json_t *value, struct buf *out_text)
{
	struct buf plain BUF_AUTO;
	buf_init(&plain, out_text->maximum);
	TRY(show_plain(value, &plain));
	return filter_for_url(buf_span(&plain), out_text);
}

/* Another address than one of https leads nowhere: a browser would run "javascript:…". */
static enum status show_link(const json_t *value, struct buf *out_text)
{
	struct span address = text_of(value);
	return buf_append(out_text, span_starts_with(address, SPAN("https://")) ? address : SPAN("#"));
}

/* RFC 3339, cut to so many bytes; of another text all. */
static enum status show_instant(const json_t *value, size_t size, struct buf *out_text)
{
	char text[CLOCK_TEXT_SIZE];
	struct span whole = text_of(value);
	if (json_is_integer(value) && json_integer_value(value) > 0) {
		clock_format_seconds((uint64_t)json_integer_value(value), text);
		whole = span_of(text);
	}
	if (whole.size < MINUTE_SIZE || whole.data[DAY_SIZE] != 'T')
		return buf_append(out_text, whole);
	TRY(buf_append(out_text, span_slice(whole, 0, DAY_SIZE)));
	if (size == DAY_SIZE)
		return STATUS_OK;
	TRY(buf_append_byte(out_text, ' '));
	TRY(buf_append(out_text, span_slice(whole, DAY_SIZE + 1, size)));
	return buf_append(out_text, SPAN(" UTC"));
}

static enum status show_time(const json_t *value, struct buf *out_text)
{
	return show_instant(value, MINUTE_SIZE, out_text);
}

static enum status show_day(const json_t *value, struct buf *out_text)
{
	return show_instant(value, DAY_SIZE, out_text);
}

/* As an attribute datetime has it. */
static enum status show_machine_time(const json_t *value, struct buf *out_text)
{
	char text[CLOCK_TEXT_SIZE];
	if (!json_is_integer(value) || json_integer_value(value) <= 0)
		return buf_append(out_text, text_of(value));
	clock_format_seconds((uint64_t)json_integer_value(value), text);
	return buf_append_text(out_text, text);
}

static enum status show_bytes(const json_t *value, struct buf *out_text)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB" };
	double size = json_number_value(value);
	size_t unit = 0;
	for (; size >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		size /= 1024;
	return buf_printf(out_text, unit && size < 10 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

/* As it is, on several lines. */
static enum status show_json(const json_t *value, struct buf *out_text)
{
	char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
	enum status status = text ? buf_append_text(out_text, text) : STATUS_NO_MEMORY;
	free(text);
	return status;
}

static enum status show_count(const json_t *value, struct buf *out_text)
{
	return buf_printf(out_text, "%zu", json_array_size(value));
}

static const struct {
	const char *name;
	enum status (*show)(const json_t *value, struct buf *out_text);
} filters[] = {
	{ "", show_plain },      { "query", show_for_url }, { "link", show_link },
	{ "time", show_time },   { "day", show_day },       { "machine", show_machine_time },
	{ "bytes", show_bytes }, { "count", show_count },   { "json", show_json },
};

enum status filter_value(struct span name, const json_t *value, struct buf *out_text)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (span_equal(name, span_of(filters[i].name)))
			return filters[i].show(value, out_text);
	return STATUS_INVALID;
}
