/*
 * What comes before libconfuse. Comments are blanked out; everything is refused that libconfuse 3.3 would accept in
 * silence (a text or section without an end, "${NAME}", stray bytes); and the place of each name is noted, for messages
 * and to find what is given twice. Private to this room.
 */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include "base/span.h"
#include "config/faults.h"

#define SCAN_TEXT_MAXIMUM (8U << 20) /* bytes of a configuration: libconfuse and we read it whole */

/* The top level, as the section that a place is in. */
#define PLACE_TOP SIZE_MAX
#define PLACE_NONE (SIZE_MAX - 1) /* the section is not in the file */

/* A section or an option, where it stands. */
struct scan_place {
	struct span name;
	struct span title; /* of a section; empty where it has none */
	unsigned line;
	size_t within; /* index of the section it is in, or PLACE_TOP */
	bool is_section;
	size_t begin, end; /* bytes of the text: an option's value, what is between a section's braces */
};

struct scan {
	char *text;     /* the file without comments, line for line, NUL-terminated; names and titles are views of it */
	char *untitled; /* the same without titles: libconfuse would compare each with all before it */
	struct scan_place *places;       /* in the order of the file */
	const struct scan_place **order; /* the same, to be found by name: scan_order.c */
	size_t count;
};

/* The first fault of syntax goes to `faults`: STATUS_INVALID. STATUS_NO_MEMORY. */
MUST_USE enum status scan_text(struct span text, struct faults *faults, struct scan *out_scan);
void scan_free(struct scan *scan);

/* Makes `order`. STATUS_NO_MEMORY. */
MUST_USE enum status scan_sort(struct scan *scan);
/* The first place in the file that is of the same section, kind, name and title, or NULL. */
const struct scan_place *scan_find_first(const struct scan *scan, const struct scan_place *alike);
/* The option of this name in that section, or NULL. */
const struct scan_place *scan_find_option(const struct scan *scan, size_t within, struct span name);
/* Index of the section of this name and title, or PLACE_NONE. */
size_t scan_find_section(const struct scan *scan, struct span name, struct span title);

#define SCAN_AUTO __attribute__((cleanup(scan_free)))

#endif
