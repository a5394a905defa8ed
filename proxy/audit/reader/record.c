/* Looks at lines as bytes. Time and type are among a record's first members (audit_record.c). Pure. */
#include "audit/reader/record.h"

#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/json_text.h"

#define EARLY_SIZE 256 /* bytes in which time and type stand */

/* Of a time: '0' stands for any digit. */
static const char time_form[] = "0000-00-00T00:00:00.000000Z";

/* The text of a member that stands among the first. Within a text there are no bare quotes, so no other is found. */
static struct span read_early(struct span line, struct span name)
{
	struct span early = span_slice(line, 0, EARLY_SIZE);
	const char *at = early.size ? memmem(early.data, early.size, name.data, name.size) : NULL;
	if (at == NULL)
		return (struct span){ 0 };
	struct span value = span_trim(span_slice(early, (size_t)(at - early.data) + name.size, early.size));
	if (!span_starts_with(value, SPAN("\"")))
		return (struct span){ 0 };
	value = span_slice(value, 1, value.size);
	size_t end = span_find_byte(value, '"');
	return end < value.size ? span_slice(value, 0, end) : (struct span){ 0 };
}

static bool is_time(struct span text)
{
	bool fits = text.size == sizeof(time_form) - 1;
	for (size_t i = 0; fits && i < text.size; i++)
		fits = time_form[i] == '0' ? ascii_is_digit(text.data[i]) : text.data[i] == time_form[i];
	return fits;
}

enum status record_read_time(struct span line, struct span *out_ts)
{
	struct span ts = read_early(line, SPAN("\"ts\":"));
	if (!is_time(ts))
		return STATUS_INVALID;
	*out_ts = ts;
	return STATUS_OK;
}

struct span record_read_type(struct span line)
{
	return read_early(line, SPAN("\"type\":"));
}

struct span record_read_node(struct span line)
{
	return read_early(line, SPAN("\"node\":"));
}

/* How rare a byte is in records, so that few places need a closer look. */
static int rate_byte(char c)
{
	if (c == '@' || c == '<' || c == '/' || (unsigned char)c > 127)
		return 3;
	if (ascii_is_letter(c))
		return 0; /* two bytes to look for */
	return ascii_is_digit(c) || c == '"' || c == ':' || c == ',' || c == '.' ? 1 : 2;
}

static size_t find_anchor(struct span bytes)
{
	size_t best = 0;
	for (size_t i = 1; i < bytes.size; i++)
		if (rate_byte(bytes.data[i]) > rate_byte(bytes.data[best]))
			best = i;
	return best;
}

static bool has_at(struct span line, struct span bytes, size_t anchor, char c)
{
	const char *at = line.data + anchor;
	const char *end = line.data + line.size - (bytes.size - anchor) + 1; /* of where the anchor may stand */
	while (at < end && (at = memchr(at, c, (size_t)(end - at))) != NULL) {
		if (strncasecmp(at - anchor, bytes.data, bytes.size) == 0)
			return true;
		at++;
	}
	return false;
}

bool record_has(struct span line, struct span bytes)
{
	if (bytes.size == 0)
		return true;
	if (bytes.size > line.size)
		return false;
	size_t anchor = find_anchor(bytes);
	char c = ascii_lower(bytes.data[anchor]);
	char other = ascii_is_letter(c) ? (char)(c - 'a' + 'A') : c;
	return has_at(line, bytes, anchor, c) || (other != c && has_at(line, bytes, anchor, other));
}

enum status record_parse(struct span line, json_t **out_record)
{
	return json_parse(line, out_record);
}

const char *record_text(const json_t *record, const char *name)
{
	const char *text = json_string_value(json_object_get(record, name));
	return text ? text : "";
}
