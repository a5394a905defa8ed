/* Texts of mails to users. Owns nothing. */
#include "relay/warning_text.h"

#include <assert.h>
#include <inttypes.h>

#include "base/utf8.h"

static const char english[] =
	"Subject: You have used {percent} % of your sending quota\n"
	"\n"
	"Hello,\n"
	"\n"
	"{user} has sent {used} of {limit} {unit} that may be sent today.\n"
	"\n"
	"Once the limit is reached, mail programs are told \"Daily sending quota exceeded\", and\n"
	"messages have to wait until {resets}. Nothing that was accepted is lost.\n"
	"\n"
	"If you did not send that much, somebody else may know your password: please change it, and\n"
	"tell your administrator.\n"
	"\n"
	"This mail comes once a day from {host}.\n";

static const struct span english_units[WARNING_UNITS] = { { "messages", 8 }, { "recipients", 10 }, { "bytes", 5 } };

/* ---- reading */

static const struct span variables[] = {
	{ "user", 4 }, { "used", 4 }, { "limit", 5 }, { "unit", 4 }, { "percent", 7 }, { "resets", 6 }, { "host", 4 },
};

/* Cuts text up to a variable, and its name, off the front. False: there is none any more; the rest is text. */
static bool cut_variable(struct span *rest, struct span *out_before, struct span *out_name)
{
	size_t open = span_find_byte(*rest, '{');
	struct span after = span_slice(*rest, open + 1, rest->size);
	size_t close = span_find_byte(after, '}');
	if (open == rest->size || close == after.size)
		return false;
	*out_before = span_slice(*rest, 0, open);
	*out_name = span_slice(after, 0, close);
	*rest = span_slice(after, close + 1, after.size);
	return true;
}

static bool is_variable(struct span name)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		if (span_equal(name, variables[i]))
			return true;
	return false;
}

static bool knows_variables(struct span text)
{
	struct span before, name;
	while (cut_variable(&text, &before, &name))
		if (!is_variable(name))
			return false;
	return true;
}

/* The field's place, or NULL. */
static struct span *field_of(struct warning_text *text, struct span name)
{
	if (span_equal_nocase(name, SPAN("Subject")))
		return &text->subject;
	if (span_equal_nocase(name, SPAN("Messages")))
		return &text->units[WARNING_MESSAGES];
	if (span_equal_nocase(name, SPAN("Recipients")))
		return &text->units[WARNING_RECIPIENTS];
	return span_equal_nocase(name, SPAN("Bytes")) ? &text->units[WARNING_BYTES] : NULL;
}

static struct span without_cr(struct span line)
{
	return line.size && line.data[line.size - 1] == '\r' ? span_slice(line, 0, line.size - 1) : line;
}

static const char *read_field(struct span line, struct warning_text *text)
{
	size_t colon = span_find_byte(line, ':');
	struct span *place = field_of(text, span_slice(line, 0, colon));
	if (colon == line.size)
		return "a line of its header has no colon; expected \"Subject: …\", and an empty line after the header";
	if (place == NULL)
		return "a field of its header is not known; expected Subject, Messages, Recipients or Bytes";
	*place = span_trim(span_slice(line, colon + 1, line.size));
	return NULL;
}

static const char *read_header(struct span *rest, struct warning_text *text)
{
	struct span line;
	while (span_cut(rest, '\n', &line)) {
		line = without_cr(line);
		if (span_is_empty(line))
			return NULL;
		const char *fault = read_field(line, text);
		if (fault)
			return fault;
	}
	return "no empty line ends its header";
}

static bool is_blank(struct span text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] > ' ')
			return false;
	return true;
}

static const char *find_fault(const struct warning_text *text)
{
	if (span_is_empty(text->subject))
		return "no Subject";
	if (is_blank(text->body))
		return "no text after its header";
	for (unsigned unit = 0; unit < WARNING_UNITS; unit++)
		if (span_contains_byte(text->units[unit], '{'))
			return "Messages, Recipients or Bytes has a brace; expected a word";
	if (!knows_variables(text->subject) || !knows_variables(text->body))
		return "it has a variable that is not known; expected {user} {used} {limit} {unit} {percent} {resets} "
		       "{host}";
	return NULL;
}

/* Whole, but for line ends and tabs, of characters that can be seen. */
static bool is_text(struct span text)
{
	struct span line;
	while (text.size && span_cut(&text, '\n', &line)) {
		struct span rest = without_cr(line), part;
		while (span_cut(&rest, '\t', &part))
			if (!utf8_is_text(part))
				return false;
	}
	return true;
}

