/*
 * The relay role as a whole, with the real parts of this room, audit and spool
 * in a folder of its own: it starts, serves, drains and stops, with Redis and
 * every upstream away.
 */
#include "with_loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "door/messages.h"
#include "role/role.h"

static struct {
	char folder[64];
	char heard[4096];
	bool finished, has_audit;
	unsigned distrusted; /* gates that it complained about */
	struct door *gate, *auth;
	void *state;
} world;

static struct config_relay relays[] = { {
	.name = "nowhere",
	.host = "127.0.0.1",
	.port = 1,
	.tls = RELAY_TLS_NONE,
	.auth = RELAY_AUTH_NONE,
	.ca_file = "",
	.tls_name = "",
	.user = "",
	.connections = 2,
	.messages_per_connection = 10,
	.idle_timeout = 60000,
	.connect_timeout = 2000,
	.reply_timeout = 2000,
} };
static struct config config = {
	.limits = { .transactions_per_user = 20,
		    .message_size = 100000,
		    .recipients_per_message = 100,
		    .command_timeout = 300000,
		    .data_timeout = 180000,
		    .spool = 1 << 20 },
	.redis = { .user = "", .prefix = "subgate:" },
	.quota_day = { .timezone = "UTC" },
	.sender = { .delimiter = "+" },
	.audit = { .chain = false, .syslog = "" },
	.notify = { .from = "", .text = "", .url = "" },
	.relay = { relays, 1 },
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
	if (strcmp(name, "audit") == 0 && world.has_audit)
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
	(void)role, (void)name, (void)out_secret;
	return STATUS_NOT_FOUND;
}

void role_distrust_gate(const struct role_context *role, uint32_t instance)
{
	(void)role, (void)instance;
	world.distrusted++;
}

void role_anchor_audit(const struct role_context *role, const struct audit_statement *statement)
{
	(void)role, (void)statement;
}

void role_finish(const struct role_context *role)
{
	(void)role;
	world.finished = true;
}

/* ---- peers */

static enum status note_frame(void *peer, struct door *door, uint16_t type, struct span payload)
{
	struct door_envelope_reply reply;
	struct span item;
	size_t used = strlen(world.heard);
	(void)peer, (void)door;
	if (type != DOOR_ENVELOPE_REPLY || door_read_envelope_reply(payload, &reply) != STATUS_OK)
		snprintf(world.heard + used, sizeof(world.heard) - used, "%s;", door_type_text(type));
	else if (codec_list_next(&reply.replies, &item))
		snprintf(world.heard + used, sizeof(world.heard) - used, "%.*s;", SPAN_ARGS(item));
	return STATUS_OK;
}

static void note_loss(void *peer, struct door *door)
{
	(void)door;
	door_free(peer);
}

static const struct door_handler peer_handler = { .on_frame = note_frame, .on_closed = note_loss };

static void attach_peer(enum role_kind kind, uint32_t instance, struct door **out_peer)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(door_create(context.loop, fds[0], &peer_handler, out_peer, out_peer), STATUS_OK);
	relay_role.attached(world.state, kind, instance, fds[1]);
}

static int begin_relay(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.folder, sizeof(world.folder), "/tmp/test-relay-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	world.has_audit = true;
	static char server[128];
	snprintf(server, sizeof(server), "unix:%s/no-redis", world.folder);
	context.redis_server = server;
	assert_int_equal(loop_create(&context.loop), STATUS_OK);
	assert_int_equal(stats_create_private(&context.stats), STATUS_OK);
	return 0;
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
	door_free(&world.gate);
	door_free(&world.auth);
	loop_free(context.loop);
	stats_free_private(&context.stats);
	remove_file("audit.jsonl");
	remove_file("audit.state");
	rmdir(world.folder);
	return 0;
}

static void start_relay(void)
{
	assert_int_equal(relay_role.start(&context, &world.state), STATUS_OK);
	attach_peer(ROLE_GATE, 7, &world.gate);
	attach_peer(ROLE_AUTH, 8, &world.auth);
}

static bool is_heard(void *text)
{
	return strstr(world.heard, text) != NULL;
}

