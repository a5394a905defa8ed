/* Events by way of a real redis-server: two nodes hear each other, and what is no event harms nobody. */
#include "redis/events.h"
#include "tests/unit/with_redis.h"

#define HEARD 4000

struct node {
	struct loop *loop;
	struct redis *redis;
	struct events *events;
	unsigned resumed, count;
	char heard[HEARD];
};

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct node one, other;
};

static void on_event(void *context, const struct event *event)
{
	struct node *node = context;
	size_t used = strlen(node->heard);
	node->count++;
	snprintf(node->heard + used, HEARD - used, "%u %.*s %.*s %.*s; ", (unsigned)event->kind,
		 SPAN_ARGS(event->user_id), SPAN_ARGS(event->object), SPAN_ARGS(event->node));
}

static void on_resumed(void *context)
{
	struct node *node = context;
	node->resumed++;
}

static const struct events_handler handler = { on_event, on_resumed };

static bool reads(void *context)
{
	return ((struct node *)context)->resumed > 0;
}

static bool has_heard(void *context)
{
	return ((struct node *)context)->count > 0;
}

static bool is_away(void *context)
{
	return !redis_is_up(((struct node *)context)->redis);
}

static void begin_node(struct bench *bench, struct node *node)
{
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	*node = (struct node){ .loop = bench->loop };
	assert_int_equal(redis_create(bench->loop, &options, &node->redis), STATUS_OK);
	assert_int_equal(events_create(bench->loop, node->redis, "test:", &handler, node, &node->events), STATUS_OK);
	run_until(bench->loop, reads, node);
}

static void end_node(struct node *node)
{
	redis_free(&node->redis);
	events_free(&node->events);
}

static int begin_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	begin_node(bench, &bench->one);
	begin_node(bench, &bench->other);
	*state = bench;
	return 0;
}

static int end_bench(void **state)
{
	struct bench *bench = *state;
	end_node(&bench->one);
	end_node(&bench->other);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static void say(struct node *node, enum event_kind kind, const char *user_id, const char *object)
{
	const struct event event = { kind, span_of(user_id), span_of(object), SPAN("here") };
	assert_int_equal(events_publish(node->events, &event), STATUS_OK);
}

static void everybody_hears_it_once_and_in_order(void **state)
{
	struct bench *bench = *state;
	say(&bench->one, EVENT_LOCK, "corp:1", "");
	say(&bench->one, EVENT_KICK, "", "7-1");
	run_until(bench->loop, has_heard, &bench->other);
	run_until(bench->loop, has_heard, &bench->one);
	run_for(bench->loop, 3 * EVENTS_LOOK_MS);
	assert_string_equal(bench->other.heard, "0 corp:1  here; 4  7-1 here; ");
	assert_string_equal(bench->one.heard, bench->other.heard);
}

static void whoever_comes_later_hears_nothing_of_before(void **state)
{
	struct bench *bench = *state;
	say(&bench->one, EVENT_FORGET, "corp:1", "");
	run_until(bench->loop, has_heard, &bench->one);
	end_node(&bench->other);
	begin_node(bench, &bench->other);
	say(&bench->one, EVENT_REVOKE, "corp:1", "AAAA");
	run_until(bench->loop, has_heard, &bench->other);
	assert_string_equal(bench->other.heard, "2 corp:1 AAAA here; ");
}

static void what_happens_while_redis_is_away_is_heard_when_it_is_back(void **state)
{
	struct bench *bench = *state;
	test_redis_stop(&bench->server);
	run_until(bench->loop, is_away, &bench->one);
	say(&bench->one, EVENT_REVOKE, "corp:1", "AAAA");
	test_redis_start(&bench->server); /* with nothing in it */
	run_until(bench->loop, has_heard, &bench->other);
	assert_string_equal(bench->other.heard, "2 corp:1 AAAA here; ");
	assert_int_equal(bench->other.resumed, 2);
}

/* Each of them alone in the stream, as one of another version may be; and an event after them is heard. */
static void what_is_no_event_is_skipped(void **state)
{
	struct bench *bench = *state;
	static const char *const entries[] = {
		"v 2 kind lock user_id corp:1",
		"v 1 kind sing user_id corp:1",
		"kind lock",
		"x y",
	};
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		char command[200];
		snprintf(command, sizeof(command), "XADD test:events:1 '*' %s", entries[i]);
		test_redis_tell(&bench->server, command);
	}
	test_redis_tell(&bench->server, "XADD test:events:1 '*' v 1 kind lock user_id $(printf 'x%.0s' $(seq 300))");
	say(&bench->one, EVENT_UNLOCK, "corp:1", "");
	run_until(bench->loop, has_heard, &bench->other);
	assert_string_equal(bench->other.heard, "1 corp:1  here; ");
}

/* The stream of a Redis whose clock is behind: its entries come before what was read. */
static void a_stream_made_anew_is_read_from_its_beginning(void **state)
{
	struct bench *bench = *state;
	test_redis_tell(&bench->server, "XADD test:events:1 99999999999999-1 v 1 kind lock user_id far");
	run_until(bench->loop, has_heard, &bench->other);
	test_redis_stop(&bench->server);
	run_until(bench->loop, is_away, &bench->other);
	test_redis_start(&bench->server);
	bench->other.count = 0;
	bench->other.heard[0] = '\0';
	say(&bench->one, EVENT_LOCK, "near", "");
	run_until(bench->loop, has_heard, &bench->other);
	assert_string_equal(bench->other.heard, "0 near  here; ");
}

static void a_stream_that_is_none_costs_no_more_than_events(void **state)
{
	struct bench *bench = *state;
	test_redis_tell(&bench->server, "SET test:events:1 nonsense");
	run_for(bench->loop, 3 * EVENTS_LOOK_MS);
	test_redis_tell(&bench->server, "DEL test:events:1");
	say(&bench->one, EVENT_LOCK, "corp:1", "");
	run_until(bench->loop, has_heard, &bench->other);
	assert_string_equal(bench->other.heard, "0 corp:1  here; ");
}

static void what_waits_is_bounded(void **state)
{
	struct bench *bench = *state;
	char text[EVENTS_ID_MAXIMUM + 1];
	memset(text, 'x', sizeof(text));
	const struct event large = { .kind = EVENT_LOCK, .user_id = { text, sizeof(text) } };
	const struct event small = { .kind = EVENT_LOCK, .user_id = SPAN("corp:1") };
	assert_int_equal(events_publish(bench->one.events, &large), STATUS_TOO_LARGE);
	test_redis_stop(&bench->server);
	run_until(bench->loop, is_away, &bench->one);
	for (unsigned i = 0; i < EVENTS_UNSENT_MAXIMUM; i++)
		assert_int_equal(events_publish(bench->one.events, &small), STATUS_OK);
	assert_int_equal(events_publish(bench->one.events, &small), STATUS_TOO_LARGE);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, begin_bench, end_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(everybody_hears_it_once_and_in_order),
		WITH_BENCH(whoever_comes_later_hears_nothing_of_before),
		WITH_BENCH(what_happens_while_redis_is_away_is_heard_when_it_is_back),
		WITH_BENCH(what_is_no_event_is_skipped),
		WITH_BENCH(a_stream_made_anew_is_read_from_its_beginning),
		WITH_BENCH(a_stream_that_is_none_costs_no_more_than_events),
		WITH_BENCH(what_waits_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
