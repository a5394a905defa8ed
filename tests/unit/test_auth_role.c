/*
 * The auth role as a whole, on a loop of its own: the test plays a gate, the
 * relay, the admin role and the supervisor at the other ends of real doors.
 */
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
	char grant_user[TEXT], grant_method[TEXT], grant_id[TEXT], grant_mechanism[TEXT], grant_address[TEXT];
	uint32_t grant_gate;
	uint64_t grant_session;
	unsigned failures;
	char failure_user[TEXT], failure_reason[TEXT];
	bool has_credential;
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

static void keep(char *out_text, struct span s)
{
	snprintf(out_text, TEXT, "%.*s", SPAN_ARGS(s));
}

static void keep_done(const struct door_sasl_done *done)
{
	struct codec_list senders = done->senders;
	struct span first = { 0 };
	world.has_done = true;
	world.answered++;
	world.put_off += span_starts_with(done->reply, SPAN("454 "));
	world.granted = done->granted;
	keep(world.reply, done->reply);
	keep(world.user, done->user);
	codec_list_next(&senders, &first);
	keep(world.sender, first);
}

static void keep_mechanisms(struct codec_list names)
{
	struct span name;
	world.has_mechanisms = true;
	world.mechanism_names[0] = '\0';
	while (codec_list_next(&names, &name))
		snprintf(world.mechanism_names + strlen(world.mechanism_names), 20, "%.*s ", SPAN_ARGS(name));
}

static enum status on_gate_frame(void *context, struct door *door, uint16_t type, struct span payload)
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
		keep(world.challenge, challenge.challenge);
		world.has_challenge = true;
	} else {
		assert_int_equal(type, DOOR_SASL_DONE);
		assert_int_equal(door_read_sasl_done(payload, &done), STATUS_OK);
		keep_done(&done);
	}
	return STATUS_OK;
}

static enum status take_grant(struct span payload)
{
	struct door_grant grant;
	assert_int_equal(door_read_grant(payload, &grant), STATUS_OK);
	assert_false(world.has_done); /* the client hears of it after the relay */
	world.grants++;
	world.grant_gate = grant.gate;
	world.grant_session = grant.session;
	keep(world.grant_user, grant.user);
	keep(world.grant_method, grant.auth_method);
	keep(world.grant_id, grant.app_password_id);
	keep(world.grant_mechanism, grant.sasl_mechanism);
	keep(world.grant_address, grant.client.address);
	struct door_granted granted = { .request = grant.request };
	return world.relay_is_silent ? STATUS_OK : door_send_granted(world.relay, &granted);
}

static enum status on_relay_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_auth_failed failed;
	struct door_credential_reply credential;
	(void)context, (void)door;
	if (type == DOOR_GRANT)
		return take_grant(payload);
	if (type == DOOR_AUTH_FAILED) {
		assert_int_equal(door_read_auth_failed(payload, &failed), STATUS_OK);
		world.failures++;
		keep(world.failure_user, failed.user);
		keep(world.failure_reason, failed.reason);
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
	assert_int_equal(type, DOOR_CREDENTIAL_REPLY);
	assert_int_equal(door_read_credential_reply(payload, &credential), STATUS_OK);
	world.has_credential = true;
	keep(world.credential, credential.secret);
	return STATUS_OK;
}

static enum status on_admin_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_control_reply reply;
	(void)context, (void)door;
	assert_int_equal(type, DOOR_CONTROL_REPLY);
	assert_int_equal(door_read_control_reply(payload, &reply), STATUS_OK);
	world.answer = span_to_string(reply.json);
	return STATUS_OK;
}

static void on_closed(void *context, struct door *door)
{
	(void)door;
	door_free(context);
}

static const struct door_handler gate_handler = { .on_frame = on_gate_frame, .on_closed = on_closed };
static const struct door_handler relay_handler = { .on_frame = on_relay_frame, .on_closed = on_closed };
static const struct door_handler admin_handler = { .on_frame = on_admin_frame, .on_closed = on_closed };

