/*
 * The header of a message: where it ends, and what it says. It is read in wire form, so the dot stuffed in front of a
 * line is taken off before the line is looked at: the upstream will do so too, and ".From: you@example.com" is a From
 * field.
 *
 * Pure but for the buffers given; a From: field is unfolded into a buffer of its own.
 */
#include "smtp/header.h"

#include "smtp/author.h"
#include "smtp/body.h"
#include "smtp/header_field.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The line at the front of `bytes`, as a reader sees it: without its end and the stuffed dot. *out_used: its bytes. */
static struct span front_line(struct span bytes, size_t *out_used)
{
	size_t end = span_find_byte(bytes, '\n');
	struct span line = span_slice(bytes, 0, end);
	*out_used = end < bytes.size ? end + 1 : end;
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	return line.size && line.data[0] == '.' ? span_slice(line, 1, line.size) : line;
}

/*
 * The field's name, blanks before the colon left out (RFC 5322, 4.5). Empty: the line is no field. Bytes above 127
 * pass, as they do in real mail.
 */
static struct span field_name(struct span line)
{
	size_t colon = span_find_byte(line, ':');
	struct span name = span_trim(span_slice(line, 0, colon));
	if (colon == line.size || (line.size && is_blank(line.data[0])))
		return span_slice(line, 0, 0);
	for (size_t i = 0; i < name.size; i++) {
		unsigned char c = (unsigned char)name.data[i];
		if (c <= ' ' || c == 0x7F)
			return span_slice(line, 0, 0);
	}
	return name;
}

static bool is_continuation(struct span line)
{
	return line.size && is_blank(line.data[0]);
}

/*
 * "From root Mon Nov 23 08:00:00 2026", or ">From …": how mailbox files begin a message (RFC 4155). "From : me@d" is
 * a field.
 */
static bool is_mbox_line(struct span line)
{
	bool begins = span_starts_with(line, SPAN("From ")) || span_starts_with(line, SPAN(">From "));
	return begins && field_name(line).size == 0;
}

enum status header_measure_mbox(struct span bytes, bool complete, size_t *out_size)
{
	size_t at = 0;
	for (;;) {
		size_t used;
		struct span rest = span_slice(bytes, at, bytes.size);
		struct span line = front_line(rest, &used);
		if (!complete && (rest.size == 0 || rest.data[used - 1] != '\n'))
			return bytes.size > HEADER_MAXIMUM ? STATUS_TOO_LARGE : STATUS_AGAIN;
		if (!is_mbox_line(line)) {
			*out_size = field_name(line).size ? at : 0;
			return STATUS_OK;
		}
		at += used;
	}
}

enum status header_find_end(struct span bytes, bool complete, size_t *out_size)
{
	size_t at = 0;
	while (at < bytes.size && at <= HEADER_MAXIMUM) {
		size_t used;
		struct span rest = span_slice(bytes, at, bytes.size);
		struct span line = front_line(rest, &used);
		if (!complete && rest.data[used - 1] != '\n')
			break;
		if (field_name(line).size == 0 && !(at && is_continuation(line))) {
			*out_size = at;
			return STATUS_OK;
		}
		at += used;
	}
	if (at > HEADER_MAXIMUM || (!complete && bytes.size > HEADER_MAXIMUM))
		return STATUS_TOO_LARGE;
	if (!complete)
		return STATUS_AGAIN;
	*out_size = at;
	return STATUS_OK;
}

/* ---- fields */

enum status header_field_take(struct span *rest, struct header_field *out_field)
{
	size_t size;
	if (rest->size == 0)
		return STATUS_END;
	struct header_field field = { .name = field_name(front_line(*rest, &size)) };
	if (field.name.size == 0)
		return STATUS_INVALID;
	while (size < rest->size) {
		size_t used;
		if (!is_continuation(front_line(span_slice(*rest, size, rest->size), &used)))
			break;
		size += used;
	}
	field.lines = span_slice(*rest, 0, size);
	*rest = span_slice(*rest, size, rest->size);
	*out_field = field;
	return STATUS_OK;
}

bool header_field_is(struct span name, struct span wanted)
{
	size_t at = 0;
	for (size_t i = 0; i < name.size; i++) {
		if ((unsigned char)name.data[i] >= 0x80)
			continue;
		if (at == wanted.size || !span_equal_nocase(span_slice(name, i, i + 1), span_slice(wanted, at, at + 1)))
			return false;
		at++;
	}
	return at == wanted.size;
}

