/* Fields of the config structs, by their rows in the table. What they hold is on the heap and goes with config_free. */
#include "config/fill.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(enum config_log_level) == sizeof(unsigned), "a choice is kept as an unsigned number");

static enum status set_text(char *value, char **out_field)
{
	if (!value)
		return STATUS_NO_MEMORY;
	free(*out_field);
	*out_field = value;
	return STATUS_OK;
}

static char *join_path(const char *folder, struct span name)
{
	char *path;
	if (asprintf(&path, "%s/%.*s", folder, SPAN_ARGS(name)) < 0)
		return NULL;
	return path;
}

static enum status fill_path(const struct config *config, const struct config_option *option, struct span text,
			     char **out_field)
{
	const char *folders[] = {
		[BASE_CONFIG] = config->folder,
		[BASE_STATE] = config->global.state_dir,
		[BASE_RUN] = config->global.run_dir,
	};
	if (span_is_empty(text) || text.data[0] == '/')
		return set_text(span_to_string(text), out_field);
	return set_text(join_path(folders[option->base], text), out_field);
}

static enum status fill_number(const struct config_option *option, struct span text, uint64_t *out_field)
{
	uint64_t number;
	if (option->kind == OPTION_COUNT)
		TRY(span_to_u64(text, &number));
	else if (option->kind == OPTION_SIZE)
		TRY(value_parse_size(text, &number));
	else
		TRY(value_parse_duration(text, &number));
	if (number < option->minimum || number > option->maximum)
		return STATUS_INVALID;
	*out_field = number;
	return STATUS_OK;
}

enum status fill_value(const struct config *config, const struct config_option *option, struct span text,
		       void *out_field)
{
	switch (option->kind) {
	case OPTION_TEXT:
		return set_text(span_to_string(text), out_field);
	case OPTION_PATH:
		return fill_path(config, option, text, out_field);
	case OPTION_FLAG:
		return value_parse_flag(text, out_field);
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return fill_number(option, text, out_field);
	case OPTION_CHOICE:
		return value_parse_choice(text, option->choices, out_field);
	case OPTION_LIST:
	default:
		return STATUS_INVALID;
	}
}

enum status fill_list_add(struct config_list *list, struct span item)
{
	char **items = reallocarray(list->items, list->count + 1, sizeof(*items));
	if (!items)
		return STATUS_NO_MEMORY;
	list->items = items;
	items[list->count] = span_to_string(item);
	if (!items[list->count])
		return STATUS_NO_MEMORY;
	list->count++;
	return STATUS_OK;
}

enum status fill_default(const struct config *config, const struct config_option *option, void *out_field)
{
	struct span rest = span_of(option->value);
	struct span item;
	if (option->kind != OPTION_LIST)
		return fill_value(config, option, rest, out_field);
	while (rest.size && span_cut(&rest, ',', &item))
		TRY(fill_list_add(out_field, item));
	return STATUS_OK;
}

static void describe_bounds(const struct config_option *option, char out_text[FILL_EXPECTED_SIZE])
{
	char low[VALUE_TEXT_SIZE], high[VALUE_TEXT_SIZE];
	bool has_example = strcmp(option->value, "0") != 0;
	if (option->kind == OPTION_SIZE) {
		value_format_size(option->minimum, low);
		value_format_size(option->maximum, high);
		snprintf(out_text, FILL_EXPECTED_SIZE,
			 "a size from %s to %s; expected a number with K, M or G, such as \"%s\"", low, high,
			 has_example ? option->value : "35M");
	} else if (option->kind == OPTION_DURATION) {
		value_format_duration(option->minimum, low);
		value_format_duration(option->maximum, high);
		snprintf(out_text, FILL_EXPECTED_SIZE,
			 "a duration from %s to %s; expected a number with ms, s, m, h or d, such as \"%s\"", low, high,
			 has_example ? option->value : "10m");
	} else {
		snprintf(out_text, FILL_EXPECTED_SIZE,
			 "a number from %" PRIu64 " to %" PRIu64 "; expected digits alone", option->minimum,
			 option->maximum);
	}
}

static void describe_choices(const struct config_option *option, char out_text[FILL_EXPECTED_SIZE])
{
	size_t used = (size_t)snprintf(out_text, FILL_EXPECTED_SIZE, "known; expected ");
	struct span name = value_choice_name(option->choices, 0);
	for (unsigned i = 1; name.size && used < FILL_EXPECTED_SIZE; i++) {
		struct span next = value_choice_name(option->choices, i);
		const char *link = i == 1 ? "" : next.size ? ", " : " or ";
		int size = snprintf(out_text + used, FILL_EXPECTED_SIZE - used, "%s\"%.*s\"", link, SPAN_ARGS(name));
		used += size > 0 ? (size_t)size : 0;
		name = next;
	}
}

void fill_describe_expected(const struct config_option *option, char out_text[FILL_EXPECTED_SIZE])
{
	switch (option->kind) {
	case OPTION_FLAG:
		snprintf(out_text, FILL_EXPECTED_SIZE, "a flag; expected true or false");
		break;
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		describe_bounds(option, out_text);
		break;
	case OPTION_CHOICE:
		describe_choices(option, out_text);
		break;
	case OPTION_TEXT:
	case OPTION_PATH:
	case OPTION_LIST:
	default:
		snprintf(out_text, FILL_EXPECTED_SIZE, "a text");
	}
}

enum status fill_folder_of(const char *file, char **out_folder)
{
	const char *slash = strrchr(file, '/');
	struct span folder = slash ? (struct span){ file, (size_t)(slash - file) } : SPAN("");
	if (file[0] == '/')
		return set_text(span_to_string(folder), out_folder);
	char *here = getcwd(NULL, 0);
	if (!here)
		return STATUS_SYSTEM;
	if (!slash)
		return set_text(here, out_folder);
	enum status status = set_text(join_path(here, folder), out_folder);
	free(here);
	return status;
}

/* ---- freeing */

static void free_field(const struct config_option *option, void *field)
{
	struct config_list *list = field;
	if (option->kind == OPTION_TEXT || option->kind == OPTION_PATH)
		free(*(char **)field);
	if (option->kind != OPTION_LIST)
		return;
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
}

static void free_section(const struct config_section *section, char *at)
{
	free(((struct config_head *)at)->name);
	for (const struct config_option *option = section->options(); option->name; option++)
		free_field(option, at + option->offset);
}

static void free_titled(const struct config_section *section, const struct config_items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free_section(section, (char *)items->items + i * section->size);
	free(items->items);
}

void config_free(struct config **config)
{
	if (!*config)
		return;
	for (const struct config_section *section = config_sections; section->name; section++) {
		char *at = (char *)*config + section->offset;
		if (section->titled)
			free_titled(section, (struct config_items *)at);
		else
			free_section(section, at);
	}
	free((*config)->relays_by_name);
	free((*config)->oauths_by_name);
	free((*config)->file);
	free((*config)->folder);
	free(*config);
	*config = NULL;
}
