/* The option reference in Markdown, made from options.def: conf/options.md is what this writes. */
#include <inttypes.h>
#include <string.h>

#include "config/table.h"
#include "config/values.h"

static const char introduction[] =
	"# Options\n"
	"\n"
	"Every option of `subgate.conf`, with its default. This page is made from `proxy/config/options.def`.\n"
	"\n"
	"A section is `NAME { option = value … }`; one with a title, such as `relay gmail { … }`, may appear "
	"several\n"
	"times with different titles. Texts stand in double quotes (`\\\"` and `\\\\` inside), lists in braces:\n"
	"`{\"a\", \"b\"}`. Durations are a number with `ms`, `s`, `m`, `h` or `d`, sizes one with `K`, `M`, `G` or `T` "
	"(of\n"
	"1024). `#`, `//` and `/* */` are comments. An unknown option, or one given twice, is an error, and so "
	"is\n"
	"`${`: nothing is expanded. Relative paths are below the folder named in the table.\n";

static const char *const kinds[] = {
	[OPTION_TEXT] = "text",     [OPTION_PATH] = "path",          [OPTION_FLAG] = "true or false",
	[OPTION_COUNT] = "number",  [OPTION_SIZE] = "size",          [OPTION_DURATION] = "duration",
	[OPTION_CHOICE] = "one of", [OPTION_LIST] = "list of texts",
};

/* In a table, | would end the cell. */
static void write_cell(FILE *out, struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '|')
			fputc('\\', out);
		fputc(text.data[i], out);
	}
}

static void write_bounds(FILE *out, const struct config_option *option)
{
	char low[VALUE_TEXT_SIZE], high[VALUE_TEXT_SIZE];
	if (option->kind == OPTION_SIZE) {
		value_format_size(option->minimum, low);
		value_format_size(option->maximum, high);
	} else if (option->kind == OPTION_DURATION) {
		value_format_duration(option->minimum, low);
		value_format_duration(option->maximum, high);
	} else {
		snprintf(low, sizeof(low), "%" PRIu64, option->minimum);
		snprintf(high, sizeof(high), "%" PRIu64, option->maximum);
	}
	fprintf(out, ", %s to %s", low, high);
}

static void write_choices(FILE *out, const char *choices)
{
	struct span rest = span_of(choices);
	struct span name;
	for (unsigned i = 0; span_cut(&rest, '|', &name); i++)
		fprintf(out, "%s`\"%.*s\"`", i ? ", " : " ", SPAN_ARGS(name));
}

static void write_kind(FILE *out, const struct config_option *option)
{
	static const char *const folders[] = {
		[BASE_CONFIG] = "the file's folder",
		[BASE_STATE] = "`state_dir`",
		[BASE_RUN] = "`run_dir`",
	};
	fputs(kinds[option->kind], out);
	if (option->kind == OPTION_PATH)
		fprintf(out, " below %s", folders[option->base]);
	if (option->kind == OPTION_CHOICE)
		write_choices(out, option->choices);
	if (option->kind == OPTION_COUNT || option->kind == OPTION_SIZE || option->kind == OPTION_DURATION)
		write_bounds(out, option);
}

static void write_default(FILE *out, const struct config_option *option)
{
	struct span rest = span_of(option->value);
	struct span item;
	bool quoted = option->kind != OPTION_FLAG && option->kind != OPTION_COUNT;
	if (option->kind != OPTION_LIST) {
		fputs(quoted ? "`\"" : "`", out);
		write_cell(out, rest);
		fputs(quoted ? "\"`" : "`", out);
		return;
	}
	fputs("`{", out);
	for (unsigned i = 0; rest.size && span_cut(&rest, ',', &item); i++)
		fprintf(out, "%s\"%.*s\"", i ? ", " : "", SPAN_ARGS(item));
	fputs("}`", out);
}

static void write_row(FILE *out, const struct config_option *option)
{
	fprintf(out, "| `%s` | ", option->name);
	write_kind(out, option);
	fputs(" | ", out);
	write_default(out, option);
	fputs(" | ", out);
	write_cell(out, span_of(option->help));
	fputs(" |\n", out);
}

void config_reference(FILE *out)
{
	fputs(introduction, out);
	for (const struct config_section *section = config_sections; section->name; section++) {
		if (section == &config_sections[SECTION_GLOBAL])
			fprintf(out, "\n## %s\n\n", section->help);
		else
			fprintf(out, "\n## %s%s\n\n%s.\n\n", section->name, section->titled ? " NAME" : "",
				section->help);
		fputs("| option | value | default | |\n|---|---|---|---|\n", out);
		for (const struct config_option *option = section->options(); option->name; option++)
			write_row(out, option);
	}
}
