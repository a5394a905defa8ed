/* Finds what is to be changed with the scanner, whose text has the file's bytes at the file's places. Owns nothing. */
#include "config/edit.h"

#include <string.h>

#include "base/ascii.h"
#include "config/scan.h"

enum status edit_quote(struct span value, struct buf *text)
{
	for (size_t i = 0; i < value.size; i++) {
		bool is_variable = value.data[i] == '$' && i + 1 < value.size && value.data[i + 1] == '{';
		if (ascii_is_control(value.data[i]) || is_variable)
			return STATUS_INVALID;
	}
	TRY(buf_append_byte(text, '"'));
	for (size_t i = 0; i < value.size; i++) {
		if (value.data[i] == '"' || value.data[i] == '\\')
			TRY(buf_append_byte(text, '\\'));
		TRY(buf_append_byte(text, value.data[i]));
	}
	return buf_append_byte(text, '"');
}

static enum status scan_silently(const struct buf *text, struct scan *out_scan)
{
	struct faults faults FAULTS_AUTO = { 0 };
	return scan_text(buf_span(text), &faults, out_scan);
}

/* `bytes` in the place of those from `from` to `to`. */
static enum status replace_bytes(struct buf *text, size_t from, size_t to, struct span bytes)
{
	struct span old = buf_span(text);
	struct buf made;
	buf_init(&made, text->maximum);
	enum status status = buf_append(&made, span_slice(old, 0, from));
	if (status == STATUS_OK)
		status = buf_append(&made, bytes);
	if (status == STATUS_OK)
		status = buf_append(&made, span_slice(old, to, old.size));
	if (status != STATUS_OK) {
		buf_free(&made);
		return status;
	}
	buf_free(text);
	*text = made;
	return STATUS_OK;
}

/* PLACE_TOP for the top level, PLACE_NONE for a section that is not there. */
static size_t find_section(const struct scan *scan, const char *section, const char *title)
{
	if (*section == '\0')
		return PLACE_TOP;
	return scan_find_section(scan, span_of(section), span_of(title));
}

/* ---- lines */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static size_t line_begin(struct span text, size_t at)
{
	while (at > 0 && text.data[at - 1] != '\n')
		at--;
	return at;
}

/* Widens a range to its whole lines, where nothing else stands on them. */
static void widen_to_lines(struct span text, size_t *from, size_t *to)
{
	size_t first = *from, last = *to;
	while (first > 0 && is_blank(text.data[first - 1]))
		first--;
	while (last < text.size && is_blank(text.data[last]))
		last++;
	bool begins = first == 0 || text.data[first - 1] == '\n';
	bool ends = last == text.size || text.data[last] == '\n';
	if (!begins || !ends)
		return;
	*from = first;
	*to = last < text.size ? last + 1 : last;
}

/* ---- options */

static enum status append_line(struct buf *line, const char *before, const char *option, struct span value,
			       const char *after)
{
	TRY(buf_append_text(line, before));
	TRY(buf_append_text(line, option));
	TRY(buf_append_text(line, " = "));
	TRY(buf_append(line, value));
	return buf_append_text(line, after);
}

static enum status add_section(struct buf *text, const char *section, const char *title, const char *option,
			       struct span value)
{
	struct span old = buf_span(text);
	struct buf lines BUF_AUTO;
	buf_init(&lines, text->maximum);
	if (old.size)
		TRY(buf_append_text(&lines, old.data[old.size - 1] == '\n' ? "\n" : "\n\n"));
	TRY(buf_printf(&lines, "%s%s%s {\n", section, *title ? " " : "", title));
	TRY(append_line(&lines, "\t", option, value, "\n}\n"));
	return replace_bytes(text, old.size, old.size, buf_span(&lines));
}

/* Before the brace of a section that has several lines, or within one that has one. */
static enum status add_option(struct buf *text, const struct scan_place *section, const char *option, struct span value)
{
	struct span old = buf_span(text);
	size_t begin = line_begin(old, section->end);
	bool is_own_line = begin >= section->begin && span_is_empty(span_trim(span_slice(old, begin, section->end)));
	size_t at = section->end;
	struct buf line BUF_AUTO;
	buf_init(&line, text->maximum);
	if (is_own_line) {
		TRY(append_line(&line, "\t", option, value, "\n"));
		return replace_bytes(text, begin, begin, buf_span(&line));
	}
	while (at > section->begin && is_blank(old.data[at - 1]))
		at--;
	TRY(append_line(&line, at == section->begin ? " " : "  ", option, value, " "));
	return replace_bytes(text, at, section->end, buf_span(&line));
}

/* Before the first section or option, as the top level ends nowhere. */
static enum status add_top_option(struct buf *text, const struct scan *scan, const char *option, struct span value)
{
	struct span old = buf_span(text);
	size_t at = scan->count ? line_begin(old, (size_t)(scan->places[0].name.data - scan->text)) : old.size;
	bool needs_end = at == old.size && old.size && old.data[old.size - 1] != '\n';
	struct buf line BUF_AUTO;
	buf_init(&line, text->maximum);
	TRY(append_line(&line, needs_end ? "\n" : "", option, value, "\n"));
	return replace_bytes(text, at, at, buf_span(&line));
}

enum status edit_set(struct buf *text, const char *section, const char *title, const char *option, struct span value)
{
	struct scan scan SCAN_AUTO = { 0 };
	TRY(scan_silently(text, &scan));
	size_t within = find_section(&scan, section, title);
	if (within == PLACE_NONE)
		return add_section(text, section, title, option, value);
	const struct scan_place *place = scan_find_option(&scan, within, span_of(option));
	if (place)
		return replace_bytes(text, place->begin, place->end, value);
	if (within == PLACE_TOP)
		return add_top_option(text, &scan, option, value);
	return add_option(text, &scan.places[within], option, value);
}

enum status edit_unset(struct buf *text, const char *section, const char *title, const char *option)
{
	struct scan scan SCAN_AUTO = { 0 };
	TRY(scan_silently(text, &scan));
	const struct scan_place *place = scan_find_option(&scan, find_section(&scan, section, title), span_of(option));
	if (place == NULL)
		return STATUS_OK;
	size_t from = (size_t)(place->name.data - scan.text), to = place->end;
	widen_to_lines(buf_span(text), &from, &to);
	return replace_bytes(text, from, to, SPAN(""));
}

enum status edit_remove_section(struct buf *text, const char *section, const char *title)
{
	struct scan scan SCAN_AUTO = { 0 };
	TRY(scan_silently(text, &scan));
	size_t at = find_section(&scan, section, title);
	if (at == PLACE_NONE || at == PLACE_TOP)
		return STATUS_OK;
	size_t from = (size_t)(scan.places[at].name.data - scan.text), to = scan.places[at].end + 1;
	widen_to_lines(buf_span(text), &from, &to);
	return replace_bytes(text, from, to, SPAN(""));
}

bool edit_has_section(const struct buf *text, const char *section)
{
	struct scan scan SCAN_AUTO = { 0 };
	if (scan_silently(text, &scan) != STATUS_OK)
		return false;
	for (size_t i = 0; i < scan.count; i++)
		if (scan.places[i].is_section && span_equal(scan.places[i].name, span_of(section)))
			return true;
	return false;
}
