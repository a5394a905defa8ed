/* A quota on a real redis-server whose clock may step, for tests of what is limited. */
#ifndef TESTS_WITH_QUOTA_H
#define TESTS_WITH_QUOTA_H

#include "quota/quota_control.h"
#include "quota/quota_private.h"
#include "tests/unit/with_noon.h"
#include "tests/unit/with_redis.h"

struct quota_bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct quota *quota;
	unsigned answers, tokens;
	enum quota_verdict verdict;
	struct quota_state state;
	struct quota_report report;
	struct quota_order order; /* what charge_once charges; its token is made */
	struct quota_limits limits;
	char text[4096];
	int64_t integer;
};

static inline void note_verdict(void *context, enum quota_verdict verdict, const struct quota_state *state)
{
	struct quota_bench *bench = context;
	bench->answers++;
	bench->verdict = verdict;
	bench->state = *state;
}

static inline void note_report(void *context, const struct quota_report *report)
{
	struct quota_bench *bench = context;
	assert_non_null(report);
	bench->answers++;
	bench->report = *report;
}

static inline void note_redis_answer(void *context, enum status status, const struct redis_value *value)
{
	struct quota_bench *bench = context;
	assert_int_equal(status, STATUS_OK);
	assert_int_not_equal(redis_value_type(value), REDIS_ERROR);
	bench->answers++;
	bench->integer = redis_value_integer(value);
	snprintf(bench->text, sizeof(bench->text), "%.*s", SPAN_ARGS(redis_value_text(value)));
}

static inline bool redis_has_come_up(void *context)
{
	return redis_is_up(((struct quota_bench *)context)->redis);
}

static inline bool has_answered(void *context)
{
	return ((struct quota_bench *)context)->answers > 0;
}

static inline bool no_refund_is_due(void *context)
{
	return quota_refunds_pending(((struct quota_bench *)context)->quota) == 0;
}

static inline void begin_quota(struct quota_bench *bench)
{
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	assert_int_equal(quota_create(bench->loop, bench->redis, "test:", test_noon(0), &bench->quota), STATUS_OK);
	run_until(bench->loop, redis_has_come_up, bench);
	bench->order =
		(struct quota_order){ .user = SPAN("alice"), .user_id = SPAN("corp:1"), .recipients = 1, .bytes = 10 };
}

static inline int set_up_quota(void **state)
{
	struct quota_bench *bench = calloc(1, sizeof(*bench));
	test_redis_let_clock_shift(&bench->server);
	begin_quota(bench);
	*state = bench;
	return 0;
}

static inline int tear_down_quota(void **state)
{
	struct quota_bench *bench = *state;
	quota_free(&bench->quota);
	redis_free(&bench->redis);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static inline enum quota_verdict charge_token(struct quota_bench *bench, const char *token)
{
	bench->answers = 0;
	bench->order.token = span_of(token);
	assert_int_equal(quota_charge(bench->quota, &bench->order, &bench->limits, note_verdict, bench), STATUS_OK);
	run_until(bench->loop, has_answered, bench);
	return bench->verdict;
}

static inline enum quota_verdict charge_once(struct quota_bench *bench)
{
	char token[16];
	snprintf(token, sizeof(token), "n%u", bench->tokens++);
	return charge_token(bench, token);
}

/* Of so many charges, how many were granted. */
static inline unsigned charge_many(struct quota_bench *bench, unsigned count)
{
	unsigned granted = 0;
	for (unsigned i = 0; i < count; i++)
		granted += charge_once(bench) == QUOTA_GRANTED;
	return granted;
}

static inline void refund_token(struct quota_bench *bench, const char *token)
{
	quota_refund(bench->quota, bench->order.user, &bench->limits, span_of(token));
	run_until(bench->loop, no_refund_is_due, bench);
}

static inline const struct quota_report *show_quota(struct quota_bench *bench, const char *who, bool is_shared)
{
	const struct quota_name name = { span_of(who), is_shared };
	bench->answers = 0;
	assert_int_equal(quota_show(bench->quota, &name, &bench->limits, !is_shared, note_report, bench), STATUS_OK);
	run_until(bench->loop, has_answered, bench);
	return &bench->report;
}

/* Words are apart by a blank; a "~" in one stands for a blank. The answer's integer; its text is in `text`. */
static inline int64_t run_redis(struct quota_bench *bench, const char *line)
{
	char copy[1024];
	struct span arguments[16], rest;
	size_t count = 0;
	snprintf(copy, sizeof(copy), "%s", line);
	rest = span_of(copy);
	while (span_cut(&rest, ' ', &arguments[count]))
		count++;
	for (char *at = copy; *at; at++)
		*at = *at == '~' ? ' ' : *at;
	bench->answers = 0;
	assert_int_equal(redis_call(bench->redis, arguments, count, PATIENCE_MS, note_redis_answer, bench), STATUS_OK);
	run_until(bench->loop, has_answered, bench);
	return bench->integer;
}

#define WITH_QUOTA(test) cmocka_unit_test_setup_teardown(test, set_up_quota, tear_down_quota)

#endif
