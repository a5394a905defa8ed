/*
 * The authors in a From: field. A user may send only as himself, and receivers
 * read this field in many ways, so what is taken is narrow: every address that stands
 * outside a quoted string is given, and a field that two readers could split differently is refused.
 *
 *   me@d            me@d (Me)         Me <me@d>       "Me, too" <me@d>      =?utf-8?Q?M=C3=A9?= <me@d>
 *   you@e <me@d>    gives both        a@d, b@d        Team: a@d, b@d;       root
 *
 * It owns a buffer for one display name; it fails with STATUS_INVALID, or with its buffers.
 */
#include "smtp/author.h"

#include <string.h>

#include "smtp/address.h"
#include "smtp/encoded_word.h"

#define DISPLAY_MAXIMUM 4096 /* bytes of one decoded display name; longer ones are nobody's */

/* What was seen of a mailbox since the separator in front of it. */
struct entry {
	unsigned words;     /* outside brackets, without an @ */
	unsigned addresses; /* outside brackets */
	bool has_angle;
	bool is_encoded;  /* a word outside quotes was encoded */
	struct span word; /* the last one */
};

struct author {
	struct span rest;
	struct entry entry;
	struct buf display; /* what a reader that decodes and unquotes too early would see */
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

static struct span skip(struct author *author, size_t size)
{
	struct span front = span_slice(author->rest, 0, size);
	author->rest = span_slice(author->rest, size, author->rest.size);
	return front;
}

/* ---- addresses */

/* What some reader might decode within an address: not to be had. */
static bool has_encoded_word(struct span text)
{
	return text.size >= 2 && memmem(text.data, text.size, "=?", 2) != NULL;
}

/* Quoted local parts are taken where no reader can find a border within. */
static bool is_plain_local(struct span local)
{
	return local.data[0] != '"' || !has_any(span_slice(local, 1, local.size - 1), "@<>()[],;:\\\"");
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

static enum status emit(struct author *author, struct span address)
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

/* Every reader finds the same end of a comment only when it nests none and holds neither quote nor address. */
static enum status skip_comment(struct author *author)
{
	size_t end = span_find_byte(author->rest, ')');
	if (end == author->rest.size)
		return STATUS_INVALID;
	struct span comment = skip(author, end + 1);
	return has_any(span_slice(comment, 1, end), "(\"@<>\\") ? STATUS_INVALID : STATUS_OK;
}

/* <me@d>; a route (RFC 5322, 4.4) is no address for address_read, and so refused. */
static enum status read_angle(struct author *author)
{
	size_t end = span_find_byte(author->rest, '>');
	if (end == author->rest.size || author->entry.has_angle)
		return STATUS_INVALID;
	struct span address = span_trim(span_slice(skip(author, end + 1), 1, end));
	author->entry.has_angle = true;
	return emit(author, address);
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

/* A word at the front of `text`: atoms and quoted strings with nothing between. *out_has_at: an @ outside quotes. 0: a quote is not closed. */
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
			size = span_find_byte(rest, ']'); /* a literal may hold colons */
		else if (is_one_of(*rest.data, "()<>,;:\\"))
			break;
		if (size == 0 || size > rest.size)
			return 0;
		has_at |= *rest.data == '@';
		at += size;
	}
	*out_has_at = has_at;
	return at;
}

static enum status read_word(struct author *author)
{
	bool has_at = false;
	size_t size = measure_word(author->rest, &has_at);
	if (size == 0 || author->entry.has_angle)
		return STATUS_INVALID;
	struct span word = skip(author, size);
	if (has_at) {
		author->entry.addresses++;
		return emit(author, word);
	}
	author->entry.words++;
	author->entry.word = word;
	author->entry.is_encoded |= word.data[0] != '"' && has_encoded_word(word);
	enum status status = encoded_word_decode(word, &author->display);
	return status == STATUS_TOO_LARGE ? STATUS_INVALID : status;
}

/* A display name may hold an @, as many do, but not what would make it an address or a list to a reader that looks too early. */
static bool is_honest(struct span display)
{
	return !span_contains_byte(display, '@') || !has_any(display, "<>[],;:\\\r\n");
}

/* Addresses among the decoded words of a name: to a reader that decodes first they stand there unquoted. */
static enum status emit_decoded(struct author *author)
{
	struct span part, rest = buf_span(&author->display);
	struct mailbox mailbox;
	while (span_cut(&rest, ' ', &part)) {
		if (address_read(part, true, &mailbox) == STATUS_OK && mailbox.domain.size)
			TRY(emit(author, part));
	}
	return STATUS_OK;
}

/* What stands in front of a bracket or a group: words, or one address. Of a mixture readers make one address or another. */
static bool is_phrase(const struct entry *entry)
{
	return entry->addresses == 0 || (entry->addresses == 1 && entry->words == 0);
}

/* At a separator, and at the end. */
static enum status finish_entry(struct author *author)
{
	struct entry entry = author->entry;
	author->entry = (struct entry){ 0 };
	if (!is_honest(buf_span(&author->display)) || !is_phrase(&entry))
		return STATUS_INVALID;
	if (entry.is_encoded)
		TRY(emit_decoded(author));
	buf_clear(&author->display);
	if (entry.has_angle || entry.words + entry.addresses == 0 || entry.addresses == 1)
		return STATUS_OK;
	return entry.words == 1 && is_bare_name(entry.word) ? emit(author, entry.word) : STATUS_INVALID;
}

/* "Team:", with words in front of it only. */
static enum status begin_group(struct author *author)
{
	if (author->in_group || author->entry.has_angle || author->entry.words + author->entry.addresses == 0)
		return STATUS_INVALID;
	author->in_group = true;
	author->entry.has_angle = true; /* as one: its words are a name */
	TRY(finish_entry(author));
	skip(author, 1);
	return STATUS_OK;
}

static enum status read_token(struct author *author)
{
	switch (author->rest.data[0]) {
	case ' ':
	case '\t':
		skip(author, 1);
		return STATUS_OK;
	case '(':
		return skip_comment(author);
	case '<':
		return read_angle(author);
	case ':':
		return begin_group(author);
	case ';': /* ends a group; some clients separate with it */
		author->in_group = false;
		__attribute__((fallthrough));
	case ',':
		skip(author, 1);
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

enum status author_read(struct span value, struct buf *addresses)
{
	struct author author = { .rest = value, .addresses = addresses };
	if (has_control(value))
		return STATUS_INVALID;
	buf_init(&author.display, DISPLAY_MAXIMUM);
	enum status status = read_all(&author);
	buf_free(&author.display);
	return status;
}
