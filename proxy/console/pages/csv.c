/* Owns nothing. */
#include "console/pages/csv.h"

#include <string.h>

#define LINE_END SPAN("\r\n")

enum csv_kind {
	CSV_MEMBER,     /* of the record */
	CSV_RECIPIENTS, /* their addresses */
	CSV_RESPONSE,   /* a member of the relay's answer */
};

static const struct {
	const char *name;
	enum csv_kind kind;
	const char *of;
} columns[] = {
	{ "time", CSV_MEMBER, "ts" },
	{ "type", CSV_MEMBER, "type" },
	{ "user", CSV_MEMBER, "user" },
	{ "client_address", CSV_MEMBER, "client_address" },
	{ "mail_from", CSV_MEMBER, "mail_from" },
	{ "recipients", CSV_RECIPIENTS, NULL },
	{ "size", CSV_MEMBER, "size" },
	{ "relay", CSV_MEMBER, "relay" },
	{ "code", CSV_RESPONSE, "code" },
	{ "answer", CSV_RESPONSE, "text" },
	{ "reason", CSV_MEMBER, "reason" },
	{ "message", CSV_MEMBER, "message" },
	{ "message_id", CSV_MEMBER, "message_id" },
	{ "session", CSV_MEMBER, "session" },
	{ "admin", CSV_MEMBER, "admin" },
	{ "command", CSV_MEMBER, "command" },
	{ "object", CSV_MEMBER, "object" },
	{ "node", CSV_MEMBER, "node" },
};

#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

static bool begins_formula(char byte)
{
	return byte && strchr("=+-@\t\r\n", byte);
}

/* At a ; or tab in some countries, where the quotes then open no cell, so that a line's end also ends the row. */
static bool may_separate(char byte)
{
	return byte && strchr(";\t\r\n", byte);
}

/* A control character is a blank: a spreadsheet may drop it. A quote at a cell's beginning may be no text of it. */
static bool may_be_skipped(char byte)
{
	return (unsigned char)byte <= ' ' || byte == 0x7f || byte == '"';
}

enum status csv_add_cell(struct span text, struct buf *out_text)
{
	bool at_beginning = true;
	TRY(buf_append_byte(out_text, '"'));
	for (size_t i = 0; i < text.size; i++) {
		char byte = text.data[i];
		bool ends_line = byte == '\n' && i > 0 && text.data[i - 1] == '\r';
		if (at_beginning && begins_formula(byte) && !ends_line)
			TRY(buf_append_byte(out_text, '\''));
		if (byte == '"')
			TRY(buf_append_byte(out_text, '"'));
		TRY(buf_append_byte(out_text, byte));
		at_beginning = may_separate(byte) || (at_beginning && may_be_skipped(byte));
	}
	return buf_append_byte(out_text, '"');
}

static struct span text_of(const json_t *value)
{
	return (struct span){ json_string_value(value), json_string_length(value) };
}

static enum status add_value(const json_t *value, struct buf *out_text)
{
	char number[24] = "";
	if (json_is_string(value))
		return csv_add_cell(text_of(value), out_text);
	if (json_is_integer(value))
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
	return csv_add_cell(span_of(number), out_text);
}

static enum status add_recipients(const json_t *record, struct buf *out_text)
{
	struct buf all BUF_AUTO;
	size_t i;
	const json_t *recipient;
	buf_init(&all, out_text->maximum);
	json_array_foreach(json_object_get(record, "rcpt_to"), i, recipient)
	{
		if (i > 0)
			TRY(buf_append_byte(&all, ' '));
		TRY(buf_append(&all, text_of(json_object_get(recipient, "address"))));
	}
	return csv_add_cell(buf_span(&all), out_text);
}

enum status csv_add_head(struct buf *out_text)
{
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (i > 0)
			TRY(buf_append_byte(out_text, ','));
		TRY(csv_add_cell(span_of(columns[i].name), out_text));
	}
	return buf_append(out_text, LINE_END);
}

enum status csv_add_record(const json_t *record, struct buf *out_text)
{
	const json_t *response = json_object_get(record, "response");
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (i > 0)
			TRY(buf_append_byte(out_text, ','));
		if (columns[i].kind == CSV_RECIPIENTS)
			TRY(add_recipients(record, out_text));
		else
			TRY(add_value(
				json_object_get(columns[i].kind == CSV_RESPONSE ? response : record, columns[i].of),
				out_text));
	}
	return buf_append(out_text, LINE_END);
}
