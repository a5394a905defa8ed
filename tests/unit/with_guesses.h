/* For tests of guesses: one set of rules, in memory or by the scripts in a real Redis whose clock can be moved. */
#ifndef TESTS_WITH_GUESSES_H
#define TESTS_WITH_GUESSES_H

#include "with_redis.h"

#include "auth/guesses/guesses.h"
#include "auth/guesses/known.h"

#define WINDOW_MS 600000ULL
#define LEASE_MS 10000ULL
#define PREFIX "test:"

static const struct guess_limits usual_limits = {
	.per_user = 5, .per_address = 10, .window_ms = WINDOW_MS, .lease_ms = LEASE_MS
};
static struct secret digest_key = { .bytes = (char[]){ "0123456789abcdef" }, .size = 16 };
static struct test_redis redis_server;

/* Where tries are counted: in Redis, or in memory. */
static struct {
	bool in_redis;
	struct loop *loop;
	struct redis *redis;
	struct shared_guesses *shared;
	struct ledger *ledger;
	struct known_places *known;
	uint64_t now_ms; /* of the ledger */
	long shift_s;
	uint64_t last_token;
	bool answered;
	enum guess_answer answer;
	uint64_t wait_ms;
} book;

static inline bool redis_is_ready(void *context)
{
	return redis_is_up(*(struct redis **)context);
}

static inline struct redis *connect_redis(struct loop *loop)
{
	static struct secret password;
	struct redis *redis = NULL;
	if (secret_is_empty(&password))
		assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &password), STATUS_OK);
	const struct redis_options options = { .server = redis_server.server, .user = "", .password = &password };
	assert_int_equal(redis_create(loop, &options, &redis), STATUS_OK);
	run_until(loop, redis_is_ready, &redis);
	return redis;
}

static inline void on_flushed(void *context, enum status status, const struct redis_value *value)
{
	(void)value;
	assert_int_equal(status, STATUS_OK);
	*(bool *)context = true;
}

static inline bool is_true(void *context)
{
	return *(bool *)context;
}

static inline void run_command(struct loop *loop, struct redis *redis, struct span command)
{
	bool done = false;
	assert_int_equal(redis_call(redis, &command, 1, PATIENCE_MS, on_flushed, &done), STATUS_OK);
	run_until(loop, is_true, &done);
}

static inline void open_book(bool in_redis, const struct guess_limits *limits)
{
	memset(&book, 0, sizeof(book));
	book.in_redis = in_redis;
	book.now_ms = 1000000;
	assert_int_equal(loop_create(&book.loop), STATUS_OK);
	assert_int_equal(ledger_create(limits, &book.ledger), STATUS_OK);
	assert_int_equal(known_create(&book.known), STATUS_OK);
	if (!in_redis)
		return;
	book.redis = connect_redis(book.loop);
	test_redis_shift_clock(&redis_server, 0);
	run_command(book.loop, book.redis, SPAN("FLUSHALL"));
	const struct shared_settings settings = { .redis = book.redis, .prefix = PREFIX, .limits = *limits };
	assert_int_equal(shared_create(&settings, &book.shared), STATUS_OK);
}

static inline void close_book(void)
{
	shared_free(&book.shared);
	redis_free(&book.redis);
	ledger_free(&book.ledger);
	known_free(&book.known);
	loop_free(book.loop);
}

static inline void pass_seconds(long seconds)
{
	if (book.in_redis) /* what was told before is known before */
		run_command(book.loop, book.redis, SPAN("PING"));
	book.now_ms += (uint64_t)seconds * 1000;
	book.shift_s += seconds;
	if (book.in_redis)
		test_redis_shift_clock(&redis_server, book.shift_s);
}

static inline void on_book_reserved(void *context, bool has_answered, enum guess_answer answer, uint64_t wait_ms)
{
	(void)context;
	assert_true(has_answered);
	book.answered = true;
	book.answer = answer;
	book.wait_ms = wait_ms;
}

static inline struct guess_claim make_claim(uint32_t gate, const char *user, const char *password, const char *address)
{
	const struct guess_try try = {
		.user = user,
		.typed = user,
		.password = span_of(password),
		.address = span_of(address),
		.gate = gate,
		.is_directory_asked = true,
	};
	struct guess_claim claim;
	assert_int_equal(guess_claim_make(&digest_key, &try, &claim), STATUS_OK);
	claim.token = ++book.last_token;
	return claim;
}

static inline enum guess_answer reserve(const struct guess_claim *claim)
{
	struct shared_call *call = NULL;
	if (!book.in_redis) {
		bool from_known = known_has(book.known, claim->user, claim->place, book.now_ms);
		return ledger_reserve(book.ledger, claim, from_known, book.now_ms, &book.wait_ms);
	}
	book.answered = false;
	assert_int_equal(shared_reserve(book.shared, claim, on_book_reserved, NULL, &call), STATUS_OK);
	run_until(book.loop, is_true, &book.answered);
	return book.answer;
}

/* Redis answers in the order of the calls: whatever is asked next knows of it. */
static inline void settle(const struct guess_claim *claim, enum guess_outcome outcome)
{
	if (book.in_redis) {
		assert_true(shared_settle(book.shared, claim, outcome));
		return;
	}
	ledger_settle(book.ledger, claim, outcome, book.now_ms);
	if (outcome == GUESS_RIGHT)
		(void)known_note(book.known, claim->user, claim->place, book.now_ms);
}

/* A whole try: a place, if there is one, and how it went. */
static inline enum guess_answer try_at(uint32_t gate, const char *user, const char *password, const char *address,
				       enum guess_outcome outcome)
{
	const struct guess_claim claim = make_claim(gate, user, password, address);
	enum guess_answer answer = reserve(&claim);
	if (answer == GUESS_MAY_ASK)
		settle(&claim, outcome);
	return answer;
}

static inline enum guess_answer guess_wrong(const char *user, const char *password, const char *address)
{
	static uint32_t gate;
	return try_at(++gate % 8, user, password, address, GUESS_WRONG);
}

static inline enum guess_answer log_in(const char *user, const char *address)
{
	return try_at(1, user, "the right one", address, GUESS_RIGHT);
}

/* So many different wrong passwords, each through the next one of many gates; how many may be tried. */
static inline unsigned count_tried(const char *user, const char *word, const char *address, unsigned tries)
{
	unsigned tried = 0;
	char password[32];
	for (unsigned i = 0; i < tries; i++) {
		snprintf(password, sizeof(password), "%s %u", word, i);
		tried += guess_wrong(user, password, address) == GUESS_MAY_ASK;
	}
	return tried;
}

#endif
