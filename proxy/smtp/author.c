/*
 * The authors in a From: field. Users may send only as themselves, and receivers
 * read this field in many ways, so what is taken is narrow: every address that stands
 * outside a quoted string is given, and every one elsewhere that a naive reader would find; a field that two readers
 * could split differently is refused.
 *
 *   me@d            me@d (Me)         Me <me@d>       "Me, too" <me@d>      =?utf-8?Q?M=C3=A9?= <me@d>
 *   you@e <me@d>    gives both        a@d, b@d        Team: a@d, b@d;       root
 *
 * It fails with STATUS_INVALID, or with its buffers.
 */
#include "smtp/author.h"

#include <string.h>

#include "smtp/address.h"
#include "smtp/header.h"
#include "smtp/naive_reader.h"

#define FOUND_MAXIMUM (10U * HEADER_MAXIMUM) /* bytes: five views, and overlaps in each */
#define LOOK_AHEAD 8                         /* addresses */

/* What was seen of a mailbox since the separator in front of it. */
struct author_entry {
	unsigned words;     /* outside brackets, without an @ */
	unsigned addresses; /* outside brackets */
	bool has_angle;
	bool has_quoted;   /* a quoted word with what looks like an address */
	bool has_open_dot; /* the last word is the first one, and begins with a dot */
	struct span word;  /* the last one */
};

struct author {
	struct span rest;
	struct author_entry entry;
	bool in_group;
	struct buf *addresses;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool has_any(struct span text, const char *set)
{
	for (size_t i = 0; i < text.size; i++) {
		if (is_one_of(text.data[i], set))
			return true;
	}
	return false;
}

static bool has_control(struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (((unsigned char)text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7F)
			return true;
	}
	return false;
}

static struct span skip_bytes(struct author *author, size_t size)
{
	struct span front = span_slice(author->rest, 0, size);
	author->rest = span_slice(author->rest, size, author->rest.size);
	return front;
}

/* ---- addresses */

/* Some readers might decode it, so no address may have one. */
static bool has_encoded_word(struct span text)
{
	return text.size >= 2 && memmem(text.data, text.size, "=?", 2) != NULL;
}

/* Quoted local parts are taken where no reader can find a border within. */
static bool is_plain_local(struct span local)
{
	return local.data[0] != '"' || !has_any(span_slice(local, 1, local.size - 1), "@<>()[],;:\\\" \t");
}

/* "root", as programs on UNIX write. */
static bool is_bare_name(struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (c <= ' ' || c > '~' || is_one_of(c, "\"()<>[]:;@\\,"))
			return false;
	}
	return text.size > 0 && text.size <= ADDRESS_MAXIMUM;
}

static enum status emit_address(struct author *author, struct span address)
{
	struct mailbox mailbox;
	if (has_encoded_word(address))
		return STATUS_INVALID;
	if (!is_bare_name(address)) {
		TRY(address_read(address, true, &mailbox));
		if (!is_plain_local(mailbox.local))
			return STATUS_INVALID;
	}
	TRY(buf_append(author->addresses, address));
	return buf_append_byte(author->addresses, '\n');
}

/* ---- the parts of a mailbox */

/* All readers agree where a comment ends only if there is no comment, quote or address in it. */
static enum status skip_comment(struct author *author)
{
	size_t end = span_find_byte(author->rest, ')');
	if (end == author->rest.size || author->entry.has_open_dot)
		return STATUS_INVALID;
	struct span comment = skip_bytes(author, end + 1);
	return has_any(span_slice(comment, 1, end), "(\"@<>\\") ? STATUS_INVALID : STATUS_OK;
}

/* <me@d>; a route (RFC 5322, 4.4) is no address for address_read, and so refused. */
static enum status read_angle(struct author *author)
{
	size_t end = span_find_byte(author->rest, '>');
	if (end == author->rest.size || author->entry.has_angle)
		return STATUS_INVALID;
	struct span address = span_trim(span_slice(skip_bytes(author, end + 1), 1, end));
	author->entry.has_angle = true;
	return emit_address(author, address);
}

/* The quoted string at the front of `text`, quotes included; 0 when it does not end. */
static size_t measure_quoted(struct span text)
{
	for (size_t i = 1; i < text.size; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '"')
			return i + 1;
	}
	return 0;
}

/*
 * The size of a word at the front of `text`: atoms and quoted strings with nothing between them. 0: a quote is not
 * closed. *out_has_at: there is an @ outside quotes.
 */
static size_t measure_word(struct span text, bool *out_has_at)
{
	size_t at = 0;
	bool has_at = false;
	while (at < text.size && !is_blank(text.data[at])) {
		struct span rest = span_slice(text, at, text.size);
		size_t size = 1;
		if (*rest.data == '"')
			size = measure_quoted(rest);
		else if (*rest.data == '[' && at && text.data[at - 1] == '@')
			size = span_find_byte(rest, ']') + 1; /* a literal may hold colons */
		else if (is_one_of(*rest.data, "()<>[],;:\\"))
			break;
		if (size == 0 || size > rest.size)
			return 0;
		has_at |= *rest.data == '@';
		at += size;
	}
	*out_has_at = has_at;
	return at;
}

static bool is_dots(struct span word)
{
	for (size_t i = 0; i < word.size; i++) {
		if (word.data[i] != '.')
			return false;
	}
	return true;
}

/*
 * To some readers a dot begins no word, and what follows it is a mailbox or nothing: ". Ceo <me@d>", ".ceo <me@d>".
 * ".NET Team" is a name to all.
 */
