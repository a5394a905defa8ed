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

#include "quota_model.h"

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
	world.used = world.days = world.sent = 0;
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
		world.tokens[i] = world.tokens[i] == CHARGED ? FORMER : NEW; /* forgotten a day later */
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
		REQUIRE(verdict == (world.tokens[token] == GIVEN_BACK ? 'l' : 'g'));
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
		world.sent++;
		REQUIRE(world.used <= world.limit);
	}
}

static void refund_by_days(unsigned token)
{
	note_event(" refund %u,", token);
	bool was_charged = world.tokens[token] == CHARGED, was_before = world.tokens[token] == FORMER;
	REQUIRE(refund(token) == (was_charged || was_before));
	world.used -= was_charged;
	world.sent -= was_charged || was_before;
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
	REQUIRE(look_back() == world.sent);
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
		REQUIRE(look_back() == world.sent);
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
	load(quota_show_source, world.show);
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
