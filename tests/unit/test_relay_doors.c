/*
 * The relay role's doors over real sockets and a real loop: who is believed,
 * what is answered, and what becomes of it when a peer goes. Deliveries,
 * pools, quota and audit are played here.
 */
#include "with_loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "relay/auth_door.h"
#include "relay/control.h"
#include "relay/records.h"

#define TEXT_SIZE 8192

static struct {
	char trace[TEXT_SIZE];
	char heard[TEXT_SIZE]; /* frames that came to the peers */
	struct delivery_gate *gate;
	size_t records, longest;
	bool is_gate_named;
	uint64_t stood_for[AUDIT_TYPE_COUNT];
	quota_callback *asked;
	void *asked_context;
	uint64_t asked_limit;
} world;

static void note(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;
	if (used > TEXT_SIZE / 2) /* a flood: its beginning tells enough */
		return;
	va_start(args, format);
	if (used)
		used += (size_t)snprintf(text + used, TEXT_SIZE - used, "; ");
	vsnprintf(text + used, TEXT_SIZE - used, format, args);
	va_end(args);
}

/* ---- what is played */

enum status deliveries_take_envelope(struct deliveries *deliveries, struct delivery_gate *gate, struct grant *grant,
				     const struct door_envelope *envelope)
{
	(void)deliveries;
	note(world.trace, "envelope of %.*s", SPAN_ARGS(grant->user));
	world.gate = gate;
	return codec_list_count(envelope->recipients) ? STATUS_OK : STATUS_INVALID;
}

enum status deliveries_take_data(struct deliveries *deliveries, const struct delivery_gate *gate,
				 const struct door_message_data *data)
{
	(void)deliveries, (void)gate;
	note(world.trace, "data %.*s", SPAN_ARGS(data->bytes));
	return STATUS_OK;
}

void deliveries_abort(struct deliveries *deliveries, const struct delivery_gate *gate, struct grant *grant,
		      const struct door_transaction_aborted *message)
{
	(void)deliveries, (void)gate, (void)message;
	note(world.trace, "abort of %s", grant ? grant->name : "nobody");
}

void deliveries_end_session(struct grant *grant)
{
	note(world.trace, "session %s ends", grant->name);
}

void deliveries_gate_closed(struct deliveries *deliveries, const struct delivery_gate *gate)
{
	(void)deliveries;
	note(world.trace, "gate %u closed", gate->instance);
}

void upstream_pool_credential(struct upstream_pool *pool, uint64_t ticket, const struct upstream_credential *credential)
{
	(void)pool;
	note(world.trace, "ticket %llu: %s %.*s", (unsigned long long)ticket, credential->available ? "yes" : "no",
	     SPAN_ARGS(credential->available ? credential->user : credential->reason));
}

void upstream_pool_show(const struct upstream_pool *pool, struct upstream_pool_state *out_state)
{
	(void)pool;
	*out_state = (struct upstream_pool_state){ .idle = 1, .busy = 2, .logins = 3, .last_error = "none \"yet\"" };
}

void upstream_pool_pause(struct upstream_pool *pool)
{
	(void)pool;
	note(world.trace, "pause");
}

void upstream_pool_resume(struct upstream_pool *pool)
{
	(void)pool;
	note(world.trace, "resume");
}

const char *upstream_backoff_text(enum upstream_backoff backoff)
{
	assert_int_equal(backoff, UPSTREAM_BACKOFF_NONE);
	return "none";
}

/* ---- what relay test needs, and does not get here */

enum status upstream_trial_open(struct upstream_pool *pool, const struct upstream_trial_handler *trial_handler,
				void *context, struct upstream_trial **out_trial)
{
	(void)pool, (void)trial_handler, (void)context, (void)out_trial;
	return STATUS_NO_MEMORY;
}