static void send_envelope(void)
{
	struct buf recipients BUF_AUTO, parameters BUF_AUTO, senders BUF_AUTO;
	buf_init(&recipients, 100);
	buf_init(&parameters, 100);
	buf_init(&senders, 100);
	assert_int_equal(codec_list_add(&senders, SPAN("ann@x")), STATUS_OK);
	assert_int_equal(codec_list_add(&recipients, SPAN("bob@x")), STATUS_OK);
	assert_int_equal(codec_list_add(&parameters, SPAN("")), STATUS_OK);
	const struct door_grant grant = { .request = 1,
					  .gate = 7,
					  .session = 1,
					  .user = SPAN("ann@x"),
					  .user_id = SPAN("corp:ann"),
					  .senders = codec_list_of(&senders) };
	const struct door_envelope envelope = { .session = 1,
						.transaction = 1,
						.mail_from = SPAN("ann@x"),
						.recipients = codec_list_of(&recipients),
						.recipient_parameters = codec_list_of(&parameters) };
	assert_int_equal(door_send_grant(world.auth, &grant), STATUS_OK);
	run_until(context.loop, is_heard, "granted;");
	assert_int_equal(door_send_envelope(world.gate, &envelope), STATUS_OK);
}

static bool is_finished(void *nothing)
{
	(void)nothing;
	return world.finished;
}

/* ---- tests */

static void it_does_not_start_without_an_audit(void **state)
{
	(void)state;
	world.has_audit = false;
	assert_int_equal(relay_role.start(&context, &world.state), STATUS_NOT_FOUND);
	assert_null(world.state);
}

static void a_client_hears_451_while_no_upstream_can_be_reached(void **state)
{
	(void)state;
	start_relay();
	send_envelope();
	run_until(context.loop, is_heard, "451 4.4.1 Relay not available; try again later;");
	relay_role.stop(world.state);
}

static void a_drained_relay_waits_for_its_gates_and_then_finishes(void **state)
{
	(void)state;
	start_relay();
	relay_role.drain(world.state, 60000, false);
	run_for(context.loop, 300);
	assert_false(world.finished);
	door_free(&world.gate);
	run_until(context.loop, is_finished, NULL);
	relay_role.stop(world.state);
}

static void a_drain_ends_in_time_though_a_gate_stays(void **state)
{
	(void)state;
	start_relay();
	relay_role.drain(world.state, 400, false);
	run_until(context.loop, is_finished, NULL);
	relay_role.stop(world.state);
}

static void it_stops_with_an_envelope_under_way(void **state)
{
	(void)state;
	start_relay();
	send_envelope();
	relay_role.stop(world.state);
	assert_null(strstr(world.heard, "250"));
}

static void what_it_was_told_is_in_the_audit_file(void **state)
{
	(void)state;
	char text[8192] = "";
	start_relay();
	send_envelope();
	run_until(context.loop, is_heard, "451 ");
	relay_role.stop(world.state);
	int fd = open_in_folder("audit.jsonl", O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_non_null(strstr(text, "\"auth.success\""));
	assert_non_null(strstr(text, "\"message.refused\""));
	assert_null(strstr(text, "\"message.leaving\""));
}

static void the_audit_goes_on_in_the_file_that_it_is_handed(void **state)
{
	(void)state;
	char text[8192] = "";
	start_relay();
	assert_int_equal(relay_role.take_file(world.state, SPAN("audit:audit.jsonl-20261129-000000"),
					      open_in_folder("next", O_RDWR | O_APPEND | O_CREAT)),
			 STATUS_OK);
	assert_int_equal(relay_role.take_file(world.state, SPAN("app-passwords"), open_in_folder("next", O_RDWR)),
			 STATUS_INVALID);
	send_envelope();
	run_until(context.loop, is_heard, "451 ");
	relay_role.stop(world.state);
	int fd = open_in_folder("next", O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	remove_file("next");
	assert_non_null(strstr(text, "\"message.refused\""));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_relay, end_relay)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(it_does_not_start_without_an_audit),
		CASE(a_client_hears_451_while_no_upstream_can_be_reached),
		CASE(a_drained_relay_waits_for_its_gates_and_then_finishes),
		CASE(a_drain_ends_in_time_though_a_gate_stays),
		CASE(it_stops_with_an_envelope_under_way),
		CASE(what_it_was_told_is_in_the_audit_file),
		CASE(the_audit_goes_on_in_the_file_that_it_is_handed),
	};
	return cmocka_run_group_tests_name("relay role", tests, NULL, NULL);
}
