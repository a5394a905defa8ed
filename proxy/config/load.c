/*
 * config_load: scan, parse, then fill the structs of config.h row by row. Each value that can't be read is a fault and
 * leaves the default in its place, so that the rules still have something to judge.
 */
#include "config/load.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/fill.h"
#include "config/profiles.h"

/* ---- names: known, and given once */

static void suggest_name(struct load *load, const struct scan_place *place, const struct config_section *section,
			 const char *what)
{
	struct span name = span_slice(place->name, 0, FAULT_QUOTED_BYTES);
	const char *nearest = table_find_nearest(section, place->name);
	if (nearest)
		faults_add(&load->faults, place->line, "unknown %s \"%.*s\"; did you mean \"%s\"?", what,
			   SPAN_ARGS(name), nearest);
	else
		faults_add(&load->faults, place->line, "unknown %s \"%.*s\"", what, SPAN_ARGS(name));
}

static void check_section_name(struct load *load, const struct scan_place *place)
{
	const struct config_section *section = table_find_section(place->name);
	struct span title = span_slice(place->title, 0, FAULT_QUOTED_BYTES);
	if (!section)
		suggest_name(load, place, &config_sections[SECTION_GLOBAL], "section");
	else if (!section->titled && title.data)
		faults_add(&load->faults, place->line, "%s: there is only one; expected no name before the {",
			   section->name);
	else if (section->titled && !value_is_name(place->title))
		faults_add(&load->faults, place->line,
			   "%s: \"%.*s\" is not a name; expected 1 to 64 letters, digits, \"-\", \"_\" and \".\"",
			   section->name, SPAN_ARGS(title));
}

static void check_option_name(struct load *load, const struct scan_place *place)
{
	const struct config_section *section = &config_sections[SECTION_GLOBAL];
	if (place->within != PLACE_TOP)
		section = table_find_section(load->scan.places[place->within].name);
	if (section && !table_find_option(section, place->name))
		suggest_name(load, place, section, "option");
}

static void check_repeated(struct load *load, const struct scan_place *place)
{
	struct span name = span_slice(place->name, 0, FAULT_QUOTED_BYTES);
	struct span title = span_slice(place->title, 0, FAULT_QUOTED_BYTES);
	const struct scan_place *former = scan_find_first(&load->scan, place);
	if (former != place)
		faults_add(&load->faults, place->line, "%.*s%s%.*s: given in line %u already; expected once",
			   SPAN_ARGS(name), title.size ? " " : "", SPAN_ARGS(title), former->line);
}

static enum status check_names(struct load *load)
{
	for (size_t i = 0; i < load->scan.count; i++) {
		const struct scan_place *place = &load->scan.places[i];
		if (place->is_section)
			check_section_name(load, place);
		else
			check_option_name(load, place);
		check_repeated(load, place);
	}
	return load->faults.found ? STATUS_INVALID : STATUS_OK;
}

/* ---- values */

static void report_value(struct load *load, const struct config_section *section, const char *title,
			 const struct config_option *option, const char *value)
{
	char expected[FILL_EXPECTED_SIZE];
	fill_describe_expected(option, expected);
	load_fault(load, section->name, title, option->name, "\"%.*s\" is not %s", FAULT_QUOTED_BYTES, value, expected);
}

/* Of a section whose options before this one have been read. */
static enum status read_default(const struct load *load, const struct config_section *section, const void *at,
				const struct config_option *option, void *field)
{
	struct config_option implied = *option;
	const char *value = NULL;
	if (strcmp(section->name, "ldap") == 0)
		value = profiles_default(((const struct config_ldap *)at)->profile, option->name);
	if (value)
		implied.value = value;
	return fill_default(load->config, &implied, field);
}

static enum status read_option(struct load *load, const struct config_section *section, size_t nth, size_t block,
			       const struct config_option *option, char *at)
{
	const char *title = ((const struct config_head *)at)->name;
	char *field = at + option->offset;
	if (!scan_find_option(&load->scan, block, span_of(option->name)))
		return read_default(load, section, at, option, field);
	if (option->kind == OPTION_LIST) {
		struct config_list *list = (struct config_list *)field;
		size_t count = parse_count_values(load->parsed, section, nth, option);
		for (size_t i = 0; i < count; i++) {
			const char *item = parse_value(load->parsed, section, nth, option, i);
			TRY(fill_list_add(list, span_of(item)));
		}
		return STATUS_OK;
	}
	const char *value = parse_value(load->parsed, section, nth, option, 0);
	enum status status = fill_value(load->config, option, span_of(value), field);
	if (status != STATUS_INVALID)
		return status;
	report_value(load, section, title, option, value);
	return fill_default(load->config, option, field);
}

/* `block`: where it stands in the file, as load_find_block tells. */
static enum status read_section(struct load *load, const struct config_section *section, size_t nth, size_t block,
				struct span title, char *at)
{
	struct config_head *head = (struct config_head *)at;
	head->line = load_find_line(load, block, NULL);
	head->name = span_to_string(title);
	if (!head->name)
		return STATUS_NO_MEMORY;
	for (const struct config_option *option = section->options(); option->name; option++)
		TRY(read_option(load, section, nth, block, option, at));
	return STATUS_OK;
}

