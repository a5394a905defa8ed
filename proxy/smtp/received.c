/*
 * The fields that we add. Each is made in a buffer of its own and appended whole; tokens are cleaned one by one, so
 * that none ends a line or a comment.
 */
#include "smtp/received.h"

#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "smtp/address.h"

#define FIELD_MAXIMUM 4096 /* bytes of one field */
#define LINE_COLUMNS 77    /* with one more for a semicolon: RFC 5322, 2.1.1 */
#define TAB_COLUMNS 8
#define HELO_MAXIMUM 64 /* bytes shown of what a client calls itself */
#define RECIPIENT_MAXIMUM 60

/* A field under way. */
struct folder {
	struct buf text;
	size_t column;
};

static bool is_name_byte(char c)
{
	return ascii_is_alphanumeric(c) || (c != '\0' && strchr(".-_:", c) != NULL);
}

/* The space in front of a token of `size` bytes, or a new line where it does not fit. */
static enum status make_room(struct folder *folder, size_t size)
{
	bool folds = folder->column + 1 + size >= LINE_COLUMNS;
	folder->column = (folds ? TAB_COLUMNS : folder->column + 1) + size;
	return buf_append(&folder->text, folds ? SPAN("\r\n\t") : SPAN(" "));
}

static enum status append_name(struct folder *folder, struct span name)
{
	for (size_t i = 0; i < name.size; i++)
		TRY(buf_append_byte(&folder->text, is_name_byte(name.data[i]) ? name.data[i] : '?'));
	return STATUS_OK;
}

/* `before`, the cleaned name and `after` as one token. */
static enum status put_token(struct folder *folder, struct span before, struct span name, struct span after)
{
	TRY(make_room(folder, before.size + name.size + after.size));
	TRY(buf_append(&folder->text, before));
	TRY(append_name(folder, name));
	return buf_append(&folder->text, after);
}

static enum status put_word(struct folder *folder, struct span word)
{
	return put_token(folder, word, SPAN(""), SPAN(""));
}

/* "from HELO ([192.0.2.1])" */
static enum status put_client(struct folder *folder, const struct received *received)
{
	struct span helo = span_slice(received->helo, 0, HELO_MAXIMUM);
	struct span client = received->client;
	bool is_v6 = span_contains_byte(client, ':');
	TRY(put_word(folder, SPAN("from")));
	TRY(put_token(folder, SPAN(""), helo.size ? helo : SPAN("unknown"), SPAN("")));
	if (client.size == 0)
		return STATUS_OK;
	return put_token(folder, is_v6 ? SPAN("([IPv6:") : SPAN("(["), client, SPAN("])"));
}

/* A recipient is shown only where it needs no quotes and fits. */
static bool is_showable(struct span recipient)
{
	struct mailbox mailbox;
	return recipient.size <= RECIPIENT_MAXIMUM && address_read(recipient, false, &mailbox) == STATUS_OK &&
	       mailbox.local.data[0] != '"';
}

static enum status put_session(struct folder *folder, const struct received *received)
{
	if (received->tls_version.size) {
		bool has_cipher = received->tls_cipher.size > 0;
		TRY(put_token(folder, SPAN("("), received->tls_version, has_cipher ? SPAN("") : SPAN(")")));
		if (has_cipher)
			TRY(put_token(folder, SPAN(""), received->tls_cipher, SPAN(")")));
	}
	if (!is_showable(received->recipient))
		return STATUS_OK;
	TRY(make_room(folder, sizeof("for <>") - 1 + received->recipient.size));
	TRY(buf_append(&folder->text, SPAN("for <")));
	TRY(buf_append(&folder->text, received->recipient)); /* address_read let nothing in that breaks out */
	return buf_append(&folder->text, SPAN(">"));
}

static enum status put_received(struct folder *folder, const struct received *received)
{
	char date[CLOCK_TEXT_SIZE];
	clock_format_mail(received->wall_us, date);
	TRY(buf_append(&folder->text, SPAN("Received:")));
	folder->column = buf_size(&folder->text);
	if (received->full)
		TRY(put_client(folder, received));
	TRY(put_word(folder, SPAN("by")));
	TRY(put_token(folder, SPAN(""), received->by, SPAN("")));
	TRY(put_word(folder, SPAN("(Subgate)")));
	/* RFC 3848, RFC 6531, 4.3: TLS and AUTH, or nobody sends here */
	TRY(put_word(folder, received->utf8 ? SPAN("with UTF8SMTPSA") : SPAN("with ESMTPSA")));
	TRY(put_token(folder, SPAN("id "), received->id, SPAN("")));
	if (received->full)
		TRY(put_session(folder, received));
	TRY(buf_append(&folder->text, SPAN(";\r\n\t")));
	TRY(buf_append_text(&folder->text, date));
	return buf_append(&folder->text, SPAN("\r\n"));
}

enum status received_write(struct buf *b, const struct received *received)
{
	struct folder folder = { 0 };
	buf_init(&folder.text, FIELD_MAXIMUM);
	enum status status = put_received(&folder, received);
	if (status == STATUS_OK)
		status = buf_append(b, buf_span(&folder.text));
	buf_free(&folder.text);
	return status;
}

enum status received_write_date(struct buf *b, uint64_t wall_us)
{
	char date[CLOCK_TEXT_SIZE];
	clock_format_mail(wall_us, date);
	return buf_printf(b, "Date: %s\r\n", date);
}

static enum status put_message_id(struct folder *folder, struct span id, struct span host)
{
	TRY(buf_append(&folder->text, SPAN("Message-ID:")));
	folder->column = buf_size(&folder->text);
	TRY(make_room(folder, sizeof("<@>") - 1 + id.size + host.size));
	TRY(buf_append(&folder->text, SPAN("<")));
	TRY(append_name(folder, id));
	TRY(buf_append(&folder->text, SPAN("@")));
	TRY(append_name(folder, host));
	return buf_append(&folder->text, SPAN(">\r\n"));
}

enum status received_write_message_id(struct buf *b, struct span id, struct span host)
{
	struct folder folder = { 0 };
	buf_init(&folder.text, FIELD_MAXIMUM);
	enum status status = put_message_id(&folder, id, host);
	if (status == STATUS_OK)
		status = buf_append(b, buf_span(&folder.text));
	buf_free(&folder.text);
	return status;
}

enum status received_write_from(struct buf *b, struct span address)
{
	struct mailbox mailbox;
	TRY(address_read(address, true, &mailbox));
	if (mailbox.domain.size == 0)
		return STATUS_INVALID;
	return buf_printf(b, "From: <%.*s>\r\n", SPAN_ARGS(address));
}
