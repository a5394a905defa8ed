/* For tests of guesses: two nodes that share a real Redis, and tries that wait for their place. */
#ifndef TESTS_GUESS_NODES_H
#define TESTS_GUESS_NODES_H

#include "with_guesses.h"

#include <stdlib.h>

#define NODES 2
#define TRIES 200

/* One try, as its client sees it. */
struct client {
	struct guess *guess;
	unsigned answers;
	enum guess_answer answer;
};

static struct {
	struct loop *loop;
	struct redis *redis[NODES];
	struct guesses *nodes[NODES];
	struct client clients[TRIES];
	unsigned answered;
} nodes;

static struct guess_limits node_limits = {
	.per_user = 5, .per_address = 50, .window_ms = WINDOW_MS, .lease_ms = LEASE_MS
};

static inline int begin(void **state)
{
	(void)state;
	memset(&nodes, 0, sizeof(nodes));
	assert_int_equal(loop_create(&nodes.loop), STATUS_OK);
	for (unsigned i = 0; i < NODES; i++) {
		nodes.redis[i] = connect_redis(nodes.loop);
		const struct guesses_settings settings = {
			.loop = nodes.loop,
			.key = &digest_key,
			.redis = nodes.redis[i],
			.prefix = PREFIX,
			.limits = node_limits,
		};
		assert_int_equal(guesses_create(&settings, &nodes.nodes[i]), STATUS_OK);
	}
	run_command(nodes.loop, nodes.redis[0], SPAN("FLUSHALL"));
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TRIES; i++)
		guess_forget(&nodes.clients[i].guess);
	for (unsigned i = 0; i < NODES; i++) {
		guesses_free(&nodes.nodes[i]);
		redis_free(&nodes.redis[i]);
	}
	loop_free(nodes.loop);
	return 0;
}

static inline void on_answer(void *context, enum guess_answer answer)
{
	struct client *client = context;
	client->answers++;
	client->answer = answer;
	nodes.answered++;
}

static inline void begin_try(unsigned number, unsigned node, const char *user, const char *password,
			     const char *address)
{
	const struct guess_try try = {
		.user = user,
		.typed = user,
		.password = span_of(password),
		.address = span_of(address),
		.gate = number % 4,
		.is_directory_asked = true,
	};
	struct client *client = &nodes.clients[number];
	assert_int_equal(guesses_begin(nodes.nodes[node], &try, on_answer, client, &client->guess), STATUS_OK);
}

static inline bool all_are_answered(void *context)
{
	return nodes.answered >= *(unsigned *)context;
}

static inline void await_answers(unsigned count)
{
	run_until(nodes.loop, all_are_answered, &count);
}

static inline unsigned count_answers(enum guess_answer answer)
{
	unsigned count = 0;
	for (unsigned i = 0; i < TRIES; i++)
		count += nodes.clients[i].answers == 1 && nodes.clients[i].answer == answer;
	return count;
}

/* Redis has heard of all that was told it. */
static inline void sync_nodes(void)
{
	for (unsigned i = 0; i < NODES; i++)
		run_command(nodes.loop, nodes.redis[i], SPAN("PING"));
}

static inline bool redis_is_lost(void *context)
{
	(void)context;
	return !redis_is_up(nodes.redis[0]) && !redis_is_up(nodes.redis[1]);
}

/* Until no more may be tried. */
static inline void exhaust_user(const char *user, const char *typed, const char *address)
{
	for (unsigned i = 0; i < 6; i++) {
		struct client client = { .guess = NULL };
		char password[16];
		snprintf(password, sizeof(password), "guess %u", i);
		const struct guess_try try = {
			.user = user,
			.typed = typed,
			.password = span_of(password),
			.address = span_of(address),
			.gate = i,
			.is_directory_asked = true,
		};
		unsigned before = nodes.answered;
		assert_int_equal(guesses_begin(nodes.nodes[0], &try, on_answer, &client, &client.guess), STATUS_OK);
		await_answers(before + 1);
		guess_settle(&client.guess, GUESS_WRONG);
	}
	sync_nodes();
}

static inline int start_server(void **state)
{
	(void)state;
	test_redis_let_clock_shift(&redis_server);
	test_redis_start(&redis_server);
	return 0;
}

static inline int remove_server(void **state)
{
	(void)state;
	test_redis_remove(&redis_server);
	return 0;
}

#define ON_NODES(test) cmocka_unit_test_setup_teardown(test, begin, end)

#endif