static void attach(enum role_kind kind, uint32_t instance, const struct door_handler *handler, struct door **door)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(door_create(world.loop, ends[0], handler, door, door), STATUS_OK);
	auth_role.attached(world.auth, kind, instance, ends[1]);
}

/* ---- waiting */

static bool has_mechanisms(void *context)
{
	(void)context;
	return world.has_mechanisms;
}

static bool has_challenge(void *context)
{
	(void)context;
	return world.has_challenge;
}

static bool has_done(void *context)
{
	(void)context;
	return world.has_done;
}

static bool are_all_answered(void *context)
{
	(void)context;
	return world.answered == last_request;
}

static bool has_answer(void *context)
{
	(void)context;
	return world.answer != NULL;
}

static bool has_grant(void *context)
{
	(void)context;
	return world.grants > 0;
}

static bool has_credential(void *context)
{
	(void)context;
	return world.has_credential;
}

static bool is_finished(void *context)
{
	(void)context;
	return world.finished;
}

static bool relay_is_gone(void *context)
{
	(void)context;
	return world.relay == NULL;
}

static bool gate_is_gone(void *context)
{
	(void)context;
	return world.gate == NULL;
}

/* ---- speaking */

static char backend_names[2][16] = { "app_password", "ldap" };
static char *backends[] = { backend_names[0], backend_names[1] };
static char mechanism_texts[2][16] = { "PLAIN", "LOGIN" };
static char *mechanism_list[] = { mechanism_texts[0], mechanism_texts[1] };
static char relay_name[] = "gmail";
static char relay_user[] = "relay@example.com";
static struct config_relay relay_config = { .name = relay_name, .user = relay_user, .auth = RELAY_AUTH_PLAIN };

static void start_from(const char *mechanism, const char *initial, const char *address)
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

static void start(const char *mechanism, const char *initial)
{
	start_from(mechanism, initial, "192.0.2.1");
}

static void step(const char *response)
{
	struct door_sasl_step message = { .request = last_request, .response = span_of(response) };
	world.has_challenge = false;
	assert_int_equal(door_send_sasl_step(world.gate, &message), STATUS_OK);
}

static void expect_reply(const char *reply)
{
	run_until(world.loop, has_done, NULL);
	assert_string_equal(world.reply, reply);
}

static void plain_from(const char *user, const char *password, const char *address)
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

static void plain(const char *user, const char *password)
{
	plain_from(user, password, "192.0.2.1");
}

/* Owned by the caller. */
static json_t *control(const char *request)
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

static bool is_ok(json_t *answer)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));
	json_decref(answer);
	return ok;
}

struct made {
	char id[16];
	char password[64];
};

static struct made create(const char *user, const char *more)
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

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	last_request = 0;
	snprintf(world.path, sizeof(world.path), "/tmp/subgate-test-auth-XXXXXX");
	close(mkstemp(world.path));
	world.config.auth = (struct config_auth){
		.backends = { .items = backends, .count = 2 },
		.mechanisms = { .items = mechanism_list, .count = 2 },
		.cache = 300000,
		.failures_per_address = 4,
		.failures_per_user = 3,
		.failure_window = 600000,
	};
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
	};
	if (auth_role.start(&world.context, &world.auth) != STATUS_OK)
		return -1;
	attach(ROLE_GATE, GATE, &gate_handler, &world.gate);
	attach(ROLE_RELAY, 2, &relay_handler, &world.relay);
	attach(ROLE_ADMIN, 3, &admin_handler, &world.admin);
	return 0;
}

static int end(void **state)
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

/* ---- logging in */

static void test_a_gate_hears_the_mechanisms_first(void **state)
{
	(void)state;
	run_until(world.loop, has_mechanisms, NULL);
	assert_string_equal(world.mechanism_names, "PLAIN LOGIN ");
}

