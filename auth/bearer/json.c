/* jansson, after a look at how deep it would go. */
#include "auth/bearer/json.h"

#include "base/base64.h"
#include "base/json_text.h"

/* Past the text that begins at `at`; what is no JSON is the parser's to refuse. */
static size_t skip_text(struct span text, size_t at)
{
	for (at++; at < text.size && text.data[at] != '"'; at++)
		at += text.data[at] == '\\';
	return at;
}

static bool is_shallow(struct span text)
{
	size_t depth = 0;
	for (size_t i = 0; i < text.size && depth <= BEARER_JSON_DEPTH; i++) {
		char c = text.data[i];
		if (c == '"')
			i = skip_text(text, i);
		else if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return depth <= BEARER_JSON_DEPTH;
}

json_t *bearer_json_read(struct span text)
{
	if (span_is_empty(text) || !is_shallow(text))
		return NULL;
	return json_read(text);
}

bool bearer_json_is_base64url(struct span text)
{
	struct buf bytes BUF_AUTO;
	buf_init_sensitive(&bytes, text.size + 4); /* a whole group at the end */
	return !span_is_empty(text) && base64url_decode(text, &bytes) == STATUS_OK;
}
