/* One marker, with a redis-server and an owner that only notes what it is told. */
#ifndef TESTS_UNIT_MARKER_BENCH_H
#define TESTS_UNIT_MARKER_BENCH_H

#include <fcntl.h>

#include "quota/marker.h"
#include "tests/unit/with_redis.h"

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

struct bench {
	struct test_redis server;
	char file[96];
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct marker *marker;
	unsigned losses, sounds;
	char what[160];
	char wanted[MARKER_ID_SIZE]; /* "": no counts are */
	uint64_t replicas;
	struct marker_waiter waiter;
	bool is_confirmed, has_pong;
	enum marker_verdict verdict;
};

static inline void on_loss(void *context, const char *what)
{
	struct bench *bench = context;
	bench->losses++;
	snprintf(bench->what, sizeof(bench->what), "%s", what);
}

static inline void on_wanted(void *context, const char *id)
{
	struct bench *bench = context;
	snprintf(bench->wanted, sizeof(bench->wanted), "%s", id);
}

static inline void on_sound(void *context)
{
	struct bench *bench = context;
	bench->sounds++;
}

static const struct marker_handler handler = { on_loss, on_wanted, on_sound };

static inline bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static inline bool has_lost(void *context)
{
	return ((struct bench *)context)->losses > 0;
}

static inline bool has_confirmed(void *context)
{
	return ((struct bench *)context)->is_confirmed;
}

static inline void on_confirmed(void *context, enum marker_verdict verdict)
{
	struct bench *bench = context;
	bench->is_confirmed = true;
	bench->verdict = verdict;
}

/* As a charge is followed by it. */
static inline enum marker_verdict confirm(struct bench *bench)
{
	bench->is_confirmed = false;
	assert_int_equal(marker_confirm(bench->marker, &bench->waiter, on_confirmed, bench), STATUS_OK);
	run_until(bench->loop, has_confirmed, bench);
	return bench->verdict;
}

static inline bool wants_counts(void *context)
{
	return ((struct bench *)context)->wanted[0] != '\0';
}

static inline bool is_sound(void *context)
{
	return marker_is_sound(((struct bench *)context)->marker);
}

static inline struct marker *make_marker(struct bench *bench, const char *node, int fd)
{
	const struct marker_options options = { .prefix = "test:",
						.node = node,
						.state_fd = fd,
						.replicas = bench->replicas,
						.handler = &handler,
						.context = bench };
	struct marker *marker = NULL;
	assert_int_equal(marker_create(bench->loop, bench->redis, &options, &marker), STATUS_OK);
	return marker;
}

static inline void start_marker(struct bench *bench)
{
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	int fd = open(bench->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	bench->losses = 0;
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	bench->marker = make_marker(bench, "one", fd);
	run_until(bench->loop, is_up, bench);
}

static inline void end_marker(struct bench *bench)
{
	redis_free(&bench->redis);
	marker_free(&bench->marker);
}

static inline int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_start(&bench->server);
	snprintf(bench->file, sizeof(bench->file), "%s/marker", bench->server.folder);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	start_marker(bench);
	*state = bench;
	return 0;
}

static inline int tear_down(void **state)
{
	struct bench *bench = *state;
	end_marker(bench);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	unlink(bench->file);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

/* A look that was answered before may tell the first confirmation. */
static inline void empty_redis(struct bench *bench)
{
	test_redis_tell(&bench->server, "FLUSHALL");
	(void)confirm(bench);
	assert_int_equal(confirm(bench), MARKER_UNSOUND);
}

static inline bool has_pong(void *context)
{
	return ((struct bench *)context)->has_pong;
}

static inline void on_pong(void *context, enum status status, const struct redis_value *value)
{
	(void)status, (void)value;
	((struct bench *)context)->has_pong = true;
}

/* Redis answers in turn: a look that is on its way, and what follows it, have their answers before these two. */
static inline void check_marker(struct bench *bench)
{
	const struct span ping[] = { SPAN("PING") };
	marker_check(bench->marker);
	for (int i = 0; i < 2; i++) {
		run_for(bench->loop, 50);
		bench->has_pong = false;
		if (redis_call(bench->redis, ping, 1, PATIENCE_MS, on_pong, bench) == STATUS_OK)
			run_until(bench->loop, has_pong, bench);
	}
}

#endif
