/*
 * A template is run as it is read: plain text is copied up to the next tag, and a section is its text between two tags,
 * run once for each item. Owns nothing.
 */
#include "console/pages/template.h"

#include <string.h>

#include "console/pages/filters.h"

#define TAG_MAXIMUM 128 /* bytes between the braces */

struct run {
	const struct template_words *words;
	struct buf *out;
	const json_t *scopes[TEMPLATE_DEPTH]; /* the innermost last */
	unsigned depth;
	unsigned nesting; /* of files and words */
};

static enum status run_text(struct run *run, struct span text);

/* ---- escaping */

static struct span entity_of(char c)
{
	switch (c) {
	case '&':
		return SPAN("&amp;");
	case '<':
		return SPAN("&lt;");
	case '>':
		return SPAN("&gt;");
	case '"':
		return SPAN("&quot;");
	case '\'':
		return SPAN("&#39;");
	default:
		return (unsigned char)c < 0x20 && c != '\n' && c != '\t' ? SPAN("?") : (struct span){ 0 };
	}
}

enum status template_escape(struct span text, struct buf *out_html)
{
	size_t begin = 0;
	for (size_t i = 0; i < text.size; i++) {
		struct span entity = entity_of(text.data[i]);
		if (entity.size == 0)
			continue;
		TRY(buf_append(out_html, span_slice(text, begin, i)));
		TRY(buf_append(out_html, entity));
		begin = i + 1;
	}
	return buf_append(out_html, span_slice(text, begin, text.size));
}

/* ---- values */

static const json_t *find_member(const json_t *object, struct span name)
{
	char key[TAG_MAXIMUM];
	snprintf(key, sizeof(key), "%.*s", SPAN_ARGS(name));
	return json_object_get(object, key);
}

/* NULL: it is not there. */
static const json_t *find_value(const struct run *run, struct span path)
{
	struct span name;
	const json_t *value = NULL;
	if (span_equal(path, SPAN(".")))
		return run->scopes[run->depth - 1];
	if (!span_cut(&path, '.', &name))
		return NULL;
	for (unsigned i = run->depth; i-- > 0 && value == NULL;)
		value = find_member(run->scopes[i], name);
	while (value && path.size > 0 && span_cut(&path, '.', &name))
		value = find_member(value, name);
	return value;
}

static bool is_there(const json_t *value)
{
	if (json_is_array(value))
		return json_array_size(value) > 0;
	if (json_is_object(value))
		return json_object_size(value) > 0;
	if (json_is_string(value))
		return json_string_length(value) > 0;
	if (json_is_number(value))
		return json_number_value(value) < 0 || json_number_value(value) > 0;
	return json_is_true(value);
}

static enum status show_value(struct run *run, struct span tag)
{
	struct buf shown BUF_AUTO;
	struct span path, filter = tag;
	buf_init_sensitive(&shown, run->out->maximum);
	if (!span_cut(&filter, '|', &path))
		return STATUS_INVALID;
	filter = span_contains_byte(tag, '|') ? filter : (struct span){ 0 };
	TRY(filter_value(filter, find_value(run, path), &shown));
	return template_escape(buf_span(&shown), run->out);
}

/* ---- words and files */

static enum status run_nested(struct run *run, struct span text)
{
	if (text.data == NULL || run->nesting == TEMPLATE_DEPTH)
		return STATUS_INVALID;
	run->nesting++;
	TRY(run_text(run, text));
	run->nesting--;
	return STATUS_OK;
}

static enum status show_words(struct run *run, struct span tag)
{
	char key[2 * TAG_MAXIMUM];
	size_t at = span_find_byte(tag, '$');
	struct span path = span_slice(tag, at + 1, tag.size);
	const char *last = json_string_value(find_value(run, path));
	if (at == tag.size)
		return run_nested(run, run->words->find_words(run->words->context, tag));
	snprintf(key, sizeof(key), "%.*s%s", SPAN_ARGS(span_slice(tag, 0, at)), last ? last : "");
	struct span words = run->words->find_words(run->words->context, span_of(key));
	return words.data ? run_nested(run, words) : show_value(run, path);
}

/* ---- sections */

struct tag {
	struct span inside; /* between the braces */
	size_t begin, end;  /* of the whole, in its text */
};