enum status upstream_trial_begin(struct upstream_trial *trial, const struct upstream_envelope *envelope,
				 const struct upstream_recipient *recipients, size_t count, uint64_t limit_ms,
				 const struct upstream_handler *upstream_handler, void *context,
				 struct upstream **out_upstream)
{
	(void)trial, (void)envelope, (void)recipients, (void)count, (void)limit_ms, (void)upstream_handler;
	(void)context, (void)out_upstream;
	return STATUS_NO_MEMORY;
}

void upstream_trial_close(struct upstream_trial **trial)
{
	assert_null(*trial);
}

void upstream_send(struct upstream *upstream, struct spool_message *message, uint64_t size, bool eight_bit,
		   uint64_t step_ms)
{
	(void)upstream, (void)message, (void)size, (void)eight_bit, (void)step_ms;
}

void upstream_release(struct upstream *upstream, uint64_t limit_ms)
{
	(void)upstream, (void)limit_ms;
}

void upstream_abort(struct upstream **upstream)
{
	assert_null(*upstream);
}

enum status audit_submit(struct audit *audit, const struct audit_event *event, audit_callback *callback, void *context)
{
	static const char *const names[] = {
#define EVENT(NUMBER, name, help) name,
#include "audit/events.def"
#undef EVENT
	};
	(void)audit, (void)callback, (void)context;
	world.records++;
	if (event->client.helo.size > world.longest)
		world.longest = event->client.helo.size;
	world.is_gate_named |= span_equal(event->detail, SPAN("gate 7"));
	world.stood_for[event->type] += span_equal(event->reason, SPAN(RATIONS_REASON)) ? event->count : 1;
	if (event->count)
		note(world.trace, "%s count %llu %.*s", names[event->type], (unsigned long long)event->count,
		     SPAN_ARGS(event->detail));
	else if (world.records < 100)
		note(world.trace, "%s %.*s", names[event->type], SPAN_ARGS(event->user));
	return STATUS_OK;
}

void role_distrust_gate(const struct role_context *context, uint32_t instance)
{
	(void)context;
	note(world.trace, "gate %u is distrusted", instance);
}

void quota_limits_for(const struct config *config, struct span user, const struct span *groups, size_t group_count,
		      struct quota_limits *out_limits)
{
	(void)config, (void)user, (void)groups;
	*out_limits = (struct quota_limits){ .messages_per_day = group_count ? 20000 : 500 };
}

static enum status ask_quota(const char *what, struct span user, const struct quota_limits *limits,
			     quota_callback *callback, void *context)
{
	note(world.trace, "%s %.*s", what, SPAN_ARGS(user));
	world.asked = callback;
	world.asked_context = context;
	world.asked_limit = limits->messages_per_day;
	return STATUS_OK;
}

enum status quota_show(struct quota *quota, struct span user, const struct quota_limits *limits,
		       quota_callback *callback, void *context)
{
	(void)quota;
	return ask_quota("show", user, limits, callback, context);
}

enum status quota_reset(struct quota *quota, struct span user, const struct quota_limits *limits,
			quota_callback *callback, void *context)
{
	(void)quota;
	return ask_quota("reset", user, limits, callback, context);
}

static void redis_says(enum quota_verdict verdict)
{
	const struct quota_state state = {
		.unit = "messages",
		.messages = 3,
		.recipients = 4,
		.bytes = 5,
		.resets_at = 1795392000,
		.limits = { .messages_per_day = world.asked_limit, .recipients_per_day = 2000 },
	};
	world.asked(world.asked_context, verdict, &state);
}

/* ---- the role, and its peers */

static struct config_relay relays[] = {
	{ .name = "gmail", .host = "smtp.gmail.com", .port = 465, .user = "us@example.com", .connections = 10 }
};
static struct config config = { .limits = { .connections = 1000 }, .relay = { relays, 1 } };
static struct upstream_pool *pools[1];
static struct services services = { .config = &config, .pools = pools };
static struct grants *grants;
static struct gate_doors gates;
static struct auth_door auth;
static struct control control;
static struct door *gate_peer, *auth_peer, *admin_peer;

