/* Guesses without memory: each allocation of a try fails once. No try is made that is not counted, and none is lost. */
#include "failing_memory.h"
#include "with_guesses.h"

#include <stdlib.h>

#ifdef SUBGATE_SANITIZED /* has an allocator of its own, which can't be replaced */

int main(void)
{
	return 0;
}

#else

#define FAILURES_MAXIMUM 200 /* allocations of one try are fewer */
#define LIMIT 5

static struct {
	struct loop *loop;
	struct redis *redis; /* away, so that all is counted here */
	struct guesses *guesses;
	unsigned tried;
} world;

static enum status create_guesses(void)
{
	const struct guesses_settings settings = {
		.loop = world.loop,
		.key = &digest_key,
		.redis = world.redis,
		.prefix = PREFIX,
		.limits = { .per_user = LIMIT, .per_address = 50, .window_ms = WINDOW_MS, .lease_ms = LEASE_MS },
	};
	return guesses_create(&settings, &world.guesses);
}

static void on_answer(void *context, enum guess_answer answer)
{
	(void)context;
	world.tried += answer == GUESS_MAY_ASK;
}

static void make_try(unsigned number)
{
	struct guess *guess = NULL;
	char password[16];
	snprintf(password, sizeof(password), "guess %u", number);
	const struct guess_try try = {
		.user = "anna",
		.typed = "Anna",
		.password = span_of(password),
		.address = SPAN("2001:db8::1"),
		.gate = number,
		.is_directory_asked = true,
	};
	if (guesses_begin(world.guesses, &try, on_answer, NULL, &guess) != STATUS_OK)
		assert_null(guess);
	guess_settle(&guess, GUESS_WRONG);
}

/* Whether an allocation has failed. */
static bool try_without_memory(unsigned long allocations)
{
	world.tried = 0;
	memory_left = allocations;
	for (unsigned i = 0; i < 4; i++)
		make_try(i);
	bool has_failed = memory_left == 0;
	memory_left = 0;
	for (unsigned i = 4; i < 20; i++)
		make_try(i);
	return has_failed;
}

static void no_try_is_made_uncounted(void **state)
{
	unsigned long n = 1;
	bool has_failed = true;
	(void)state;
	for (; has_failed && n < FAILURES_MAXIMUM; n++) {
		assert_int_equal(create_guesses(), STATUS_OK);
		has_failed = try_without_memory(n);
		/* What was refused for want of memory may have kept its place. */
		assert_in_range(world.tried, LIMIT - 1, LIMIT);
		guesses_free(&world.guesses);
	}
	assert_in_range(n, 10, FAILURES_MAXIMUM - 1);
}

/* Blocks that are more than before. */
static long fail_each_allocation_once(void)
{
	long before = memory_living;
	bool has_failed = true;
	unsigned long n = 1;
	for (; has_failed && n < FAILURES_MAXIMUM; n++) {
		memory_left = n;
		enum status status = create_guesses();
		has_failed = memory_left == 0;
		memory_left = 0;
		assert_true(status == STATUS_OK || has_failed); /* OpenSSL does without some of what it asks for */
		guesses_free(&world.guesses);
	}
	assert_in_range(n, 3, FAILURES_MAXIMUM - 1);
	return memory_living - before;
}

static void what_can_not_be_made_is_freed(void **state)
{
	(void)state;
	(void)fail_each_allocation_once(); /* what OpenSSL keeps for ever, for its errors too */
	assert_int_equal(fail_each_allocation_once(), 0);
}

static int begin(void **state)
{
	static const struct secret no_password;
	const struct redis_options options = { .server = "unix:/nonexistent/redis.sock",
					       .user = "",
					       .password = &no_password };
	(void)state;
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(redis_create(world.loop, &options, &world.redis), STATUS_OK);
	memory_counts = true;
	return 0;
}

static int end(void **state)
{
	(void)state;
	memory_counts = false;
	redis_free(&world.redis);
	loop_free(world.loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_try_is_made_uncounted, begin, end),
		cmocka_unit_test_setup_teardown(what_can_not_be_made_is_freed, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