static void test_the_right_app_password_grants(void **state)
{
	(void)state;
	struct made made = create("Anna@Example.com", "");
	assert_int_equal(strlen(made.password), 29);
	plain("ANNA@example.com", made.password);
	expect_reply("235 2.7.0 Authentication successful");
	assert_true(world.granted);
	assert_string_equal(world.user, "anna@example.com");
	assert_string_equal(world.sender, "anna@example.com");
	assert_int_equal(world.grants, 1);
	assert_int_equal(world.grant_gate, GATE);
	assert_int_equal(world.grant_session, 100);
	assert_string_equal(world.grant_user, "anna@example.com");
	assert_string_equal(world.grant_method, "app_password");
	assert_string_equal(world.grant_mechanism, "PLAIN");
	assert_string_equal(world.grant_id, made.id);
	assert_string_equal(world.grant_address, "192.0.2.1");
}

static void test_login_asks_for_name_and_password(void **state)
{
	(void)state;
	char text[TEXT] = "";
	struct buf encoded BUF_AUTO;
	struct made made = create("anna", "");
	buf_init(&encoded, TEXT);
	assert_int_equal(base64_encode(span_of(made.password), &encoded), STATUS_OK);
	keep(text, buf_span(&encoded));
	start("LOGIN", NULL);
	run_until(world.loop, has_challenge, NULL);
	assert_string_equal(world.challenge, "VXNlcm5hbWU6");
	step("YW5uYQ==");
	run_until(world.loop, has_challenge, NULL);
	assert_string_equal(world.challenge, "UGFzc3dvcmQ6");
	step(text);
	expect_reply("235 2.7.0 Authentication successful");
	assert_string_equal(world.user, "anna");
	assert_string_equal(world.sender, ""); /* his name is no address */
}

static void test_wrong_and_unknown_take_the_same_time_and_text(void **state)
{
	(void)state;
	create("anna", "");
	struct made other = create("bert", "");
	const char *const attempts[][2] = { { "anna", "wrong" }, { "zoe", "wrong" }, { "anna", other.password } };
	for (size_t i = 0; i < 3; i++) {
		uint64_t began_ms = clock_monotonic_ms();
		plain(attempts[i][0], attempts[i][1]);
		expect_reply("535 5.7.8 Username or password not accepted");
		uint64_t took_ms = clock_monotonic_ms() - began_ms;
		assert_true(took_ms >= FAILURE_STEP_MS - 5 && took_ms < FAILURE_STEP_MS + 200);
	}
	assert_false(world.granted);
	assert_int_equal(world.grants, 0);
	assert_int_equal(world.failures, 3);
	assert_string_equal(world.failure_user, "anna");
	assert_string_equal(world.failure_reason, "wrong app password");
}

static void test_what_is_malformed_is_said_at_once(void **state)
{
	(void)state;
	start("PLAIN", "!!!!");
	expect_reply("501 5.5.2 Invalid base64 in the authentication response");
	start("PLAIN", "YW5uYQ==");
	expect_reply("501 5.5.2 Invalid authentication response");
	start("CRAM-MD5", NULL);
	expect_reply("504 5.5.4 Unrecognized authentication mechanism");
	assert_int_equal(world.failures, 2);
	assert_string_equal(world.failure_user, "");
	assert_string_equal(world.failure_reason, "malformed response");
}

static void test_nobody_acts_for_another(void **state)
{
	(void)state;
	start("PLAIN", "Ym9zcwBhbm5hAHNlY3JldA=="); /* boss NUL anna NUL secret */
	expect_reply("535 5.7.8 Username or password not accepted");
	assert_string_equal(world.failure_reason, "acting for another user");
}

static void test_an_equals_sign_is_an_empty_response(void **state)
{
	(void)state;
	start("LOGIN", "=");
	run_until(world.loop, has_challenge, NULL);
	step("=");
	expect_reply("501 5.5.2 Invalid base64 in the authentication response");
}

static void test_a_cancelled_exchange_says_no_more(void **state)
{
	(void)state;
	plain("anna", "wrong");
	struct door_sasl_cancel cancel = { .request = last_request };
	assert_int_equal(door_send_sasl_cancel(world.gate, &cancel), STATUS_OK);
	run_for(world.loop, FAILURE_STEP_MS + 200);
	assert_false(world.has_done);
}

/* ---- restrictions */

