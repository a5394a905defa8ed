/*
 * The naive reader: decodes first, then looks. Pure; a buffer for each of its two views of the text.
 */
#include "smtp/naive_reader.h"

#include <string.h>

#include "base/ascii.h"
#include "smtp/encoded_word.h"
#include "smtp/header.h"

#define ADDRESSES_MAXIMUM (2U * HEADER_MAXIMUM) /* bytes found in one view: neighbours share a part */

struct naive_reader {
	struct buf apart;       /* the text with each encoded word decoded, and blanks around it */
	struct buf joined;      /* the same, without the blanks between two of them (RFC 2047, 6.2) */
	size_t blanks;          /* read since the last encoded word, and kept back from `joined` */
	bool is_after_word;     /* nothing but those was */
	bool is_quoted;         /* within a quoted string */
	bool is_comment;        /* within a comment; none nests in it */
	bool has_at;            /* where no address may stand: quoted or encoded */
	bool has_open_at;       /* encoded, outside quotes */
	bool has_hidden_border; /* encoded */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- addresses in a text */

/* What ends an address for everybody. */
static bool is_border(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7F || strchr("()<>[],;:\\\"@", c) != NULL;
}

static bool is_domain_byte(char c)
{
	return ascii_is_alphanumeric(c) || (unsigned char)c >= 0x80 || c == '.' || c == '-' || c == '_';
}

static struct span local_before(struct span text, size_t at)
{
	size_t begin = at;
	while (begin > 0 && !is_border(text.data[begin - 1]))
		begin--;
	while (begin < at && (text.data[begin] == '\'' || text.data[begin] == '.'))
		begin++;
	return span_slice(text, begin, at);
}

static struct span domain_after(struct span text, size_t at)
{
	size_t end = at + 1;
	while (end < text.size && is_domain_byte(text.data[end]))
		end++;
	while (end > at + 1 && (text.data[end - 1] == '.' || text.data[end - 1] == '-'))
		end--;
	return span_slice(text, at + 1, end);
}

static enum status find_addresses(struct span text, bool without_dots, struct buf *addresses)
{
	for (size_t at = 0; at < text.size; at++) {
		if (text.data[at] != '@')
			continue;
		struct span local = local_before(text, at);
		struct span domain = domain_after(text, at);
		if (local.size == 0 || domain.size == 0 || !(without_dots || span_contains_byte(domain, '.')))
			continue;
		TRY(buf_append(addresses, local));
		TRY(buf_append_byte(addresses, '@'));
		TRY(buf_append(addresses, domain));
		TRY(buf_append_byte(addresses, '\n'));
	}
	return STATUS_OK;
}

/* Appends the addresses in `text`, unless they are the very ones that `addresses` holds already, of another view. */
static enum status find_in_view(const struct naive_reader *reader, struct span text, struct buf *addresses)
{
	struct buf found BUF_AUTO;
	buf_init(&found, ADDRESSES_MAXIMUM);
	TRY(find_addresses(text, reader->has_open_at, &found));
	size_t size = buf_size(&found);
	bool is_known = span_equal(span_slice(buf_span(addresses), 0, size), buf_span(&found));
	return is_known ? STATUS_OK : buf_append(addresses, buf_span(&found));
}

/*
 * The front of `text` as read by one that takes backslashes off, and signs of any width for those of ASCII; *out_used:
 * its bytes.
 */
static struct span simplify_front(struct span text, size_t *out_used)
{
	static const struct {
		const char *sign, *plain;
	} signs[] = {
		{ "\\", "" },
		{ "\xEF\xBC\xA0", "@" }, /* U+FF20 fullwidth commercial at */
		{ "\xEF\xB9\xAB", "@" }, /* U+FE6B small commercial at */
		{ "\xEF\xBC\x8E", "." }, /* U+FF0E fullwidth full stop; these dots are IDNA's (RFC 3490, 3.1) */
		{ "\xE3\x80\x82", "." }, /* U+3002 ideographic full stop */
		{ "\xEF\xBD\xA1", "." }, /* U+FF61 halfwidth ideographic full stop */
	};
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		struct span sign = span_of(signs[i].sign);
		*out_used = sign.size;
		if (span_starts_with(text, sign))
			return span_of(signs[i].plain);
	}
	*out_used = 1;
	return span_slice(text, 0, 1);
}

