/* What the calls of all scripts share: keys, and numbers as text. */
#ifndef REDIS_SCRIPT_H
#define REDIS_SCRIPT_H

#include "base/buf.h"
#include "redis/redis.h"

#define SCRIPT_NUMBER_SIZE 24 /* bytes: a 64-bit number and its NUL */

/* PREFIX KIND ":{" NAME "}": the braces keep all keys of one name in one slot of a sharded Redis. */
MUST_USE enum status script_write_key(struct buf *b, const char *prefix, const char *kind, struct span name);
/* A view into `text`. */
struct span script_write_number(uint64_t number, char text[SCRIPT_NUMBER_SIZE]);

/* Whether the script has answered, with an array of `count` values. */
bool script_has_answered(enum status status, const struct redis_value *value, size_t count);
#define SCRIPT_REASON_SIZE 160 /* bytes of a text, the NUL included */
/* Why an answer is none, in words for the log: Redis's own, or those of the status. */
void script_explain(enum status status, const struct redis_value *value, char out_text[SCRIPT_REASON_SIZE]);
/* 0 for what is negative, or no number. */
uint64_t script_number_at(const struct redis_value *value, size_t index);

#endif
