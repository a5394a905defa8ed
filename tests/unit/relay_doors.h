/*
 * The relay role's doors over real sockets and a real loop, for their tests. Deliveries, pools, quota and audit are
 * played here, and write what they are asked for into a trace.
 */
#ifndef TESTS_RELAY_DOORS_H
#define TESTS_RELAY_DOORS_H

#include "with_loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "relay/admin_door.h"
#include "relay/auth_door.h"
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

static inline void note(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void note(char *text, const char *format, ...)
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
				 struct upstream_attempt **out_attempt)
{
	(void)trial, (void)envelope, (void)recipients, (void)count, (void)limit_ms, (void)upstream_handler;
	(void)context, (void)out_attempt;
	return STATUS_NO_MEMORY;
}

void upstream_trial_close(struct upstream_trial **trial)
{
	assert_null(*trial);
}

void upstream_send(struct upstream_attempt *upstream, struct spool_message *message, uint64_t size, bool eight_bit,
		   uint64_t step_ms)
{
	(void)upstream, (void)message, (void)size, (void)eight_bit, (void)step_ms;
}

void upstream_release(struct upstream_attempt *upstream, uint64_t limit_ms)
{
	(void)upstream, (void)limit_ms;
}

void upstream_abort(struct upstream_attempt **upstream)
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

static inline enum status ask_quota(const char *what, struct span user, const struct quota_limits *limits,
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

static inline void redis_says(enum quota_verdict verdict)
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

static inline enum status hear(void *context, struct door *door, uint16_t type, struct span payload)
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

static inline void lose(void *context, struct door *door)
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
static inline int open_door(struct door **out_peer)
{
	int fds[2];
	door_free(out_peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(door_create(services.loop, fds[0], &peer_handler, NULL, out_peer), STATUS_OK);
	return fds[1];
}

static inline int begin(void **state)
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
	relay_admin_door_attach(&control, open_door(&admin_peer));
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	gate_doors_close(&gates);
	relay_auth_door_close(&auth);
	relay_admin_door_close(&control);
	relay_admin_door_free(&control);
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

static inline bool is_there(void *text)
{
	return strstr(world.trace, text) || strstr(world.heard, text);
}

/* Runs until the text shows in the trace or in what a peer heard. */
static inline void expect(const char *text)
{
	run_until(services.loop, is_there, (void *)text);
}

static inline void forget(void)
{
	world.trace[0] = world.heard[0] = '\0';
}

static inline void grant_session(uint32_t gate, uint64_t session)
{
	const struct door_grant message = {
		.request = session, .gate = gate, .session = session, .user = SPAN("ann@x")
	};
	assert_int_equal(door_send_grant(auth_peer, &message), STATUS_OK);
}

static inline void send_envelope(uint64_t session)
{
	struct buf recipients BUF_AUTO;
	buf_init(&recipients, 100);
	assert_int_equal(codec_list_add(&recipients, SPAN("bob@x")), STATUS_OK);
	const struct door_envelope message = { .session = session,
					       .transaction = 1,
					       .recipients = codec_list_of(&recipients) };
	assert_int_equal(door_send_envelope(gate_peer, &message), STATUS_OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
