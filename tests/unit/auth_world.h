/*
 * The auth role as a whole, on a loop of its own: the test plays a gate, the
 * relay, the admin role and the supervisor at the other ends of real doors.
 */
#ifndef TESTS_AUTH_WORLD_H
#define TESTS_AUTH_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/app_password/password.h"
#include "auth/exchange.h"
#include "auth/gate_door.h"
#include "base/base64.h"
#include "base/clock.h"
#include "door/messages.h"
#include "role/role.h"
#include "with_loop.h"

#define GATE 7 /* instance number */
#define TEXT 512

static struct {
	struct loop *loop;
	struct stats *stats;
	struct config config;
	struct role_context context;
	void *auth;
	char path[40]; /* of the app passwords */
	bool finished;
	unsigned distrusted; /* gates that it complained about */
	/* the gate played */
	struct door *gate;
	bool has_mechanisms, has_challenge, has_done;
	char mechanism_names[TEXT];
	char challenge[TEXT];
	char reply[TEXT];
	char user[TEXT];
	char sender[TEXT];
	bool granted;
	unsigned answered, put_off; /* logins, and those that heard 454 */
	/* the relay played */
	struct door *relay;
	bool relay_is_silent;
	unsigned grants, withdrawn;
	char grant_user[TEXT], grant_user_id[TEXT], grant_method[TEXT], grant_id[TEXT], grant_mechanism[TEXT],
		grant_address[TEXT];
	uint32_t grant_gate;
	uint64_t grant_session;
	unsigned failures;
	char failure_user[TEXT], failure_reason[TEXT];
	bool has_credential, has_rechecked;
	enum recheck_verdict rechecked;
	char rechecked_reason[TEXT];
	char credential[TEXT];
	/* the admin role played */
	struct door *admin;
	char *answer;
} world;

static uint64_t last_request;

/* ---- what the supervisor's room gives a role */

int role_take_fd(const struct role_context *context, const char *name)
{
	(void)context;
	return strcmp(name, "app-passwords") == 0 ? open(world.path, O_RDWR | O_APPEND | O_CLOEXEC) : -1;
}

enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret)
{
	(void)context;
	if (strcmp(name, "relay-password:gmail") == 0)
		return secret_from_span(SPAN("upstream secret"), out_secret);
	return STATUS_NOT_FOUND;
}

void role_distrust_gate(const struct role_context *context, uint32_t instance)
{
	(void)context, (void)instance;
	world.distrusted++;
}

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	(void)context, (void)peer, (void)instance;
}

void role_finish(const struct role_context *context)
{
	(void)context;
	world.finished = true;
}

const char *role_kind_text(enum role_kind kind)
{
	(void)kind;
	return "role";
}

/* ---- the roles played */

static inline void keep_text(char *out_text, struct span s)
{
	snprintf(out_text, TEXT, "%.*s", SPAN_ARGS(s));
}

static inline void keep_done(const struct door_sasl_done *done)
{
	struct codec_list senders = done->senders;
	struct span first = { 0 };
	world.has_done = true;
	world.answered++;
	world.put_off += span_starts_with(done->reply, SPAN("454 "));
	world.granted = done->granted;
	keep_text(world.reply, done->reply);
	keep_text(world.user, done->user);
	codec_list_next(&senders, &first);
	keep_text(world.sender, first);
}

static inline void keep_mechanisms(struct codec_list names)
{
	struct span name;
	world.has_mechanisms = true;
	world.mechanism_names[0] = '\0';
	while (codec_list_next(&names, &name))
		snprintf(world.mechanism_names + strlen(world.mechanism_names), 20, "%.*s ", SPAN_ARGS(name));
}

static inline enum status on_gate_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_mechanisms mechanisms;
	struct door_sasl_challenge challenge;
	struct door_sasl_done done;
	(void)context, (void)door;
	if (type == DOOR_MECHANISMS) {
		assert_int_equal(door_read_mechanisms(payload, &mechanisms), STATUS_OK);
		keep_mechanisms(mechanisms.names);
	} else if (type == DOOR_SASL_CHALLENGE) {
		assert_int_equal(door_read_sasl_challenge(payload, &challenge), STATUS_OK);
		keep_text(world.challenge, challenge.challenge);
		world.has_challenge = true;
	} else {
		assert_int_equal(type, DOOR_SASL_DONE);
		assert_int_equal(door_read_sasl_done(payload, &done), STATUS_OK);
		keep_done(&done);
	}
	return STATUS_OK;
}

