/*
 * The scripts of the quota against a model of them: every order in which the charges and refunds of four messages, from
 * three nodes in three time zones, and one step of a clock can reach Redis; and longer sequences at random. The model
 * knows no Lua, no hash and no calendar: a user has a day that ends, and so many messages until then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
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

enum token { NEW, CHARGED, GIVEN_BACK };

static struct {
	struct played_redis redis;
	char charge[41], refund[41];
	bool is_rolling;
	unsigned limit;
	long now;                            /* as it truly is */
	long redis_ahead, node_ahead[NODES]; /* of it */
	/* The model. */
	bool has_day;
	long end;
	unsigned used, days;
	enum token tokens[TOKENS];
	long granted_at[TOKENS]; /* truly; 0: not, or given back */
	long last_granted;       /* given back or not */
	char trace[EVENTS * 32];
} world;

/* ---- the played Redis */

static void run(const struct span *arguments, size_t count, struct buf *out)
{
	buf_clear(out);
	played_redis_command(&world.redis, arguments, count, (uint64_t)(world.now + world.redis_ahead) * 1000000, out);
}

static void load(const char *source, char out_sha1[41])
{
	struct buf out BUF_AUTO;
	const struct span arguments[] = { SPAN("SCRIPT"), SPAN("LOAD"), span_of(source) };
	buf_init(&out, 4096);
	run(arguments, 3, &out);
	snprintf(out_sha1, 41, "%.*s", 40, buf_span(&out).data + strlen("$40\r\n"));
}

/* The elements of an array, or the only one: numbers, or the first letter of texts. */
static size_t read_answer(struct span rest, long out_numbers[ANSWERS])
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

static long node_clock(unsigned node)
{
	return world.now + world.node_ahead[node];
}

/* As quota_day_numbers writes them. */
static void put_days(unsigned node, long out_numbers[QUOTA_DAY_NUMBERS])
{
	long now = node_clock(node), local = now + zones[node];
	long midnight = local - local % DAY - zones[node];
	out_numbers[0] = now;
	for (long i = 1; i < QUOTA_DAY_NUMBERS; i++)
		out_numbers[i] = midnight + (i - 2) * DAY;
}

static void name_token(unsigned token, char out_text[24])
{
	snprintf(out_text, 24, "token%u", token);
}

/* Returns the verdict's first letter, '-' for an error. */
static char charge(unsigned token, unsigned node, long *out_resets_at)
{
	long days[QUOTA_DAY_NUMBERS], answer[ANSWERS] = { 0 };
	char name[24], limits[64], clock[24], beginnings[QUOTA_DAY_NUMBERS * 24] = "";
	struct buf out BUF_AUTO;
	buf_init(&out, 4096);
	put_days(node, days);
	name_token(token, name);
	snprintf(limits, sizeof(limits), "%u 0 0 0 0 0 default", world.limit);
	snprintf(clock, sizeof(clock), "%ld", days[0]);
	for (unsigned i = 1; i < QUOTA_DAY_NUMBERS; i++) {
		size_t used = strlen(beginnings);
		snprintf(beginnings + used, sizeof(beginnings) - used, "%s%ld", used ? " " : "", days[i]);
	}
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
	run(arguments, sizeof(arguments) / sizeof(arguments[0]), &out);
	read_answer(buf_span(&out), answer);
	*out_resets_at = answer[7];
	return (char)answer[0];
}

static long refund(unsigned token)
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

/* ---- the sequence */