static void test_from_and_expires_are_kept(void **state)
{
	(void)state;
	struct made here = create("anna", ",\"from\":\"192.0.2.0/24\"");
	struct made elsewhere = create("anna", ",\"from\":\"198.51.100.0/24\"");
	char expires[64];
	snprintf(expires, sizeof(expires), ",\"expires\":%llu", (unsigned long long)(clock_wall_us() / 1000000 + 1));
	struct made shortly = create("anna", expires);
	plain("anna", here.password);
	expect_reply("235 2.7.0 Authentication successful");
	plain("anna", elsewhere.password);
	expect_reply("535 5.7.8 Username or password not accepted");
	assert_string_equal(world.failure_reason, "app password not allowed from this address");
	run_for(world.loop, 1000);
	plain("anna", shortly.password);
	expect_reply("535 5.7.8 Username or password not accepted");
	assert_string_equal(world.failure_reason, "app password expired");
}

static void test_a_revoked_one_is_refused(void **state)
{
	(void)state;
	char request[TEXT];
	struct made made = create("anna", "");
	snprintf(request, sizeof(request), "{\"command\":\"app-password revoke\",\"user\":\"bert\",\"id\":\"%s\"}",
		 made.id);
	assert_false(is_ok(control(request)));
	snprintf(request, sizeof(request), "{\"command\":\"app-password revoke\",\"user\":\"anna\",\"id\":\"%s\"}",
		 made.id);
	assert_true(is_ok(control(request)));
	assert_false(is_ok(control(request)));
	plain("anna", made.password);
	expect_reply("535 5.7.8 Username or password not accepted");
}

/* ---- guesses */

static void guess(const char *user, const char *password, const char *address)
{
	plain_from(user, password, address);
	expect_reply("535 5.7.8 Username or password not accepted");
}

static void test_a_guessing_address_is_refused_but_its_app_passwords_are_not(void **state)
{
	(void)state;
	struct made made = create("anna", "");
	guess("u1", "x", "192.0.2.1");
	guess("u2", "x", "192.0.2.1");
	guess("u2", "x", "192.0.2.1"); /* the same once more: not counted */
	guess("u3", "x", "192.0.2.1");
	guess("u4", "x", "192.0.2.1");
	plain("u5", "x");
	expect_reply("454 4.7.0 Too many failed logins, try again later");
	plain("anna", made.password);
	expect_reply("235 2.7.0 Authentication successful");
	plain_from("u6", "x", "192.0.2.2");
	expect_reply("535 5.7.8 Username or password not accepted");

	json_t *list = control("{\"command\":\"throttle list\"}");
	json_t *row = json_array_get(json_object_get(list, "throttled"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "address")), "192.0.2.1");
	assert_true(json_integer_value(json_object_get(row, "failures")) >= 4);
	assert_true(json_integer_value(json_object_get(row, "until")) > 1000000);
	json_decref(list);

	json_t *cleared = control("{\"command\":\"throttle clear\",\"address\":\"192.0.2.1\"}");
	assert_int_equal(json_integer_value(json_object_get(cleared, "cleared")), 1);
	json_decref(cleared);
	guess("u5", "x", "192.0.2.1");
}

/* ---- without the others */

static void test_without_a_relay_nobody_gets_in(void **state)
{
	(void)state;
	struct made made = create("anna", "");
	door_free(&world.relay);
	plain("anna", made.password);
	expect_reply("454 4.7.0 Temporary authentication failure, try again later");
	assert_false(world.granted);
	attach(ROLE_RELAY, 4, &relay_handler, &world.relay);
	plain("anna", made.password);
	expect_reply("235 2.7.0 Authentication successful");
}

static void test_a_relay_that_goes_before_it_confirms_grants_nothing(void **state)
{
	(void)state;
	struct made made = create("anna", "");
	world.relay_is_silent = true;
	plain("anna", made.password);
	run_until(world.loop, has_grant, NULL);
	assert_false(world.has_done);
	door_free(&world.relay);
	expect_reply("454 4.7.0 Temporary authentication failure, try again later");
}

static bool was_withdrawn(void *context)
{
	(void)context;
	return world.withdrawn > 0;
}

