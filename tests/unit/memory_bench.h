/* Quota and all that watches over Redis's memory of it, with a redis-server. */
#ifndef TESTS_UNIT_MEMORY_BENCH_H
#define TESTS_UNIT_MEMORY_BENCH_H

#include "quota/memory.h"
#include "quota/quota.h"
#include "tests/unit/with_noon.h"
#include "tests/unit/with_redis.h"

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define USER "alice@example.com"
static const struct quota_limits limits = QUOTA_LIMITS_DEFAULT;

#define KEY "test:quota:{" USER "}"

struct part {
	const char *name;
	uint64_t messages, recipients, bytes;
	const char *passwords;
};

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct marker *marker;
	struct memory *memory;
	struct quota *quota;
	unsigned answers;
	enum quota_verdict verdict;
	struct quota_state state;
	const struct part *parts;
	size_t part_count, next_part;
	uint64_t ends_s; /* of the parts' day */
	bool is_pending; /* they are what the process has charged */
	unsigned brought;
	bool is_complete;
	char why[200];
	unsigned losses;
};

static inline void on_loss(void *context, const char *what)
{
	(void)what;
	((struct bench *)context)->losses++;
}

static inline void on_wanted(void *context, const char *id)
{
	(void)context;
	(void)id;
}

static inline void on_sound(void *context)
{
	(void)context;
}

static const struct marker_handler handler = { on_loss, on_wanted, on_sound };

static inline void on_change(void *context, bool up, const char *reason)
{
	struct bench *bench = context;
	(void)reason;
	if (up)
		memory_take_connection(bench->memory);
}

static inline bool may_charge(void *context)
{
	struct bench *bench = context;
	struct span why;
	return redis_is_up(bench->redis) && memory_may_charge(bench->memory, &why);
}

static inline int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_let_clock_shift(&bench->server);
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	const struct redis_options options = { .server = bench->server.server,
					       .user = "",
					       .password = &bench->password,
					       .on_change = on_change,
					       .context = bench };
	const struct marker_options marker = {
		.prefix = "test:", .node = "one", .state_fd = -1, .handler = &handler, .context = bench
	};
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	assert_int_equal(marker_create(bench->loop, bench->redis, &marker, &bench->marker), STATUS_OK);
	assert_int_equal(memory_create(bench->loop, bench->redis, "test:", bench->marker, &bench->memory), STATUS_OK);
	assert_int_equal(quota_create(bench->loop, bench->redis, "test:", test_noon(0), &bench->quota), STATUS_OK);
	quota_use_memory(bench->quota, bench->memory);
	run_until(bench->loop, may_charge, bench);
	*state = bench;
	return 0;
}

static inline int tear_down(void **state)
{
	struct bench *bench = *state;
	quota_free(&bench->quota);
	redis_free(&bench->redis);
	memory_free(&bench->memory);
	marker_free(&bench->marker);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

/* A field of the user's hash. */
static inline void assert_field(const struct bench *bench, const char *field, const char *expected)
{
	char command[200];
	snprintf(command, sizeof(command), "HGET " KEY " %s", field);
	test_redis_expect(&bench->server, command, expected);
}

static inline void on_charged(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct bench *bench = context;
	bench->answers++;
	bench->verdict = verdict;
	bench->state = *state;
}

static inline bool has_answer(void *context)
{
	return ((struct bench *)context)->answers > 0;
}

static inline bool has_no_refund(void *context)
{
	return quota_refunds_pending(((struct bench *)context)->quota) == 0;
}

static inline void send_charge(struct bench *bench, const char *token)
{
	const struct quota_order order = {
		.user = SPAN(USER), .user_id = SPAN("id"), .token = span_of(token), .recipients = 2, .bytes = 100
	};
	bench->answers = 0;
	assert_int_equal(quota_charge(bench->quota, &order, &limits, on_charged, bench), STATUS_OK);
}

static inline enum quota_verdict charge(struct bench *bench, const char *token)
{
	send_charge(bench, token);
	run_until(bench->loop, has_answer, bench);
	return bench->verdict;
}

static inline void refund(struct bench *bench, const char *token)
{
	quota_refund(bench->quota, SPAN(USER), &limits, span_of(token));
	run_until(bench->loop, has_no_refund, bench);
}

static inline bool is_down(void *context)
{
	return !redis_is_up(((struct bench *)context)->redis);
}

static inline void connect_anew(struct bench *bench)
{
	test_redis_tell(&bench->server, "CLIENT KILL TYPE normal");
	run_until(bench->loop, is_down, bench);
	run_until(bench->loop, may_charge, bench);
}

/* ---- bringing counts */

static inline bool next_part(void *context, struct memory_part *out_part)
{
	struct bench *bench = context;
	if (bench->next_part == bench->part_count)
		return false;
	const struct part *part = &bench->parts[bench->next_part++];
	*out_part = (struct memory_part){ .name = span_of(part->name),
					  .is_pending = bench->is_pending,
					  .messages = part->messages,
					  .recipients = part->recipients,
					  .bytes = part->bytes,
					  .ends_s = bench->ends_s,
					  .passwords = span_of(part->passwords ? part->passwords : "") };
	return true;
}

static inline void on_brought(void *context, const char *why)
{
	struct bench *bench = context;
	bench->brought++;
	bench->is_complete = why == NULL;
	snprintf(bench->why, sizeof(bench->why), "%s", why ? why : "");
}

static inline bool has_brought(void *context)
{
	return ((struct bench *)context)->brought > 0;
}

static inline bool bring(struct bench *bench, const char *memory, const char *from, const struct part *parts,
			 size_t count)
{
	const struct memory_bringing bringing = { .id = memory,
						  .node = from,
						  .process = "process",
						  .next = next_part,
						  .on_done = on_brought,
						  .context = bench };
	bench->parts = parts;
	bench->part_count = count;
	bench->next_part = bench->brought = 0;
	memory_bring(bench->memory, &bringing);
	run_until(bench->loop, has_brought, bench);
	return bench->is_complete;
}

#define BRING(bench, memory, from, ...) \
	assert_true(bring(bench, memory, from, (const struct part[]){ { USER, __VA_ARGS__ } }, 1))

#endif
