/* Answers: hiredis's reply objects under our own names. */
#include <string.h>

#include "redis/redis_private.h"

static const redisReply *reply_of(const struct redis_value *value)
{
	return (const redisReply *)(const void *)value;
}

enum redis_type redis_value_type(const struct redis_value *value)
{
	switch (reply_of(value)->type) {
	case REDIS_REPLY_INTEGER:
		return REDIS_INTEGER;
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		return REDIS_TEXT;
	case REDIS_REPLY_ARRAY:
		return REDIS_ARRAY;
	case REDIS_REPLY_ERROR:
		return REDIS_ERROR;
	default:
		return REDIS_NIL;
	}
}

int64_t redis_value_integer(const struct redis_value *value)
{
	return redis_value_type(value) == REDIS_INTEGER ? reply_of(value)->integer : 0;
}

struct span redis_value_text(const struct redis_value *value)
{
	enum redis_type type = redis_value_type(value);
	if (type != REDIS_TEXT && type != REDIS_ERROR)
		return (struct span){ 0 };
	return (struct span){ reply_of(value)->str, (size_t)reply_of(value)->len };
}

size_t redis_value_count(const struct redis_value *value)
{
	return redis_value_type(value) == REDIS_ARRAY ? reply_of(value)->elements : 0;
}

const struct redis_value *redis_value_at(const struct redis_value *value, size_t index)
{
	if (index >= redis_value_count(value))
		return NULL;
	return (const struct redis_value *)(const void *)reply_of(value)->element[index];
}

struct span redis_value_error(const struct redis_value *value)
{
	if (redis_value_type(value) != REDIS_ERROR)
		return (struct span){ 0 };
	struct span text = redis_value_text(value);
	if (!span_starts_with(text, SPAN("ERR Error running script")))
		return text;
	for (size_t i = 0; i + 3 < text.size; i++)
		if (memcmp(text.data + i, ": -", 3) == 0)
			return span_slice(text, i + 3, text.size);
	return text;
}

bool redis_value_changed_nothing(const struct redis_value *value)
{
	static const char *const codes[] = { "READONLY ",   "MASTERDOWN ", "LOADING ",   "OOM ",
					     "NOREPLICAS ", "MISCONF ",    "WRONGTYPE ", "NOAUTH ",
					     "NOPERM ",     "BUSY ",       "NOSCRIPT ",  "CLUSTERDOWN ",
					     "MOVED ",      "ASK ",        "TRYAGAIN ",  "CLOCK " };
	struct span error = redis_value_error(value);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (span_starts_with(error, span_of(codes[i])))
			return true;
	return false;
}