static void test_a_login_cancelled_before_the_relay_confirmed_is_taken_back(void **state)
{
	(void)state;
	struct made made = create("anna", "");
	world.relay_is_silent = true;
	plain("anna", made.password);
	run_until(world.loop, has_grant, NULL);
	struct door_sasl_cancel cancel = { .request = last_request };
	assert_int_equal(door_send_sasl_cancel(world.gate, &cancel), STATUS_OK);
	run_until(world.loop, was_withdrawn, NULL);
	assert_false(world.has_done);
}

static void test_a_gate_that_goes_takes_its_exchanges_along(void **state)
{
	(void)state;
	plain("anna", "wrong");
	start("LOGIN", NULL);
	run_until(world.loop, has_challenge, NULL);
	door_free(&world.gate);
	run_for(world.loop, FAILURE_STEP_MS + 200);
	assert_false(world.has_done);
}

/* Each is over at once, so that it is never many at a time that are too many. */
static void begin_logins(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		start("PLAIN", "!!!!");
		if (i % 200 == 199)
			run_until(world.loop, are_all_answered, NULL);
	}
	run_until(world.loop, are_all_answered, NULL);
}

static void test_a_gate_begins_so_many_logins_a_second_and_another_has_its_own(void **state)
{
	struct door *flooded, *again = NULL;
	(void)state;
	uint64_t began_ms = clock_monotonic_ms();
	begin_logins(5 * EXCHANGES_PER_GATE);
	uint64_t took_ms = clock_monotonic_ms() - began_ms;
	unsigned taken = world.answered - world.put_off;
	assert_true(taken >= EXCHANGES_PER_GATE);
	/* However slow this machine is; and its loop may know of the time a little earlier than the test. */
	assert_true(taken <= EXCHANGES_PER_GATE + (took_ms + 100) * EXCHANGES_A_SECOND / 1000);
	attach(ROLE_GATE, GATE + 1, &gate_handler, &again);
	flooded = world.gate;
	world.gate = again;
	plain("anna", "wrong");
	expect_reply("535 5.7.8 Username or password not accepted");
	world.gate = flooded;
	run_for(world.loop, 100);
	plain("anna", "wrong");
	expect_reply("535 5.7.8 Username or password not accepted");
	door_free(&again);
}

static void test_a_gate_that_breaks_the_rules_loses_its_door(void **state)
{
	(void)state;
	struct door_credential_request request = { .request = 1, .relay = SPAN("gmail") };
	assert_int_equal(door_send_credential_request(world.gate, &request), STATUS_OK);
	run_until(world.loop, gate_is_gone, NULL);
	assert_int_equal(world.distrusted, 1);
}

static void test_a_relay_that_breaks_the_rules_loses_its_door(void **state)
{
	(void)state;
	struct door_control_request request = { .json = SPAN("{\"command\":\"app-password list\"}") };
	assert_int_equal(door_send_control_request(world.relay, &request), STATUS_OK);
	run_until(world.loop, relay_is_gone, NULL);
}

static void test_the_relay_gets_its_credentials(void **state)
{
	(void)state;
	struct door_credential_request request = { .request = 5, .relay = SPAN("gmail") };
	assert_int_equal(door_send_credential_request(world.relay, &request), STATUS_OK);
	run_until(world.loop, has_credential, NULL);
	assert_string_equal(world.credential, "upstream secret");
}

/* ---- control */

static void test_a_list_tells_everything_but_the_password(void **state)
{
	(void)state;
	struct made made = create("anna", ",\"from\":\"192.0.2.0/24\"");
	create("bert", "");
	plain("anna", made.password);
	expect_reply("235 2.7.0 Authentication successful");
	json_t *answer = control("{\"command\":\"app-password list\",\"user\":\"Anna\"}");
	json_t *rows = json_object_get(answer, "app_passwords");
	json_t *row = json_array_get(rows, 0);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(json_string_value(json_object_get(row, "id")), made.id);
	assert_string_equal(json_string_value(json_object_get(row, "from")), "192.0.2.0/24");
	assert_true(json_is_null(json_object_get(row, "expires")));
	assert_true(json_is_integer(json_object_get(row, "last_used")));
	assert_null(json_object_get(row, "password"));
	assert_null(json_object_get(row, "hash"));
	json_decref(answer);
}

