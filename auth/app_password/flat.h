/*
 * One line of JSON that is flat: an object of texts, whole numbers and lists of texts (RFC 8259). Read in place, member
 * by member, without memory of its own: a file of 200,000 such lines is read at each start. Stricter than JSON: no
 * control characters in texts, none of them empty in a list, nothing nested, no fractions.
 */
#ifndef AUTH_APP_PASSWORD_FLAT_H
#define AUTH_APP_PASSWORD_FLAT_H

#include "base/span.h"

/* Where a reader stands. `scratch` has room for what is left of the line: nothing grows when escapes are resolved. */
struct flat {
	struct span rest;
	char *scratch;
	bool begun;
};

enum flat_kind { FLAT_TEXT, FLAT_NUMBER, FLAT_LIST };

struct flat_member {
	struct span name;
	enum flat_kind kind;
	struct span text; /* valid UTF-8, in the line or in the scratch; of a list, its texts with a LF between them */
	uint64_t number;
};

/* `scratch`: as many bytes as the line. Both live as long as the members are used. */
struct flat flat_of(struct span line, char *scratch);
/* The next member. STATUS_END: there was none, and nothing is after the object. STATUS_INVALID. */
MUST_USE enum status flat_next(struct flat *flat, struct flat_member *out_member);

#endif
