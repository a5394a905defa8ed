/*
 * The Redis of the simulation against a real redis-server: each command, and our own scripts in random order, must give
 * the same answer from both. Clocks differ by what a test takes, so nothing here depends on the second.
 */
#include <hiredis/hiredis.h>

#include "quota/quota_private.h"
#include "tests/simulate/played_redis.h"
#include "tests/unit/with_redis.h"

#include "base/clock.h"

static const char marker_source[] =
#include "quota/marker.lua.h"
	;
static const char budget_source[] =
#include "quota/budget.lua.h"
	;

static struct test_redis server;
static redisContext *real;
static struct played_redis played;

static int begin(void **state)
{
	(void)state;
	test_redis_start(&server);
	real = redisConnectUnix(server.server + strlen("unix:"));
	assert_non_null(real);
	freeReplyObject(redisCommand(real, "AUTH %s", TEST_REDIS_PASSWORD));
	return 0;
}

static int end(void **state)
{
	(void)state;
	redisFree(real);
	test_redis_remove(&server);
	return 0;
}

static int begin_empty(void **state)
{
	(void)state;
	freeReplyObject(redisCommand(real, "FLUSHALL"));
	played_redis_begin(&played);
	return 0;
}

static int end_played(void **state)
{
	(void)state;
	played_redis_end(&played);
	return 0;
}

/* ---- an answer as text */

/* Errors by their code alone: their words are for people. */
static void describe(const redisReply *reply, char *text, size_t size)
{
	size_t used = strlen(text);
	switch (reply->type) {
	case REDIS_REPLY_INTEGER:
		snprintf(text + used, size - used, ":%lld ", reply->integer);
		break;
	case REDIS_REPLY_NIL:
		snprintf(text + used, size - used, "nil ");
		break;
	case REDIS_REPLY_ERROR:
		snprintf(text + used, size - used, "-%.*s ", (int)strcspn(reply->str, " "), reply->str);
		break;
	case REDIS_REPLY_ARRAY:
		snprintf(text + used, size - used, "[ ");
		for (size_t i = 0; i < reply->elements; i++)
			describe(reply->element[i], text, size);
		used = strlen(text);
		snprintf(text + used, size - used, "] ");
		break;
	default:
		snprintf(text + used, size - used, "\"%.*s\" ", (int)reply->len, reply->str);
		break;
	}
}

static void ask_real(const struct span *arguments, size_t count, char *out_text, size_t size)
{
	const char *texts[64];
	size_t sizes[64];
	for (size_t i = 0; i < count; i++) {
		texts[i] = arguments[i].data;
		sizes[i] = arguments[i].size;
	}
	redisReply *reply = redisCommandArgv(real, (int)count, texts, sizes);
	assert_non_null(reply);
	out_text[0] = '\0';
	describe(reply, out_text, size);
	freeReplyObject(reply);
}

static void ask_played(const struct span *arguments, size_t count, char *out_text, size_t size)
{
	struct buf answer BUF_AUTO;
	buf_init(&answer, 1U << 20);
	played_redis_command(&played, arguments, count, clock_wall_us(), &answer);
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;
	assert_int_equal(redisReaderFeed(reader, buf_span(&answer).data, buf_size(&answer)), REDIS_OK);
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_non_null(reply);
	out_text[0] = '\0';
	describe(reply, out_text, size);
	freeReplyObject(reply);
	redisReaderFree(reader);
}

static void expect_same(const struct span *arguments, size_t count)
{
	char expected[8192], heard[8192];
	ask_real(arguments, count, expected, sizeof(expected));
	ask_played(arguments, count, heard, sizeof(heard));
	if (strcmp(expected, heard) != 0)
		print_message("%.*s %.*s\n", (int)(arguments[0].size), arguments[0].data,
			      (int)(count > 1 ? arguments[1].size : 0), count > 1 ? arguments[1].data : "");
	assert_string_equal(heard, expected);
}

/* ---- commands */

/* Words separated by blanks; '' is the empty one. */
static void expect_same_line(const char *line)
{
	struct span rest = span_of(line), arguments[64];
	size_t count = 0;
	while (count < 64 && span_cut(&rest, ' ', &arguments[count])) {
		if (span_equal(arguments[count], SPAN("''")))
			arguments[count].size = 0;
		count++;
	}
	expect_same(arguments, count);
}