static enum status read_titled(struct load *load, const struct config_section *section, struct config_items *items)
{
	size_t count = parse_count_sections(load->parsed, section);
	if (count == 0)
		return STATUS_OK;
	items->items = calloc(count, section->size);
	if (!items->items)
		return STATUS_NO_MEMORY;
	items->count = count;
	size_t nth = 0;
	for (size_t i = 0; i < load->scan.count && nth < count; i++) {
		const struct scan_place *place = &load->scan.places[i];
		if (place->is_section && span_equal(place->name, span_of(section->name))) {
			char *at = (char *)items->items + nth * section->size;
			TRY(read_section(load, section, nth++, i, place->title, at));
		}
	}
	return nth == count ? STATUS_OK : STATUS_INVALID; /* as libconfuse and the scanner see the same sections */
}

static enum status read_sections(struct load *load)
{
	for (const struct config_section *section = config_sections; section->name; section++) {
		char *at = (char *)load->config + section->offset;
		if (section->titled)
			TRY(read_titled(load, section, (struct config_items *)at));
		else
			TRY(read_section(load, section, 0, load_find_block(load, section->name, ""), SPAN(""), at));
	}
	return STATUS_OK;
}

/* ---- what is implied */

static bool has_section(const struct load *load, const char *section, const char *title)
{
	return load_find_block(load, section, title) != PLACE_NONE;
}

static enum status imply_section(struct load *load, const char *name, const char *title)
{
	const struct config_section *section = table_find_section(span_of(name));
	struct config_items *items = (struct config_items *)((char *)load->config + section->offset);
	char *grown = reallocarray(items->items, items->count + 1, section->size);
	if (!grown)
		return STATUS_NO_MEMORY;
	items->items = grown;
	char *at = grown + items->count++ * section->size;
	memset(at, 0, section->size);
	return read_section(load, section, 0, PLACE_NONE, span_of(title), at);
}

static bool is_given(const struct load *load, const char *section, const char *option)
{
	return scan_find_option(&load->scan, load_find_block(load, section, ""), span_of(option));
}

/* A directory is asked by default only if there is one. */
static void drop_default_ldap(struct config *config)
{
	struct config_list *backends = &config->auth.backends;
	for (size_t i = 0; i < backends->count; i++) {
		if (strcmp(backends->items[i], "ldap") != 0)
			continue;
		free(backends->items[i]);
		backends->count--;
		memmove(&backends->items[i], &backends->items[i + 1], (backends->count - i) * sizeof(char *));
		return;
	}
}

/*
 * Users that no quota section names have the limits of options.def; a relay that is the only one is the default route.
 */
static enum status imply_rest(struct load *load)
{
	struct config *config = load->config;
	if (config->ldap.count == 0 && !is_given(load, "auth", "backends"))
		drop_default_ldap(config);
	if (!has_section(load, "quota", "default"))
		TRY(imply_section(load, "quota", "default"));
	if (has_section(load, "route", "default") || config->relay.count != 1)
		return STATUS_OK;
	TRY(imply_section(load, "route", "default"));
	struct config_route *route = &config->route.items[config->route.count - 1];
	return fill_list_add(&route->relays, span_of(config->relay.items[0].name));
}

/* ---- the whole */

static enum status fill_hostname(struct config *config)
{
	char name[256] = ""; /* HOST_NAME_MAX is 64 */
	if (*config->global.hostname)
		return STATUS_OK;
	if (gethostname(name, sizeof(name) - 1) != 0)
		return STATUS_SYSTEM;
	free(config->global.hostname);
	config->global.hostname = strdup(name);
	return config->global.hostname ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status name_file(struct config *config, const char *file)
{
	config->file = strdup(file);
	if (!config->file)
		return STATUS_NO_MEMORY;
	return fill_folder_of(file, &config->folder);
}

static enum status load_all(struct load *load, struct span text, const char *file)
{
	load->config = calloc(1, sizeof(*load->config));
	if (!load->config)
		return STATUS_NO_MEMORY;
	TRY(name_file(load->config, file));
	TRY(scan_text(text, &load->faults, &load->scan));
	TRY(check_names(load));
	TRY(parse_text(load->scan.untitled, &load->faults, &load->parsed));
	TRY(read_sections(load));
	TRY(fill_hostname(load->config));
	TRY(imply_rest(load));
	TRY(lookup_sort(load->config));
	TRY(names_canonicalize(load));
	rules_apply(load);
	return STATUS_OK;
}

enum status config_load(struct span text, const char *file, FILE *faults, struct config **out_config)
{
	struct load load = { 0 };
	enum status status = load_all(&load, text, file);
	enum status reported = faults_report(&load.faults, file, faults);
	if (status == STATUS_OK)
		status = reported;
	if (status == STATUS_OK)
		*out_config = load.config;
	else
		config_free(&load.config);
	if (status != STATUS_OK && status != STATUS_INVALID)
		fprintf(faults, "%s:1: can't be read: %s\n", file, status_text(status));
	faults_free(&load.faults);
	parse_free(&load.parsed);
	scan_free(&load.scan);
	return status;
}
