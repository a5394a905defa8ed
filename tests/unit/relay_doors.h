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

#include "quota/quota_control.h"
#include "relay/admin_door.h"
#include "relay/auth_door.h"
#include "relay/recheck.h"
#include "relay/records.h"
#include "relay/withdrawals.h"

#define TEXT_SIZE 8192

static struct {
	char trace[TEXT_SIZE];
	char heard[TEXT_SIZE]; /* frames that came to the peers */
	struct delivery_gate *gate;
	size_t records, longest;
	bool is_gate_named;
	uint64_t stood_for[AUDIT_TYPE_COUNT];
	quota_report_callback *asked;
	by_hand_callback *asked_change;
	quota_page_callback *asked_page;
	void *asked_context;
	uint64_t asked_limit;
	bool audit_stuck, audit_full;
	audit_callback *written; /* of the last record that somebody waits for */
	void *written_context;
} world;

static inline void note_line(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void note_line(char *text, const char *format, ...)
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
	note_line(world.trace, "envelope of %.*s", SPAN_ARGS(grant->user));
	world.gate = gate;
	return codec_list_count(envelope->recipients) ? STATUS_OK : STATUS_INVALID;
}

enum status deliveries_take_data(struct deliveries *deliveries, const struct delivery_gate *gate,
				 const struct door_message_data *data)
{
	(void)deliveries, (void)gate;
	note_line(world.trace, "data %.*s", SPAN_ARGS(data->bytes));
	return STATUS_OK;
}

void deliveries_abort(struct deliveries *deliveries, const struct delivery_gate *gate, struct grant *grant,
		      const struct door_transaction_aborted *message)
{
	(void)deliveries, (void)gate, (void)message;
	note_line(world.trace, "abort of %s", grant ? grant->name : "nobody");
}

void deliveries_end_session(struct grant *grant)
{
	note_line(world.trace, "session %s ends", grant->name);
}

void deliveries_rechecked(struct grant *grant)
{
	note_line(world.trace, "session %s goes on", grant->name);
}

void deliveries_gate_closed(struct deliveries *deliveries, const struct delivery_gate *gate)
{
	(void)deliveries;
	note_line(world.trace, "gate %u closed", gate->instance);
}