static enum status check_dots(struct author_entry *entry, struct span word)
{
	bool begins_with_dot = word.data[0] == '.';
	if (is_dots(word) || (entry->has_open_dot && (begins_with_dot || word.data[0] == '"')))
		return STATUS_INVALID;
	entry->has_open_dot = begins_with_dot && entry->words == 0;
	return STATUS_OK;
}

/* "root@web1", and not "(@jane)". */
static bool looks_like_address(struct span word)
{
	for (size_t i = 1; i < word.size; i++) {
		if (word.data[i] == '@' && !is_blank(word.data[i - 1]) && !is_one_of(word.data[i - 1], "()<>[],;:\"@"))
			return true;
	}
	return false;
}

/* Quotes with something glued to them are one word to some, and two to others. */
static bool is_glued(struct span word)
{
	bool is_quoted = word.data[0] == '"' && measure_quoted(word) == word.size;
	return !is_quoted && span_contains_byte(word, '"');
}

static enum status read_word(struct author *author)
{
	bool has_at = false;
	size_t size = measure_word(author->rest, &has_at);
	if (size == 0 || author->entry.has_angle)
		return STATUS_INVALID;
	struct span word = skip_bytes(author, size);
	if (has_at) {
		author->entry.addresses++;
		return emit_address(author, word);
	}
	if (is_glued(word))
		return STATUS_INVALID;
	TRY(check_dots(&author->entry, word));
	author->entry.words++;
	author->entry.has_quoted |= looks_like_address(word);
	author->entry.word = word;
	return STATUS_OK;
}

/* Before a bracket or a group: words, or one address. From a mixture readers make one address or another. */
static bool is_phrase(const struct author_entry *entry)
{
	if (entry->has_quoted && entry->words > 1)
		return false;
	return entry->addresses == 0 || (entry->addresses == 1 && entry->words == 0);
}

/* At a separator, and at the end. */
static enum status finish_entry(struct author *author)
{
	struct author_entry entry = author->entry;
	author->entry = (struct author_entry){ 0 };
	if (!is_phrase(&entry) || entry.has_open_dot)
		return STATUS_INVALID;
	if (entry.has_angle || entry.words + entry.addresses == 0 || entry.addresses == 1)
		return STATUS_OK;
	return entry.words == 1 && is_bare_name(entry.word) ? emit_address(author, entry.word) : STATUS_INVALID;
}

/* "Team:", with words in front of it only. */
static enum status begin_group(struct author *author)
{
	if (author->in_group || author->entry.has_angle || author->entry.has_quoted ||
	    author->entry.words + author->entry.addresses == 0)
		return STATUS_INVALID;
	author->in_group = true;
	author->entry.has_angle = true; /* a group's words are a name, as those before a bracket are */
	TRY(finish_entry(author));
	skip_bytes(author, 1);
	return STATUS_OK;
}

/* A semicolon outside a group only at the end: some clients take it for a separator, and others are confused by it. */
static enum status end_group(struct author *author)
{
	bool was_in_group = author->in_group;
	skip_bytes(author, 1);
	author->in_group = false;
	if (!was_in_group && span_trim(author->rest).size > 0)
		return STATUS_INVALID;
	return finish_entry(author);
}

static enum status read_token(struct author *author)
{
	switch (author->rest.data[0]) {
	case ' ':
	case '\t':
		skip_bytes(author, 1);
		return STATUS_OK;
	case '(':
		return skip_comment(author);
	case '<':
		return read_angle(author);
	case ':':
		return begin_group(author);
	case ';':
		return end_group(author);
	case ',':
		skip_bytes(author, 1);
		return finish_entry(author);
	default:
		return read_word(author);
	}
}

static enum status read_all(struct author *author)
{
	size_t before = buf_size(author->addresses);
	while (author->rest.size)
		TRY(read_token(author));
	TRY(finish_entry(author));
	return author->in_group || buf_size(author->addresses) == before ? STATUS_INVALID : STATUS_OK;
}

/* ---- addresses that stand where none should */

/* Whether `address` is among the next ones of `known`, which then goes on after it. */
static bool skip_known(struct span *known, struct span address)
{
	struct span rest = *known;
	struct span next;
	for (unsigned i = 0; i < LOOK_AHEAD && span_cut(&rest, '\n', &next); i++) {
		if (address_equal(next, address)) {
			*known = rest;
			return true;
		}
	}
	return false;
}

/*
 * Those of `found` that are not among the ones since `before`, or twice in it; both are in the field's order. An
 * address given twice does no harm.
 */
static enum status emit_found(struct author *author, struct span found, size_t before)
{
	struct buf open BUF_AUTO;
	struct span address, known, all;
	buf_init(&open, HEADER_MAXIMUM);
	TRY(buf_append(&open, span_slice(buf_span(author->addresses), before, buf_size(author->addresses))));
	known = all = buf_span(&open);
	while (found.size && span_cut(&found, '\n', &address)) {
		struct span again = all;
		if (!skip_known(&known, address) && !skip_known(&again, address))
			TRY(emit_address(author, address));
	}
	return STATUS_OK;
}

static enum status read_as_naive(struct author *author, struct span value, size_t before)
{
	struct buf found BUF_AUTO;
	buf_init(&found, FOUND_MAXIMUM);
	enum status status = naive_reader_find(value, &found);
	if (status == STATUS_OK)
		status = emit_found(author, buf_span(&found), before);
	return status == STATUS_TOO_LARGE ? STATUS_INVALID : status;
}

enum status author_read(struct span value, struct buf *addresses)
{
	struct author author = { .rest = value, .addresses = addresses };
	size_t before = buf_size(addresses);
	if (has_control(value))
		return STATUS_INVALID;
	TRY(read_all(&author));
	return read_as_naive(&author, value, before);
}
