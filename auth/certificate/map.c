/* Lines "USER SUBJECT" and "USER sha256:FINGERPRINT". */
#include "auth/certificate/map.h"

#define FINGERPRINT_PREFIX SPAN("sha256:")

/* False at the end. *out_user is empty for a line that says nothing, *out_key too for one that can't be read. */
static bool take_line(struct span *rest, struct span *out_user, struct span *out_key)
{
	struct span line;
	if (!span_cut(rest, '\n', &line))
		return false;
	if (line.size > 0 && line.data[line.size - 1] == '\r')
		line = span_slice(line, 0, line.size - 1);
	line = span_trim(line);
	*out_user = *out_key = (struct span){ 0 };
	if (span_is_empty(line) || line.data[0] == '#')
		return true;
	*out_user = span_first_word(line);
	*out_key = span_trim(span_slice(line, out_user->size, line.size));
	return true;
}

size_t certificate_map_find_fault(struct span text)
{
	struct span user, key;
	for (size_t line = 1; take_line(&text, &user, &key); line++)
		if (!span_is_empty(user) && span_is_empty(key))
			return line;
	return 0;
}

static bool names_certificate(struct span key, struct span subject, struct span fingerprint)
{
	if (span_starts_with_nocase(key, FINGERPRINT_PREFIX))
		return span_equal_nocase(span_slice(key, FINGERPRINT_PREFIX.size, key.size), fingerprint);
	return span_equal(key, subject);
}

struct span certificate_map_find(struct span text, struct span subject, struct span fingerprint)
{
	struct span user, key, found = { 0 };
	while (take_line(&text, &user, &key)) {
		if (span_is_empty(key) || !names_certificate(key, subject, fingerprint))
			continue;
		if (!span_is_empty(found) && !span_equal(found, user))
			return (struct span){ 0 };
		found = user;
	}
	return found;
}