static enum status hear(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_granted granted;
	struct door_credential_request wanted;
	struct door_envelope_reply reply;
	struct door_control_reply answer;
	(void)context, (void)door;
	if (type == DOOR_GRANTED && door_read_granted(payload, &granted) == STATUS_OK)
		note(world.heard, "granted %llu", (unsigned long long)granted.request);
	else if (type == DOOR_CREDENTIAL_REQUEST && door_read_credential_request(payload, &wanted) == STATUS_OK)
		note(world.heard, "credential %llu for %.*s", (unsigned long long)wanted.request,
		     SPAN_ARGS(wanted.relay));
	else if (type == DOOR_ENVELOPE_REPLY && door_read_envelope_reply(payload, &reply) == STATUS_OK) {
		struct span item;
		while (codec_list_next(&reply.replies, &item))
			note(world.heard, "%.*s", SPAN_ARGS(item));
	} else if (type == DOOR_CONTROL_REPLY && door_read_control_reply(payload, &answer) == STATUS_OK)
		note(world.heard, "%llu %.*s", (unsigned long long)answer.request, SPAN_ARGS(answer.json));
	else
		note(world.heard, "%s", door_type_text(type));
	return STATUS_OK;
}

static void lose(void *context, struct door *door)
{
	(void)context;
	note(world.heard, "door lost");
	if (door == gate_peer)
		door_free(&gate_peer);
	else if (door == auth_peer)
		door_free(&auth_peer);
	else
		door_free(&admin_peer);
}

static const struct door_handler peer_handler = { .on_frame = hear, .on_closed = lose };

/* Gives the role's end of a new door; *out_peer is the test's. */
static int open_door(struct door **out_peer)
{
	int fds[2];
	door_free(out_peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(door_create(services.loop, fds[0], &peer_handler, NULL, out_peer), STATUS_OK);
	return fds[1];
}

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	assert_int_equal(loop_create(&services.loop), STATUS_OK);
	assert_int_equal(users_create(&services.users), STATUS_OK);
	assert_int_equal(stats_create_private(&services.stats), STATUS_OK);
	assert_int_equal(rations_begin(&services.rations, services.loop, NULL), STATUS_OK);
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	gates = (struct gate_doors){ .services = &services, .grants = grants };
	auth = (struct auth_door){ .services = &services, .grants = grants, .gates = &gates };
	control = (struct control){ .services = &services };
	gate_doors_attach(&gates, 7, open_door(&gate_peer));
	relay_auth_door_attach(&auth, open_door(&auth_peer));
	relay_control_attach(&control, open_door(&admin_peer));
	return 0;
}

static int end(void **state)
{
	(void)state;
	gate_doors_close(&gates);
	relay_auth_door_close(&auth);
	relay_control_close(&control);
	relay_control_free(&control);
	door_free(&gate_peer);
	door_free(&auth_peer);
	door_free(&admin_peer);
	grants_free(&grants);
	rations_end(&services.rations);
	users_free(&services.users);
	stats_free_private(&services.stats);
	loop_free(services.loop);
	return 0;
}

static bool is_there(void *text)
{
	return strstr(world.trace, text) || strstr(world.heard, text);
}

/* Runs until the text shows in the trace or in what a peer heard. */
static void expect(const char *text)
{
	run_until(services.loop, is_there, (void *)text);
}

static void forget(void)
{
	world.trace[0] = world.heard[0] = '\0';
}

static void grant_session(uint32_t gate, uint64_t session)
{
	const struct door_grant message = {
		.request = session, .gate = gate, .session = session, .user = SPAN("ann@x")
	};
	assert_int_equal(door_send_grant(auth_peer, &message), STATUS_OK);
}

