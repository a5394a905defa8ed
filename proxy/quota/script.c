/* Writing what scripts are given, and reading what they answer. Pure. */
#include "quota/script.h"

#include <inttypes.h>
#include <stdio.h>

enum status script_write_key(struct buf *b, const char *prefix, const char *kind, struct span name)
{
	TRY(buf_printf(b, "%s%s:{", prefix, kind));
	TRY(buf_append(b, name));
	return buf_append_byte(b, '}');
}

struct span script_write_number(uint64_t number, char text[SCRIPT_NUMBER_SIZE])
{
	snprintf(text, SCRIPT_NUMBER_SIZE, "%" PRIu64, number);
	return span_of(text);
}

bool script_has_answered(enum status status, const struct redis_value *value, size_t count)
{
	return status == STATUS_OK && redis_value_type(value) == REDIS_ARRAY && redis_value_count(value) == count;
}

uint64_t script_number_at(const struct redis_value *value, size_t index)
{
	int64_t number = redis_value_integer(redis_value_at(value, index));
	return number > 0 ? (uint64_t)number : 0;
}
