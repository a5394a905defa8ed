/*
 * Chunks made wire form, a line at a time. Owns nothing; fails when its output
 * has no room. A CR at the end of the octets is held back in the state alone,
 * so the output does not depend on how the message was cut.
 */
#include "smtp/chunk.h"

#include "smtp/wire.h"

enum status chunk_read(struct span argument, struct chunk_announcement *out_announcement)
{
	struct chunk_announcement announcement = { 0 };
	struct span number = span_slice(argument, 0, span_find_byte(argument, ' '));
	struct span rest = span_trim(span_slice(argument, number.size, argument.size));
	announcement.is_last = span_equal_nocase(rest, SPAN("LAST"));
	if (!span_is_empty(rest) && !announcement.is_last)
		return STATUS_INVALID;
	TRY(span_to_u64(number, &announcement.size));
	*out_announcement = announcement;
	return STATUS_OK;
}

/* ---- lines */

static enum status end_line(struct chunk_scanner *scanner, struct buf *out)
{
	TRY(buf_append(out, SPAN("\r\n")));
	scanner->state = WIRE_LINE;
	scanner->size += 2;
	return STATUS_OK;
}

/* `text` has no LF; a dot at its front is stuffed where a line begins. */
static enum status add_text(struct chunk_scanner *scanner, struct span text, struct buf *out)
{
	if (span_is_empty(text))
		return STATUS_OK;
	if (span_contains_byte(text, '\r') || span_contains_byte(text, '\0')) {
		scanner->has_cr_or_nul = true;
		return STATUS_OK;
	}
	if (scanner->state == WIRE_LINE && text.data[0] == '.')
		TRY(buf_append_byte(out, '.'));
	TRY(buf_append(out, text));
	scanner->state = WIRE_TEXT;
	scanner->size += text.size;
	return STATUS_OK;
}

/* A line, or what there is of one: `octets` up to its LF, or to the end. */
static enum status add_line(struct chunk_scanner *scanner, struct span octets, struct buf *out)
{
	size_t feed = span_find_byte(octets, '\n');
	struct span text = span_slice(octets, 0, feed);
	bool ends = feed < octets.size;
	if (scanner->state == WIRE_CR && feed > 0) {
		scanner->has_cr_or_nul = true;
		return STATUS_OK;
	}
	bool has_cr = text.size && text.data[text.size - 1] == '\r';
	text.size -= has_cr;
	TRY(add_text(scanner, text, out));
	if (scanner->has_cr_or_nul)
		return STATUS_OK;
	if (ends)
		return end_line(scanner, out);
	if (has_cr)
		scanner->state = WIRE_CR;
	return STATUS_OK;
}

/* ---- chunks */

enum status chunk_scan(struct chunk_scanner *scanner, struct span octets, struct buf *out)
{
	while (!span_is_empty(octets)) {
		size_t size = span_find_byte(octets, '\n') + 1;
		struct span line = span_slice(octets, 0, size);
		if (!scanner->has_cr_or_nul)
			TRY(add_line(scanner, line, out));
		if (scanner->has_cr_or_nul)
			scanner->size += line.size;
		octets = span_slice(octets, line.size, octets.size);
	}
	return STATUS_OK;
}

enum status chunk_scan_end(struct chunk_scanner *scanner, struct buf *out)
{
	if (scanner->state == WIRE_CR)
		scanner->has_cr_or_nul = true;
	if (scanner->has_cr_or_nul || scanner->state == WIRE_LINE)
		return STATUS_OK;
	return end_line(scanner, out);
}