static void commands_answer_as_those_of_redis(void **state)
{
	static const char *const lines[] = {
		"PING",
		"SET a 1",
		"GET a",
		"GET none",
		"SET a 2 NX",
		"SET a 2 XX",
		"INCR a",
		"INCRBY a 40",
		"HGET a x",
		"TYPE a",
		"EXPIRE a 100",
		"TTL a",
		"PERSIST a",
		"TTL a",
		"TTL none",
		"SET t x EX 50",
		"TTL t",
		"SET b x",
		"INCR b",
		"APPEND b yz",
		"STRLEN b",
		"GETRANGE b 1 -1",
		"SETRANGE b 5 q",
		"STRLEN b",
		"SETBIT bits 100 1",
		"SETBIT bits 100 1",
		"SETBIT bits 7 1",
		"GETBIT bits 100",
		"GETBIT bits 99",
		"GETBIT bits 9999",
		"BITCOUNT bits",
		"BITFIELD bits GET u1 100 GET u1 99 SET u1 5 1 SET u1 5 1 GET u32 96",
		"BITFIELD bits SET u32 128 305419896 GET u32 128 GET u1 131",
		"BITFIELD none GET u1 7 GET u32 131072",
		"EXISTS none",
		"STRLEN bits",
		"SETBIT bits 7 0",
		"BITCOUNT bits",
		"HSET h f 1 g 2",
		"HSET h f 3 i 4",
		"HSET h f",
		"HSETNX h f 9",
		"HGET h f",
		"HMGET h f none g",
		"HGETALL h",
		"HKEYS h",
		"HVALS h",
		"HLEN h",
		"HEXISTS h f",
		"HINCRBY h f 39",
		"HINCRBY h new -1",
		"HSET h word x",
		"HINCRBY h word 1",
		"HDEL h f none",
		"HDEL h g i new word",
		"EXISTS h",
		"HGETALL none",
		"HSET a f 1",
		"SADD s x y x",
		"SADD s y z",
		"SISMEMBER s x",
		"SCARD s",
		"SREM s x none",
		"SCARD s",
		"ZADD z 3 c 1 a 2 b",
		"ZADD z 5 a",
		"ZCARD z",
		"ZRANGE z 0 -1",
		"ZRANGE z 0 0 WITHSCORES",
		"ZSCORE z a",
		"ZSCORE z none",
		"ZRANGEBYSCORE z -inf 3",
		"ZRANGEBYSCORE z (2 +inf",
		"ZCOUNT z 2 5",
		"ZREMRANGEBYSCORE z -inf 2",
		"ZREM z a none",
		"ZCARD z",
		"DEL a b none",
		"EXISTS a t",
		"RENAME t u",
		"RENAME t u",
		"XLEN events",
		"XRANGE events - + COUNT 10",
		"XREVRANGE events + - COUNT 1",
		"XREAD COUNT 100 STREAMS events 0-0",
		"EVALSHA 0123456789012345678901234567890123456789 0",
		"CONFIG GET maxmemory-policy",
		"EXPIRE none 10",
		"EXPIREAT u 1",
		"EXISTS u",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_same_line(lines[i]);
}

static void what_scripts_return_becomes_the_same_answer(void **state)
{
	static const char *const sources[] = {
		"return 1.9",
		"return -1.9",
		"return 'text'",
		"return true",
		"return false",
		"return nil",
		"return {1, 'two', {3.5, false}, nil, 5}",
		"return {ok = 'FINE'}",
		"return {err = 'CODE words'}",
		"return redis.error_reply('CLOCK is wrong')",
		"return redis.status_reply('FINE')",
		"return redis.call('HGET', 'h', 'none')",
		"return type(redis.call('HGET', 'h', 'none'))",
		"return redis.call('HMGET', 'h', 'none', 'f')",
		"return redis.call('HSET', 'h', 'f', 1.5, 'g', 10, 'big', 12345678901234)",
		"return redis.call('HGETALL', 'h')",
		"return redis.call('INCR', 'h')",
		"return redis.pcall('INCR', 'h').err and 'caught' or 'not'",
		"return redis.call('SET', 's', 'x').ok",
		"return {KEYS[1], ARGV[1], #KEYS, #ARGV}",
		"redis.call('SET', 'before', '1') return redis.call('INCR', 'h')",
		"return redis.call('GET', 'before')",
		"local function f(a, ...) return select('#', ...) end return f(1, 2, nil, 4)",
		"return redis.sha1hex('')",
		"return {unpack({1, 2, 3}, 2)}",
		"return tostring(2^53)",
		"return {string.match('12 34', '^(%d+) (%d+)$')}",
		"return 'a' .. nil",
		"return redis.call('NOSUCH')",
		"return redis.call('GET', {})",
		"this is no Lua",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		const struct span arguments[] = { SPAN("EVAL"), span_of(sources[i]), SPAN("1"), SPAN("key"),
						  SPAN("argument") };
		expect_same(arguments, 5);
	}
}

static void a_full_redis_refuses_what_grows_alone(void **state)
{
	static const char *const lines[] = { "HSET h f 1 g 2", "CONFIG SET maxmemory 1", "HSET h f 2", "HDEL h g",
					     "HGET h f" };
	const struct span script[] = { SPAN("EVAL"), SPAN("return redis.call('HSET', 'h', 'f', 3)"), SPAN("0") };
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_same_line(lines[i]);
	expect_same(script, 3);
	expect_same_line("HGET h f");
	expect_same_line("CONFIG SET maxmemory 0");
}

/* Ids hold the time: the test gives them itself to the real one, and its answers are compared without them. */
static void a_stream_is_read_from_an_entry_on(void **state)
{
	static const char *const lines[] = { "XADD events MAXLEN ~ 10 * kind lock",
					     "XADD events * kind unlock user_id x" };
	char expected[1024], heard[1024];
	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++) {
			struct span rest = span_of(lines[i]), words[16];
			size_t count = 0;
			while (count < 16 && span_cut(&rest, ' ', &words[count]))
				count++;
			if (j)
				ask_real(words, count, expected, sizeof(expected));
			else
				ask_played(words, count, heard, sizeof(heard));
		}
	const struct span read_all[] = { SPAN("XREAD"),   SPAN("COUNT"),  SPAN("1"),
					 SPAN("STREAMS"), SPAN("events"), SPAN("0-0") };
	ask_real(read_all, 6, expected, sizeof(expected));
	ask_played(read_all, 6, heard, sizeof(heard));
	const char *expected_fields = strstr(expected, "[ \"kind\"");
	const char *heard_fields = strstr(heard, "[ \"kind\"");
	assert_non_null(expected_fields);
	assert_non_null(heard_fields);
	assert_string_equal(heard_fields, expected_fields);
	expect_same_line("XREAD COUNT 100 STREAMS events 9999999999999-0");
	expect_same_line("XLEN events");
}

