/*
 * libconfuse, which is told that every option is a text or a list of texts. Owns the tree of values; errors become
 * faults.
 */
#include "config/parse.h"

#include <confuse.h>
#include <stdlib.h>

#define ROWS_MAXIMUM 64 /* options of a section, or options and sections at the top level, at most */

struct parsed {
	cfg_t *tree;
};

/* libconfuse has no place for a context of ours; set only while parse_text runs. */
static struct faults *faults_now;

static void take_error(cfg_t *cfg, const char *format, va_list args)
{
	faults_add_list(faults_now, cfg->line > 0 ? (unsigned)cfg->line : 1, format, args);
}

/* The rows of one section; libconfuse copies them. Gives how many there are. */
static size_t describe_options(const struct config_section *section, cfg_opt_t rows[ROWS_MAXIMUM])
{
	size_t count = 0;
	for (const struct config_option *option = section->options(); option->name; option++) {
		if (count == ROWS_MAXIMUM - 1)
			abort();
		if (option->kind == OPTION_LIST)
			rows[count++] = (cfg_opt_t)CFG_STR_LIST(option->name, NULL, CFGF_NODEFAULT);
		else
			rows[count++] = (cfg_opt_t)CFG_STR(option->name, NULL, CFGF_NODEFAULT);
	}
	rows[count] = (cfg_opt_t)CFG_END();
	return count;
}

static cfg_t *describe_all(void)
{
	enum { SECTIONS_MAXIMUM = 32 };
	cfg_opt_t rows[ROWS_MAXIMUM];
	cfg_opt_t(*subrows)[ROWS_MAXIMUM] = calloc(SECTIONS_MAXIMUM, sizeof(*subrows));
	if (!subrows)
		return NULL;
	size_t count = describe_options(&config_sections[SECTION_GLOBAL], rows);
	for (size_t i = SECTION_GLOBAL + 1; config_sections[i].name; i++) {
		const struct config_section *section = &config_sections[i];
		cfg_flag_t flags = section->titled ? CFGF_MULTI : CFGF_NONE;
		if (i == SECTIONS_MAXIMUM || count == ROWS_MAXIMUM - 1)
			abort();
		describe_options(section, subrows[i]);
		rows[count++] = (cfg_opt_t)CFG_SEC(section->name, subrows[i], flags);
	}
	rows[count] = (cfg_opt_t)CFG_END();
	cfg_t *tree = cfg_init(rows, CFGF_NONE);
	free(subrows);
	return tree;
}

enum status parse_text(const char *text, struct faults *faults, struct parsed **out_parsed)
{
	unsigned before = faults->found;
	struct parsed *parsed = calloc(1, sizeof(*parsed));
	if (!parsed)
		return STATUS_NO_MEMORY;
	parsed->tree = describe_all();
	if (!parsed->tree) {
		parse_free(&parsed);
		return STATUS_NO_MEMORY;
	}
	cfg_set_error_function(parsed->tree, take_error);
	faults_now = faults;
	int result = cfg_parse_buf(parsed->tree, text);
	faults_now = NULL;
	if (result == CFG_SUCCESS) {
		*out_parsed = parsed;
		return STATUS_OK;
	}
	if (faults->found == before)
		faults_add(faults, 1, "not understood");
	parse_free(&parsed);
	return STATUS_INVALID;
}

void parse_free(struct parsed **parsed)
{
	if (!*parsed)
		return;
	if ((*parsed)->tree)
		cfg_free((*parsed)->tree);
	free(*parsed);
	*parsed = NULL;
}

static cfg_t *find_section(const struct parsed *parsed, const struct config_section *section, size_t nth)
{
	if (section == &config_sections[SECTION_GLOBAL])
		return parsed->tree;
	return cfg_getnsec(parsed->tree, section->name, (unsigned)nth);
}

size_t parse_count_sections(const struct parsed *parsed, const struct config_section *section)
{
	return section->titled ? cfg_size(parsed->tree, section->name) : 1;
}

size_t parse_count_values(const struct parsed *parsed, const struct config_section *section, size_t nth,
			  const struct config_option *option)
{
	return cfg_size(find_section(parsed, section, nth), option->name);
}

const char *parse_value(const struct parsed *parsed, const struct config_section *section, size_t nth,
			const struct config_option *option, size_t index)
{
	return cfg_getnstr(find_section(parsed, section, nth), option->name, (unsigned)index);
}
