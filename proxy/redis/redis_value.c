/* Answers: hiredis' reply objects behind our own names. */
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
