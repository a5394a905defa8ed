/* Habits: the calls to Redis, and what their answers mean. Owns what it made, and the calls that are open. */
#include "quota/score.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "quota/by_hand.h"
#include "quota/quota.h"
#include "quota/user_lock.h"
#include "redis/script.h"

#define CALL_MS 3000
#define KEY_MAXIMUM 1024 /* bytes */
#define ANSWER 13        /* values in score.lua's answer */
#define KEYS 5           /* of score.lua */
#define HASH_DIGITS 8    /* of a network, or a kind of client */

static const char score_source[] =
#include "quota/score.lua.h"
	;
static const char mark_source[] =
#include "quota/mark.lua.h"
	;
static const char since_source[] =
#include "quota/since.lua.h"
	;

/* One call under way. */
struct score_call {
	TAILQ_ENTRY(score_call) in_open;
	struct scores *scores;
	score_callback *on_taken;
	score_mark_callback *on_marked;
	void *context;
};

struct scores {
	struct loop *loop;
	struct redis *redis;
	char *prefix;
	struct redis_script score, mark, since;
	struct by_hand by_hand;
	uint64_t learning_s;
	bool has_learned;      /* habits have been kept for long enough */
	uint64_t look_ms;      /* from then on, that is to be looked at again: of the loop's clock */
	uint64_t looked_times; /* redis_times_up when it was looked at */
	TAILQ_HEAD(score_calls, score_call) open;
};

/* ---- life */

static enum status make_parts(struct scores *scores, const char *prefix)
{
	TRY(redis_script_init(&scores->score, score_source));
	TRY(redis_script_init(&scores->mark, mark_source));
	TRY(redis_script_init(&scores->since, since_source));
	scores->prefix = strdup(prefix);
	if (scores->prefix == NULL)
		return STATUS_NO_MEMORY;
	return by_hand_init(&scores->by_hand, scores->redis, scores->prefix);
}

enum status scores_create(struct loop *loop, struct redis *redis, const char *prefix, uint64_t learning_s,
			  struct scores **out_scores)
{
	struct scores *scores = calloc(1, sizeof(*scores));
	if (scores == NULL)
		return STATUS_NO_MEMORY;
	scores->loop = loop;
	scores->redis = redis;
	scores->learning_s = learning_s;
	scores->has_learned = learning_s == 0;
	TAILQ_INIT(&scores->open);
	enum status status = make_parts(scores, prefix);
	if (status != STATUS_OK) {
		scores_free(&scores);
		return status;
	}
	*out_scores = scores;
	return STATUS_OK;
}

void scores_want_replicas(struct scores *scores, uint64_t replicas)
{
	scores->by_hand.replicas = replicas;
}

static struct score_call *open_call(struct scores *scores, void *context)
{
	struct score_call *call = calloc(1, sizeof(*call));
	if (call == NULL)
		return NULL;
	call->scores = scores;
	call->context = context;
	TAILQ_INSERT_TAIL(&scores->open, call, in_open);
	return call;
}

static void end_call(struct score_call *call)
{
	TAILQ_REMOVE(&call->scores->open, call, in_open);
	free(call);
}

void scores_free(struct scores **scores)
{
	if (*scores == NULL)
		return;
	while (!TAILQ_EMPTY(&(*scores)->open))
		end_call(TAILQ_FIRST(&(*scores)->open));
	free((*scores)->prefix);
	free(*scores);
	*scores = NULL;
}

/* ---- since when habits have been kept */

static void on_since(void *context, enum status status, const struct redis_value *value)
{
	struct score_call *call = context;
	struct scores *scores = call->scores;
	if (script_has_answered(status, value, 2))
		scores->has_learned = script_number_at(value, 0) + scores->learning_s <= script_number_at(value, 1);
	end_call(call);
}

/* A Redis that came back may have lost all habits. */
static void look_at_since(struct scores *scores)
{
	uint64_t now_ms = loop_now_ms(scores->loop), times = redis_times_up(scores->redis);
	struct buf key BUF_AUTO;
	buf_init(&key, KEY_MAXIMUM);
	if (scores->learning_s == 0 || (now_ms < scores->look_ms && times == scores->looked_times))
		return;
	scores->look_ms = now_ms + SCORE_LOOK_AGAIN_MS;
	scores->looked_times = times;
	struct score_call *call = open_call(scores, NULL);
	if (call == NULL || buf_printf(&key, "%sscore-since", scores->prefix) != STATUS_OK)
		return;
	const struct span arguments[] = { buf_span(&key) };
	if (redis_run_script(scores->redis, &scores->since, arguments, 1, 1, CALL_MS, on_since, call) != STATUS_OK)
		end_call(call);
}

/* ---- a message */

static void read_facts(const struct redis_value *value, struct score_facts *facts)
{
	uint64_t numbers[ANSWER];
	for (size_t i = 1; i < ANSWER; i++)
		numbers[i] = script_number_at(value, i);
	*facts = (struct score_facts){
		.now = { numbers[1], numbers[2], numbers[3], numbers[4] },
		.peak = { numbers[5], numbers[6], numbers[7], numbers[8] },
		.days = numbers[9],
		.network_is_new = numbers[10] != 0,
		.client_is_new = numbers[11] != 0,
		.refused = numbers[12],
	};
}