static void note_event(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note_event(const char *format, ...)
{
	size_t used = strlen(world.trace);
	va_list list;
	va_start(list, format);
	vsnprintf(world.trace + used, sizeof(world.trace) - used, format, list);
	va_end(list);
}

#define REQUIRE(condition)                                                        \
	do {                                                                      \
		if (!(condition))                                                 \
			fail_msg("%s: not so after:%s", #condition, world.trace); \
	} while (0)

static void begin_sequence(unsigned limit)
{
	struct buf out BUF_AUTO;
	const struct span flush[] = { SPAN("FLUSHALL") };
	buf_init(&out, 4096);
	world.limit = limit;
	world.now = START;
	world.redis_ahead = 0;
	memset(world.node_ahead, 0, sizeof(world.node_ahead));
	world.has_day = false;
	world.end = 0;
	world.used = world.days = 0;
	memset(world.tokens, 0, sizeof(world.tokens));
	memset(world.granted_at, 0, sizeof(world.granted_at));
	world.last_granted = 0;
	world.trace[0] = '\0';
	run(flush, 1, &out);
}

static bool are_apart(unsigned node)
{
	long apart = world.redis_ahead - world.node_ahead[node];
	return apart > DAY || apart < -DAY;
}

/* Both clocks say that the day is over. */
static bool is_over(unsigned node)
{
	long ahead = world.redis_ahead < world.node_ahead[node] ? world.redis_ahead : world.node_ahead[node];
	return !world.has_day || world.now + ahead >= world.end;
}

/* A day that begins has new counts, and ends long after the one before. */
static void begin_day(long resets_at)
{
	long now = world.now + world.redis_ahead;
	REQUIRE(!world.has_day || resets_at >= world.end + LEAST);
	REQUIRE(resets_at > now);
	for (unsigned i = 0; world.has_day && i < TOKENS; i++)
		world.tokens[i] = NEW; /* forgotten with the day that they were of */
	world.has_day = true;
	world.end = resets_at;
	world.used = 0;
	world.days++;
}

static void charge_by_days(unsigned token, unsigned node)
{
	long resets_at;
	note_event(" charge %u at node %u,", token, node);
	bool begins = is_over(node);
	unsigned used = begins ? 0 : world.used;
	char verdict = charge(token, node, &resets_at);
	if (are_apart(node)) {
		REQUIRE(verdict == '-');
	} else if (world.tokens[token] != NEW) {
		REQUIRE(verdict == (world.tokens[token] == CHARGED ? 'g' : 'l'));
	} else if (used >= world.limit) {
		REQUIRE(verdict == 'd');
		REQUIRE(begins || resets_at == world.end);
	} else {
		REQUIRE(verdict == 'g');
		REQUIRE(begins || resets_at == world.end);
		if (begins)
			begin_day(resets_at);
		world.tokens[token] = CHARGED;
		world.used++;
		REQUIRE(world.used <= world.limit);
	}
}

static void refund_by_days(unsigned token)
{
	note_event(" refund %u,", token);
	bool was_charged = world.tokens[token] == CHARGED;
	REQUIRE(refund(token) == was_charged);
	world.used -= was_charged;
	world.tokens[token] = GIVEN_BACK;
}

/* ---- every order */

enum step { STEP_REDIS_FORTH, STEP_REDIS_BACK, STEP_NODE_FORTH, STEP_NODE_BACK, STEP_REDIS_FAR, STEP_A_DAY, STEPS };

static void step(enum step step)
{
	note_event(" step %d,", (int)step);
	switch (step) {
	case STEP_REDIS_FORTH:
		world.redis_ahead += 13 * HOUR;
		break;
	case STEP_REDIS_BACK:
		world.redis_ahead -= 13 * HOUR;
		break;
	case STEP_NODE_FORTH:
		world.node_ahead[0] += 13 * HOUR;
		break;
	case STEP_NODE_BACK:
		world.node_ahead[1] -= 13 * HOUR;
		break;
	case STEP_REDIS_FAR:
		world.redis_ahead += 25 * HOUR;
		break;
	case STEP_A_DAY:
	case STEPS:
	default:
		world.now += DAY;
		break;
	}
}

#define MESSAGES 4
#define ORDER (2 * MESSAGES + 1)
#define CHARGE_OF(message) (message)
#define REFUND_OF(message) (MESSAGES + (message))
#define THE_STEP (2 * MESSAGES)

static unsigned order[ORDER];
static unsigned sequences;

static void run_order(enum step kind)
{
	begin_sequence(2);
	for (unsigned i = 0; i < ORDER; i++) {
		if (order[i] == THE_STEP)
			step(kind);
		else if (order[i] < MESSAGES)
			charge_by_days(order[i], order[i] % NODES);
		else
			refund_by_days(order[i] - MESSAGES);
	}
	/* Only the truth makes a day. */
	REQUIRE(world.days <= (kind == STEP_A_DAY ? 2U : 1U));
	sequences++;
}

/* Messages are alike but for their nodes: their charges come in one order, among all of all else. */
static void try_orders(unsigned filled, unsigned charged, unsigned taken, enum step kind)
{
	if (filled == ORDER) {
		run_order(kind);
		return;
	}
	for (unsigned event = MESSAGES; event < ORDER; event++) {
		if (taken & 1U << event)
			continue;
		order[filled] = event;
		try_orders(filled + 1, charged, taken | 1U << event, kind);
	}
	if (charged < MESSAGES) {
		order[filled] = CHARGE_OF(charged);
		try_orders(filled + 1, charged + 1, taken, kind);
	}
}

static void every_order_of_four_messages_and_a_step_counts_right(void **state)
{
	(void)state;
	world.is_rolling = false;
	sequences = 0;
	for (unsigned kind = 0; kind < STEPS; kind++)
		try_orders(0, 0, 0, (enum step)kind);
	assert_int_equal(sequences, STEPS * 15120); /* 9! / 4! */
}

/* ---- at random */

static uint64_t seed;

static unsigned draw(unsigned below)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(seed >> 33) % below;
}

/* Within a day and a half of the truth. */
static void step_any_clock(void)
{
	long hours = (long)draw(73) - 36;
	unsigned which = draw(NODES + 1);
	note_event(" clock %u %+ld,", which, hours);
	if (which == NODES)
		world.redis_ahead = hours * HOUR;
	else
		world.node_ahead[which] = hours * HOUR;
}

/* Where the end lies too far off, it comes nearer: the model leaves that to other tests. */
static bool is_far(void)
{
	return world.has_day && world.end - (world.now + world.redis_ahead) > 70 * HOUR;
}

static void random_sequences_count_right(void **state)
{
	(void)state;
	world.is_rolling = false;
	for (unsigned i = 0; i < 10000; i++) {
		seed = i;
		begin_sequence(1 + draw(4));
		charge_by_days(0, 0); /* a tombstone without a day is gone after two */
		for (unsigned events = 5 + draw(EVENTS - 5); events > 0; events--) {
			unsigned what = draw(10);
			if (what == 0) {
				step_any_clock();
			} else if (what == 1) {
				long hours = (long)draw(30);
				note_event(" %ld hours later,", hours);
				world.now += hours * HOUR;
			} else if (what < 4) {
				refund_by_days(draw(TOKENS));
			} else if (!is_far()) {
				charge_by_days(draw(TOKENS), draw(NODES));
			}
		}
	}
}

/* ---- rolling days */

static unsigned granted_within(long since)
{
	unsigned count = 0;
	for (unsigned i = 0; i < TOKENS; i++)
		count += world.granted_at[i] && world.granted_at[i] > since;
	return count;
}

static void charge_rolling(unsigned token, unsigned node, bool is_redis)
{
	long resets_at;
	note_event(" charge %u at node %u,", token, node);
	char verdict = charge(token, node, &resets_at);
	if (are_apart(node) || world.tokens[token] != NEW) {
		REQUIRE(verdict != 'd');
		return;
	}
	REQUIRE(verdict == 'g' || verdict == 'd');
	/* Nobody is refused who has sent less, nor anybody for ever, whatever clocks have been before. */
	REQUIRE(verdict == 'g' || world.last_granted > world.now - 80 * HOUR);
	REQUIRE(verdict == 'g' || is_redis || granted_within(world.now - 80 * HOUR) >= world.limit);
	if (verdict != 'g')
		return;
	world.tokens[token] = CHARGED;
	world.granted_at[token] = world.last_granted = world.now;
	REQUIRE(granted_within(world.now - DAY) <= world.limit);
}

static void refund_rolling(unsigned token)
{
	note_event(" refund %u,", token);
	refund(token);
	world.tokens[token] = GIVEN_BACK;
	world.granted_at[token] = 0;
}

/* One of two clocks is right: in a sequence either Redis's steps, or those of the nodes. */
static void step_rolling(bool is_redis)
{
	long hours = (long)draw(25) - 12;
	unsigned node = draw(NODES);
	note_event(" clock of %s %u %+ld,", is_redis ? "Redis" : "node", node, hours);
	if (is_redis)
		world.redis_ahead = hours * HOUR;
	else
		world.node_ahead[node] = hours * HOUR;
}

static void any_24_hours_hold_the_limit_at_random(void **state)
{
	(void)state;
	world.is_rolling = true;
	for (unsigned i = 0; i < 4000; i++) {
		seed = i;
		begin_sequence(1 + draw(4));
		bool is_redis = draw(2);
		unsigned token = 1;
		charge_rolling(0, 0, is_redis);
		for (unsigned events = EVENTS; events > 0 && token < TOKENS; events--) {
			unsigned what = draw(10);
			if (what == 0) {
				step_rolling(is_redis);
			} else if (what < 4) {
				long minutes = (long)draw(12 * 60);
				note_event(" %ld minutes later,", minutes);
				world.now += minutes * 60;
			} else if (what == 4) {
				refund_rolling(draw(token + 1));
			} else {
				charge_rolling(token, draw(NODES), is_redis);
				token += world.tokens[token] != NEW;
			}
		}
	}
}

static int set_up(void **state)
{
	(void)state;
	played_redis_begin(&world.redis);
	world.now = START;
	load(quota_charge_source, world.charge);
	load(quota_refund_source, world.refund);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	played_redis_end(&world.redis);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_of_four_messages_and_a_step_counts_right),
		cmocka_unit_test(random_sequences_count_right),
		cmocka_unit_test(any_24_hours_hold_the_limit_at_random),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
