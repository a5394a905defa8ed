/*
 * A small world for the tests of the relay's deliveries. What surrounds them is played, and writes what it is asked for
 * into a trace, so that a test can say what happened in which order: upstreams here, the rest in relay_played.h. The
 * real ones run in tests/e2e.
 */
#ifndef TESTS_RELAY_WORLD_H
#define TESTS_RELAY_WORLD_H

#include "relay_played_quota.h"

/* ---- upstream */

static inline void trace_asked(const char *verb, const struct upstream_recipient *recipients, size_t count)
{
	char text[1024] = "";
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof(text) - used, " %.*s", SPAN_ARGS(recipients[i].address));
	}
	trace_line("%s%s", verb, text);
}

enum status upstream_begin(struct upstream_pool *pool, const struct upstream_envelope *envelope,
			   const struct upstream_recipient *recipients, size_t count, uint64_t limit_ms,
			   const struct upstream_handler *handler, void *context, struct upstream_attempt **out_attempt)
{
	const char *name = (const char *)pool;
	assert_null(world.upstream);
	if (world.relay_is_down[name[0] - 'A'])
		return STATUS_NO_MEMORY;
	char verb[8];
	snprintf(verb, sizeof(verb), "%s:", name);
	trace_asked(verb, recipients, count);
	world.begin_limit_ms = limit_ms;
	world.begin_size = envelope->size;
	world.begin_eight_bit = envelope->eight_bit;
	snprintf(world.begin_mailbox, sizeof(world.begin_mailbox), "%.*s", SPAN_ARGS(envelope->mailbox));
	snprintf(world.begin_from, sizeof(world.begin_from), "%.*s", SPAN_ARGS(envelope->mail_from));
	snprintf(world.begin_parameters, sizeof(world.begin_parameters), "%.*s|%.*s|%.*s", SPAN_ARGS(envelope->ret),
		 SPAN_ARGS(envelope->envid), SPAN_ARGS(recipients[0].parameters));
	world.upstream = calloc(1, sizeof(*world.upstream));
	*world.upstream = (struct upstream_attempt){ handler, context };
	*out_attempt = world.upstream;
	return STATUS_OK;
}

enum status upstream_add_recipients(struct upstream_attempt *upstream, const struct upstream_recipient *recipients,
				    size_t count)
{
	assert_ptr_equal(upstream, world.upstream);
	trace_asked("more:", recipients, count);
	return STATUS_OK;
}

void upstream_send(struct upstream_attempt *upstream, struct spool_message *message, uint64_t size, bool eight_bit,
		   uint64_t step_ms)
{
	world.send_size = size;
	world.send_eight_bit = eight_bit;
	world.step_ms = step_ms;
	assert_ptr_equal(upstream, world.upstream);
	assert_non_null(message);
	trace_line("send");
}

void upstream_release(struct upstream_attempt *upstream, uint64_t limit_ms)
{
	world.verdict_ms = limit_ms;
	assert_ptr_equal(upstream, world.upstream);
	trace_line("DOT");
}

static inline void drop_upstream(void)
{
	free(world.upstream);
	world.upstream = NULL;
}

void upstream_abort(struct upstream_attempt **upstream)
{
	assert_ptr_equal(*upstream, world.upstream);
	trace_line("abort");
	drop_upstream();
	*upstream = NULL;
}

/* The upstream's replies to the recipients it was asked for, separated by |. */
static inline void upstream_says(const char *replies)
{
	struct span rest = span_of(replies), list[16];
	size_t count = 0;
	assert_non_null(world.upstream);
	while (count < 16 && span_cut(&rest, '|', &list[count]))
		count++;
	world.upstream->handler->on_replies(world.upstream->context, list, count);
	end_turn();
}

static inline void upstream_holds(void)
{
	assert_non_null(world.upstream);
	world.upstream->handler->on_held(world.upstream->context);
	end_turn();
}

static inline void upstream_ends_with(enum upstream_class class, const char *reply, bool dot_released)
{
	struct upstream_attempt ended = *world.upstream;
	struct upstream_outcome outcome = {
		.class = class,
		.reply = span_of(reply),
		.reason = SPAN("as the test says"),
		.dot_released = dot_released,
		.host = "192.0.2.1",
	};
	drop_upstream();
	ended.handler->on_done(ended.context, &outcome);
	end_turn();
}

static inline void upstream_fails(const char *reply)
{
	upstream_ends_with(UPSTREAM_TRANSPORT, reply, false);
}

/* ---- the role around it */

static struct config_relay relays[3] = { { .name = "A", .reply_timeout = 50000 },
					 { .name = "B", .reply_timeout = 50000 },
					 { .name = "C", .reply_timeout = 50000 } };
static char *route_relays[] = { "A", "B", "C" };
static struct config_route routes[1] = { { .name = "default", .relays = { route_relays, 2 } } };
static struct config config;
static struct upstream_pool *pools[3];
static struct services services;

/* The auth role, asked whether a session's right holds. */
static inline enum status note_recheck(void *context, const struct grant *asked)
{
	(void)context;
	if (world.auth_is_away)
		return STATUS_UNAVAILABLE;
	trace_line("recheck %s", asked->name);
	return STATUS_OK;
}