void upstream_pool_credential(struct upstream_pool *pool, uint64_t ticket, const struct upstream_credential *credential)
{
	(void)pool;
	note_line(world.trace, "ticket %llu: %s %.*s", (unsigned long long)ticket, credential->available ? "yes" : "no",
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
	note_line(world.trace, "pause");
}

void upstream_pool_resume(struct upstream_pool *pool)
{
	(void)pool;
	note_line(world.trace, "resume");
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
	(void)audit;
	if (world.audit_full)
		return STATUS_UNAVAILABLE;
	world.written = callback;
	world.written_context = context;
	world.records++;
	if (event->client.helo.size > world.longest)
		world.longest = event->client.helo.size;
	world.is_gate_named |= span_equal(event->detail, SPAN("gate 7"));
	world.stood_for[event->type] += span_equal(event->reason, SPAN(RATIONS_REASON)) ? event->count : 1;
	if (event->command)
		note_line(world.trace, "%s %llu %.*s|%.*s|%.*s|%.*s|%.*s|%.*s", names[event->type],
			  (unsigned long long)event->command->uid, SPAN_ARGS(event->command->name),
			  SPAN_ARGS(event->command->command), SPAN_ARGS(event->command->object),
			  SPAN_ARGS(event->command->options), SPAN_ARGS(event->command->result),
			  SPAN_ARGS(event->user));
	else if (event->count)
		note_line(world.trace, "%s count %llu %.*s", names[event->type], (unsigned long long)event->count,
			  SPAN_ARGS(event->detail));
	else if (world.records < 100)
		note_line(world.trace, "%s %.*s", names[event->type], SPAN_ARGS(event->user));
	return STATUS_OK;
}
void audit_claim(struct audit *audit)
{
	(void)audit;
}
bool audit_is_stuck(const struct audit *audit)
{
	(void)audit;
	return world.audit_stuck;
}

struct audit_position audit_written_position(const struct audit *audit)
{
	(void)audit;
	return (struct audit_position){ 0 };
}

const struct audit_public *audit_public(const struct audit *audit)
{
	static const struct audit_public public = { .first = "4e6f7468696e67" };
	(void)audit;
	return &public;
}

void role_distrust_gate(const struct role_context *context, uint32_t instance)
{
	(void)context;
	note_line(world.trace, "gate %u is distrusted", instance);
}

const char *quota_limits_for(const struct config *config, struct span user, const struct span *groups,
			     size_t group_count, struct quota_limits *out_limits)
{
	(void)user, (void)groups;
	*out_limits = (struct quota_limits){ .messages_per_day = group_count ? 20000 : 500 };
	for (size_t i = 0; i < config->quota.count; i++)
		if (config->quota.items[i].shared)
			out_limits->shared = &config->quota.items[i];
	return "default";
}

struct quota_limits quota_limits_of(const struct config_quota *section)
{
	return (struct quota_limits){ .messages_per_day = section->messages_per_day, .section = section->name };
}

static inline enum status ask_quota(const char *what, const struct quota_name *name, const struct quota_limits *limits,
				    bool are_sure, quota_report_callback *callback, void *context)
{
	note_line(world.trace, "%s %.*s%s%s", what, SPAN_ARGS(name->name), name->is_shared ? " shared" : "",
		  are_sure ? "" : " perhaps");
	world.asked = callback;
	world.asked_context = context;
	world.asked_limit = limits->messages_per_day;
	return STATUS_OK;
}

enum status quota_show(struct quota *quota, const struct quota_name *name, const struct quota_limits *limits,
		       bool are_sure, quota_report_callback *callback, void *context)
{
	(void)quota;
	return ask_quota("show", name, limits, are_sure, callback, context);
}

enum status quota_look_back(struct quota *quota, const struct quota_name *name, const struct quota_limits *limits,
			    bool are_sure, quota_report_callback *callback, void *context)
{
	(void)quota;
	return ask_quota("look back at", name, limits, are_sure, callback, context);
}

enum status quota_reset(struct quota *quota, const struct quota_name *name, const struct quota_limits *limits,
			bool are_sure, quota_report_callback *callback, void *context)
{
	(void)quota;
	return ask_quota("reset", name, limits, are_sure, callback, context);
}

const char *quota_override_option(size_t index)
{
	static const char *const options[] = { "messages_per_day", "bytes_per_day" };
	return index < 2 ? options[index] : NULL;
}

static inline void ask_change(by_hand_callback *callback, void *context)
{
	world.asked_change = callback;
	world.asked_context = context;
}

enum status quota_set_limits(struct quota *quota, const struct quota_name *name, const struct quota_override *overrides,
			     size_t count, by_hand_callback *callback, void *context)
{
	(void)quota;
	for (size_t i = 0; i < count; i++)
		note_line(world.trace, "set %.*s %s=%llu until %llu", SPAN_ARGS(name->name), overrides[i].option,
			  (unsigned long long)overrides[i].limit, (unsigned long long)overrides[i].until_s);
	ask_change(callback, context);
	return STATUS_OK;
}

enum status quota_unset_limits(struct quota *quota, const struct quota_name *name, const char *option,
			       by_hand_callback *callback, void *context)
{
	(void)quota;
	note_line(world.trace, "unset %.*s %s", SPAN_ARGS(name->name), option ? option : "all");
	ask_change(callback, context);
	return STATUS_OK;
}

enum status quota_list(struct quota *quota, const char *cursor, quota_page_callback *callback, void *context)
{
	(void)quota;
	if (strcmp(cursor, "bad") == 0)
		return STATUS_INVALID;
	note_line(world.trace, "list after %s", cursor);
	world.asked_page = callback;
	world.asked_context = context;
	return STATUS_OK;
}

/* One node alone is waited for, "mx2". */
enum status quota_do_without(struct quota *quota, struct span node)
{
	(void)quota;
	note_line(world.trace, "without %.*s", SPAN_ARGS(node));
	return span_equal(node, SPAN("mx2")) ? STATUS_OK : STATUS_NOT_FOUND;
}

void quota_forget_seen(struct quota *quota, struct span name)
{
	(void)quota;
	note_line(world.trace, "forget %.*s", SPAN_ARGS(name));
}

static inline void redis_says(const char *user)
{
	const struct quota_report report = {
		.name = { .name = span_of(user) },
		.messages = 3,
		.recipients = 4,
		.bytes = 5,
		.resets_at = 1795392000,
		.limits = { .messages_per_day = world.asked_limit, .recipients_per_day = 2000 },
		.section = "default",
	};
	world.asked(world.asked_context, &report);
}

static inline void redis_fails(void)
{
	world.asked(world.asked_context, NULL);
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
static struct relay_auth_door auth;
static struct control control;
static struct rechecks rechecks;
static struct withdrawals withdrawals;
static struct door *gate_peer, *auth_peer, *admin_peer;

static inline enum status note_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_granted granted;
	struct door_credential_request wanted;
	struct door_envelope_reply reply;
	struct door_control_reply answer;
	struct door_command_recorded recorded;
	(void)context, (void)door;
	if (type == DOOR_GRANTED && door_read_granted(payload, &granted) == STATUS_OK)
		note_line(world.heard, "granted %llu", (unsigned long long)granted.request);
	else if (type == DOOR_CREDENTIAL_REQUEST && door_read_credential_request(payload, &wanted) == STATUS_OK)
		note_line(world.heard, "credential %llu for %.*s", (unsigned long long)wanted.request,
			  SPAN_ARGS(wanted.relay));
	else if (type == DOOR_ENVELOPE_REPLY && door_read_envelope_reply(payload, &reply) == STATUS_OK) {
		struct span item;
		while (codec_list_next(&reply.replies, &item))
			note_line(world.heard, "%.*s", SPAN_ARGS(item));
	} else if (type == DOOR_CONTROL_REPLY && door_read_control_reply(payload, &answer) == STATUS_OK)
		note_line(world.heard, "%llu %.*s", (unsigned long long)answer.request, SPAN_ARGS(answer.json));
	else if (type == DOOR_COMMAND_RECORDED && door_read_command_recorded(payload, &recorded) == STATUS_OK)
		note_line(world.heard, "%llu %s", (unsigned long long)recorded.request,
			  recorded.written ? "written" : "not written");
	else if (type != DOOR_RING) /* which each gate is given */
		note_line(world.heard, "%s", door_type_text(type));
	return STATUS_OK;
}

static inline void note_loss(void *context, struct door *door)
{
	(void)context;
	note_line(world.heard, "door lost");
	if (door == gate_peer)
		door_free(&gate_peer);
	else if (door == auth_peer)
		door_free(&auth_peer);
	else
		door_free(&admin_peer);
}

static const struct door_handler peer_handler = { .on_frame = note_frame, .on_closed = note_loss };

/* Gives the role's end of a new door; *out_peer is the test's. */
static inline int open_door(struct door **out_peer)
{
	int fds[2];
	door_free(out_peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(door_create(services.loop, fds[0], &peer_handler, NULL, out_peer), STATUS_OK);
	return fds[1];
}

static inline int begin_doors(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	assert_int_equal(loop_create(&services.loop), STATUS_OK);
	assert_int_equal(users_create(&services.users), STATUS_OK);
	assert_int_equal(stats_create_private(&services.stats), STATUS_OK);
	assert_int_equal(rations_begin(&services.rations, services.loop, NULL), STATUS_OK);
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	gates = (struct gate_doors){ .services = &services, .grants = grants };
	auth = (struct relay_auth_door){ .services = &services, .grants = grants, .gates = &gates };
	withdrawals = (struct withdrawals){ .services = &services, .grants = grants, .gates = &gates };
	control = (struct control){ .services = &services, .withdrawals = &withdrawals };
	relay_auth_door_begin_rechecks(&auth, &rechecks);
	auth.withdrawals = &withdrawals;
	services.rechecks = &rechecks;
	gate_doors_attach(&gates, 7, open_door(&gate_peer));
	relay_auth_door_attach(&auth, open_door(&auth_peer));
	relay_admin_door_attach(&control, open_door(&admin_peer));
	return 0;
}

static inline int end_doors(void **state)
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
static inline void await_text(const char *text)
{
	run_until(services.loop, is_there, (void *)text);
}

static inline void forget_heard(void)
{
	world.trace[0] = world.heard[0] = '\0';
}

static inline void grant_session(uint32_t gate, uint64_t session)
{
	const struct door_grant message = {
		.request = session, .gate = gate, .session = session, .user = SPAN("ann@x"), .user_id = SPAN("corp:ann")
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_doors, end_doors)

#endif
