/* The world of test_quota_model.c: three nodes, a played Redis with the quota's scripts, clocks, the model's books. */
#ifndef TESTS_QUOTA_MODEL_H
#define TESTS_QUOTA_MODEL_H

#include <string.h>

#include "quota/quota_private.h"
#include "tests/simulate/played_redis.h"

#define HOUR 3600L
#define DAY (24 * HOUR)
#define NODES 3
#define TOKENS 12
#define ANSWERS 15
#define START 1795348800L /* 2026-11-22, noon in the first node's zone */
#define EVENTS 48
#define LEAST (22 * HOUR) /* from one end to the next */

static const long zones[NODES] = { 0, 2 * HOUR, -9 * HOUR };

enum token { NEW, CHARGED, FORMER, GIVEN_BACK }; /* FORMER: charged on the day before */

static struct {
	struct played_redis redis;
	char charge[41], refund[41], show[41];
	bool is_rolling;
	unsigned limit;
	long now;                            /* as it truly is */
	long redis_ahead, node_ahead[NODES]; /* of it */
	/* The model. */
	bool has_day;
	long end;
	unsigned used, days;
	unsigned sent; /* on all days */
	enum token tokens[TOKENS];
	long granted_at[TOKENS]; /* truly; 0: not, or given back */
	long last_granted;       /* given back or not */
	char trace[EVENTS * 32];
} world;

/* ---- the played Redis */

static inline void run(const struct span *arguments, size_t count, struct buf *out)
{
	buf_clear(out);
	played_redis_command(&world.redis, arguments, count, (uint64_t)(world.now + world.redis_ahead) * 1000000, out);
}

static inline void load(const char *source, char out_sha1[41])
{
	struct buf out BUF_AUTO;
	const struct span arguments[] = { SPAN("SCRIPT"), SPAN("LOAD"), span_of(source) };
	buf_init(&out, 4096);
	run(arguments, 3, &out);
	snprintf(out_sha1, 41, "%.*s", 40, buf_span(&out).data + strlen("$40\r\n"));
}

#define SHORT_GRANT 5 /* elements of an answer that grants and has no more to say */

/* The elements of an array, or the only one: numbers, or the first letter of texts. */
static inline size_t read_answer(struct span rest, long out_numbers[ANSWERS])
{
	struct span line;
	size_t count = 0;
	while (count < ANSWERS && span_cut(&rest, '\n', &line) && line.size) {
		bool is_negative = line.size > 1 && line.data[1] == '-';
		uint64_t number = 0;
		if (line.data[0] == ':' &&
		    span_to_u64(span_slice(line, 1 + is_negative, line.size - 1), &number) == STATUS_OK)
			out_numbers[count++] = is_negative ? -(long)number : (long)number;
		else if (line.data[0] == '-')
			out_numbers[count++] = '-';
		else if (line.data[0] == '$' && span_cut(&rest, '\n', &line))
			out_numbers[count++] = line.data[0];
	}
	return count;
}

static inline long node_clock(unsigned node)
{
	return world.now + world.node_ahead[node];
}

/* As quota_day_numbers writes them. */
static inline void put_days(unsigned node, long out_numbers[QUOTA_DAY_NUMBERS])
{
	long now = node_clock(node), local = now + zones[node];
	long midnight = local - local % DAY - zones[node];
	out_numbers[0] = now;
	for (long i = 1; i < QUOTA_DAY_NUMBERS; i++)
		out_numbers[i] = midnight + (i - 2) * DAY;
}

/* Without the first, which is the clock. */
static inline void write_beginnings(const long days[QUOTA_DAY_NUMBERS], char out_text[QUOTA_DAY_NUMBERS * 24])
{
	out_text[0] = '\0';
	for (unsigned i = 1; i < QUOTA_DAY_NUMBERS; i++) {
		size_t used = strlen(out_text);
		snprintf(out_text + used, QUOTA_DAY_NUMBERS * 24 - used, "%s%ld", used ? " " : "", days[i]);
	}
}