/* As it stands, and simplified, as some readers do and others don't. */
static enum status find_both_ways(const struct naive_reader *reader, struct span text, struct buf *addresses)
{
	struct buf plain BUF_AUTO;
	buf_init(&plain, HEADER_MAXIMUM);
	TRY(find_in_view(reader, text, addresses));
	for (size_t at = 0, used; at < text.size; at += used)
		TRY(buf_append(&plain, simplify_front(span_slice(text, at, text.size), &used)));
	return buf_size(&plain) == text.size ? STATUS_OK : find_in_view(reader, buf_span(&plain), addresses);
}

/* ---- the views */

static enum status end_blanks(struct naive_reader *reader)
{
	for (reader->is_after_word = false; reader->blanks; reader->blanks--)
		TRY(buf_append_byte(&reader->joined, ' '));
	return STATUS_OK;
}

/* A byte outside encoded words, ended or not. *out_used: 1, or 2 where a backslash takes the next one with it. */
static enum status read_plain(struct naive_reader *reader, struct span rest, size_t *out_used)
{
	char c = *rest.data;
	if (encoded_word_begins(rest))
		return STATUS_INVALID;
	size_t used = reader->is_quoted && c == '\\' && rest.size > 1 ? 2 : 1;
	reader->is_quoted ^= c == '"';
	if (!reader->is_quoted && (c == '(' || c == ')'))
		reader->is_comment = c == '(';
	reader->has_at |= reader->is_quoted && rest.data[used - 1] == '@';
	*out_used = used;
	TRY(buf_append(&reader->apart, span_slice(rest, 0, used)));
	if (reader->is_after_word && is_blank(c)) {
		reader->blanks++;
		return STATUS_OK;
	}
	TRY(end_blanks(reader));
	return buf_append(&reader->joined, span_slice(rest, 0, used));
}

/* "(@jane)" at the front of `text`: its size; 0: something else. It is a comment to everybody, and no address. */
static size_t measure_handle(struct span text)
{
	size_t size = 2;
	if (!span_starts_with(text, SPAN("(@")))
		return 0;
	while (size < text.size && is_domain_byte(text.data[size]))
		size++;
	return size < text.size && text.data[size] == ')' && !span_contains_byte(span_slice(text, 0, size), '.')
		       ? size + 1
		       : 0;
}

/* Whether a reader that decodes first may find an address. */
static bool has_at(struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		size_t handle = measure_handle(span_slice(text, i, text.size));
		if (handle == 0 && text.data[i] == '@')
			return true;
		i += handle ? handle - 1 : 0;
	}
	return false;
}

/* Whether one finds another structure. In a comment only its end matters. */
static bool has_border(struct span text, bool in_comment)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (in_comment ? strchr("()\\", c) != NULL : c != ' ' && c != '@' && is_border(c))
			return true;
	}
	return false;
}

/* What a word that was decoded says. One that is a word again would be decoded twice by some. */
static enum status take_decoded(struct naive_reader *reader, struct span text)
{
	bool shows_at = has_at(text);
	reader->has_at |= shows_at;
	reader->has_open_at |= shows_at && !reader->is_quoted;
	reader->has_hidden_border |= has_border(text, false);
	if (reader->is_comment && has_border(text, true))
		return STATUS_INVALID;
	if (text.size && memmem(text.data, text.size, "=?", 2) != NULL)
		return STATUS_INVALID;
	TRY(buf_append_byte(&reader->apart, ' '));
	TRY(buf_append(&reader->apart, text));
	TRY(buf_append_byte(&reader->apart, ' '));
	reader->blanks = 0; /* those between two words; before the first one they are in already */
	reader->is_after_word = true;
	return buf_append(&reader->joined, text);
}

