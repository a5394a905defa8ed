/* Writing what scripts are given, and reading what they answer. Pure. */
#include "redis/script.h"

#include <stdio.h>
#include <string.h>

enum status script_write_key(struct buf *b, const char *prefix, const char *kind, struct span name)
{
	TRY(buf_append_text(b, prefix));
	TRY(buf_append_text(b, kind));
	TRY(buf_append(b, SPAN(":{")));
	TRY(buf_append(b, name));
	return buf_append_byte(b, '}');
}

struct span script_write_number(uint64_t number, char text[SCRIPT_NUMBER_SIZE])
{
	char digits[SCRIPT_NUMBER_SIZE];
	size_t at = sizeof(digits), size;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	size = sizeof(digits) - at;
	memcpy(text, digits + at, size);
	text[size] = '\0';
	return (struct span){ text, size };
}

bool script_has_answered(enum status status, const struct redis_value *value, size_t count)
{
	return status == STATUS_OK && redis_value_type(value) == REDIS_ARRAY && redis_value_count(value) == count;
}

/* Redis is a peer: what it says is cut at the first byte that a log line may not hold. */
void script_explain(enum status status, const struct redis_value *value, char out_text[SCRIPT_REASON_SIZE])
{
	struct span error = status == STATUS_OK ? redis_value_error(value) : (struct span){ 0 };
	size_t size = 0;
	while (size < error.size && size < SCRIPT_REASON_SIZE - 1 && error.data[size] >= ' ' && error.data[size] < 0x7f)
		size++;
	if (status == STATUS_TIMEOUT)
		snprintf(out_text, SCRIPT_REASON_SIZE, "it has not answered in time");
	else if (status != STATUS_OK)
		snprintf(out_text, SCRIPT_REASON_SIZE, "%s", status_text(status));
	else
		snprintf(out_text, SCRIPT_REASON_SIZE, "%.*s", SPAN_ARGS(span_slice(error, 0, size)));
	if (out_text[0] == '\0')
		snprintf(out_text, SCRIPT_REASON_SIZE, "its answer is none that was asked for");
}

uint64_t script_number_at(const struct redis_value *value, size_t index)
{
	int64_t number = redis_value_integer(redis_value_at(value, index));
	return number > 0 ? (uint64_t)number : 0;
}
