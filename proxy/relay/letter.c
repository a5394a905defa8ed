/* Writing a letter. Owns nothing. */
#include "relay/letter.h"

#include <string.h>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/utf8.h"

#define WORD_BYTES 39 /* of text in one encoded word: 52 digits of base64, 64 with what surrounds them (RFC 2047, 2) */
#define LINE_MAXIMUM 76     /* characters of a line of quoted-printable (RFC 2045, 6.7) */
#define LANGUAGE_MAXIMUM 35 /* bytes (RFC 5646, 4.4.1) */

/* ---- UTF-8 */

/* What stands for a character that is no text: LF itself where it ends a line, nothing for CR, a blank for controls. */
static struct span replace_character(struct span character, bool is_line)
{
	char byte = character.data[0];
	if (byte == '\n' && !is_line)
		return SPAN("\n");
	if (byte == '\r')
		return (struct span){ 0 };
	return ascii_is_control(byte) ? SPAN(" ") : SPAN("?");
}

/* A copy in which every character is well formed, and none a control but LF. */
static enum status clean_text(struct span text, bool is_line, struct buf *out_text)
{
	while (text.size) {
		size_t size = utf8_text_length(text);
		if (size)
			TRY(buf_append(out_text, span_slice(text, 0, size)));
		else
			TRY(buf_append(out_text, replace_character(text, is_line)));
		text = span_slice(text, size ? size : 1, text.size);
	}
	return STATUS_OK;
}

/* ---- the header */

static bool is_plain(struct span text)
{
	/* what looks like an encoded word would be read as one */
	bool has_mark = text.size && memmem(text.data, text.size, "=?", 2);
	return utf8_is_ascii(text) && text.size <= LINE_MAXIMUM && !has_mark;
}

/* As many whole characters as fit one encoded word. */
static size_t size_of_word(struct span text)
{
	size_t size = 0;
	while (size < text.size) {
		size_t next = utf8_length(span_slice(text, size, text.size));
		if (size + next > WORD_BYTES)
			break;
		size += next;
	}
	return size;
}

static enum status write_words(struct span text, struct buf *b)
{
	const char *separator = "";
	while (text.size) {
		size_t size = size_of_word(text);
		TRY(buf_printf(b, "%s=?UTF-8?B?", separator));
		TRY(base64_encode(span_slice(text, 0, size), b));
		TRY(buf_append(b, SPAN("?=")));
		text = span_slice(text, size, text.size);
		separator = "\r\n ";
	}
	return STATUS_OK;
}

static enum status write_subject(struct span subject, struct buf *b)
{
	struct buf clean BUF_AUTO;
	buf_init(&clean, LETTER_SIZE_MAXIMUM);
	TRY(clean_text(subject, true, &clean));
	TRY(buf_append(b, SPAN("Subject: ")));
	if (is_plain(buf_span(&clean)))
		TRY(buf_append(b, buf_span(&clean)));
	else
		TRY(write_words(buf_span(&clean), b));
	return buf_append(b, SPAN("\r\n"));
}

static bool is_language(struct span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!ascii_is_alphanumeric(text.data[i]) && text.data[i] != '-')
			return false;
	return text.size > 0 && text.size <= LANGUAGE_MAXIMUM;
}

static enum status write_header(const struct letter *letter, struct buf *b)
{
	char date[CLOCK_TEXT_SIZE];
	clock_format_mail(letter->time_us, date);
	TRY(buf_printf(b, "From: <%.*s>\r\nTo: <%.*s>\r\n", SPAN_ARGS(letter->from), SPAN_ARGS(letter->to)));
	TRY(write_subject(letter->subject, b));
	TRY(buf_printf(b, "Date: %s\r\nMessage-ID: <%.*s@%.*s>\r\n", date, SPAN_ARGS(letter->id),
		       SPAN_ARGS(letter->host)));
	if (is_language(letter->language))
		TRY(buf_printf(b, "Content-Language: %.*s\r\n", SPAN_ARGS(letter->language)));
	/* RFC 3834, 5: nobody's absence is to answer it */
	return buf_append(b, SPAN("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
				  "Content-Type: text/plain; charset=utf-8\r\n"
				  "Content-Transfer-Encoding: quoted-printable\r\n\r\n"));
}

/* ---- the text */

/* Itself, or "=XX"; so is a blank at the end of a line, and a dot or an F (of "From ") at its front. */
static size_t encode_byte(char byte, bool is_first, bool is_last, char out_text[3])
{
	static const char digits[] = "0123456789ABCDEF";
	bool is_printable = (unsigned char)byte > 0x20 && (unsigned char)byte < 0x7F && byte != '=';
	bool is_first_kept = !is_first || (byte != '.' && byte != 'F');
	if ((is_printable && is_first_kept) || (byte == ' ' && !is_last)) {
		out_text[0] = byte;
		return 1;
	}
	out_text[0] = '=';
	out_text[1] = digits[(unsigned char)byte >> 4];
	out_text[2] = digits[(unsigned char)byte & 15];
	return 3;
}

static enum status write_line(struct span line, struct buf *b)
{
	size_t column = 0;
	char text[3];
	for (size_t i = 0; i < line.size; i++) {
		bool is_last = i + 1 == line.size;
		size_t size = encode_byte(line.data[i], column == 0, is_last, text);
		if (column + size > LINE_MAXIMUM - 1) { /* one is for the = of the break */
			TRY(buf_append(b, SPAN("=\r\n")));
			column = 0;
			size = encode_byte(line.data[i], true, is_last, text);
		}
		TRY(buf_append(b, (struct span){ text, size }));
		column += size;
	}
	return buf_append(b, SPAN("\r\n"));
}

static enum status write_text(struct span text, struct buf *b)
{
	struct buf clean BUF_AUTO;
	struct span rest, line;
	buf_init(&clean, LETTER_SIZE_MAXIMUM);
	TRY(clean_text(text, false, &clean));
	rest = buf_span(&clean);
	while (rest.size && span_cut(&rest, '\n', &line))
		TRY(write_line(line, b));
	return STATUS_OK;
}

enum status letter_write(const struct letter *letter, struct buf *out_bytes)
{
	TRY(write_header(letter, out_bytes));
	return write_text(letter->text, out_bytes);
}
