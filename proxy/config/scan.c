/*
 * The scanner: bytes become tokens (comments and carriage returns become blanks on the way), and tokens become places.
 * It owns the blanked text and the places, and stops at the first fault.
 */
#include "config/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"

#define PLACES_MAXIMUM (1 << 18) /* thousands of sections with all their options; some 100 MB in the parser */

enum token_kind { TOKEN_WORD, TOKEN_QUOTED, TOKEN_MARK, TOKEN_END };

struct token {
	enum token_kind kind;
	struct span text; /* without quotes */
	unsigned line;
};

struct scanner {
	char *text;
	size_t size;
	size_t at;
	unsigned line;
	struct faults *faults;
	struct scan scan;
	size_t capacity; /* of scan.places */
};

static enum status refuse_token(struct scanner *s, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum status refuse_token(struct scanner *s, unsigned line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	faults_add_list(s->faults, line, format, args);
	va_end(args);
	return STATUS_INVALID;
}

static bool looks_at(const struct scanner *s, const char *text)
{
	size_t size = strlen(text);
	return s->size - s->at >= size && memcmp(s->text + s->at, text, size) == 0;
}

/* ---- blanks and comments */

static void blank_byte(struct scanner *s)
{
	if (s->text[s->at] == '\n')
		s->line++;
	else
		s->text[s->at] = ' ';
	s->at++;
}

static void blank_line(struct scanner *s)
{
	while (s->at < s->size && s->text[s->at] != '\n')
		blank_byte(s);
}

static enum status blank_block(struct scanner *s)
{
	unsigned line = s->line;
	while (s->at < s->size && !looks_at(s, "*/"))
		blank_byte(s);
	if (s->at == s->size)
		return refuse_token(s, line, "the comment that begins here has no end; expected \"*/\"");
	blank_byte(s);
	blank_byte(s);
	return STATUS_OK;
}

static enum status skip_blanks(struct scanner *s)
{
	while (s->at < s->size) {
		char c = s->text[s->at];
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			blank_byte(s);
		else if (c == '#' || looks_at(s, "//"))
			blank_line(s);
		else if (looks_at(s, "/*"))
			TRY(blank_block(s));
		else
			break;
	}
	return STATUS_OK;
}

/* ---- tokens */

/* What a value may hold without quotes; libconfuse would accept more, and drop some of it. */
static bool is_word_byte(char c)
{
	return ascii_is_alphanumeric(c) || (c != '\0' && strchr("-_.:", c));
}

static enum status read_quoted(struct scanner *s, struct token *token)
{
	char quote = s->text[s->at];
	size_t start = ++s->at;
	for (; s->at < s->size && s->text[s->at] != quote; s->at++) {
		char c = s->text[s->at];
		if (c == '\n' || c == '\r')
			break;
		if (ascii_is_control(c))
			return refuse_token(s, s->line, "byte 0x%02x in a text; expected printable characters",
					    (unsigned char)c);
		if (looks_at(s, "${"))
			return refuse_token(s, s->line,
					    "\"${\" in a text; variables are not expanded, expected the value itself");
		if (c != '\\')
			continue;
		s->at++;
		if (s->at == s->size || (s->text[s->at] != '\\' && s->text[s->at] != quote))
			return refuse_token(s, s->line, "a lone backslash in a text; expected \\\\ or \\%c", quote);
	}
	if (s->at == s->size || s->text[s->at] != quote)
		return refuse_token(s, s->line, "a text without an end; expected %c before the line ends", quote);
	*token = (struct token){ TOKEN_QUOTED, { s->text + start, s->at - start }, s->line };
	s->at++;
	return STATUS_OK;
}

static void read_word(struct scanner *s, struct token *token)
{
	size_t start = s->at;
	while (s->at < s->size && is_word_byte(s->text[s->at]))
		s->at++;
	*token = (struct token){ TOKEN_WORD, { s->text + start, s->at - start }, s->line };
}

static enum status read_token(struct scanner *s, struct token *token)
{
	TRY(skip_blanks(s));
	if (s->at == s->size) {
		*token = (struct token){ TOKEN_END, SPAN("the end of the file"), s->line };
		return STATUS_OK;
	}
	char c = s->text[s->at];
	if (c == '"' || c == '\'')
		return read_quoted(s, token);
	if (is_word_byte(c)) {
		read_word(s, token);
		return STATUS_OK;
	}
	if (s->at == 0 && strchr("\xEF\xFE\xFF", c) && c != '\0')
		return refuse_token(s, s->line, "begins with a byte order mark; expected UTF-8, saved without one");
	if (c == '\0' || !strchr("{}=,", c)) {
		if (ascii_is_control(c) || (unsigned char)c >= 0x80)
			return refuse_token(s, s->line, "byte 0x%02x has no place here", (unsigned char)c);
		return refuse_token(s, s->line, "\"%c\" has no place here; a value that holds it needs quotes", c);
	}
	*token = (struct token){ TOKEN_MARK, { s->text + s->at, 1 }, s->line };
	s->at++;
	return STATUS_OK;
}

static bool is_mark(const struct token *token, char mark)
{
	return token->kind == TOKEN_MARK && token->text.data[0] == mark;
}

static bool is_value(const struct token *token)
{
	return token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED;
}

static enum status expect_token(struct scanner *s, const struct token *got, const char *expected)
{
	struct span shown = span_slice(got->text, 0, FAULT_QUOTED_BYTES);
	return refuse_token(s, got->line,
			    got->kind == TOKEN_END ? "%.*s; expected %s" : "\"%.*s\" is not expected here; expected %s",
			    SPAN_ARGS(shown), expected);
}

/* ---- places */

static enum status add_place(struct scanner *s, const struct scan_place *place)
{
	if (s->scan.count == PLACES_MAXIMUM)
		return refuse_token(s, place->line, "more than %d options and sections", PLACES_MAXIMUM);
	if (s->scan.count == s->capacity) {
		size_t capacity = s->capacity ? 2 * s->capacity : 64;
		struct scan_place *places = reallocarray(s->scan.places, capacity, sizeof(*places));
		if (!places)
			return STATUS_NO_MEMORY;
		s->scan.places = places;
		s->capacity = capacity;
	}
	s->scan.places[s->scan.count++] = *place;
	return STATUS_OK;
}

/* After "NAME = {". */
static enum status read_list(struct scanner *s)
{
	struct token token;
	TRY(read_token(s, &token));
	while (!is_mark(&token, '}')) {
		if (!is_value(&token))
			return expect_token(s, &token, "a value or } in the list");
		TRY(read_token(s, &token));
		if (is_mark(&token, ','))
			TRY(read_token(s, &token));
		else if (!is_mark(&token, '}'))
			return expect_token(s, &token, "a comma or } in the list");
	}
	return STATUS_OK;
}

/* After "NAME =". */
static enum status read_value(struct scanner *s)
{
	struct token token;
	TRY(read_token(s, &token));
	if (is_mark(&token, '{'))
		return read_list(s);
	return is_value(&token) ? STATUS_OK : expect_token(s, &token, "a value");
}

static enum status read_entry(struct scanner *s, const struct token *name, size_t within, bool *out_opened)
{
	struct scan_place place = { .name = name->text, .line = name->line, .within = within };
	struct token token;
	if (name->kind != TOKEN_WORD)
		return expect_token(s, name,
				    within == PLACE_TOP ? "the name of an option or a section"
							: "the name of an option or }");
	TRY(read_token(s, &token));
	if (is_mark(&token, '=')) {
		TRY(skip_blanks(s));
		place.begin = s->at;
		TRY(read_value(s));
		place.end = s->at;
		return add_place(s, &place);
	}
	if (is_value(&token)) {
		place.title = token.text;
		TRY(read_token(s, &token));
	}
	if (!is_mark(&token, '{') || within != PLACE_TOP)
		return expect_token(s, &token, within == PLACE_TOP ? "= or {" : "=");
	place.is_section = true;
	place.begin = s->at;
	*out_opened = true;
	return add_place(s, &place);
}

static enum status read_all(struct scanner *s)
{
	size_t within = PLACE_TOP;
	for (;;) {
		struct token token;
		bool opened = false;
		TRY(read_token(s, &token));
		if (token.kind == TOKEN_END && within != PLACE_TOP)
			return refuse_token(s, s->scan.places[within].line,
					    "the section that begins here has no end; expected }");
		if (token.kind == TOKEN_END)
			return STATUS_OK;
		if (is_mark(&token, '}') && within != PLACE_TOP) {
			s->scan.places[within].end = s->at - 1;
			within = PLACE_TOP;
			continue;
		}
		TRY(read_entry(s, &token, within, &opened));
		if (opened)
			within = s->scan.count - 1;
	}
}

static void blank_title(char *untitled, const struct scan *scan, const struct scan_place *place)
{
	size_t at = (size_t)(place->title.data - scan->text);
	bool is_quoted = untitled[at - 1] == '"' || untitled[at - 1] == '\'';
	memset(untitled + at - is_quoted, ' ', place->title.size + 2U * is_quoted);
}

static enum status drop_titles(struct scan *scan, size_t size)
{
	scan->untitled = malloc(size + 1);
	if (!scan->untitled)
		return STATUS_NO_MEMORY;
	memcpy(scan->untitled, scan->text, size + 1);
	for (size_t i = 0; i < scan->count; i++) {
		if (scan->places[i].title.data)
			blank_title(scan->untitled, scan, &scan->places[i]);
	}
	return STATUS_OK;
}

enum status scan_text(struct span text, struct faults *faults, struct scan *out_scan)
{
	struct scanner s = { .size = text.size, .line = 1, .faults = faults };
	if (text.size > SCAN_TEXT_MAXIMUM)
		return refuse_token(&s, 1, "the file is too large; expected at most 8M");
	s.text = calloc(1, text.size + 1);
	if (!s.text)
		return STATUS_NO_MEMORY;
	if (text.size)
		memcpy(s.text, text.data, text.size);
	s.scan.text = s.text;
	enum status status = read_all(&s);
	if (status == STATUS_OK)
		status = drop_titles(&s.scan, text.size);
	if (status == STATUS_OK)
		status = scan_sort(&s.scan);
	if (status == STATUS_OK)
		*out_scan = s.scan;
	else
		scan_free(&s.scan);
	return status;
}

void scan_free(struct scan *scan)
{
	free(scan->text);
	free(scan->order);
	free(scan->untitled);
	free(scan->places);
	*scan = (struct scan){ 0 };
}
