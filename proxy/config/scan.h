/*
 * What comes before libconfuse. Comments are blanked out; everything is refused that libconfuse 3.3 would accept in
 * silence (a text or section without an end, "${NAME}", stray bytes); and the place of each name is noted, for messages
 * and to find what is given twice. Private to this room.
 */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include "base/span.h"
#include "config/faults.h"

#define SCAN_TEXT_MAXIMUM (1U << 20) /* bytes of a configuration: libconfuse and we read it whole */

/* The top level, as the section that a place is in. */
#define PLACE_TOP SIZE_MAX
#define PLACE_NONE (SIZE_MAX - 1) /* the section is not in the file */

/* A section or an option, where it stands. */
struct place {
	struct span name;
	struct span title; /* of a section; empty where it has none */
	unsigned line;
	size_t within; /* index of the section it is in, or PLACE_TOP */
	bool is_section;
};

struct scan {
	char *text; /* the file without comments, line for line, NUL-terminated; names and titles are views of it */
	struct place *places; /* in the order of the file */
	size_t count;
};

/* The first fault of syntax goes to `faults`: STATUS_INVALID. STATUS_NO_MEMORY. */
MUST_USE enum status scan_text(struct span text, struct faults *faults, struct scan *out_scan);
void scan_free(struct scan *scan);

/* The option of this name in that section, or NULL. */
const struct place *scan_find_option(const struct scan *scan, size_t within, struct span name);
/* Index of section number `nth` (from 0) of this name, or PLACE_NONE. */
size_t scan_find_section(const struct scan *scan, struct span name, size_t nth);

#define SCAN_AUTO __attribute__((cleanup(scan_free)))

#endif
