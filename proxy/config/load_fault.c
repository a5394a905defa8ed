/* Where in the file a fault is, and which option or section it is about. */
#include <string.h>

#include "config/load.h"

#define OPTION_NAME_SIZE 192 /* bytes, the NUL included: "relay gmail.port", both names at their longest */

static bool is_top(const char *section)
{
	return strcmp(section, config_sections[SECTION_GLOBAL].name) == 0;
}

size_t load_find_block(const struct load *load, const char *section, const char *title)
{
	if (is_top(section))
		return PLACE_TOP;
	return scan_find_section(&load->scan, span_of(section), span_of(title));
}

unsigned load_find_line(const struct load *load, size_t block, const char *option)
{
	const struct scan_place *place = option ? scan_find_option(&load->scan, block, span_of(option)) : NULL;
	if (place)
		return place->line;
	return block < load->scan.count ? load->scan.places[block].line : 1;
}

/* "gates", "limits.spool", "relay gmail", "relay gmail.port" */
static void name_option(const char *section, const char *title, const char *option, char out_name[OPTION_NAME_SIZE])
{
	bool top = is_top(section);
	snprintf(out_name, OPTION_NAME_SIZE, "%s%s%s%s%s", top ? "" : section, *title ? " " : "", title,
		 option && !top ? "." : "", option ? option : "");
}

void load_fault(struct load *load, const char *section, const char *title, const char *option, const char *format, ...)
{
	char name[OPTION_NAME_SIZE];
	char text[FAULT_TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	name_option(section, title, option, name);
	unsigned line = load_find_line(load, load_find_block(load, section, title), option);
	if (*name)
		faults_add(&load->faults, line, "%s: %s", name, text);
	else
		faults_add(&load->faults, line, "%s", text);
}