enum status header_field_unfold(const struct header_field *field, struct buf *value)
{
	size_t used;
	struct span rest = field->lines;
	struct span line = front_line(rest, &used);
	line = span_slice(line, span_find_byte(line, ':') + 1, line.size);
	for (;;) {
		TRY(buf_append(value, line));
		rest = span_slice(rest, used, rest.size);
		if (rest.size == 0)
			return STATUS_OK;
		line = front_line(rest, &used);
	}
}

static enum status read_addresses(const struct header_field *field, struct buf *addresses)
{
	struct buf value BUF_AUTO;
	buf_init(&value, HEADER_MAXIMUM);
	TRY(header_field_unfold(field, &value));
	return author_read(buf_span(&value), addresses);
}

/* <…> where it stands on one line, without blanks; else empty. */
static struct span find_message_id(const struct header_field *field)
{
	struct span value = span_slice(field->lines, span_find_byte(field->lines, ':') + 1, field->lines.size);
	struct span from = span_slice(value, span_find_byte(value, '<'), value.size);
	struct span id = span_slice(from, 0, span_find_byte(from, '>') + 1);
	for (size_t i = 0; i < id.size; i++) {
		if (id.data[i] <= ' ' || id.data[i] > '~')
			return span_slice(id, 0, 0);
	}
	return id.size && id.data[id.size - 1] == '>' ? id : span_slice(id, 0, 0);
}

/* What a field adds to the facts, and to the authors. */
static enum status read_field(const struct header_field *field, struct header_facts *facts, struct buf *addresses)
{
	if (header_field_is(field->name, SPAN("From"))) {
		facts->from_count++;
		return read_addresses(field, addresses);
	}
	if (header_field_is(field->name, SPAN("Date")))
		facts->has_date = true;
	if (header_field_is(field->name, SPAN("Received")))
		facts->received_count++;
	if (header_field_is(field->name, SPAN("Message-ID"))) {
		facts->message_id = facts->has_message_id ? facts->message_id : find_message_id(field);
		facts->has_message_id = true;
	}
	return STATUS_OK;
}

static bool has_high_byte(struct span bytes)
{
	unsigned char all = 0;
	for (size_t i = 0; i < bytes.size; i++)
		all |= (unsigned char)bytes.data[i];
	return all >= 0x80;
}

static enum status check_wire_form(struct span header)
{
	struct body_check check = { 0 };
	TRY(body_check_feed(&check, header));
	return body_check_finish(&check);
}

/* All fields, even after a fault: the facts are told in any case. The first fault is the answer. */
static enum status read_fields(struct span header, struct header_facts *facts, struct buf *addresses)
{
	struct header_field field;
	enum status result = check_wire_form(header);
	for (;;) {
		enum status status = header_field_take(&header, &field);
		if (status == STATUS_OK)
			status = read_field(&field, facts, addresses);
		else
			header.size = 0;
		if (status == STATUS_END)
			return result;
		result = result == STATUS_OK ? status : result;
	}
}

/* All but the last LF. */
static enum status append_list(struct buf *addresses, const struct buf *found)
{
	struct span list = buf_span(found);
	return buf_append(addresses, span_slice(list, 0, list.size ? list.size - 1 : 0));
}

enum status header_read(struct span header, struct header_facts *out_facts, struct buf *addresses)
{
	struct buf found BUF_AUTO; /* each address followed by LF */
	struct header_facts facts = { .is_8bit = has_high_byte(header) };
	buf_init(&found, HEADER_MAXIMUM);
	enum status status = read_fields(header, &facts, &found);
	*out_facts = facts;
	TRY(status);
	return append_list(addresses, &found);
}

static bool is_sender(struct span name)
{
	return header_field_is(name, SPAN("Sender")) || header_field_is(name, SPAN("Resent-From")) ||
	       header_field_is(name, SPAN("Resent-Sender"));
}

enum status header_read_senders(struct span header, struct buf *addresses)
{
	struct buf found BUF_AUTO;
	struct header_field field;
	enum status status;
	buf_init(&found, HEADER_MAXIMUM);
	while ((status = header_field_take(&header, &field)) == STATUS_OK) {
		if (is_sender(field.name))
			TRY(read_addresses(&field, &found));
	}
	return status == STATUS_END ? append_list(addresses, &found) : status;
}