static inline enum status take_grant(struct span payload)
{
	struct door_grant grant;
	assert_int_equal(door_read_grant(payload, &grant), STATUS_OK);
	assert_false(world.has_done); /* the client hears of it after the relay */
	world.grants++;
	world.grant_gate = grant.gate;
	world.grant_session = grant.session;
	keep_text(world.grant_user, grant.user);
	keep_text(world.grant_user_id, grant.user_id);
	keep_text(world.grant_method, grant.auth_method);
	keep_text(world.grant_id, grant.app_password_id);
	keep_text(world.grant_mechanism, grant.sasl_mechanism);
	keep_text(world.grant_address, grant.client.address);
	struct door_granted granted = { .request = grant.request };
	return world.relay_is_silent ? STATUS_OK : door_send_granted(world.relay, &granted);
}

static inline enum status on_relay_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_auth_failed failed;
	struct door_credential_reply credential;
	(void)context, (void)door;
	if (type == DOOR_GRANT)
		return take_grant(payload);
	if (type == DOOR_AUTH_FAILED) {
		assert_int_equal(door_read_auth_failed(payload, &failed), STATUS_OK);
		world.failures++;
		keep_text(world.failure_user, failed.user);
		keep_text(world.failure_reason, failed.reason);
		return STATUS_OK;
	}
	if (type == DOOR_GRANT_WITHDRAWN) {
		struct door_grant_withdrawn withdrawn;
		assert_int_equal(door_read_grant_withdrawn(payload, &withdrawn), STATUS_OK);
		assert_int_equal(withdrawn.gate, world.grant_gate);
		assert_int_equal(withdrawn.session, world.grant_session);
		world.withdrawn++;
		return STATUS_OK;
	}
	if (type == DOOR_RECHECKED) {
		struct door_rechecked rechecked;
		assert_int_equal(door_read_rechecked(payload, &rechecked), STATUS_OK);
		world.has_rechecked = true;
		world.rechecked = rechecked.verdict;
		keep_text(world.rechecked_reason, rechecked.reason);
		return STATUS_OK;
	}
	assert_int_equal(type, DOOR_CREDENTIAL_REPLY);
	assert_int_equal(door_read_credential_reply(payload, &credential), STATUS_OK);
	world.has_credential = true;
	keep_text(world.credential, credential.secret);
	return STATUS_OK;
}

static inline enum status on_admin_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_control_reply reply;
	(void)context, (void)door;
	assert_int_equal(type, DOOR_CONTROL_REPLY);
	assert_int_equal(door_read_control_reply(payload, &reply), STATUS_OK);
	world.answer = span_to_string(reply.json);
	return STATUS_OK;
}

static inline void on_closed(void *context, struct door *door)
{
	(void)door;
	door_free(context);
}

static const struct door_handler gate_handler = { .on_frame = on_gate_frame, .on_closed = on_closed };
static const struct door_handler relay_handler = { .on_frame = on_relay_frame, .on_closed = on_closed };
static const struct door_handler admin_handler = { .on_frame = on_admin_frame, .on_closed = on_closed };

static inline void attach_peer(enum role_kind kind, uint32_t instance, const struct door_handler *handler,
			       struct door **door)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(door_create(world.loop, ends[0], handler, door, door), STATUS_OK);
	auth_role.attached(world.auth, kind, instance, ends[1]);
}

/* ---- waiting */

static inline bool has_mechanisms(void *context)
{
	(void)context;
	return world.has_mechanisms;
}

static inline bool has_challenge(void *context)
{
	(void)context;
	return world.has_challenge;
}

static inline bool has_done(void *context)
{
	(void)context;
	return world.has_done;
}

static inline bool are_all_answered(void *context)
{
	(void)context;
	return world.answered == last_request;
}

static inline bool has_answer(void *context)
{
	(void)context;
	return world.answer != NULL;
}

static inline bool has_grant(void *context)
{
	(void)context;
	return world.grants > 0;
}

static inline bool has_credential(void *context)
{
	(void)context;
	return world.has_credential;
}

static inline bool has_rechecked(void *context)
{
	(void)context;
	return world.has_rechecked;
}

static inline bool is_finished(void *context)
{
	(void)context;
	return world.finished;
}

static inline bool relay_is_gone(void *context)
{
	(void)context;
	return world.relay == NULL;
}

static inline bool gate_is_gone(void *context)
{
	(void)context;
	return world.gate == NULL;
}

/* ---- speaking */

static char backend_names[2][16] = { "app_password", "ldap" };
static char *backends[] = { backend_names[0], backend_names[1] };
static char mechanism_texts[2][16] = { "PLAIN", "LOGIN" };
static char login_map_line[] = "CORP\\* -> *@example.com";
static char *login_map_list[] = { login_map_line };
static char *mechanism_list[] = { mechanism_texts[0], mechanism_texts[1] };
static char no_text[] = "";
static char relay_name[] = "gmail";
static char relay_user[] = "relay@example.com";
static struct config_relay relay_config = { .name = relay_name, .user = relay_user, .auth = RELAY_AUTH_PLAIN };

