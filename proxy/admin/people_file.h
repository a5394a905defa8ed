/*
 * Sessions of the console as the lines of a file, so that they outlive an admin process: a first line names the
 * version, and each further one is a session as a JSON object, known by the digest of its token. Pure.
 *
 * Times are kept by two clocks, and the older one counts: a wall clock that was set back makes no session younger, nor
 * does a boot, after which the monotonic clock begins anew.
 */
#ifndef ADMIN_PEOPLE_FILE_H
#define ADMIN_PEOPLE_FILE_H

#include "admin/people.h"
#include "base/buf.h"

struct people_clock {
	uint64_t monotonic_ms, wall_ms;
};

/*
 * Adds the sessions of the text to `people`, which has the limits; those that are over are left out, and so is each
 * line that can't be read, or whose session is there already. STATUS_INVALID: another version, and nothing was added.
 */
MUST_USE enum status people_read(struct span text, const struct people_clock *now, struct people *people,
				 size_t *out_strange);
MUST_USE enum status people_write(const struct people *people, const struct people_clock *now, struct buf *out_text);

#endif