static void on_taken(void *context, enum status status, const struct redis_value *value)
{
	struct score_call *call = context;
	struct score_facts facts = { 0 };
	enum score_verdict verdict = SCORE_UNKNOWN;
	if (script_has_answered(status, value, ANSWER)) {
		read_facts(value, &facts);
		verdict = call->scores->has_learned ? SCORE_COUNTED : SCORE_LEARNING;
		if (span_equal(redis_value_text(redis_value_at(value, 0)), SPAN("wait")))
			verdict = SCORE_WAITING;
	}
	call->on_taken(call->context, verdict, &facts);
	end_call(call);
}

static enum status hash_words(struct span words, char out_digits[HASH_DIGITS + 1])
{
	unsigned char digest[HASH_SHA256_SIZE];
	TRY(hash_sha256(words, digest));
	hash_to_hex(digest, HASH_DIGITS / 2, out_digits);
	return STATUS_OK;
}

static enum status run_take(struct score_call *call, const struct score_message *message)
{
	static const char *const kinds[KEYS] = { "score:1", "score-known-0", "score-known-1", "lock", "refused" };
	const struct scores *scores = call->scores;
	struct buf keys[KEYS];
	struct span arguments[KEYS + 3];
	char network[HASH_DIGITS + 1], client[HASH_DIGITS + 1];
	enum status status = STATUS_OK;
	for (size_t i = 0; i < KEYS; i++) {
		buf_init(&keys[i], KEY_MAXIMUM);
		if (status == STATUS_OK)
			status = script_write_key(&keys[i], scores->prefix, kinds[i], message->user);
		arguments[i] = buf_span(&keys[i]);
	}
	if (status == STATUS_OK)
		status = hash_words(message->network, network);
	if (status == STATUS_OK)
		status = hash_words(message->client, client);
	arguments[KEYS] = (struct span){ network, HASH_DIGITS };
	arguments[KEYS + 1] = (struct span){ client, HASH_DIGITS };
	arguments[KEYS + 2] = span_slice(message->recipients, 0, (size_t)QUOTA_HASH_SIZE * SCORE_RECIPIENTS);
	if (status == STATUS_OK)
		status = redis_run_script(scores->redis, &scores->score, arguments, KEYS + 3, KEYS, CALL_MS, on_taken,
					  call);
	for (size_t i = 0; i < KEYS; i++)
		buf_free(&keys[i]);
	return status;
}

enum status scores_take(struct scores *scores, const struct score_message *message, score_callback *callback,
			void *context)
{
	look_at_since(scores);
	struct score_call *call = open_call(scores, context);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	call->on_taken = callback;
	enum status status = run_take(call, message);
	if (status != STATUS_OK)
		end_call(call);
	return status;
}

/* ---- acting upon it */

static void on_marked(void *context, enum status status, const struct redis_value *value)
{
	struct score_call *call = context;
	bool has_answered = status == STATUS_OK && redis_value_type(value) == REDIS_INTEGER;
	call->on_marked(call->context, has_answered ? STATUS_OK : STATUS_UNAVAILABLE,
			has_answered && redis_value_integer(value) == 1);
	end_call(call);
}

static enum status run_mark(struct score_call *call, struct span user, struct span user_id, enum score_action action)
{
	static const char *const words[] = { "record", "throttle", "lock" };
	const struct scores *scores = call->scores;
	char lasts[SCRIPT_NUMBER_SIZE];
	struct buf key BUF_AUTO, lock BUF_AUTO;
	buf_init(&key, KEY_MAXIMUM);
	buf_init(&lock, KEY_MAXIMUM);
	TRY(script_write_key(&key, scores->prefix, "score:1", user));
	TRY(script_write_key(&lock, scores->prefix, "lock", user));
	const struct span arguments[] = { buf_span(&key), buf_span(&lock), span_of(words[action]), user_id,
					  script_write_number(SCORE_LASTS_S, lasts) };
	return redis_run_script(scores->redis, &scores->mark, arguments, 5, 2, CALL_MS, on_marked, call);
}

/* What the list of all locks shows is no matter for mail: mark.lua's half keeps the user from sending. */
static void on_listed(void *context, enum by_hand_outcome outcome, uint64_t changed)
{
	(void)context, (void)changed;
	if (outcome == BY_HAND_FEW)
		log_warning("a lock is in force, and too few replicas of Redis have it: a failover may forget it");
}

static enum status list_lock(struct scores *scores, struct span user, struct span user_id, struct span reason)
{
	struct buf value BUF_AUTO;
	buf_init(&value, KEY_MAXIMUM);
	TRY(user_lock_write(&value, clock_wall_us() / 1000000, user, reason));
	return by_hand_change_lock(&scores->by_hand, BY_HAND_ADD, user_id, user, buf_span(&value), on_listed, scores);
}

enum status scores_mark(struct scores *scores, struct span user, struct span user_id, enum score_action action,
			struct span reason, score_mark_callback *callback, void *context)
{
	struct score_call *call = open_call(scores, context);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	call->on_marked = callback;
	enum status status = run_mark(call, user, user_id, action);
	if (status != STATUS_OK) {
		end_call(call);
		return status;
	}
	if (action == SCORE_LOCK && list_lock(scores, user, user_id, reason) != STATUS_OK)
		log_warning("the lock of %.*s is not in the list of all locks", SPAN_ARGS(user));
	return STATUS_OK;
}