enum status warning_text_read(struct span text, struct warning_text *out_text, const char **out_fault)
{
	struct warning_text read = { .units = { english_units[0], english_units[1], english_units[2] } };
	struct span rest = text;
	*out_fault = NULL;
	if (text.size > WARNING_TEXT_SIZE_MAXIMUM)
		*out_fault = "larger than 8 KiB";
	else if (!is_text(text))
		*out_fault = "not UTF-8, or it holds control characters";
	else
		*out_fault = read_header(&rest, &read);
	read.body = rest;
	if (*out_fault == NULL)
		*out_fault = find_fault(&read);
	if (*out_fault)
		return STATUS_INVALID;
	*out_text = read;
	return STATUS_OK;
}

struct warning_text warning_text_default(void)
{
	struct warning_text text = { 0 };
	const char *fault;
	enum status status = warning_text_read(span_of(english), &text, &fault);
	assert(status == STATUS_OK);
	text.language = SPAN("en");
	return text;
}

/* ---- choosing */

static const struct warning_text *find_language(const struct warning_text *texts, size_t count, struct span language)
{
	for (size_t i = 0; i < count; i++)
		if (span_equal_nocase(texts[i].language, language))
			return &texts[i];
	return NULL;
}

/* "de-AT", then "de". */
static const struct warning_text *find_wider(const struct warning_text *texts, size_t count, struct span language)
{
	while (!span_is_empty(language)) {
		const struct warning_text *text = find_language(texts, count, language);
		if (text)
			return text;
		size_t end = language.size;
		while (end && language.data[end - 1] != '-')
			end--;
		language = span_slice(language, 0, end ? end - 1 : 0);
	}
	return NULL;
}

struct warning_text warning_text_find(const struct warning_text *texts, size_t count, struct span languages)
{
	struct span item, language;
	while (span_cut(&languages, ',', &item)) {
		(void)span_cut(&item, ';', &language);
		const struct warning_text *text = find_wider(texts, count, span_trim(language));
		if (text)
			return *text;
	}
	const struct warning_text *other = find_language(texts, count, (struct span){ 0 });
	return other ? *other : warning_text_default();
}

/* ---- writing */

static enum status write_variable(struct span name, const struct warning_text *text,
				  const struct warning_values *values, struct buf *out)
{
	if (span_equal(name, SPAN("user")))
		return buf_append(out, values->user);
	if (span_equal(name, SPAN("used")))
		return buf_printf(out, "%" PRIu64, values->used);
	if (span_equal(name, SPAN("limit")))
		return buf_printf(out, "%" PRIu64, values->limit);
	if (span_equal(name, SPAN("unit")))
		return buf_append(out, text->units[values->unit]);
	if (span_equal(name, SPAN("percent")))
		return buf_printf(out, "%u", values->percent);
	return buf_append(out, span_equal(name, SPAN("resets")) ? values->resets : values->host);
}

static enum status write_filled(struct span rest, const struct warning_text *text, const struct warning_values *values,
				struct buf *out)
{
	struct span before, name;
	while (cut_variable(&rest, &before, &name)) {
		TRY(buf_append(out, before));
		TRY(write_variable(name, text, values, out));
	}
	return buf_append(out, rest);
}

enum status warning_text_write(const struct warning_text *text, const struct warning_values *values,
			       struct buf *out_subject, struct buf *out_body)
{
	TRY(write_filled(text->subject, text, values, out_subject));
	return write_filled(text->body, text, values, out_body);
}

/* ---- several of them */

enum status warning_texts_add(struct buf *pack, struct span language, struct span text)
{
	TRY(buf_printf(pack, "%.*s %zu\n", SPAN_ARGS(language), text.size));
	return buf_append(pack, text);
}

static enum status read_next(struct span *pack, struct warning_text *out_text)
{
	struct span line, language;
	const char *fault;
	uint64_t size;
	if (!span_cut(pack, '\n', &line) || !span_cut(&line, ' ', &language))
		return STATUS_INVALID;
	TRY(span_to_u64(line, &size));
	if (size > pack->size)
		return STATUS_INVALID;
	TRY(warning_text_read(span_slice(*pack, 0, size), out_text, &fault));
	out_text->language = language;
	*pack = span_slice(*pack, size, pack->size);
	return STATUS_OK;
}

enum status warning_texts_read(struct span pack, struct warning_text out_texts[WARNING_TEXTS_MAXIMUM],
			       size_t *out_count)
{
	size_t count = 0;
	while (pack.size) {
		if (count == WARNING_TEXTS_MAXIMUM)
			return STATUS_TOO_LARGE;
		TRY(read_next(&pack, &out_texts[count++]));
	}
	*out_count = count;
	return STATUS_OK;
}
