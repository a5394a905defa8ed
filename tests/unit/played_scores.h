/*
 * Habits of users in virtual time: the scripts of quota/score.h in an embedded Redis, in the place of the client that
 * would call a real one (tests/simulate/played_redis.h). Answers come when play_answers is called.
 */
#ifndef TESTS_PLAYED_SCORES_H
#define TESTS_PLAYED_SCORES_H

#include <hiredis/hiredis.h>
#include <string.h>

#include "quota/quota.h"
#include "quota/score.h"
#include "tests/simulate/played_redis.h"

#define PLAYED_ANSWERS 16

struct played_answer {
	redisReply *reply; /* NULL: the call did not run */
	redis_callback *callback;
	void *context;
};

struct redis {
	struct played_redis played;
	redisReader *reader;
	uint64_t wall_s;
	bool is_away;
	struct played_answer answers[PLAYED_ANSWERS];
	size_t answer_count;
};

uint64_t loop_now_ms(const struct loop *loop)
{
	return ((const struct redis *)(const void *)loop)->wall_s * 1000;
}

uint64_t redis_times_up(const struct redis *redis)
{
	(void)redis;
	return 1;
}

enum status redis_script_init(struct redis_script *script, const char *source)
{
	script->source = source;
	return STATUS_OK;
}

static inline redisReply *play_command(struct redis *redis, const struct span *arguments, size_t count)
{
	struct buf out BUF_AUTO;
	void *reply = NULL;
	buf_init(&out, 1 << 20);
	played_redis_command(&redis->played, arguments, count, redis->wall_s * 1000000, &out);
	assert(redisReaderFeed(redis->reader, buf_span(&out).data, buf_size(&out)) == REDIS_OK);
	assert(redisReaderGetReply(redis->reader, &reply) == REDIS_OK && reply);
	return reply;
}

static inline enum status play_call(struct redis *redis, const struct span *arguments, size_t count,
				    redis_callback *callback, void *context)
{
	assert(redis->answer_count < PLAYED_ANSWERS);
	redis->answers[redis->answer_count++] =
		(struct played_answer){ redis->is_away ? NULL : play_command(redis, arguments, count), callback,
					context };
	return STATUS_OK;
}

enum status redis_call(struct redis *redis, const struct span *arguments, size_t count, uint64_t limit_ms,
		       redis_callback *callback, void *context)
{
	(void)limit_ms;
	return play_call(redis, arguments, count, callback, context);
}

enum status redis_run_script(struct redis *redis, const struct redis_script *script, const struct span *arguments,
			     size_t count, size_t keys, uint64_t limit_ms, redis_callback *callback, void *context)
{
	struct span all[32] = { SPAN("EVAL"), span_of(script->source) };
	char number[8];
	(void)limit_ms;
	snprintf(number, sizeof(number), "%zu", keys);
	all[2] = span_of(number);
	memcpy(all + 3, arguments, count * sizeof(*arguments));
	return play_call(redis, all, count + 3, callback, context);
}

/* Every call gets its answer, in order; so do those that an answer leads to. */
static inline void play_answers(struct redis *redis)
{
	for (size_t i = 0; i < redis->answer_count; i++) {
		struct played_answer answer = redis->answers[i];
		answer.callback(answer.context, answer.reply ? STATUS_OK : STATUS_UNAVAILABLE,
				(const struct redis_value *)(const void *)answer.reply);
		if (answer.reply)
			freeReplyObject(answer.reply);
	}
	redis->answer_count = 0;
}

static inline void played_scores_begin(struct redis *redis, uint64_t wall_s)
{
	*redis = (struct redis){ .wall_s = wall_s, .reader = redisReaderCreate() };
	played_redis_begin(&redis->played);
}

static inline void played_scores_end(struct redis *redis)
{
	redisReaderFree(redis->reader);
	played_redis_end(&redis->played);
}

/* ---- one message, and what it looks like */

struct played_verdict {
	unsigned calls;
	enum score_verdict verdict;
	struct score_facts facts;
};

static inline void keep_verdict(void *context, enum score_verdict verdict, const struct score_facts *facts)
{
	struct played_verdict *kept = context;
	kept->calls++;
	kept->verdict = verdict;
	kept->facts = *facts;
}

/* As quota_hash_recipient does, which is of a room that calls a real Redis. */
static inline void write_recipient(const char *address, struct buf *out)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char digits[QUOTA_HASH_SIZE + 1];
	enum status status = hash_sha256(span_of(address), digest);
	assert(status == STATUS_OK);
	hash_to_hex(digest, QUOTA_HASH_SIZE / 2, digits);
	status = buf_append(out, span_of(digits));
	assert(status == STATUS_OK);
}

/* To `count` recipients, the first of which is number `first` of all in the world. */
static inline struct played_verdict play_message(struct redis *redis, struct scores *scores, const char *user,
						 const char *network, const char *client, unsigned first,
						 unsigned count)
{
	struct played_verdict kept = { 0 };
	struct buf recipients BUF_AUTO;
	char address[64];
	buf_init(&recipients, 1 << 20);
	for (unsigned i = 0; i < count; i++) {
		snprintf(address, sizeof(address), "person%u@example.net", first + i);
		write_recipient(address, &recipients);
	}
	const struct score_message message = { .user = span_of(user),
					       .network = span_of(network),
					       .client = span_of(client),
					       .recipients = buf_span(&recipients) };
	enum status status = scores_take(scores, &message, keep_verdict, &kept);
	assert(status == STATUS_OK);
	play_answers(redis);
	assert(kept.calls == 1);
	return kept;
}

#endif