static inline void name_token(unsigned token, char out_text[24])
{
	snprintf(out_text, 24, "token%u", token);
}

/* Returns the verdict's first letter, '-' for an error. */
static inline char charge(unsigned token, unsigned node, long *out_resets_at)
{
	long days[QUOTA_DAY_NUMBERS], answer[ANSWERS] = { 0 };
	char name[24], limits[64], clock[24], beginnings[QUOTA_DAY_NUMBERS * 24];
	struct buf out BUF_AUTO;
	buf_init(&out, 4096);
	put_days(node, days);
	name_token(token, name);
	snprintf(limits, sizeof(limits), "%u 0 0 0 0 0 default", world.limit);
	snprintf(clock, sizeof(clock), "%ld", days[0]);
	write_beginnings(days, beginnings);
	const struct span arguments[] = { SPAN("EVALSHA"),
					  span_of(world.charge),
					  SPAN("2"),
					  SPAN("quota:{ann}"),
					  SPAN("lock:{ann}"),
					  span_of(name),
					  SPAN("1"),
					  SPAN("10"),
					  span_of(limits),
					  span_of(clock),
					  span_of(beginnings),
					  world.is_rolling ? SPAN("rolling") : SPAN("day"),
					  SPAN("corp:1"),
					  SPAN(""),
					  SPAN("") };
	/* Empty ones at the end may be left out. */
	run(arguments, sizeof(arguments) / sizeof(arguments[0]) - (token % 2 ? 2 : 0), &out);
	*out_resets_at = read_answer(buf_span(&out), answer) == SHORT_GRANT ? answer[4] : answer[7];
	return (char)answer[0];
}

static inline long refund(unsigned token)
{
	char text[24];
	long answer[ANSWERS] = { -1 };
	struct buf out BUF_AUTO;
	buf_init(&out, 4096);
	name_token(token, text);
	const struct span arguments[] = { SPAN("EVALSHA"), span_of(world.refund), SPAN("1"), SPAN("quota:{ann}"),
					  span_of(text) };
	run(arguments, 5, &out);
	read_answer(buf_span(&out), answer);
	return answer[0];
}

/* How many messages a node with Redis's clock hears of, of all days. */
static inline unsigned long look_back(void)
{
	long now = world.now + world.redis_ahead, midnight = now - now % DAY;
	long days[QUOTA_DAY_NUMBERS] = { now };
	char clock[24], beginnings[QUOTA_DAY_NUMBERS * 24];
	unsigned long sum = 0, count;
	struct buf out BUF_AUTO;
	buf_init(&out, 8192);
	for (long i = 1; i < QUOTA_DAY_NUMBERS; i++)
		days[i] = midnight + (i - 2) * DAY;
	snprintf(clock, sizeof(clock), "%ld", now);
	write_beginnings(days, beginnings);
	const struct span arguments[] = { SPAN("EVALSHA"),     span_of(world.show),
					  SPAN("2"),           SPAN("quota:{ann}"),
					  SPAN("lock:{ann}"),  span_of(clock),
					  span_of(beginnings), world.is_rolling ? SPAN("rolling") : SPAN("day"),
					  SPAN("history") };
	run(arguments, sizeof(arguments) / sizeof(arguments[0]), &out);
	assert_int_equal(buf_append_byte(&out, '\0'), STATUS_OK);
	const char *locks = strstr(buf_span(&out).data, "\r\n*0\r\n"); /* none, and then what was sent */
	assert_non_null(locks);
	assert_int_equal(sscanf(locks, " *0 :%*d :%lu", &sum), 1);
	const char *past = strstr(locks, "\r\n1 ");
	for (const char *at = past ? past + 3 : NULL; at; at = strchr(at + 1, ';')) {
		assert_int_equal(sscanf(at + 1, "%*d %lu", &count), 1);
		sum += count;
	}
	return sum;
}

#endif
