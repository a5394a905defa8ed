/* For tests of the auth role under failing memory: a real one between played roles; allocations of its loop fail. */
#ifndef TESTS_AUTH_MEMORY_WORLD_H
#define TESTS_AUTH_MEMORY_WORLD_H

#include "failing_memory.h"
#include "with_loop.h"

#ifndef SUBGATE_SANITIZED /* which has an allocator of its own, that can't be replaced */

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/reply_time.h"
#include "base/base64.h"
#include "base/clock.h"
#include "door/messages.h"
#include "role/role.h"

#define GATE 7
#define FAILURES_MAXIMUM 20000 /* far more than a login has allocations */
#define STEP_MS 20000          /* for each answer; auth waits for the relay, and a failure is answered late */
#define TEXT 512

static char no_text[] = "";

static struct {
	struct loop *loop, *peers;
	struct timer *tick, *peers_tick;
	struct config config;
	struct role_context context;
	char path[40]; /* of the app passwords */
	void *auth;
	struct door *gate, *relay, *admin;
	uint64_t last; /* request, and session */
	uint64_t granted_session;
	bool has_challenge, has_done, granted;
	char reply[TEXT], user64[TEXT], password64[TEXT], plain64[TEXT], password[TEXT], challenge[TEXT];
	char *answer;
	unsigned blamed, doors_lost;
} world;

/* ---- what the supervisor's room gives a role */

int role_take_fd(const struct role_context *context, const char *name)
{
	(void)context;
	return strcmp(name, "app-passwords") == 0 ? open(world.path, O_RDWR | O_APPEND | O_CLOEXEC) : -1;
}

enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret)
{
	(void)context, (void)name, (void)out_secret;
	return STATUS_NOT_FOUND;
}

void role_distrust_gate(const struct role_context *context, uint32_t instance)
{
	(void)context, (void)instance;
	world.blamed++;
}

void role_finish(const struct role_context *context)
{
	(void)context;
}

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	(void)context, (void)peer, (void)instance;
}

const char *role_kind_text(enum role_kind kind)
{
	(void)kind;
	return "role";
}

/* ---- peers */

static inline void keep_done(struct span payload)
{
	struct door_sasl_done done;
	assert_int_equal(door_read_sasl_done(payload, &done), STATUS_OK);
	if (done.request != world.last)
		return;
	world.has_done = world.has_challenge = true;
	world.granted = done.granted;
	snprintf(world.reply, TEXT, "%.*s", SPAN_ARGS(done.reply));
}

static inline void take_grant(struct span payload)
{
	struct door_grant grant;
	assert_int_equal(door_read_grant(payload, &grant), STATUS_OK);
	const struct door_granted granted = { .request = grant.request };
	world.granted_session = grant.session;
	assert_int_equal(door_send_granted(world.relay, &granted), STATUS_OK);
}

static inline void keep_challenge(struct span payload)
{
	struct door_sasl_challenge challenge;
	assert_int_equal(door_read_sasl_challenge(payload, &challenge), STATUS_OK);
	snprintf(world.challenge, sizeof(world.challenge), "%.*s", SPAN_ARGS(challenge.challenge));
	world.has_challenge = true;
}

static inline void tell_no_sessions(struct span payload)
{
	struct door_sessions_asked asked;
	assert_int_equal(door_read_sessions_asked(payload, &asked), STATUS_OK);
	const struct door_sessions_told told = { .request = asked.request };
	assert_int_equal(door_send_sessions_told(world.relay, &told), STATUS_OK);
}

static inline enum status hear(void *peer, struct door *door, uint16_t type, struct span payload)
{
	struct door_control_reply control;
	(void)peer, (void)door;
	if (type == DOOR_SASL_CHALLENGE)
		keep_challenge(payload);
	else if (type == DOOR_SASL_DONE)
		keep_done(payload);
	else if (type == DOOR_GRANT)
		take_grant(payload);
	else if (type == DOOR_SESSIONS_ASKED)
		tell_no_sessions(payload);
	else if (type == DOOR_CONTROL_REPLY && door_read_control_reply(payload, &control) == STATUS_OK)
		world.answer = span_to_string(control.json);
	return STATUS_OK;
}

static inline void lose(void *peer, struct door *door)
{
	(void)door;
	world.doors_lost++;
	door_free(peer);
}

static const struct door_handler peer_handler = { .on_frame = hear, .on_closed = lose };

static inline void attach(enum role_kind kind, uint32_t instance, struct door **out_peer)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(door_create(world.peers, ends[0], &peer_handler, out_peer, out_peer), STATUS_OK);
	auth_role.attached(world.auth, kind, instance, ends[1]);
}

/* As the supervisor does when one broke. */
static inline void renew_doors(void)
{
	if (world.gate == NULL)
		attach(ROLE_GATE, GATE, &world.gate);
	if (world.relay == NULL)
		attach(ROLE_RELAY, 2, &world.relay);
	if (world.admin == NULL)
		attach(ROLE_ADMIN, 3, &world.admin);
}