/* ---- our scripts */

static unsigned seed = 1;

static unsigned draw(unsigned below)
{
	seed = seed * 1103515245U + 12345U;
	return (seed >> 16) % below;
}

/* Texts of one call; the first four are EVAL, the source, how many keys there are, and the first key. */
struct call {
	struct span arguments[64];
	char texts[64][48];
	size_t count;
};

static void add_text(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_text(struct call *call, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(call->texts[call->count], sizeof(call->texts[0]), format, list);
	va_end(list);
	call->arguments[call->count] = span_of(call->texts[call->count]);
	call->count++;
}

static void begin_call(struct call *call, const char *source, unsigned keys)
{
	*call = (struct call){ .arguments = { SPAN("EVAL"), span_of(source) }, .count = 2 };
	add_text(call, "%u", keys);
}

/* The marker's answer holds ids only; what it holds of time is not shown. */
static void mark(struct call *call)
{
	begin_call(call, marker_source, 1);
	add_text(call, "marker");
	add_text(call, "id%u", draw(3));
	add_text(call, "process%u", draw(3));
	add_text(call, "%u", draw(100));
}

static void refund(struct call *call)
{
	begin_call(call, quota_refund_source, 1);
	add_text(call, "quota:{ann%u}", draw(2));
	add_text(call, "token%u", draw(8));
}

static void scripts_without_a_clock_answer_alike_in_any_order(void **state)
{
	struct call call;
	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		if (draw(2))
			mark(&call);
		else
			refund(&call);
		expect_same(call.arguments, call.count);
	}
}

static void all_our_scripts_are_understood(void **state)
{
	const char *const sources[] = { quota_charge_source, quota_show_source, quota_refund_source, marker_source,
					budget_source };
	(void)state;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		const struct span arguments[] = { SPAN("SCRIPT"), SPAN("LOAD"), span_of(sources[i]) };
		expect_same(arguments, 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commands_answer_as_those_of_redis, begin_empty, end_played),
		cmocka_unit_test_setup_teardown(what_scripts_return_becomes_the_same_answer, begin_empty, end_played),
		cmocka_unit_test_setup_teardown(a_full_redis_refuses_what_grows_alone, begin_empty, end_played),
		cmocka_unit_test_setup_teardown(a_stream_is_read_from_an_entry_on, begin_empty, end_played),
		cmocka_unit_test_setup_teardown(all_our_scripts_are_understood, begin_empty, end_played),
		cmocka_unit_test_setup_teardown(scripts_without_a_clock_answer_alike_in_any_order, begin_empty,
						end_played),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