static struct rechecks rechecks = { .services = &services, .ask = note_recheck };
static struct deliveries *deliveries;
static struct grants *grants;
static struct grant *grant;
static struct delivery_gate gate;

static inline void keep_envelope_reply(struct delivery_gate *self, const struct door_envelope_reply *reply)
{
	struct codec_list rest = reply->replies;
	struct span item;
	size_t used = 0;
	(void)self;
	world.envelope_reply[0] = '\0';
	while (codec_list_next(&rest, &item))
		used += (size_t)snprintf(world.envelope_reply + used, TEXT_SIZE - used, "%s%.*s", used ? "|" : "",
					 SPAN_ARGS(item));
	trace_line("replies");
}

static inline void keep_message_reply(struct delivery_gate *self, const struct door_message_reply *reply)
{
	(void)self;
	keep_text(world.message_reply, reply->reply);
	trace_line("answer");
}

static inline struct grant *log_in(uint64_t session, struct span user)
{
	struct buf senders BUF_AUTO;
	struct grant *made;
	buf_init(&senders, 1024);
	assert_int_equal(codec_list_add(&senders, user), STATUS_OK);
	struct door_grant message = {
		.gate = 7, .session = session, .user = user, .user_id = user, .senders = codec_list_of(&senders)
	};
	assert_int_equal(grants_add(grants, &message, &made), STATUS_OK);
	return made;
}

static inline int world_begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.now = 1000000;
	config = (struct config){
		.limits = { .connections = 1000,
			    .transactions_per_user = 3,
			    .message_size = 1000,
			    .recipients_per_message = 5,
			    .command_timeout = 300000,
			    .data_timeout = 180000 },
		.sender = { .envelope = SENDER_ENFORCE, .delimiter = "+" },
		.relay = { relays, 3 },
		.route = { routes, 1 },
	};
	for (size_t i = 0; i < 3; i++)
		pools[i] = (struct upstream_pool *)relays[i].name;
	routes[0].relays.count = 2;
	services = (struct services){ .config = &config, .pools = pools, .rechecks = &rechecks };
	assert_int_equal(message_ids_init(&services.ids, 3), STATUS_OK);
	assert_int_equal(users_create(&services.users), STATUS_OK);
	assert_int_equal(rations_begin(&services.rations, NULL, NULL), STATUS_OK);
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	assert_int_equal(deliveries_create(&services, &deliveries), STATUS_OK);
	gate = (struct delivery_gate){ 7, keep_envelope_reply, keep_message_reply };
	grant = log_in(1, SPAN("ann@example.com"));
	return 0;
}

static inline int world_end(void **state)
{
	(void)state;
	drop_upstream();
	deliveries_free(&deliveries);
	grants_free(&grants);
	rations_end(&services.rations);
	users_free(&services.users);
	assert_null(world.timers);
	return 0;
}

/* ---- what a gate says */

/* Recipients separated by spaces; the transaction's number is the session's times 100 and `n`. */
static inline enum status say_envelope(struct grant *by, unsigned n, const char *from, const char *recipients)
{
	struct buf addresses BUF_AUTO, parameters BUF_AUTO;
	struct span rest = span_of(recipients), address;
	buf_init(&addresses, TEXT_SIZE);
	buf_init(&parameters, TEXT_SIZE);
	while (span_cut(&rest, ' ', &address)) {
		assert_int_equal(codec_list_add(&addresses, address), STATUS_OK);
		assert_int_equal(codec_list_add(&parameters, span_of(world.rcpt_parameters)), STATUS_OK);
	}
	struct door_envelope envelope = {
		.session = by->session,
		.transaction = by->session * 100 + n,
		.mail_from = span_of(from),
		.mail_parameters =
			world.mail_parameters ? span_of(world.mail_parameters) : SPAN("SIZE=20 body=8bitmime"),
		.size = 20,
		.recipients = codec_list_of(&addresses),
		.recipient_parameters = codec_list_of(&parameters),
	};
	enum status status = deliveries_take_envelope(deliveries, &gate, by, &envelope);
	end_turn();
	return status;
}

static inline void say_data(uint64_t transaction, const char *bytes, bool complete)
{
	struct door_message_data data = { .transaction = transaction, .complete = complete, .bytes = span_of(bytes) };
	assert_int_equal(deliveries_take_data(deliveries, &gate, &data), STATUS_OK);
	end_turn();
}

#define MESSAGE_TEXT "Subject: x\r\n\r\nhello\r\n"

/* The way of a message: relay A is asked for bob, */
static inline void bring_envelope(void)
{
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	expect_trace("A: bob@x");
}

/* it accepts bob, */
static inline void bring_recipient(void)
{
	bring_envelope();
	upstream_says("250 2.1.5 OK");
	expect_trace("replies");
}

/* the message is complete and is being charged, */
static inline void bring_message(void)
{
	bring_recipient();
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("charge");
}

/* the charge is granted, and relay A gets the message while its record is being written, */
static inline void bring_to_handover(void)
{
	bring_message();
	quota_says(QUOTA_GRANTED);
	expect_trace("message.leaving 1; send");
}

/* and once it is written, the final dot. */
static inline void bring_to_dot(void)
{
	bring_to_handover();
	audit_says(STATUS_OK);
	upstream_holds();
	expect_trace("DOT");
}

#endif