/* ---- time */

static inline void stop_loop(void *loop)
{
	loop_stop(loop);
}

/* Allocations fail in auth's turns only. */
static inline void turn(void)
{
	timer_set(world.tick, 1);
	memory_counts = true;
	loop_run(world.loop);
	memory_counts = false;
	timer_set(world.peers_tick, 0);
	loop_run(world.peers);
}

/* False: a door broke. */
static inline bool wait_for(const bool *what)
{
	uint64_t until = clock_monotonic_ms() + STEP_MS;
	unsigned lost = world.doors_lost;
	while (!*what && lost == world.doors_lost) {
		turn();
		if (clock_monotonic_ms() > until)
			fail_msg("no answer within %d s", STEP_MS / 1000);
	}
	return *what;
}

/* ---- an app password */

static inline void encode(const char *bytes, size_t size, char *out_text)
{
	struct buf text BUF_AUTO;
	buf_init(&text, TEXT);
	assert_int_equal(base64_encode((struct span){ bytes, size }, &text), STATUS_OK);
	snprintf(out_text, TEXT, "%.*s", SPAN_ARGS(buf_span(&text)));
}

static inline void create_password(void)
{
	const struct door_control_request request = {
		.request = 1,
		.json = SPAN("{\"command\":\"app-password create\",\"user\":\"anna@example.com\",\"label\":\"x\"}")
	};
	char plain[TEXT];
	assert_int_equal(door_send_control_request(world.admin, &request), STATUS_OK);
	while (world.answer == NULL)
		turn();
	json_t *answer = json_loads(world.answer, 0, NULL);
	const char *password = json_string_value(json_object_get(answer, "password"));
	assert_non_null(password);
	int size = snprintf(plain, sizeof(plain), "%canna@example.com%c%s", 0, 0, password);
	encode(plain, (size_t)size, world.plain64);
	encode(password, strlen(password), world.password64);
	snprintf(world.password, sizeof(world.password), "%s", password);
	encode("anna@example.com", 16, world.user64);
	json_decref(answer);
}

/* ---- refusals without their delay, as there are many: in place of auth/reply_time.c */

void reply_time_begin(struct reply_time *times, size_t lanes, uint64_t random, uint64_t now_ms,
		      struct reply_draw *out_draw)
{
	(void)times;
	(void)lanes;
	(void)random;
	*out_draw = (struct reply_draw){ .from_ms = now_ms, .delay_ms = 1 };
}

void reply_time_end(struct reply_time *times, size_t lanes, const struct reply_draw *draw, bool is_usual,
		    uint64_t now_ms)
{
	(void)times;
	(void)lanes;
	(void)draw;
	(void)is_usual;
	(void)now_ms;
}

uint64_t reply_time_left_ms(const struct reply_draw *draw, uint64_t now_ms)
{
	(void)now_ms;
	return draw->delay_ms;
}

uint64_t reply_time_next_step_ms(struct reply_time *times, uint64_t took_ms, bool is_usual, uint64_t now_ms)
{
	(void)times;
	(void)took_ms;
	(void)is_usual;
	(void)now_ms;
	return 1;
}

/* ---- the role */

static char backend[] = "app_password";
static char *backends[] = { backend };
static char mechanism_texts[3][16] = { "PLAIN", "LOGIN", "SCRAM-SHA-256" };
static char *mechanisms[] = { mechanism_texts[0], mechanism_texts[1], mechanism_texts[2] };

static inline int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.path, sizeof(world.path), "/tmp/subgate-test-auth-XXXXXX");
	close(mkstemp(world.path));
	world.config.auth = (struct config_auth){ .backends = { .items = backends, .count = 1 },
						  .mechanisms = { .items = mechanisms, .count = 3 },
						  .cache = 300000,
						  .failures_per_address = 100000,
						  .failures_per_user = 100000,
						  .failure_window = 600000 };
	world.config.limits.auth_timeout = 60000;
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(loop_create(&world.peers), STATUS_OK);
	assert_int_equal(timer_make(world.loop, stop_loop, world.loop, &world.tick), STATUS_OK);
	assert_int_equal(timer_make(world.peers, stop_loop, world.peers, &world.peers_tick), STATUS_OK);
	world.config.redis.user = world.config.redis.prefix = no_text;
	world.context = (struct role_context){ .loop = world.loop,
					       .config = &world.config,
					       .node = "test",
					       .redis_server = "unix:/nonexistent/redis.sock" };
	assert_int_equal(stats_create_private(&world.context.stats), STATUS_OK);
	assert_int_equal(auth_role.start(&world.context, &world.auth), STATUS_OK);
	renew_doors();
	create_password();
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	auth_role.stop(world.auth);
	door_free(&world.gate);
	door_free(&world.relay);
	door_free(&world.admin);
	timer_free(&world.tick);
	timer_free(&world.peers_tick);
	stats_free_private(&world.context.stats);
	loop_free(world.loop);
	loop_free(world.peers);
	free(world.answer);
	return unlink(world.path);
}

#endif

#endif