static void send_envelope(uint64_t session)
{
	struct buf recipients BUF_AUTO;
	buf_init(&recipients, 100);
	assert_int_equal(codec_list_add(&recipients, SPAN("bob@x")), STATUS_OK);
	const struct door_envelope message = { .session = session,
					       .transaction = 1,
					       .recipients = codec_list_of(&recipients) };
	assert_int_equal(door_send_envelope(gate_peer, &message), STATUS_OK);
}

/* ---- gates and grants */

static void a_session_with_a_grant_may_send(void **state)
{
	(void)state;
	grant_session(7, 1);
	expect("granted 1");
	assert_non_null(strstr(world.trace, "auth.success ann@x"));
	send_envelope(1);
	expect("envelope of ann@x");
}

static void a_session_without_a_grant_hears_530_and_nothing_is_begun(void **state)
{
	(void)state;
	send_envelope(1);
	expect("530 5.7.0 Authentication required");
	assert_null(strstr(world.trace, "envelope"));
	assert_non_null(strstr(world.trace, "message.refused "));
}

static void another_gates_session_is_nobodys_here(void **state)
{
	(void)state;
	grant_session(8, 1);
	expect("granted 1");
	send_envelope(1);
	expect("530 5.7.0 Authentication required");
}

static void a_session_that_closed_has_no_grant_left(void **state)
{
	(void)state;
	grant_session(7, 1);
	expect("granted 1");
	const struct door_session_closed closed = { .session = 1, .reason = SPAN("quit") };
	assert_int_equal(door_send_session_closed(gate_peer, &closed), STATUS_OK);
	expect("session.close ann@x; session 7-1 ends");
	send_envelope(1);
	expect("530 5.7.0 Authentication required");
}

/* The client hung up while the grant was on its way: the closing of its session overtook it. */
static void a_grant_that_was_withdrawn_is_not_kept(void **state)
{
	(void)state;
	const struct door_session_closed closed = { .session = 1, .reason = SPAN("connection lost") };
	const struct door_grant_withdrawn withdrawn = { .gate = 7, .session = 1 };
	assert_int_equal(door_send_session_closed(gate_peer, &closed), STATUS_OK);
	expect("session.close ");
	grant_session(7, 1);
	expect("granted 1");
	assert_int_equal(door_send_grant_withdrawn(auth_peer, &withdrawn), STATUS_OK);
	expect("session 7-1 ends");
	assert_null(grants_find(grants, 7, 1));
}

static void a_gate_that_goes_takes_its_grants_along_and_late_ones_are_not_kept(void **state)
{
	(void)state;
	grant_session(7, 1);
	expect("granted 1");
	door_free(&gate_peer);
	expect("session 7-1 ends; gate 7 closed");
	assert_null(grants_find(grants, 7, 1));
	grant_session(7, 2);
	expect("granted 2");
	assert_null(grants_find(grants, 7, 2));
}

static void grants_stay_while_auth_is_away(void **state)
{
	(void)state;
	grant_session(7, 1);
	expect("granted 1");
	door_free(&auth_peer);
	run_for(services.loop, 20);
	send_envelope(1);
	expect("envelope of ann@x");
}

static void a_gate_that_talks_nonsense_loses_its_door(void **state)
{
	(void)state;
	grant_session(7, 1);
	expect("granted 1");
	assert_int_equal(door_send_frame(gate_peer, DOOR_ENVELOPE, SPAN("nonsense")), STATUS_OK);
	expect("door lost");
	assert_non_null(strstr(world.trace, "gate 7 is distrusted"));
	assert_null(grants_find(grants, 7, 1));
}

static void a_gate_that_grants_itself_a_session_loses_its_door(void **state)
{
	(void)state;
	const struct door_grant message = { .gate = 7, .session = 1, .user = SPAN("boss@x") };
	assert_int_equal(door_send_grant(gate_peer, &message), STATUS_OK);
	expect("door lost");
	assert_non_null(strstr(world.trace, "gate 7 is distrusted"));
	assert_null(grants_find(grants, 7, 1));
}

