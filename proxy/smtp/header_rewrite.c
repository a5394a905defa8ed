/*
 * Another author for a header. Pure. From: fields were checked by the gate, so that readers agree about them; where
 * they were not (sender.header is off or audit), unreadable ones are left out and nothing of them goes elsewhere.
 */
#include "smtp/address.h"
#include "smtp/author.h"
#include "smtp/header.h"
#include "smtp/header_field.h"

#define NAME_MAXIMUM 900  /* bytes of a display name that is kept: a line has 998, RFC 5322, 2.1.1 */
#define LINE_PREFERRED 78 /* the same */

struct header_rewriting {
	struct span account;
	bool has_reply_to;
	bool has_author; /* written already */
	struct buf *out;
};

static bool is_from(const struct header_field *field)
{
	return header_field_is(field->name, SPAN("From"));
}

/* ---- what stood there */

static enum status read_authors(const struct header_field *field, struct buf *addresses)
{
	struct buf value BUF_AUTO;
	buf_init(&value, HEADER_MAXIMUM);
	TRY(header_field_unfold(field, &value));
	return author_read(buf_span(&value), addresses);
}

/* `count`: how many there are; *out_foreign: one of them is not the account. */
static size_t count_authors(struct span list, struct span account, bool *out_foreign)
{
	struct span address;
	size_t count = 0;
	*out_foreign = false;
	while (list.size && span_cut(&list, '\n', &address)) {
		count += address.size > 0;
		*out_foreign |= address.size > 0 && !address_equal(address, account);
	}
	return count;
}

/* Whether anything has to change. */
static enum status look_for_changes(struct span header, struct header_rewriting *rewriting, bool *out_changes)
{
	struct header_field field;
	unsigned authors = 0;
	bool changes = false;
	while (header_field_take(&header, &field) == STATUS_OK) {
		struct buf addresses BUF_AUTO;
		bool is_foreign;
		buf_init(&addresses, HEADER_MAXIMUM);
		rewriting->has_reply_to |= header_field_is(field.name, SPAN("Reply-To"));
		if (!is_from(&field))
			continue;
		authors++;
		enum status status = read_authors(&field, &addresses);
		if (status == STATUS_NO_MEMORY)
			return status;
		(void)count_authors(buf_span(&addresses), rewriting->account, &is_foreign);
		changes |= status != STATUS_OK || is_foreign;
	}
	*out_changes = changes || authors != 1;
	return STATUS_OK;
}

/* ---- what is written instead */

/* A list's or a group's separators outside quotes: what stands there is more than a name. */
static bool is_one_name(struct span name)
{
	bool in_quotes = false;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		if (c == '\\')
			i++;
		else if (c == '"')
			in_quotes = !in_quotes;
		else if (!in_quotes && (c == ':' || c == ';' || c == ',' || c == '<' || c == '>'))
			return false;
	}
	return name.size <= NAME_MAXIMUM;
}

/* The name in front of the brackets of the only author; empty: there is none that can be kept. */
static struct span name_of(struct span value, size_t authors)
{
	size_t bracket = value.size;
	while (bracket > 0 && value.data[bracket - 1] != '<')
		bracket--;
	struct span name = bracket ? span_trim(span_slice(value, 0, bracket - 1)) : (struct span){ 0 };
	return authors == 1 && is_one_name(name) ? name : (struct span){ 0 };
}

/* Leaves the name out if readers could disagree about it in front of the account. */
static enum status keep_readable(struct span account, struct span *name)
{
	struct buf value BUF_AUTO;
	struct buf addresses BUF_AUTO;
	buf_init(&value, HEADER_MAXIMUM);
	buf_init(&addresses, HEADER_MAXIMUM);
	TRY(buf_append(&value, *name));
	TRY(buf_printf(&value, " <%.*s>", SPAN_ARGS(account)));
	enum status status = author_read(buf_span(&value), &addresses);
	if (status != STATUS_OK)
		*name = (struct span){ 0 };
	return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

static enum status write_author(struct header_rewriting *rewriting, struct span name)
{
	struct buf *out = rewriting->out;
	rewriting->has_author = true;
	TRY(buf_append_text(out, "From: "));
	TRY(buf_append(out, name));
	if (name.size)
		TRY(buf_append_text(out, name.size + rewriting->account.size > LINE_PREFERRED - 9 ? "\r\n " : " "));
	TRY(buf_append_byte(out, '<'));
	TRY(buf_append(out, rewriting->account));
	return buf_append_text(out, ">\r\n");
}

/* The field under its other name, byte by byte: what is a list of authors is one of addresses to reply to. */
static enum status write_reply_to(struct header_rewriting *rewriting, const struct header_field *field)
{
	size_t colon = span_find_byte(field->lines, ':');
	if (rewriting->has_reply_to)
		return STATUS_OK;
	rewriting->has_reply_to = true;
	TRY(buf_append_text(rewriting->out, "Reply-To"));
	return buf_append(rewriting->out, span_slice(field->lines, colon, field->lines.size));
}

static enum status replace_author(struct header_rewriting *rewriting, const struct header_field *field)
{
	struct buf value BUF_AUTO;
	struct buf addresses BUF_AUTO;
	bool is_foreign;
	buf_init(&value, HEADER_MAXIMUM);
	buf_init(&addresses, HEADER_MAXIMUM);
	if (rewriting->has_author)
		return STATUS_OK; /* a second one is left out */
	TRY(header_field_unfold(field, &value));
	enum status status = author_read(buf_span(&value), &addresses);
	if (status == STATUS_NO_MEMORY)
		return status;
	if (status != STATUS_OK)
		return write_author(rewriting, (struct span){ 0 });
	size_t authors = count_authors(buf_span(&addresses), rewriting->account, &is_foreign);
	struct span name = name_of(buf_span(&value), authors);
	TRY(keep_readable(rewriting->account, &name));
	TRY(write_author(rewriting, name));
	return write_reply_to(rewriting, field);
}

enum status header_rewrite_sender(struct span header, struct span account, struct buf *out)
{
	struct header_rewriting rewriting = { .account = account, .out = out };
	struct header_field field;
	bool changes;
	TRY(look_for_changes(header, &rewriting, &changes));
	if (!changes)
		return buf_append(out, header);
	struct span rest = header;
	while (header_field_take(&rest, &field) == STATUS_OK) {
		if (is_from(&field))
			TRY(replace_author(&rewriting, &field));
		else if (!header_field_is(field.name, SPAN("Sender")))
			TRY(buf_append(out, field.lines));
	}
	if (!rewriting.has_author)
		TRY(write_author(&rewriting, (struct span){ 0 }));
	return STATUS_OK;
}
