/*
 * One sweep over the relay's memory: each allocation of a session on the
 * loop's thread fails once, with a real Redis, a real audit file, the spool, and an
 * upstream that is played. What fails is told the client as a temporary
 * refusal, no gate is blamed for it, the next message passes, and the books are
 * right at the end: one outcome for each message that left, a 250 for each that
 * was sent, and nothing counted that was refused or failed.
 */
#include "failing_memory.h"
#include "with_fake_relay.h"
#include "with_redis.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>

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
#define FAILURES_MAXIMUM 20000 /* far more than a session has allocations */
#define STEP_MS 10000          /* for each answer */
#define GRANT_MS 100           /* a grant that can't be kept is not answered: auth gives it up then (auth/exchange.c) */
#define RECOVERY_MS 40000      /* until mail flows again: upstreams and Redis are tried again at growing intervals */
#define PIECE (50U << 10)      /* bytes of MESSAGE_DATA */
#define PIECES 5U              /* more than the spool keeps in memory */

static struct {
	char folder[64];
	struct test_redis redis;
	struct loop *peers;
	struct timer *tick, *peers_tick;
	struct fake_relay upstream;
	void *relay;
	struct door *gate, *auth, *admin;
	uint64_t last; /* session and transaction */
	bool granted, has_envelope, has_reply;
	char reply[2048];
	char *answer;
	unsigned blamed, doors_lost, accepted;
	char piece[PIECE];
} world;

static struct config_relay relays[] = { {
	.name = "upstream",
	.host = "127.0.0.1",
	.tls = RELAY_TLS_NONE,
	.auth = RELAY_AUTH_NONE,
	.ca_file = "",
	.tls_name = "",
	.user = "",
	.connections = 2,
	.messages_per_connection = 3,
	.idle_timeout = 60000,
	.connect_timeout = 2000,
	.reply_timeout = 2000,
} };
static char *route_relays[] = { "upstream" };
static struct config_route routes[] = { { .name = "default", .relays = { route_relays, 1 } } };
static struct config_quota quotas[] = { { .name = "default", .messages_per_day = 1000000 } };
static struct config config = {
	.limits = { .connections = 100,
		    .transactions_per_user = 20,
		    .message_size = 1 << 20,
		    .recipients_per_message = 100,
		    .command_timeout = 300000,
		    .data_timeout = 180000,
		    .spool = 8 << 20 },
	.redis = { .user = "", .prefix = "subgate:" },
	.quota_day = { .timezone = "UTC" },
	.sender = { .delimiter = "+" },
	.audit = { .chain = false, .syslog = "" },
	.notify = { .from = "", .text = "", .url = "" },
	.alert = { .score = 1000 }, /* habits are looked at, and nobody is ever suspected */
	.relay = { relays, 1 },
	.route = { routes, 1 },
	.quota = { quotas, 1 },
};
static struct role_context context = { .config = &config, .instance = 3, .node = "node.example.com" };

/* ---- what the supervisor's room does for a role */

static int open_in_folder(const char *name, int flags)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", world.folder, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

int role_take_fd(const struct role_context *role, const char *name)
{
	(void)role;
	if (strcmp(name, "audit") == 0)
		return open_in_folder("audit.jsonl", O_RDWR | O_APPEND | O_CREAT);
	if (strcmp(name, "audit-state") == 0)
		return open_in_folder("audit.state", O_RDWR | O_CREAT);
	if (strcmp(name, "relay-rests") == 0)
		return open_in_folder("relay-rests", O_RDWR | O_CREAT);
	if (strcmp(name, "spool") == 0 || strcmp(name, "slots") == 0)
		return open_in_folder(".", O_RDONLY | O_DIRECTORY);
	return -1;
}

enum status role_take_secret(const struct role_context *role, const char *name, struct secret *out_secret)
{
	(void)role;
	if (strcmp(name, "redis-password") == 0)
		return secret_from_span(SPAN(TEST_REDIS_PASSWORD), out_secret);
	return STATUS_NOT_FOUND;
}

void role_distrust_gate(const struct role_context *role, uint32_t instance)
{
	(void)role, (void)instance;
	world.blamed++;
}

void role_anchor_audit(const struct role_context *role, const struct audit_statement *statement)
{
	(void)role, (void)statement;
}

