/*
 * One sweep over the auth role's memory: each allocation of a login on the
 * loop's thread fails once. What fails is told the client as a temporary
 * refusal, never as a wrong password; no gate is blamed for it, nobody is let in
 * whom the relay was not told of, and the next login is granted.
 */
#include "failing_memory.h"
#include "with_loop.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "door/messages.h"
#include "role/role.h"

#ifdef SUBGATE_SANITIZED /* has an allocator of its own, which can't be replaced */

int main(void)
{
	return 0;
}

#else

#define GATE 7
#define FAILURES_MAXIMUM 20000 /* far more than a login has allocations */
#define STEP_MS 20000          /* for each answer; auth waits for the relay, and a failure is answered late */
#define TEXT 512

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
	char reply[TEXT], user64[TEXT], password64[TEXT], plain64[TEXT];
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

static void keep_done(struct span payload)
{
	struct door_sasl_done done;
	assert_int_equal(door_read_sasl_done(payload, &done), STATUS_OK);
	if (done.request != world.last)
		return;
	world.has_done = world.has_challenge = true;
	world.granted = done.granted;
	snprintf(world.reply, TEXT, "%.*s", SPAN_ARGS(done.reply));
}

static void take_grant(struct span payload)
{
	struct door_grant grant;
	assert_int_equal(door_read_grant(payload, &grant), STATUS_OK);
	const struct door_granted granted = { .request = grant.request };
	world.granted_session = grant.session;
	assert_int_equal(door_send_granted(world.relay, &granted), STATUS_OK);
}

static enum status hear(void *peer, struct door *door, uint16_t type, struct span payload)
{
	struct door_control_reply control;
	(void)peer, (void)door;
	if (type == DOOR_SASL_CHALLENGE)
		world.has_challenge = true;
	else if (type == DOOR_SASL_DONE)
		keep_done(payload);
	else if (type == DOOR_GRANT)
		take_grant(payload);
	else if (type == DOOR_CONTROL_REPLY && door_read_control_reply(payload, &control) == STATUS_OK)
		world.answer = span_to_string(control.json);
	return STATUS_OK;
}

static void lose(void *peer, struct door *door)
{
	(void)door;
	world.doors_lost++;
	door_free(peer);
}

static const struct door_handler peer_handler = { .on_frame = hear, .on_closed = lose };

static void attach(enum role_kind kind, uint32_t instance, struct door **out_peer)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(door_create(world.peers, ends[0], &peer_handler, out_peer, out_peer), STATUS_OK);
	auth_role.attached(world.auth, kind, instance, ends[1]);
}

/* As the supervisor does when one broke. */
static void renew_doors(void)
{
	if (world.gate == NULL)
		attach(ROLE_GATE, GATE, &world.gate);
	if (world.relay == NULL)
		attach(ROLE_RELAY, 2, &world.relay);
	if (world.admin == NULL)
		attach(ROLE_ADMIN, 3, &world.admin);
}

/* ---- time */

static void stop_loop(void *loop)
{
	loop_stop(loop);
}

/* Allocations fail in auth's turns only. */
static void turn(void)
{
	timer_set(world.tick, 1);
	memory_counts = true;
	loop_run(world.loop);
	memory_counts = false;
	timer_set(world.peers_tick, 0);
	loop_run(world.peers);
}

/* False: a door broke. */
static bool wait_for(const bool *what)
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

/* ---- a login */

static void start(const char *mechanism, const char *initial)
{
	const struct door_sasl_start message = { .request = ++world.last,
						 .session = world.last,
						 .mechanism = span_of(mechanism),
						 .has_initial = initial != NULL,
						 .initial = span_of(initial),
						 .client = { .address = SPAN("192.0.2.1"),
							     .port = 4711,
							     .listener = SPAN("submissions"),
							     .helo = SPAN("client.example") } };
	renew_doors();
	world.has_challenge = world.has_done = world.granted = false;
	world.reply[0] = '\0';
	assert_int_equal(door_send_sasl_start(world.gate, &message), STATUS_OK);
}

static bool answer_challenge(const char *response)
{
	if (!wait_for(&world.has_challenge) || world.has_done)
		return false;
	const struct door_sasl_step message = { .request = world.last, .response = span_of(response) };
	world.has_challenge = false;
	assert_int_equal(door_send_sasl_step(world.gate, &message), STATUS_OK);
	return true;
}