static void data_aborts_and_sessions_reach_their_places(void **state)
{
	(void)state;
	const struct door_session_opened opened = { .session = 1, .client.address = SPAN("192.0.2.1") };
	const struct door_message_data data = { .transaction = 1, .bytes = SPAN("bytes") };
	const struct door_transaction_aborted aborted = { .session = 1, .transaction = 1, .reply = SPAN("552 x") };
	assert_int_equal(door_send_session_opened(gate_peer, &opened), STATUS_OK);
	assert_int_equal(door_send_message_data(gate_peer, &data), STATUS_OK);
	assert_int_equal(door_send_transaction_aborted(gate_peer, &aborted), STATUS_OK);
	expect("session.open ; data bytes; abort of nobody");
}

static void a_failed_login_is_recorded(void **state)
{
	(void)state;
	const struct door_auth_failed failed = { .gate = 7, .session = 1, .user = SPAN("eve"), .reason = SPAN("no") };
	assert_int_equal(door_send_auth_failed(auth_peer, &failed), STATUS_OK);
	expect("auth.failure eve");
}

/* ---- floods */

#define FLOOD 20000U

static bool is_taken(void *door)
{
	return door_backlog(door) == 0;
}

static void flood(struct door *door, void (*send_one)(uint64_t number))
{
	for (uint64_t i = 1; i <= FLOOD; i++) {
		send_one(i);
		if (i % 500 == 0)
			run_until(services.loop, is_taken, door);
	}
	run_until(services.loop, is_taken, door);
	run_for(services.loop, 20);
}

static void invent_session(uint64_t number)
{
	const struct door_session_opened opened = { .session = number, .client.address = SPAN("192.0.2.1") };
	assert_int_equal(door_send_session_opened(gate_peer, &opened), STATUS_OK);
}

static void invent_end(uint64_t number)
{
	const struct door_session_closed closed = { .session = number, .client.address = SPAN("192.0.2.1") };
	assert_int_equal(door_send_session_closed(gate_peer, &closed), STATUS_OK);
}

static void invent_refusal(uint64_t number)
{
	const struct door_session_refused refused = { .reason = SPAN("memory"), .count = 1 };
	(void)number;
	assert_int_equal(door_send_session_refused(gate_peer, &refused), STATUS_OK);
}

static void invent_count(uint64_t number)
{
	const struct door_sessions_anonymous anonymous = { .network = SPAN("192.0.2.1"), .count = 1 };
	(void)number;
	assert_int_equal(door_send_sessions_anonymous(gate_peer, &anonymous), STATUS_OK);
}

static void invent_abort(uint64_t number)
{
	const struct door_transaction_aborted aborted = { .session = number, .reply = SPAN("552 5.3.4 No") };
	assert_int_equal(door_send_transaction_aborted(gate_peer, &aborted), STATUS_OK);
}

static void fail_login(uint64_t number)
{
	const struct door_auth_failed failed = { .gate = 7, .session = number, .reason = SPAN("wrong password") };
	assert_int_equal(door_send_auth_failed(auth_peer, &failed), STATUS_OK);
}

static void the_records_of_a_gate_are_bounded_and_what_is_left_out_is_counted(void **state)
{
	static const struct {
		const char *name;
		void (*send_one)(uint64_t number);
		enum audit_type type;
		struct door **door;
	} floods[] = {
		{ "session.open", invent_session, AUDIT_SESSION_OPEN, &gate_peer },
		{ "session.close", invent_end, AUDIT_SESSION_CLOSE, &gate_peer },
		{ "session.refused", invent_refusal, AUDIT_SESSION_REFUSED, &gate_peer },
		{ "session.anonymous", invent_count, AUDIT_SESSION_ANONYMOUS, &gate_peer },
		{ "auth.failure", fail_login, AUDIT_AUTH_FAILURE, &auth_peer },
	};
	for (size_t i = 0; i < sizeof(floods) / sizeof(*floods); i++) {
		end(state);
		begin(state);
		flood(*floods[i].door, floods[i].send_one);
		assert_true(world.records < FLOOD / 3);
		gate_doors_close(&gates); /* what it owes is told with its end */
		if (world.stood_for[floods[i].type] != FLOOD)
			fail_msg("%s: %llu of %u", floods[i].name, (unsigned long long)world.stood_for[floods[i].type],
				 FLOOD);
		assert_true(world.is_gate_named);
	}
}