/* False: there is none after `from`. */
static bool find_tag(struct span text, size_t from, struct tag *out_tag)
{
	const char *open = text.size > from ? memmem(text.data + from, text.size - from, "{{", 2) : NULL;
	if (open == NULL)
		return false;
	size_t begin = (size_t)(open - text.data);
	const char *close = memmem(open, text.size - begin, "}}", 2);
	if (close == NULL)
		return false;
	*out_tag = (struct tag){ { open + 2, (size_t)(close - open) - 2 }, begin, (size_t)(close - text.data) + 2 };
	return true;
}

static char kind_of(const struct tag *tag)
{
	return tag->inside.size ? tag->inside.data[0] : '\0';
}

/* The section that begins at `open`: its text, and where what follows it begins. */
static enum status find_section(struct span text, const struct tag *open, struct span *out_inside, size_t *out_after)
{
	struct tag tag = *open;
	unsigned level = 1;
	while (level > 0) {
		if (!find_tag(text, tag.end, &tag))
			return STATUS_INVALID;
		char kind = kind_of(&tag);
		level += kind == '#' || kind == '^';
		level -= kind == '/';
	}
	*out_inside = span_slice(text, open->end, tag.begin);
	*out_after = tag.end;
	return STATUS_OK;
}

static enum status run_within(struct run *run, const json_t *scope, struct span text)
{
	if (run->depth == TEMPLATE_DEPTH)
		return STATUS_INVALID;
	run->scopes[run->depth++] = scope;
	TRY(run_text(run, text));
	run->depth--;
	return STATUS_OK;
}

static enum status run_items(struct run *run, const json_t *value, struct span text)
{
	size_t index;
	const json_t *item;
	if (!json_is_array(value))
		return run_within(run, value, text);
	json_array_foreach(value, index, item)
	{
		TRY(run_within(run, item, text));
	}
	return STATUS_OK;
}

static bool is_text(const json_t *value, struct span wanted)
{
	return json_is_string(value) &&
	       span_equal((struct span){ json_string_value(value), json_string_length(value) }, wanted);
}

static enum status run_section(struct run *run, const struct tag *tag, struct span text)
{
	struct span wanted = span_slice(tag->inside, 1, tag->inside.size), path;
	bool is_inverse = kind_of(tag) == '^', compares = span_contains_byte(wanted, '=');
	if (!span_cut(&wanted, '=', &path))
		return STATUS_INVALID;
	const json_t *value = find_value(run, path);
	if ((compares ? is_text(value, wanted) : is_there(value)) == is_inverse)
		return STATUS_OK;
	return is_inverse || compares ? run_text(run, text) : run_items(run, value, text);
}

/* ---- tags */

/* The line's end that closes its file, so that it may stand amid a line. */
static struct span without_line_end(struct span text)
{
	return text.size && text.data[text.size - 1] == '\n' ? span_slice(text, 0, text.size - 1) : text;
}

static enum status run_tag(struct run *run, const struct tag *tag)
{
	struct span rest = span_slice(tag->inside, 1, tag->inside.size);
	switch (kind_of(tag)) {
	case '_':
		return show_words(run, rest);
	case '>':
		return run_nested(run, without_line_end(run->words->find_file(run->words->context, rest)));
	case '/':
	case '\0':
		return STATUS_INVALID;
	default:
		return show_value(run, tag->inside);
	}
}

static enum status run_text(struct run *run, struct span text)
{
	struct tag tag;
	struct span inside;
	size_t at = 0;
	while (find_tag(text, at, &tag)) {
		char kind = kind_of(&tag);
		if (tag.inside.size >= TAG_MAXIMUM)
			return STATUS_INVALID;
		TRY(buf_append(run->out, span_slice(text, at, tag.begin)));
		at = tag.end;
		if (kind != '#' && kind != '^') {
			TRY(run_tag(run, &tag));
			continue;
		}
		TRY(find_section(text, &tag, &inside, &at));
		TRY(run_section(run, &tag, inside));
	}
	return buf_append(run->out, span_slice(text, at, text.size));
}

enum status template_render(struct span text, const json_t *data, const struct template_words *words,
			    struct buf *out_html)
{
	struct run run = { .words = words, .out = out_html, .scopes = { data }, .depth = 1 };
	return run_text(&run, text);
}
