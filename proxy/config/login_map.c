/* Lines of auth.login_map. Pure. */
#include "config/login_map.h"

#include <string.h>

#include "base/buf.h"

/* "before*after"; without a star, `before` is all of it. */
struct star_text {
	struct span before, after;
	bool has_star;
};

static struct star_text star_text_of(struct span text)
{
	size_t at = span_find_byte(text, '*');
	return (struct star_text){
		.before = span_slice(text, 0, at),
		.after = span_slice(text, at + 1, text.size),
		.has_star = at < text.size,
	};
}

static bool read_line(struct span line, struct star_text *out_pattern, struct star_text *out_name)
{
	const char *arrow = line.size ? memmem(line.data, line.size, "->", 2) : NULL;
	if (arrow == NULL)
		return false;
	size_t at = (size_t)(arrow - line.data);
	struct span pattern = span_trim(span_slice(line, 0, at));
	struct span name = span_trim(span_slice(line, at + 2, line.size));
	*out_pattern = star_text_of(pattern);
	*out_name = star_text_of(name);
	return pattern.size && name.size && !span_contains_byte(out_pattern->after, '*') &&
	       !span_contains_byte(out_name->after, '*') && (out_pattern->has_star || !out_name->has_star);
}

bool login_map_is_line(struct span line)
{
	struct star_text pattern, name;
	return read_line(line, &pattern, &name);
}

static bool matches_pattern(const struct star_text *pattern, struct span name, struct span *out_star)
{
	if (!pattern->has_star)
		return span_equal_nocase(name, pattern->before);
	if (name.size <= pattern->before.size + pattern->after.size ||
	    !span_starts_with_nocase(name, pattern->before) || !span_ends_with_nocase(name, pattern->after))
		return false;
	*out_star = span_slice(name, pattern->before.size, name.size - pattern->after.size);
	return !span_contains_byte(*out_star, '@') && !span_contains_byte(*out_star, '\\');
}

static enum status write_name(const struct star_text *name, struct span star, char out_name[NAME_SIZE])
{
	struct buf text BUF_AUTO;
	buf_init(&text, NAME_MAXIMUM);
	enum status status = buf_append(&text, name->before);
	if (status == STATUS_OK && name->has_star)
		status = buf_append(&text, star);
	if (status == STATUS_OK)
		status = buf_append(&text, name->after);
	if (status == STATUS_OK)
		status = name_canonical(buf_span(&text), out_name);
	return status == STATUS_TOO_LARGE ? STATUS_INVALID : status;
}

enum status login_map_apply(const struct config_list *map, struct span name, char out_name[NAME_SIZE])
{
	for (size_t i = 0; i < map->count; i++) {
		struct star_text pattern, meant;
		struct span star = { 0 };
		if (read_line(span_of(map->items[i]), &pattern, &meant) && matches_pattern(&pattern, name, &star))
			return write_name(&meant, star, out_name);
	}
	return name_canonical(name, out_name);
}
