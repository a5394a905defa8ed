/* The rows of options.def, and finding names among them. Constant data. */
#include "config/table.h"

#include <string.h>

#define TEXT(field, default_value, text) \
	{ .name = #field, .kind = OPTION_TEXT, .offset = offsetof(here, field), .value = default_value, .help = text },
#define PATH(field, folder, default_value, text) \
	{ .name = #field,                        \
	  .kind = OPTION_PATH,                   \
	  .offset = offsetof(here, field),       \
	  .base = BASE_##folder,                 \
	  .value = default_value,                \
	  .help = text },
#define FLAG(field, default_value, text) \
	{ .name = #field, .kind = OPTION_FLAG, .offset = offsetof(here, field), .value = default_value, .help = text },
#define BOUNDED(type, field, low, high, default_value, text) \
	{ .name = #field,                                    \
	  .kind = type,                                      \
	  .offset = offsetof(here, field),                   \
	  .minimum = low,                                    \
	  .maximum = high,                                   \
	  .value = default_value,                            \
	  .help = text },
#define COUNT(field, low, high, default_value, text) BOUNDED(OPTION_COUNT, field, low, high, default_value, text)
#define SIZE(field, low, high, default_value, text) BOUNDED(OPTION_SIZE, field, low, high, default_value, text)
#define DURATION(field, low, high, default_value, text) BOUNDED(OPTION_DURATION, field, low, high, default_value, text)
#define CHOICE(field, type, names, default_value, text) \
	{ .name = #field,                               \
	  .kind = OPTION_CHOICE,                        \
	  .offset = offsetof(here, field),              \
	  .choices = names,                             \
	  .value = default_value,                       \
	  .help = text },
#define LIST(field, default_value, text) \
	{ .name = #field, .kind = OPTION_LIST, .offset = offsetof(here, field), .value = default_value, .help = text },

/* `here` tells the rows above which struct their fields are in. */
#define SECTION(section, plurality, text, options)                           \
	static const struct config_option *options_of_##section(void)        \
	{                                                                    \
		typedef struct config_##section here;                        \
		static const struct config_option rows[] = { options{ 0 } }; \
		return rows;                                                 \
	}
#include "config/options.def"
#undef SECTION

#define SINGLE_SECTION false
#define TITLED_SECTION true
#define SECTION(section, plurality, text, rows)       \
	{ .name = #section,                           \
	  .titled = plurality##_SECTION,              \
	  .help = text,                               \
	  .offset = offsetof(struct config, section), \
	  .size = sizeof(struct config_##section),    \
	  .options = options_of_##section },
const struct config_section config_sections[] = {
#include "config/options.def"
	{ 0 },
};
#undef SECTION

#define SECTION(section, plurality, text, rows)                                                       \
	_Static_assert(offsetof(struct config_##section, line) == offsetof(struct config_head, line), \
		       "a section begins with its head");
#include "config/options.def"
#undef SECTION

const struct config_section *table_find_section(struct span name)
{
	for (const struct config_section *section = &config_sections[SECTION_GLOBAL + 1]; section->name; section++) {
		if (span_equal(span_of(section->name), name))
			return section;
	}
	return NULL;
}

const struct config_option *table_find_option(const struct config_section *section, struct span name)
{
	for (const struct config_option *option = section->options(); option->name; option++) {
		if (span_equal(span_of(option->name), name))
			return option;
	}
	return NULL;
}

#define NEAR_NAME_BYTES 40 /* longer names resemble nothing */
#define NEAR_DISTANCE 3    /* from this many edits on, two names don't resemble each other */

static size_t smaller_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The number of letters to insert, drop or change between two names (Levenshtein's distance). */
static size_t measure_distance(struct span a, struct span b)
{
	size_t row[NEAR_NAME_BYTES + 1];
	for (size_t j = 0; j <= b.size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.size; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.size; j++) {
			size_t change = diagonal + (a.data[i - 1] == b.data[j - 1] ? 0 : 1);
			diagonal = row[j];
			row[j] = smaller_of(change, smaller_of(row[j], row[j - 1]) + 1);
		}
	}
	return row[b.size];
}

static void consider_name(const char *candidate, struct span name, size_t *best, const char **nearest)
{
	if (strlen(candidate) > NEAR_NAME_BYTES)
		return;
	size_t distance = measure_distance(name, span_of(candidate));
	if (distance < *best && distance < name.size) {
		*best = distance;
		*nearest = candidate;
	}
}

const char *table_find_nearest(const struct config_section *section, struct span name)
{
	const char *nearest = NULL;
	size_t best = NEAR_DISTANCE;
	if (name.size > NEAR_NAME_BYTES)
		return NULL;
	for (const struct config_option *option = section->options(); option->name; option++)
		consider_name(option->name, name, &best, &nearest);
	if (section != &config_sections[SECTION_GLOBAL])
		return nearest;
	for (const struct config_section *other = &config_sections[SECTION_GLOBAL + 1]; other->name; other++)
		consider_name(other->name, name, &best, &nearest);
	return nearest;
}