void role_finish(const struct role_context *role)
{
	(void)role;
}

/* ---- peers */

static void keep_reply(struct span reply)
{
	snprintf(world.reply, sizeof(world.reply), "%.*s", SPAN_ARGS(reply));
}

static enum status note_frame(void *peer, struct door *door, uint16_t type, struct span payload)
{
	struct door_envelope_reply envelope;
	struct door_message_reply message;
	struct door_control_reply control;
	struct span first;
	(void)peer, (void)door;
	if (type == DOOR_GRANTED) {
		world.granted = true;
	} else if (type == DOOR_ENVELOPE_REPLY && door_read_envelope_reply(payload, &envelope) == STATUS_OK &&
		   envelope.transaction == world.last && codec_list_next(&envelope.replies, &first)) {
		world.has_envelope = true;
		keep_reply(first);
	} else if (type == DOOR_MESSAGE_REPLY && door_read_message_reply(payload, &message) == STATUS_OK &&
		   message.transaction == world.last) {
		world.has_envelope = world.has_reply = true;
		keep_reply(message.reply);
	} else if (type == DOOR_CONTROL_REPLY && door_read_control_reply(payload, &control) == STATUS_OK) {
		free(world.answer);
		world.answer = span_to_string(control.json);
	}
	return STATUS_OK;
}

static void note_loss(void *peer, struct door *door)
{
	(void)door;
	world.doors_lost++;
	door_free(peer);
}

static const struct door_handler peer_handler = { .on_frame = note_frame, .on_closed = note_loss };

static void attach_peer(enum role_kind kind, uint32_t instance, struct door **out_peer)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(door_create(world.peers, fds[0], &peer_handler, out_peer, out_peer), STATUS_OK);
	relay_role.attached(world.relay, kind, instance, fds[1]);
}

/* As the supervisor does when one broke. */
static void renew_doors(void)
{
	if (world.gate == NULL)
		attach_peer(ROLE_GATE, GATE, &world.gate);
	if (world.auth == NULL)
		attach_peer(ROLE_AUTH, 8, &world.auth);
	if (world.admin == NULL)
		attach_peer(ROLE_ADMIN, 9, &world.admin);
}

/* ---- time */

static void stop_relays_loop(void *nothing)
{
	(void)nothing;
	loop_stop(context.loop);
}

static void stop_peers_loop(void *nothing)
{
	(void)nothing;
	loop_stop(world.peers);
}

/* Allocations fail in the relay's turns only. */
static void run_turn(void)
{
	timer_set(world.tick, 1);
	memory_counts = true;
	loop_run(context.loop);
	memory_counts = false;
	timer_set(world.peers_tick, 0);
	loop_run(world.peers);
}

/* False: it did not come in time, or a door broke. */
static bool wait_for(const bool *what, uint64_t limit_ms)
{
	uint64_t until = clock_monotonic_ms() + limit_ms;
	unsigned lost = world.doors_lost;
	while (!*what && lost == world.doors_lost && clock_monotonic_ms() < until)
		run_turn();
	return *what;
}

static bool wait_for_reply(const bool *what)
{
	unsigned lost = world.doors_lost;
	if (!wait_for(what, STEP_MS) && lost == world.doors_lost)
		fail_msg("no answer within %d s; the last one was: %s", STEP_MS / 1000, world.reply);
	return *what && strncmp(world.reply, "250", 3) == 0;
}

/* ---- a session */

static bool log_in(void)
{
	struct buf senders BUF_AUTO;
	buf_init(&senders, 100);
	assert_int_equal(codec_list_add(&senders, SPAN("ann@x")), STATUS_OK);
	const struct door_grant grant = { .request = world.last,
					  .gate = GATE,
					  .session = world.last,
					  .user = SPAN("ann@x"),
					  .user_id = SPAN("corp:ann"),
					  .senders = codec_list_of(&senders) };
	world.granted = false;
	assert_int_equal(door_send_grant(world.auth, &grant), STATUS_OK);
	/* While no allocation has failed, it is the machine that is slow. */
	return wait_for(&world.granted, GRANT_MS) || (memory_left > 0 && wait_for(&world.granted, STEP_MS));
}

