/* Owns the catalogues' indexes; their texts are the program's. */
#include "console/pages/languages.h"

#include <stdlib.h>
#include <string.h>

#include "console/pages/files.h"

#define SUFFIX ".words"
#define LANGUAGES_MAXIMUM 32

struct entry {
	struct span key, words;
};

struct language {
	struct span code;
	struct entry *entries; /* sorted by key */
	size_t count;
	const struct language *otherwise; /* NULL: it is that one */
};

struct languages {
	struct language list[LANGUAGES_MAXIMUM];
	size_t count;
	const struct language *otherwise;
};

/* ---- a catalogue */

static int compare_spans(struct span a, struct span b)
{
	int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_entries(const void *a, const void *b)
{
	return compare_spans(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static bool is_entry(struct span line)
{
	return line.size > 0 && line.data[0] != '#';
}

static size_t count_lines(struct span text)
{
	size_t count = 0;
	struct span line;
	while (text.size > 0 && span_cut(&text, '\n', &line))
		count += is_entry(line);
	return count;
}

static enum status read_catalogue(struct span text, struct language *language)
{
	struct span line, key;
	language->entries = calloc(count_lines(text) + 1, sizeof(*language->entries));
	if (language->entries == NULL)
		return STATUS_NO_MEMORY;
	while (text.size > 0 && span_cut(&text, '\n', &line)) {
		if (!is_entry(line))
			continue;
		if (!span_contains_byte(line, '=') || !span_cut(&line, '=', &key))
			return STATUS_INVALID;
		language->entries[language->count++] = (struct entry){ span_trim(key), span_trim(line) };
	}
	qsort(language->entries, language->count, sizeof(*language->entries), compare_entries);
	return STATUS_OK;
}

static const struct entry *find_entry(const struct language *language, struct span key)
{
	const struct entry wanted = { .key = key };
	return key.size ? bsearch(&wanted, language->entries, language->count, sizeof(wanted), compare_entries) : NULL;
}

struct span language_find(const struct language *language, struct span key)
{
	const struct entry *entry = find_entry(language, key);
	if (entry == NULL && language->otherwise)
		entry = find_entry(language->otherwise, key);
	return entry ? entry->words : (struct span){ 0 };
}

struct span language_code(const struct language *language)
{
	return language->code;
}

/* ---- all of them */

static enum status add_language(struct languages *languages, struct span name, struct span text)
{
	struct language *language = &languages->list[languages->count];
	if (!span_ends_with_nocase(name, SPAN(SUFFIX)) || languages->count == LANGUAGES_MAXIMUM)
		return STATUS_OK;
	languages->count++;
	language->code = span_slice(name, 0, name.size - (sizeof(SUFFIX) - 1));
	if (span_equal(language->code, SPAN(LANGUAGES_OTHERWISE)))
		languages->otherwise = language;
	return read_catalogue(text, language);
}

static enum status add_languages(struct languages *languages)
{
	const char *name;
	struct span text;
	for (size_t i = 0; files_at(i, &name, &text); i++)
		TRY(add_language(languages, span_of(name), text));
	for (size_t i = 0; i < languages->count; i++)
		if (&languages->list[i] != languages->otherwise)
			languages->list[i].otherwise = languages->otherwise;
	return languages->otherwise ? STATUS_OK : STATUS_INVALID;
}

enum status languages_open(struct languages **out_languages)
{
	struct languages *languages = calloc(1, sizeof(*languages));
	if (languages == NULL)
		return STATUS_NO_MEMORY;
	enum status status = add_languages(languages);
	if (status == STATUS_OK)
		*out_languages = languages;
	else
		languages_close(&languages);
	return status;
}

void languages_close(struct languages **languages)
{
	if (*languages == NULL)
		return;
	for (size_t i = 0; i < (*languages)->count; i++)
		free((*languages)->list[i].entries);
	free(*languages);
	*languages = NULL;
}

/* ---- Accept-Language */

/* In thousandths; 0: not wanted, or no number. "1", "0.8" */
static unsigned read_weight(struct span text)
{
	unsigned weight = 0, digits = 0;
	bool after_point = false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '.' && !after_point) {
			after_point = true;
			continue;
		}
		if (text.data[i] < '0' || text.data[i] > '9' || digits > 3)
			return 0;
		weight = 10 * weight + (unsigned)(text.data[i] - '0');
		digits += after_point;
	}
	for (; digits < 3; digits++)
		weight *= 10;
	return weight > 1000 ? 1000 : weight;
}

/* "vi-VN;q=0.8": the language alone, and how much it is wanted. */
static unsigned read_range(struct span range, struct span *out_code)
{
	struct span tag, value;
	unsigned weight = 1000;
	if (range.size == 0 || !span_cut(&range, ';', &tag))
		return 0;
	tag = span_trim(tag);
	value = span_trim(range);
	if (span_starts_with_nocase(value, SPAN("q=")))
		weight = read_weight(span_trim(span_slice(value, 2, value.size)));
	*out_code = span_slice(tag, 0, span_find_byte(tag, '-'));
	return weight;
}

static const struct language *find_language(const struct languages *languages, struct span code)
{
	for (size_t i = 0; i < languages->count; i++)
		if (span_equal_nocase(languages->list[i].code, code))
			return &languages->list[i];
	return NULL;
}

const struct language *languages_choose(const struct languages *languages, struct span field)
{
	const struct language *best = languages->otherwise;
	unsigned most = 0;
	struct span range, code = { 0 };
	while (field.size > 0 && span_cut(&field, ',', &range)) {
		unsigned weight = read_range(range, &code);
		const struct language *found = weight > most ? find_language(languages, code) : NULL;
		if (found == NULL)
			continue;
		best = found;
		most = weight;
	}
	return best;
}