/* Records that no delivery makes: of nobody's transactions. */
static void refusals_of_nobody_are_bounded_too(void **state)
{
	(void)state;
	flood(gate_peer, invent_abort);
	gate_doors_close(&gates);
	assert_true(world.stood_for[AUDIT_MESSAGE_REFUSED] > FLOOD * 3 / 4); /* the others went to deliveries_abort */
	assert_true(world.records < 10);
}

static void large_texts_of_a_gate_cost_more_of_its_ration(void **state)
{
	static char text[100000];
	struct door_session_opened opened = { .client = { .address = { text, sizeof(text) },
							  .helo = { text, sizeof(text) } } };
	(void)state;
	memset(text, 'x', sizeof(text));
	for (opened.session = 1; opened.session <= 100; opened.session++) {
		assert_int_equal(door_send_session_opened(gate_peer, &opened), STATUS_OK);
		run_until(services.loop, is_taken, gate_peer);
	}
	run_for(services.loop, 20);
	assert_in_range(world.records, 1, 19);
	assert_int_equal(world.longest, GATE_TEXT_MAXIMUM);
}

/* Each session that logs in gives back what its session.open took. */
static void whoever_logs_in_uses_up_no_ration(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 5000; i++) {
		const struct door_session_closed closed = { .session = i };
		const struct door_grant message = { .request = i, .gate = 7, .session = i, .user = SPAN("ann@x") };
		invent_session(i);
		assert_int_equal(door_send_grant(auth_peer, &message), STATUS_OK);
		run_until(services.loop, is_taken, gate_peer);
		run_until(services.loop, is_taken, auth_peer);
		if (i % 100 == 0)
			run_for(services.loop, 1);
		assert_int_equal(door_send_session_closed(gate_peer, &closed), STATUS_OK);
	}
	run_for(services.loop, 50);
	gate_doors_close(&gates);
	assert_null(strstr(world.trace, " count "));
}

/* ---- credentials */

static void a_credential_is_asked_of_auth_and_given_to_the_pool_once(void **state)
{
	(void)state;
	const struct door_credential_reply reply = { .request = 1, .available = 1, .user = SPAN("relay@corp") };
	relay_auth_door_ask(&auth, "gmail", "", NULL, 42);
	expect("credential 1 for gmail");
	assert_int_equal(door_send_credential_reply(auth_peer, &reply), STATUS_OK);
	expect("ticket 42: yes relay@corp");
	forget();
	assert_int_equal(door_send_credential_reply(auth_peer, &reply), STATUS_OK);
	run_for(services.loop, 20);
	assert_string_equal(world.trace, "");
}

static void without_auth_there_is_no_credential(void **state)
{
	(void)state;
	relay_auth_door_close(&auth);
	relay_auth_door_ask(&auth, "gmail", "", NULL, 42);
	assert_string_equal(world.trace, "ticket 42: no auth role not running");
}

static void who_waits_for_a_credential_hears_when_auth_goes(void **state)
{
	(void)state;
	relay_auth_door_ask(&auth, "gmail", "", NULL, 42);
	expect("credential 1 for gmail");
	door_free(&auth_peer);
	expect("ticket 42: no auth role not running");
}

