/*
 * --dump: the configuration that is in force, in the syntax that it is read in. Loading what was written gives the same
 * configuration. There are no secrets in it, only the names of their files.
 */
#include <inttypes.h>
#include <string.h>

#include "config/table.h"
#include "config/values.h"

static void write_text(FILE *out, struct span text)
{
	fputc('"', out);
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			fputc('\\', out);
		fputc(text.data[i], out);
	}
	fputc('"', out);
}

static void write_list(FILE *out, const struct config_list *list)
{
	fputc('{', out);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "", out);
		write_text(out, span_of(list->items[i]));
	}
	fputc('}', out);
}

static void write_value(FILE *out, const struct config_option *option, const void *field)
{
	char number[VALUE_TEXT_SIZE];
	switch (option->kind) {
	case OPTION_TEXT:
	case OPTION_PATH:
		write_text(out, span_of(*(char *const *)field));
		break;
	case OPTION_FLAG:
		fputs(*(const bool *)field ? "true" : "false", out);
		break;
	case OPTION_SIZE:
		value_format_size(*(const uint64_t *)field, number);
		write_text(out, span_of(number));
		break;
	case OPTION_DURATION:
		value_format_duration(*(const uint64_t *)field, number);
		write_text(out, span_of(number));
		break;
	case OPTION_CHOICE:
		write_text(out, value_choice_name(option->choices, *(const unsigned *)field));
		break;
	case OPTION_LIST:
		write_list(out, field);
		break;
	case OPTION_COUNT:
	default:
		fprintf(out, "%" PRIu64, *(const uint64_t *)field);
	}
}

static void write_options(FILE *out, const struct config_section *section, const char *indent, const char *at)
{
	for (const struct config_option *option = section->options(); option->name; option++) {
		fprintf(out, "%s%s = ", indent, option->name);
		write_value(out, option, at + option->offset);
		fputc('\n', out);
	}
}

static void write_section(FILE *out, const struct config_section *section, const char *at)
{
	const struct config_head *head = (const struct config_head *)at;
	fprintf(out, "\n%s%s%s {\n", section->name, *head->name ? " " : "", head->name);
	write_options(out, section, "\t", at);
	fputs("}\n", out);
}

void config_dump(const struct config *config, FILE *out)
{
	write_options(out, &config_sections[SECTION_GLOBAL], "", (const char *)&config->global);
	for (const struct config_section *section = &config_sections[SECTION_GLOBAL + 1]; section->name; section++) {
		const char *at = (const char *)config + section->offset;
		const struct config_items *items = (const struct config_items *)at;
		if (!section->titled)
			write_section(out, section, at);
		for (size_t i = 0; section->titled && i < items->count; i++)
			write_section(out, section, (const char *)items->items + i * section->size);
	}
}