static bool send_envelope(void)
{
	struct buf recipients BUF_AUTO, parameters BUF_AUTO;
	buf_init(&recipients, 100);
	buf_init(&parameters, 100);
	assert_int_equal(codec_list_add(&recipients, SPAN("bob@x")), STATUS_OK);
	assert_int_equal(codec_list_add(&parameters, SPAN("")), STATUS_OK);
	const struct door_envelope envelope = { .session = world.last,
						.transaction = world.last,
						.mail_from = SPAN("ann@x"),
						.recipients = codec_list_of(&recipients),
						.recipient_parameters = codec_list_of(&parameters) };
	world.has_envelope = world.has_reply = false;
	assert_int_equal(door_send_envelope(world.gate, &envelope), STATUS_OK);
	return wait_for_reply(&world.has_envelope);
}

static bool send_message(void)
{
	struct door_message_data data = { .transaction = world.last, .bytes = { world.piece, PIECE } };
	for (unsigned i = 0; i < PIECES && world.gate && !world.has_reply; i++) {
		data.complete = i == PIECES - 1;
		assert_int_equal(door_send_message_data(world.gate, &data), STATUS_OK);
		run_turn();
	}
	return wait_for_reply(&world.has_reply);
}

static void close_session(void)
{
	const struct door_session_closed closed = { .session = world.last, .reason = SPAN("quit") };
	if (world.gate)
		assert_int_equal(door_send_session_closed(world.gate, &closed), STATUS_OK);
	for (unsigned i = 0; i < 3; i++)
		run_turn();
}

/* True: it was sent. What is refused is so for now. */
static bool serve_one(void)
{
	renew_doors();
	world.last++;
	world.reply[0] = '\0';
	bool sent = log_in() && send_envelope() && send_message();
	assert_true(sent || world.reply[0] == '\0' || world.reply[0] == '4' || strncmp(world.reply, "250", 3) == 0);
	world.accepted += sent;
	close_session();
	return sent;
}

static void wait_until_served(unsigned long failure)
{
	uint64_t until = clock_monotonic_ms() + RECOVERY_MS;
	while (!serve_one()) {
		if (clock_monotonic_ms() > until)
			fail_msg("no mail after failure %lu: %s", failure, world.reply);
		for (unsigned i = 0; i < 50; i++)
			run_turn();
	}
}

/* ---- the books */

static long long used_of_quota(void)
{
	const struct door_control_request request = { .request = 1,
						      .json = SPAN("{\"command\":\"quota show\",\"user\":\"ann@x\"}") };
	renew_doors();
	free(world.answer);
	world.answer = NULL;
	assert_int_equal(door_send_control_request(world.admin, &request), STATUS_OK);
	for (unsigned i = 0; i < 2000 && world.answer == NULL; i++)
		run_turn();
	json_t *answer = json_loads(world.answer ? world.answer : "", 0, NULL);
	json_t *used = json_object_get(answer, "used");
	assert_true(json_is_integer(used));
	long long number = json_integer_value(used);
	json_decref(answer);
	return number;
}

struct books {
	unsigned leaving, sent, failed, unknown;
};

static struct books read_audit(void)
{
	struct books books = { 0 };
	char path[128], *line = NULL;
	size_t room = 0;
	snprintf(path, sizeof(path), "%s/audit.jsonl", world.folder);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (getline(&line, &room, file) > 0) {
		books.leaving += strstr(line, "\"message.leaving\"") != NULL;
		books.sent += strstr(line, "\"message.sent\"") != NULL;
		books.failed += strstr(line, "\"message.failed\"") != NULL;
		books.unknown += strstr(line, "\"message.unknown\"") != NULL;
	}
	free(line);
	fclose(file);
	return books;
}

static bool are_books_closed(void)
{
	const struct books books = read_audit();
	return books.leaving == books.sent + books.failed + books.unknown &&
	       used_of_quota() == books.sent + books.unknown;
}