static void no_more_credentials_wait_than_there_is_room_for(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < CREDENTIALS_PENDING; i++)
		relay_auth_door_ask(&auth, "gmail", "", NULL, i + 1);
	assert_string_equal(world.trace, "");
	relay_auth_door_ask(&auth, "gmail", "", NULL, 9999);
	assert_string_equal(world.trace, "ticket 9999: no auth role is behind");
	forget();
}

/* ---- control */

static void command(const char *json)
{
	const struct door_control_request message = { .request = 5, .json = span_of(json) };
	forget();
	assert_int_equal(door_send_control_request(admin_peer, &message), STATUS_OK);
}

static void quota_show_tells_what_is_used_and_when_it_ends(void **state)
{
	(void)state;
	command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	expect("show ann@x");
	redis_says(QUOTA_GRANTED);
	expect("5 {\"ok\":true,\"user\":\"ann@x\",\"used\":3,\"limit\":500,\"recipients_used\":4,"
	       "\"recipients_limit\":2000,\"bytes_used\":5,\"bytes_limit\":0,\"resets_at\":\"2026-11-23T00:00:00Z\"}");
}

static void the_limits_of_the_last_login_count(void **state)
{
	(void)state;
	struct buf groups BUF_AUTO;
	buf_init(&groups, 100);
	assert_int_equal(codec_list_add(&groups, SPAN("cn=newsletter")), STATUS_OK);
	const struct door_grant message = {
		.request = 1, .gate = 7, .session = 1, .user = SPAN("ann@x"), .groups = codec_list_of(&groups)
	};
	assert_int_equal(door_send_grant(auth_peer, &message), STATUS_OK);
	expect("granted 1");
	command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	expect("show ann@x");
	assert_int_equal(world.asked_limit, 20000);
	redis_says(QUOTA_UNKNOWN);
	expect("5 {\"ok\":false,\"error\":\"quota service unavailable\"}");
}

static void quota_reset_is_recorded(void **state)
{
	(void)state;
	command("{\"command\":\"quota reset\",\"user\":\"ann@x\"}");
	expect("reset ann@x");
	redis_says(QUOTA_GRANTED);
	expect("\"ok\":true");
	assert_non_null(strstr(world.trace, "admin.command ann@x"));
}

static void an_answer_for_an_admin_role_that_left_is_dropped(void **state)
{
	(void)state;
	command("{\"command\":\"quota show\",\"user\":\"ann@x\"}");
	expect("show ann@x");
	relay_control_attach(&control, open_door(&admin_peer));
	forget();
	redis_says(QUOTA_GRANTED);
	run_for(services.loop, 20);
	assert_string_equal(world.heard, "");
}

static void relay_list_shows_each_pool(void **state)
{
	(void)state;
	command("{\"command\":\"relay list\"}");
	expect("5 "
	       "{\"ok\":true,\"relays\":[{\"name\":\"gmail\",\"address\":\"smtp.gmail.com:465\",\"user\":\"us@example."
	       "com\","
	       "\"state\":\"ready\",\"connections\":\"3 of 10\",\"busy\":2,\"waiting\":0,\"logins\":3,\"messages\":0,"
	       "\"sent_in_24_h\":\"\",\"rest\":\"none\",\"until\":0,\"reason\":\"none \\\"yet\\\"\"}]}");
}

static void relays_are_paused_and_resumed_by_name(void **state)
{
	(void)state;
	command("{\"command\":\"relay pause\",\"relay\":\"gmail\"}");
	expect("5 {\"ok\":true}");
	assert_string_equal(world.trace, "pause; admin.command ");
	command("{\"command\":\"relay resume\",\"relay\":\"gmail\"}");
	expect("5 {\"ok\":true}");
	assert_string_equal(world.trace, "resume; admin.command ");
	command("{\"command\":\"relay pause\",\"relay\":\"nobody\"}");
	expect("5 {\"ok\":false,\"error\":\"there is no such relay; subgatectl relay list names them\"}");
}