/* True: granted. */
static bool finish(void)
{
	bool done = wait_for(&world.has_done);
	if (done && !world.granted && world.reply[0] != '4')
		fail_msg("a login with the right password heard: %s", world.reply);
	assert_true(!world.granted || world.granted_session == world.last);
	for (unsigned i = 0; i < 3; i++)
		turn();
	return done && world.granted;
}

static bool log_in_plain(void)
{
	start("PLAIN", world.plain64);
	return finish();
}

static bool log_in_by_steps(void)
{
	start("LOGIN", NULL);
	if (answer_challenge(world.user64))
		(void)answer_challenge(world.password64); /* else it is over, and finish() hears how */
	return finish();
}

static void encode(const char *bytes, size_t size, char *out_text)
{
	struct buf text BUF_AUTO;
	buf_init(&text, TEXT);
	assert_int_equal(base64_encode((struct span){ bytes, size }, &text), STATUS_OK);
	snprintf(out_text, TEXT, "%.*s", SPAN_ARGS(buf_span(&text)));
}

static void create_password(void)
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
	encode("anna@example.com", 16, world.user64);
	json_decref(answer);
}

/* ---- the sweep */

static char backend[] = "app_password";
static char *backends[] = { backend };
static char mechanism_texts[2][16] = { "PLAIN", "LOGIN" };
static char *mechanisms[] = { mechanism_texts[0], mechanism_texts[1] };

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.path, sizeof(world.path), "/tmp/subgate-test-auth-XXXXXX");
	close(mkstemp(world.path));
	world.config.auth = (struct config_auth){ .backends = { .items = backends, .count = 1 },
						  .mechanisms = { .items = mechanisms, .count = 2 },
						  .cache = 300000,
						  .failures_per_address = 100000,
						  .failures_per_user = 100000,
						  .failure_window = 600000 };
	world.config.limits.auth_timeout = 60000;
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(loop_create(&world.peers), STATUS_OK);
	assert_int_equal(timer_make(world.loop, stop_loop, world.loop, &world.tick), STATUS_OK);
	assert_int_equal(timer_make(world.peers, stop_loop, world.peers, &world.peers_tick), STATUS_OK);
	world.context = (struct role_context){ .loop = world.loop, .config = &world.config, .node = "test" };
	assert_int_equal(stats_create_private(&world.context.stats), STATUS_OK);
	assert_int_equal(auth_role.start(&world.context, &world.auth), STATUS_OK);
	renew_doors();
	create_password();
	return 0;
}

static int end(void **state)
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

/* Blocks that are more than before. */
static long sweep(bool (*log_in)(void))
{
	unsigned long n, refused = 0;
	assert_true(log_in());
	long before = memory_living;
	for (n = 1; n < FAILURES_MAXIMUM; n++) {
		memory_left = n;
		bool granted = log_in();
		bool has_failed = memory_left == 0;
		memory_left = 0;
		if (!has_failed) {
			assert_true(granted);
			break;
		}
		refused += !granted;
		if (!granted && !log_in())
			fail_msg("nobody is let in after failure %lu: %s", n, world.reply);
	}
	print_message("%lu allocations, %lu of them refused the login, %u broke a door; %ld blocks before, %ld after\n",
		      n - 1, refused, world.doors_lost, before, (long)memory_living);
	assert_in_range(n, 5, FAILURES_MAXIMUM - 1);
	assert_int_equal(world.blamed, 0);
	assert_int_equal(world.doors_lost, 0); /* others log in through it too */
	return memory_living - before;
}

/* What OpenSSL keeps for its errors is there after the first ones; from then on nothing is left behind. */
static void each_allocation_of_plain_fails_once_and_leaves_nothing(void **state)
{
	(void)state;
	(void)sweep(log_in_plain);
	(void)sweep(log_in_plain);
	assert_int_equal(sweep(log_in_plain), 0);
}

static void each_allocation_of_login_fails_once(void **state)
{
	(void)state;
	(void)sweep(log_in_by_steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_allocation_of_plain_fails_once_and_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(each_allocation_of_login_fails_once, begin, end),
	};
	return cmocka_run_group_tests_name("auth memory", tests, NULL, NULL);
}

#endif
