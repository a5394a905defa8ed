/*
 * HTML from templates and JSON. Whatever a template shows of the data is escaped, for text and for attributes in
 * double quotes; there is no way to show it otherwise. Pure.
 *
 *   {{name}} {{a.b}} {{.}}   a value, escaped; sought from the innermost section outwards; nothing if there is none
 *   {{name|filter}}          the same through a filter: time, day, machine (of seconds since 1970 or RFC 3339), bytes,
 *                            query (for a part of a URL), link (an address of https, else "#"), count (how many
 *                            items), json
 *   {{#name}}…{{/}}          for each item of a list; else once with the value around, unless it is absent, null,
 *                            false, 0, empty
 *   {{^name}}…{{/}}          once, if the former would not
 *   {{#name=text}}…{{/}}     once, if the value is this text; {{^name=text}} if not
 *   {{_key}}                 the words of the reader's language, which are a template themselves
 *   {{_key.$name}}           the same, with the value as the last part of the key; without such words, the value
 *   {{>file}}                another template in this place
 */
#ifndef CONSOLE_PAGES_TEMPLATE_H
#define CONSOLE_PAGES_TEMPLATE_H

#include <jansson.h>

#include "base/buf.h"

/* Templates in templates, and sections in sections. */
#define TEMPLATE_DEPTH 16

struct template_words {
	/* The words under a key, or a template of that name; empty: there are none. */
	struct span (*find_words)(const void *context, struct span key);
	struct span (*find_file)(const void *context, struct span name);
	const void *context;
};

/*
 * Appends what the template makes of the data. STATUS_INVALID: the template is none, our own mistake. STATUS_TOO_LARGE,
 * STATUS_NO_MEMORY.
 */
MUST_USE enum status template_render(struct span text, const json_t *data, const struct template_words *words,
				     struct buf *out_html);
/* The text as HTML shows it, in an attribute in double quotes too. Bytes that no text may have become '?'. */
MUST_USE enum status template_escape(struct span text, struct buf *out_html);

#endif