static void a_test_mail_needs_addresses(void **state)
{
	(void)state;
	command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"to\":\"no address\"}");
	expect("5 {\"ok\":false,\"dialog\":[],\"error\":\"--to is no mail address\"}");
	command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"from\":\"a@b\"}");
	expect("5 {\"ok\":false,\"dialog\":[],\"error\":\"--from is for a mail; expected --to too\"}");
	command("{\"command\":\"relay test\",\"relay\":\"gmail\",\"to\":\"a@b\\r\\nRSET\"}");
	expect("5 {\"ok\":false,\"dialog\":[],\"error\":\"--to is no mail address\"}");
}

struct bad_command {
	const char *json, *error;
};

static const struct bad_command bad_commands[] = {
	{ "", "not JSON" },
	{ "{", "not JSON" },
	{ "[]", "unknown command" },
	{ "{}", "unknown command" },
	{ "{\"command\":7}", "unknown command" },
	{ "{\"command\":\"shutdown\"}", "unknown command" },
	{ "{\"command\":\"quota show\"}", "a user is wanted" },
	{ "{\"command\":\"quota reset\",\"user\":\"\"}", "a user is wanted" },
	{ "{\"command\":\"quota show\",\"user\":[]}", "a user is wanted" },
};

static void what_cannot_be_done_is_answered_too(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_commands) / sizeof(*bad_commands); i++) {
		char answer[100];
		snprintf(answer, sizeof(answer), "5 {\"ok\":false,\"error\":\"%s\"}", bad_commands[i].error);
		command(bad_commands[i].json);
		expect(answer);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

static void a_gate_that_comes_again_has_one_door_the_new_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		gate_doors_attach(&gates, 7, open_door(&gate_peer));
	assert_int_equal(gates.count, 1);
	assert_false(gate_doors_knew(&gates, 7));
	gate_doors_attach(&gates, 8, open_door(&gate_peer));
	assert_int_equal(gates.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_session_with_a_grant_may_send),
		CASE(a_session_without_a_grant_hears_530_and_nothing_is_begun),
		CASE(another_gates_session_is_nobodys_here),
		CASE(a_session_that_closed_has_no_grant_left),
		CASE(a_grant_that_was_withdrawn_is_not_kept),
		CASE(a_gate_that_goes_takes_its_grants_along_and_late_ones_are_not_kept),
		CASE(grants_stay_while_auth_is_away),
		CASE(a_gate_that_talks_nonsense_loses_its_door),
		CASE(a_gate_that_grants_itself_a_session_loses_its_door),
		CASE(data_aborts_and_sessions_reach_their_places),
		CASE(a_failed_login_is_recorded),
		CASE(the_records_of_a_gate_are_bounded_and_what_is_left_out_is_counted),
		CASE(refusals_of_nobody_are_bounded_too),
		CASE(large_texts_of_a_gate_cost_more_of_its_ration),
		CASE(whoever_logs_in_uses_up_no_ration),
		CASE(a_credential_is_asked_of_auth_and_given_to_the_pool_once),
		CASE(without_auth_there_is_no_credential),
		CASE(who_waits_for_a_credential_hears_when_auth_goes),
		CASE(no_more_credentials_wait_than_there_is_room_for),
		CASE(quota_show_tells_what_is_used_and_when_it_ends),
		CASE(the_limits_of_the_last_login_count),
		CASE(a_gate_that_comes_again_has_one_door_the_new_one),
		CASE(quota_reset_is_recorded),
		CASE(an_answer_for_an_admin_role_that_left_is_dropped),
		CASE(relay_list_shows_each_pool),
		CASE(relays_are_paused_and_resumed_by_name),
		CASE(a_test_mail_needs_addresses),
		CASE(what_cannot_be_done_is_answered_too),
	};
	return cmocka_run_group_tests_name("relay doors", tests, NULL, NULL);
}
