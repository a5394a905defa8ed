/*
 * Changes to the text of a configuration that somebody else may have written: one option at a time, so that comments,
 * order, and whatever the caller knows nothing of stay as they are.
 */
#ifndef CONFIG_EDIT_H
#define CONFIG_EDIT_H

#include "base/buf.h"

/*
 * Appends `value` as a text of the configuration's syntax: in quotes, quotes and backslashes escaped. STATUS_INVALID:
 * there is no way to write it (a control byte, "${").
 */
MUST_USE enum status edit_quote(struct span value, struct buf *text);

/*
 * Gives an option its value, which stands as it is to stand in the file (edit_quote, a number, a list). `section` is
 * "" for the top level, `title` "" where a section has none. A section that is not there yet is added at the end.
 * STATUS_INVALID: the text is no configuration. STATUS_TOO_LARGE, STATUS_NO_MEMORY; `text` is untouched by failures.
 */
MUST_USE enum status edit_set(struct buf *text, const char *section, const char *title, const char *option,
			      struct span value);
/* Takes an option out; STATUS_OK where there is none. Otherwise as above. */
MUST_USE enum status edit_unset(struct buf *text, const char *section, const char *title, const char *option);
/* Takes a section out, with the comments within it; STATUS_OK where there is none. Otherwise as above. */
MUST_USE enum status edit_remove_section(struct buf *text, const char *section, const char *title);
/* Whether there is a section of this name, of whatever title. */
bool edit_has_section(const struct buf *text, const char *section);

#endif