static void check_books(void)
{
	uint64_t until = clock_monotonic_ms() + RECOVERY_MS;
	do /* refunds and records may wait for their next try */
		for (unsigned i = 0; i < 100; i++)
			run_turn();
	while (!are_books_closed() && clock_monotonic_ms() < until);
	const struct books books = read_audit();
	long long used = used_of_quota();
	print_message("%u left: %u sent, %u failed, %u unknown; %u heard 250; %u final dots; %lld counted\n",
		      books.leaving, books.sent, books.failed, books.unknown, world.accepted, world.upstream.dots,
		      used);
	assert_int_equal(books.leaving, books.sent + books.failed + books.unknown);
	assert_int_equal(books.sent, world.accepted);
	assert_in_range(world.upstream.dots, books.sent, books.sent + books.unknown);
	assert_int_equal(used, books.sent + books.unknown);
}

/* ---- the sweep */

static int begin_relay(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	memset(world.piece, 'x', PIECE);
	for (size_t i = 0; i + 80 <= PIECE; i += 80)
		memcpy(world.piece + i + 78, "\r\n", 2);
	snprintf(world.folder, sizeof(world.folder), "/tmp/test-relay-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	test_redis_start(&world.redis);
	context.redis_server = world.redis.server;
	assert_int_equal(loop_create(&context.loop), STATUS_OK);
	assert_int_equal(loop_create(&world.peers), STATUS_OK);
	assert_int_equal(timer_make(context.loop, stop_relays_loop, NULL, &world.tick), STATUS_OK);
	assert_int_equal(timer_make(world.peers, stop_peers_loop, NULL, &world.peers_tick), STATUS_OK);
	assert_int_equal(stats_create_private(&context.stats), STATUS_OK);
	fake_relay_begin(&world.upstream, world.peers);
	relays[0].port = world.upstream.port;
	assert_int_equal(relay_role.start(&context, &world.relay), STATUS_OK);
	return 0;
}

/* Everything that a message may need besides: what is only noted, and a copy with another header. */
static int begin_relay_with_rules(void **state)
{
	static char *nobody[] = { "@y" };
	static struct config_recipients rules[] = {
		{ .name = "default", .allow = { nobody, 1 }, .mode = RECIPIENTS_AUDIT, .redirect = "test@z" }
	};
	config.recipients.items = rules;
	config.recipients.count = 1;
	config.sender.envelope = SENDER_AUDIT;
	return begin_relay(state);
}

static void remove_file(const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", world.folder, name);
	unlink(path);
}

static int end_relay(void **state)
{
	(void)state;
	relay_role.stop(world.relay);
	door_free(&world.gate);
	door_free(&world.auth);
	door_free(&world.admin);
	fake_relay_end(&world.upstream);
	timer_free(&world.tick);
	timer_free(&world.peers_tick);
	run_for(world.peers, 5);
	loop_free(context.loop);
	loop_free(world.peers);
	stats_free_private(&context.stats);
	test_redis_remove(&world.redis);
	remove_file("audit.jsonl");
	remove_file("audit.state");
	rmdir(world.folder);
	free(world.answer);
	return 0;
}

static void each_allocation_fails_once_and_the_next_message_passes(void **state)
{
	unsigned long n, refused = 0;
	(void)state;
	wait_until_served(0);
	wait_until_served(0);
	for (n = 1; n < FAILURES_MAXIMUM; n++) {
		buf_clear(&world.upstream.record);
		buf_clear(&world.upstream.body);
		memory_left = n;
		bool served = serve_one();
		bool has_failed = memory_left == 0;
		memory_left = 0;
		if (!has_failed) {
			assert_true(served);
			break;
		}
		refused += !served;
		/* Where this message was served all the same, Redis may have been lost after it. */
		wait_until_served(n);
	}
	print_message("%lu allocations, %lu of them refused the message, %u broke a door\n", n - 1, refused,
		      world.doors_lost);
	assert_in_range(n, 50, FAILURES_MAXIMUM - 1);
	assert_int_equal(world.blamed, 0);
	check_books();
}

static void so_it_does_where_mail_is_redirected(void **state)
{
	each_allocation_fails_once_and_the_next_message_passes(state);
	assert_non_null(memmem(buf_span(&world.upstream.record).data, buf_size(&world.upstream.record), "test@z", 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_allocation_fails_once_and_the_next_message_passes, begin_relay,
						end_relay),
		cmocka_unit_test_setup_teardown(so_it_does_where_mail_is_redirected, begin_relay_with_rules, end_relay),
	};
	return cmocka_run_group_tests_name("relay memory", tests, NULL, NULL);
}

#endif
