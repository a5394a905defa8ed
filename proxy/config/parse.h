/*
 * A small interface to libconfuse: text without comments in, the values of each section out, as texts. Private to this
 * room.
 */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H

#include "base/status.h"
#include "config/faults.h"
#include "config/table.h"

struct parsed;

/*
 * Parses `text`, NUL-terminated, as the scanner left it without titles. STATUS_INVALID: the first fault went to
 * `faults`. Only one thread may parse, as the whole process has a single libconfuse lexer.
 */
MUST_USE enum status parse_text(const char *text, struct faults *faults, struct parsed **out_parsed);
void parse_free(struct parsed **parsed);

/* How many sections of this name there are: 1 for one that can't be titled. */
size_t parse_count_sections(const struct parsed *parsed, const struct config_section *section);
/* How many values were given, and each of them; valid while `parsed` is. */
size_t parse_count_values(const struct parsed *parsed, const struct config_section *section, size_t nth,
			  const struct config_option *option);
const char *parse_value(const struct parsed *parsed, const struct config_section *section, size_t nth,
			const struct config_option *option, size_t index);

#endif