static enum status read_encoded(struct naive_reader *reader, const struct encoded_word *word)
{
	struct buf decoded BUF_AUTO;
	buf_init(&decoded, HEADER_MAXIMUM);
	TRY(encoded_word_decode(word, &decoded));
	return take_decoded(reader, buf_span(&decoded));
}

/* After the last "?=" there is no encoded word to look for, however many begin. */
static size_t find_last_word_end(struct span value)
{
	size_t end = value.size;
	while (end >= 2 && memcmp(value.data + end - 2, "?=", 2) != 0)
		end--;
	return end < 2 ? 0 : end;
}

static enum status read_value(struct naive_reader *reader, struct span value)
{
	size_t last = find_last_word_end(value);
	for (size_t at = 0; at < value.size;) {
		struct encoded_word word;
		struct span rest = span_slice(value, at, value.size);
		size_t used;
		if (at < last && encoded_word_take(&rest, &word) == STATUS_OK) {
			TRY(read_encoded(reader, &word));
			used = value.size - at - rest.size;
		} else {
			TRY(read_plain(reader, rest, &used));
		}
		at += used;
	}
	return STATUS_OK;
}

/* Whether readers of obsolete syntax ignore blanks between `before` and `rest`. */
static bool is_idle(const struct buf *before, struct span rest)
{
	struct span text = buf_span(before);
	char last = text.size ? text.data[text.size - 1] : ' ';
	return last == '@' || last == '.' || span_starts_with(rest, SPAN("@")) || span_starts_with(rest, SPAN("."));
}

/* "(x)" at the front of `text`: its size; 0: none, or another one begins in it, which is looked at by itself. */
static size_t measure_comment(struct span text)
{
	if (text.size == 0 || *text.data != '(')
		return 0;
	for (size_t i = 1; i < text.size && text.data[i] != '('; i++) {
		if (text.data[i] == ')')
			return i + 1;
	}
	return 0;
}

/* Blanks and comments at the front of `text`. */
static size_t measure_blanks(struct span text)
{
	size_t size = 0, part = 1;
	for (; size < text.size && part; size += part)
		part = is_blank(text.data[size]) ? 1 : measure_comment(span_slice(text, size, text.size));
	return size;
}

/*
 * Blanks and comments around an @ and dots are no part of an address to some (RFC 5322, 4.4), and outside quotes none
 * is: addresses are found where they are left out.
 */
static enum status find_spaced(struct naive_reader *reader, struct buf *addresses)
{
	struct buf dense BUF_AUTO;
	struct span rest = buf_span(&reader->joined);
	buf_init(&dense, HEADER_MAXIMUM);
	while (rest.size) {
		size_t size = measure_blanks(rest);
		struct span blanks = span_slice(rest, 0, size ? size : 1);
		rest = span_slice(rest, blanks.size, rest.size);
		if (size == 0)
			TRY(buf_append(&dense, blanks));
		else if (!reader->has_open_at && !is_idle(&dense, rest))
			TRY(buf_append_byte(&dense, ' '));
	}
	reader->has_open_at = false; /* with dots only: "Ann @ Work" is a name */
	return find_in_view(reader, buf_span(&dense), addresses);
}

/* An @ and a border that came out of encoded words, or one of them: where the address ends is a matter of taste. */
static enum status find_in_views(struct naive_reader *reader, struct span value, struct buf *addresses)
{
	TRY(read_value(reader, value));
	if (reader->has_at && reader->has_hidden_border)
		return STATUS_INVALID;
	struct span apart = buf_span(&reader->apart);
	struct span joined = buf_span(&reader->joined);
	TRY(find_both_ways(reader, apart, addresses));
	if (!span_equal(apart, joined))
		TRY(find_both_ways(reader, joined, addresses));
	return reader->has_at ? find_spaced(reader, addresses) : STATUS_OK;
}

enum status naive_reader_find(struct span value, struct buf *addresses)
{
	struct naive_reader reader = { 0 };
	buf_init(&reader.apart, HEADER_MAXIMUM);
	buf_init(&reader.joined, HEADER_MAXIMUM);
	enum status status = find_in_views(&reader, value, addresses);
	buf_free(&reader.apart);
	buf_free(&reader.joined);
	return status;
}