static void test_what_cannot_be_done_is_said(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"not json",
		"[]",
		"{}",
		"{\"command\":\"dance\"}",
		"{\"command\":\"app-password create\",\"label\":\"x\"}",
		"{\"command\":\"app-password create\",\"user\":\"\",\"label\":\"x\"}",
		"{\"command\":\"app-password create\",\"user\":\"anna\",\"label\":\"a\\nb\"}",
		"{\"command\":\"app-password create\",\"user\":\"anna\",\"label\":\"x\",\"expires\":5}",
		"{\"command\":\"app-password create\",\"user\":\"anna\",\"label\":\"x\",\"expires\":\"tomorrow\"}",
		"{\"command\":\"app-password create\",\"user\":\"anna\",\"label\":\"x\",\"from\":\"everywhere\"}",
		"{\"command\":\"app-password revoke\",\"user\":\"anna\",\"id\":\"AAAAAAAA\"}",
		"{\"command\":\"app-password revoke\",\"user\":\"anna\"}",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (is_ok(control(wrong[i])))
			fail_msg("%s", wrong[i]);
}

/* ---- the end */

static void test_a_drained_role_ends_with_its_last_gate(void **state)
{
	(void)state;
	auth_role.drain(world.auth, 60000, false);
	plain("anna", "wrong"); /* what was begun goes on */
	expect_reply("535 5.7.8 Username or password not accepted");
	assert_false(world.finished);
	door_free(&world.gate);
	run_until(world.loop, is_finished, NULL);
}

static void test_a_drained_role_does_not_wait_for_ever(void **state)
{
	(void)state;
	auth_role.drain(world.auth, 50, false);
	assert_false(world.finished);
	run_until(world.loop, is_finished, NULL);
}

static bool is_former_closed(void *context)
{
	(void)context;
	return world.gate == NULL;
}

static void test_a_gate_that_comes_again_has_one_door_the_new_one(void **state)
{
	struct door *again = NULL;
	(void)state;
	attach(ROLE_GATE, GATE, &gate_handler, &again);
	run_until(world.loop, is_former_closed, NULL);
	run_for(world.loop, 5);
	assert_non_null(again);
	door_free(&again);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_a_gate_hears_the_mechanisms_first),
		IN_WORLD(test_the_right_app_password_grants),
		IN_WORLD(test_login_asks_for_name_and_password),
		IN_WORLD(test_wrong_and_unknown_take_the_same_time_and_text),
		IN_WORLD(test_what_is_malformed_is_said_at_once),
		IN_WORLD(test_nobody_acts_for_another),
		IN_WORLD(test_an_equals_sign_is_an_empty_response),
		IN_WORLD(test_a_cancelled_exchange_says_no_more),
		IN_WORLD(test_from_and_expires_are_kept),
		IN_WORLD(test_a_revoked_one_is_refused),
		IN_WORLD(test_a_guessing_address_is_refused_but_its_app_passwords_are_not),
		IN_WORLD(test_without_a_relay_nobody_gets_in),
		IN_WORLD(test_a_relay_that_goes_before_it_confirms_grants_nothing),
		IN_WORLD(test_a_login_cancelled_before_the_relay_confirmed_is_taken_back),
		IN_WORLD(test_a_gate_that_goes_takes_its_exchanges_along),
		IN_WORLD(test_a_gate_that_comes_again_has_one_door_the_new_one),
		IN_WORLD(test_a_gate_begins_so_many_logins_a_second_and_another_has_its_own),
		IN_WORLD(test_a_gate_that_breaks_the_rules_loses_its_door),
		IN_WORLD(test_a_relay_that_breaks_the_rules_loses_its_door),
		IN_WORLD(test_the_relay_gets_its_credentials),
		IN_WORLD(test_a_list_tells_everything_but_the_password),
		IN_WORLD(test_what_cannot_be_done_is_said),
		IN_WORLD(test_a_drained_role_ends_with_its_last_gate),
		IN_WORLD(test_a_drained_role_does_not_wait_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
