/* options.def as rows, for the parser, the dump and the reference. Private to this room. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum option_kind {
	OPTION_TEXT,
	OPTION_PATH,
	OPTION_FLAG,
	OPTION_COUNT,
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_CHOICE,
	OPTION_LIST,
};

/* What a relative path is below. */
enum option_base { BASE_CONFIG, BASE_STATE, BASE_RUN };

struct config_option {
	const char *name;
	enum option_kind kind;
	size_t offset;         /* of the field in struct config_SECTION */
	enum option_base base; /* PATH */
	uint64_t minimum;      /* COUNT, SIZE, DURATION */
	uint64_t maximum;
	const char *choices; /* CHOICE: names with | between them, in the order of the enum */
	const char *value;   /* the default, as it would stand in the file */
	const char *help;
};

struct config_section {
	const char *name; /* "global": the file's top level */
	bool titled;
	const char *help;
	size_t offset; /* in struct config: of the section, or of its items and count */
	size_t size;   /* of one struct config_SECTION */
	/* Its rows; ended by one without a name. */
	const struct config_option *(*options)(void);
};

/* What every struct config_SECTION begins with. */
struct config_head {
	char *name;
	unsigned line;
};

/* What stands at the offset of a titled section. */
struct config_items {
	void *items;
	size_t count;
};

#define SECTION_GLOBAL 0 /* index of the top level */

/* All sections, in the order of options.def, the top level first; ended by one without a name. */
extern const struct config_section config_sections[];

/* NULL when there is none. */
const struct config_section *table_find_section(struct span name);
const struct config_option *table_find_option(const struct config_section *section, struct span name);
/*
 * The option of this section (at the top level, or the section) with the name most like `name`; NULL: none is like it.
 */
const char *table_find_nearest(const struct config_section *section, struct span name);

#endif