static inline void start_from(const char *mechanism, const char *initial, const char *address)
{
	struct door_sasl_start message = {
		.request = ++last_request,
		.session = 100,
		.mechanism = span_of(mechanism),
		.has_initial = initial != NULL,
		.initial = span_of(initial),
		.client = { .address = span_of(address),
			    .port = 4711,
			    .listener = SPAN("submissions"),
			    .helo = SPAN("client.example") },
	};
	world.has_challenge = world.has_done = world.granted = false;
	assert_int_equal(door_send_sasl_start(world.gate, &message), STATUS_OK);
}

static inline void start(const char *mechanism, const char *initial)
{
	start_from(mechanism, initial, "192.0.2.1");
}

static inline void step(const char *response)
{
	struct door_sasl_step message = { .request = last_request, .response = span_of(response) };
	world.has_challenge = false;
	assert_int_equal(door_send_sasl_step(world.gate, &message), STATUS_OK);
}

static inline void expect_reply(const char *reply)
{
	run_until(world.loop, has_done, NULL);
	assert_string_equal(world.reply, reply);
}

static inline void plain_from(const char *user, const char *password, const char *address)
{
	struct buf bytes BUF_AUTO, text BUF_AUTO;
	buf_init(&bytes, TEXT);
	buf_init(&text, TEXT);
	assert_int_equal(buf_append_byte(&bytes, '\0'), STATUS_OK);
	assert_int_equal(buf_append_text(&bytes, user), STATUS_OK);
	assert_int_equal(buf_append_byte(&bytes, '\0'), STATUS_OK);
	assert_int_equal(buf_append_text(&bytes, password), STATUS_OK);
	assert_int_equal(base64_encode(buf_span(&bytes), &text), STATUS_OK);
	assert_int_equal(buf_append_byte(&text, '\0'), STATUS_OK);
	start_from("PLAIN", buf_span(&text).data, address);
}

static inline void plain(const char *user, const char *password)
{
	plain_from(user, password, "192.0.2.1");
}

/* Owned by the caller. */
static inline json_t *control(const char *request)
{
	struct door_control_request message = { .request = 1, .json = span_of(request) };
	assert_int_equal(door_send_control_request(world.admin, &message), STATUS_OK);
	run_until(world.loop, has_answer, NULL);
	json_t *answer = json_loads(world.answer, 0, NULL);
	free(world.answer);
	world.answer = NULL;
	assert_true(json_is_object(answer));
	return answer;
}

static inline bool is_ok(json_t *answer)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));
	json_decref(answer);
	return ok;
}

struct made {
	char id[16];
	char password[64];
};

static inline struct made create(const char *user, const char *more)
{
	char request[TEXT];
	struct made made;
	snprintf(request, sizeof(request), "{\"command\":\"app-password create\",\"user\":\"%s\",\"label\":\"x\"%s}",
		 user, more);
	json_t *answer = control(request);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	snprintf(made.id, sizeof(made.id), "%s", json_string_value(json_object_get(answer, "id")));
	snprintf(made.password, sizeof(made.password), "%s", json_string_value(json_object_get(answer, "password")));
	json_decref(answer);
	return made;
}

/* ---- each test's world */

static inline int begin_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	last_request = 0;
	snprintf(world.path, sizeof(world.path), "/tmp/subgate-test-auth-XXXXXX");
	close(mkstemp(world.path));
	world.config.auth = (struct config_auth){
		.backends = { .items = backends, .count = 2 },
		.mechanisms = { .items = mechanism_list, .count = 2 },
		.login_map = { .items = login_map_list, .count = 1 },
		.cache = 300000,
		.failures_per_address = 4,
		.failures_per_user = 3,
		.failure_window = 600000,
	};
	world.config.redis.user = world.config.redis.prefix = no_text;
	world.config.limits.auth_timeout = 60000;
	world.config.relay.items = &relay_config;
	world.config.relay.count = 1;
	if (loop_create(&world.loop) != STATUS_OK || stats_create_private(&world.stats) != STATUS_OK)
		return -1;
	world.context = (struct role_context){
		.loop = world.loop,
		.config = &world.config,
		.stats = world.stats,
		.node = "test",
		.redis_server = "unix:/nonexistent/redis.sock",
	};
	if (auth_role.start(&world.context, &world.auth) != STATUS_OK)
		return -1;
	attach_peer(ROLE_GATE, GATE, &gate_handler, &world.gate);
	attach_peer(ROLE_RELAY, 2, &relay_handler, &world.relay);
	attach_peer(ROLE_ADMIN, 3, &admin_handler, &world.admin);
	return 0;
}

static inline int end_world(void **state)
{
	(void)state;
	auth_role.stop(world.auth);
	door_free(&world.gate);
	door_free(&world.relay);
	door_free(&world.admin);
	stats_free_private(&world.stats);
	loop_free(world.loop);
	free(world.answer);
	return unlink(world.path);
}

#endif
