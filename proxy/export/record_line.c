/* Nothing is parsed: quotes within texts are escaped, so a member's name with its quotes is found nowhere else. */
#include "export/record_line.h"

#include <string.h>

#include "audit/reader/record.h"

/* What follows the last such bytes; empty: they are not there. */
static struct span find_last(struct span text, struct span bytes)
{
	struct span rest = { 0 };
	const char *at;
	while (text.size && (at = memmem(text.data, text.size, bytes.data, bytes.size)) != NULL) {
		text = span_slice(text, (size_t)(at - text.data) + bytes.size, text.size);
		rest = text;
	}
	return rest;
}

static enum status read_chain(struct span text, struct record_line *line)
{
	struct span member = find_last(text, SPAN("\"chain\":{\"id\":\""));
	size_t end = span_find_byte(member, '"');
	struct span seq = span_slice(member, end, member.size);
	size_t digits = 0;
	if (end == 0 || end == member.size || !span_starts_with(seq, SPAN("\",\"seq\":")))
		return STATUS_INVALID;
	line->chain_id = span_slice(member, 0, end);
	seq = span_slice(seq, sizeof("\",\"seq\":") - 1, seq.size);
	while (digits < seq.size && seq.data[digits] >= '0' && seq.data[digits] <= '9')
		digits++;
	return span_to_u64(span_slice(seq, 0, digits), &line->chain_seq);
}

enum status record_line_read(struct span text, struct record_line *out_line)
{
	struct record_line line = { .text = text };
	/* The chain is the last member (audit_chain.c): a torn line doesn't end so. */
	if (!span_starts_with(text, SPAN("{")) || !span_ends_with_nocase(text, SPAN("}}")))
		return STATUS_INVALID;
	TRY(record_read_time(text, &line.ts));
	line.type = record_read_type(text);
	if (span_is_empty(line.type))
		return STATUS_INVALID;
	TRY(read_chain(text, &line));
	*out_line = line;
	return STATUS_OK;
}
