/*
 * A small world for the tests of the relay's deliveries: what stands around
 * them (upstream, quota, audit, spool, timers, stats) is played by this file
 * and writes what it is asked for into a trace, one word or line each, so that
 * a test can say what happened in which order. The real ones run in tests/e2e.
 */
#ifndef TESTS_RELAY_WORLD_H
#define TESTS_RELAY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "relay/delivery_private.h"

#define TEXT_SIZE 8192
#define RECORDS_WAITING 8

struct upstream {
	const struct upstream_handler *handler;
	void *context;
};
struct spool_message {
	size_t size;
	char bytes[TEXT_SIZE];
};
struct timer {
	void (*on_expired)(void *context);
	void *context;
	uint64_t due; /* 0: cleared */
	struct timer *next;
};

static struct {
	char trace[TEXT_SIZE];
	char envelope_reply[TEXT_SIZE]; /* of the last ENVELOPE_REPLY, replies separated by | */
	char message_reply[TEXT_SIZE];  /* the last MESSAGE_REPLY; empty: none */
	char record[TEXT_SIZE];         /* the last record: reason, response, recipients */
	unsigned outcomes, leavings;    /* records of these kinds */
	uint64_t now;
	struct timer *timers;
	struct upstream *upstream; /* the last attempt begun, while it lives */
	uint64_t begin_limit_ms, send_size, step_ms, verdict_ms, begin_size;
	bool send_eight_bit, begin_eight_bit;
	const char *mail_parameters,
		*rcpt_parameters; /* that say_envelope says; NULL: "SIZE=20 body=8bitmime" and none */
	char begin_from[128], begin_mailbox[128];
	void (*on_rewritten)(void *context, enum status status, struct spool_message *copy, int64_t growth);
	void *rewriting_context;
	char begin_parameters[512]; /* RET, ENVID and the first recipient's, as the upstream gets them */
	bool relay_is_down[3];      /* upstream_begin refuses */
	audit_callback *written;    /* of the oldest record that waits; of those behind it */
	void *written_context;
	audit_callback *written_later[RECORDS_WAITING];
	void *written_later_context[RECORDS_WAITING];
	size_t written_later_count;
	bool audit_full, audit_stuck, quota_exhausted, quota_broken, budget_is_spent;
	enum budget_verdict budget; /* what budget_take answers */
	void (*budget_callback)(void *context, enum budget_verdict verdict);
	void *budget_context;
	enum status spool_status;
	quota_callback *charged;
	void *charged_context;
	uint64_t charged_recipients, charged_bytes;
	char token[64], refunded[64];
	bool refused_broken;
	refused_callback *counted; /* of the call of refused_count that is under way */
	void *counted_context;
	struct turn_end *turn; /* what runs at the end of the loop's turn; NULL: nothing */
	bool turn_goes_on;     /* what follows happens in the same turn of the loop */
} world;

static inline void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void trace(const char *format, ...)
{
	size_t used = strlen(world.trace);
	va_list args;
	va_start(args, format);
	if (used && used + 2 < sizeof(world.trace)) {
		memcpy(world.trace + used, "; ", 3);
		used += 2;
	}
	vsnprintf(world.trace + used, sizeof(world.trace) - used, format, args);
	va_end(args);
}

static inline void end_turn(void);

/* What happened since the last look, in order. */
#define expect_trace(text)                                \
	do {                                              \
		end_turn();                               \
		assert_string_equal(world.trace, (text)); \
		world.trace[0] = '\0';                    \
	} while (0)

static inline void keep_text(char *out_text, struct span text)
{
	size_t size = text.size < TEXT_SIZE - 1 ? text.size : TEXT_SIZE - 1;
	memcpy(out_text, text.data ? text.data : "", size);
	out_text[size] = '\0';
}

/* ---- the loop's turn */

void loop_first_at_turn_end(struct loop *loop, struct turn_end *hook)
{
	(void)loop;
	world.turn = hook;
}

void loop_forget_turn_end(struct loop *loop, struct turn_end *hook)
{
	(void)loop, (void)hook;
	world.turn = NULL;
}

/* After each event, unless a test lets several happen in one turn. */
static inline void end_turn(void)
{
	while (world.turn && !world.turn_goes_on) {
		struct turn_end *hook = world.turn;
		world.turn = NULL;
		hook->run(hook->context);
	}
}

/* ---- budgets: accounts without limits, unless a test gives them some */

enum budget_verdict budget_take(struct budget *budget, uint64_t recipients, struct budget_claim *claim,
				void (*callback)(void *context, enum budget_verdict verdict), void *context)
{
	(void)recipients;
	trace("budget");
	world.budget_callback = callback;
	world.budget_context = context;
	if (world.budget == BUDGET_TAKEN || world.budget == BUDGET_ASKED)
		claim->budget = budget;
	return world.budget;
}

void budget_give_back(struct budget_claim *claim)
{
	if (claim->budget)
		trace("budget back");
	claim->budget = NULL;
}

void budget_spend(struct budget_claim *claim)
{
	if (claim->budget)
		trace("budget spent");
	claim->budget = NULL;
}

struct budget *mailboxes_budget(struct mailboxes *mailboxes, const struct config_relay *relay, struct span mailbox)
{
	(void)mailboxes, (void)relay;
	trace("budget of %.*s", SPAN_ARGS(mailbox));
	return (struct budget *)&world;
}

bool budget_is_spent(const struct budget *budget)
{
	(void)budget;
	return world.budget_is_spent;
}

/* ---- time */

uint64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return world.now;
}

enum status timer_make(struct loop *loop, void (*on_expired)(void *context), void *context, struct timer **out_timer)
{
	(void)loop;
	struct timer *timer = calloc(1, sizeof(*timer));
	*timer = (struct timer){ on_expired, context, 0, world.timers };
	world.timers = timer;
	*out_timer = timer;
	return STATUS_OK;
}

void timer_set(struct timer *timer, uint64_t delay_ms)
{
	timer->due = world.now + delay_ms + (delay_ms == 0);
}

void timer_clear(struct timer *timer)
{
	timer->due = 0;
}

void timer_free(struct timer **timer)
{
	struct timer **at = &world.timers;
	while (*at && *at != *timer)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	free(*timer);
	*timer = NULL;
}

/* One due timer a look, as its callback may free others. */
static inline void pass_time(uint64_t ms)
{
	bool found = true;
	world.now += ms;
	while (found) {
		found = false;
		for (struct timer *timer = world.timers; timer; timer = timer->next) {
			if (timer->due == 0 || timer->due > world.now)
				continue;
			found = true;
			timer->due = 0;
			timer->on_expired(timer->context);
			end_turn();
			break;
		}
	}
}

/* ---- stats */

void stats_add(struct stats *stats, enum stats_counter counter, unsigned label, uint64_t n)
{
	(void)stats, (void)n;
	static const char *const results[] = { "ok", "refused", "failed", "unknown" };
	if (counter == COUNTER_MESSAGES)
		trace("count %s", results[label % 8]);
}

void stats_observe_ms(struct stats *stats, enum stats_counter histogram, unsigned label, uint64_t duration_ms)
{
	(void)stats, (void)histogram, (void)label, (void)duration_ms;
}

/* ---- audit */

bool audit_is_stuck(const struct audit *audit)
{
	(void)audit;
	return world.audit_stuck;
}

static inline void keep_record(const struct audit_event *event)
{
	struct buf text BUF_AUTO;
	buf_init(&text, TEXT_SIZE);
	assert_int_equal(buf_printf(&text, "%.*s/%.*s/%u %.*s", SPAN_ARGS(event->user), SPAN_ARGS(event->relay),
				    event->response.code, SPAN_ARGS(event->response.text)),
			 STATUS_OK);
	for (size_t i = 0; i < event->recipient_count; i++)
		assert_int_equal(buf_printf(&text, "/%.*s %u", SPAN_ARGS(event->recipients[i].address),
					    event->recipients[i].reply.code),
				 STATUS_OK);
	assert_int_equal(buf_printf(&text, "/%.*s", SPAN_ARGS(event->reason)), STATUS_OK);
	keep_text(world.record, buf_span(&text));
}

enum status audit_submit(struct audit *audit, const struct audit_event *event, audit_callback *callback, void *context)
{
	static const char *const names[] = {
#define EVENT(NUMBER, name, help) name,
#include "audit/events.def"
#undef EVENT
	};
	(void)audit;
	if (world.audit_full) {
		trace("no room for %s", names[event->type]);
		return STATUS_UNAVAILABLE;
	}
	if (event->attempt)
		trace("%s %u", names[event->type], event->attempt);
	else
		trace("%s", names[event->type]);
	keep_record(event);
	world.leavings += event->type == AUDIT_MESSAGE_LEAVING;
	world.outcomes += event->type == AUDIT_MESSAGE_SENT || event->type == AUDIT_MESSAGE_FAILED ||
			  event->type == AUDIT_MESSAGE_UNKNOWN;
	if (callback && world.written) {
		assert_true(world.written_later_count < RECORDS_WAITING);
		world.written_later[world.written_later_count] = callback;
		world.written_later_context[world.written_later_count++] = context;
	} else if (callback) {
		world.written = callback;
		world.written_context = context;
	}
	return STATUS_OK;
}

static inline void audit_says(enum status written)
{
	audit_callback *callback = world.written;
	void *context = world.written_context;
	assert_non_null(callback);
	world.written = NULL;
	if (world.written_later_count) {
		world.written = world.written_later[0];
		world.written_context = world.written_later_context[0];
		world.written_later_count--;
		memmove(world.written_later, world.written_later + 1, sizeof(world.written_later) - sizeof(void *));
		memmove(world.written_later_context, world.written_later_context + 1,
			sizeof(world.written_later_context) - sizeof(void *));
	}
	callback(context, written);
	end_turn();
}

/* ---- quota */

void quota_limits_for(const struct config *config, struct span user, const struct span *groups, size_t group_count,
		      struct quota_limits *out_limits)
{
	(void)config, (void)user, (void)groups, (void)group_count;
	*out_limits = (struct quota_limits){ .messages_per_day = 500 };
}

static const struct quota_state full_state = {
	.used = 500, .limit = 500, .unit = "messages", .messages = 500, .resets_at = 1795392000
};

bool quota_is_exhausted(struct quota *quota, struct span user, const struct quota_limits *limits,
			struct quota_state *out_state)
{
	(void)quota, (void)user, (void)limits;
	if (world.quota_exhausted)
		*out_state = full_state;
	return world.quota_exhausted;
}

enum status quota_charge(struct quota *quota, struct span user, struct span token, const struct quota_limits *limits,
			 uint64_t recipients, uint64_t bytes, quota_callback *callback, void *context)
{
	(void)quota, (void)user, (void)limits;
	trace("charge");
	if (world.quota_broken)
		return STATUS_NO_MEMORY;
	assert_null(world.charged);
	world.charged = callback;
	world.charged_context = context;
	world.charged_recipients = recipients;
	world.charged_bytes = bytes;
	keep_text(world.token, token);
	return STATUS_OK;
}

static inline void quota_says(enum quota_verdict verdict)
{
	quota_callback *callback = world.charged;
	assert_non_null(callback);
	world.charged = NULL;
	callback(world.charged_context, verdict, &full_state);
	end_turn();
}

void quota_refund(struct quota *quota, struct span user, struct span token)
{
	(void)quota, (void)user;
	trace("refund");
	keep_text(world.refunded, token);
}

void quota_settle(struct quota *quota, struct span user, struct span token)
{
	(void)quota, (void)user, (void)token;
	trace("settle");
}

void quota_format(enum quota_verdict verdict, const struct quota_state *state, char *out_text, size_t size)
{
	(void)verdict;
	snprintf(out_text, size, "Over quota: %llu of %llu", (unsigned long long)state->used,
		 (unsigned long long)state->limit);
}

/* ---- refused recipients: without a limit, unless a test sets one */

enum status refused_count(struct refused_recipients *refused, struct span user, uint64_t limit, uint64_t more,
			  refused_callback *callback, void *context)
{
	(void)refused, (void)user, (void)limit;
	if (world.refused_broken)
		return STATUS_UNAVAILABLE;
	trace(more ? "count %u" : "look", (unsigned)more);
	assert_null(world.counted);
	world.counted = callback;
	world.counted_context = context;
	return STATUS_OK;
}

/* `refused`: within the hour, of which `counted` were asked for; none of them counts any more after a minute. */
static inline void refused_says(uint64_t counted, uint64_t refused, bool is_reached)
{
	refused_callback *callback = world.counted;
	const struct refused_count count = {
		.counted = counted, .refused = refused, .limit = 100, .free_in_s = 60, .is_reached = is_reached
	};
	assert_non_null(callback);
	world.counted = NULL;
	callback(world.counted_context, &count);
	end_turn();
}

/* ---- spool */

enum status spool_begin(struct spool *spool, struct spool_share *share, struct spool_message **out_message)
{
	(void)share;
	(void)spool;
	if (world.spool_status != STATUS_OK)
		return world.spool_status;
	*out_message = calloc(1, sizeof(**out_message));
	return STATUS_OK;
}

bool spool_share_is_free(const struct spool_share *share)
{
	return share->messages == 0;
}

enum status spool_append(struct spool_message *message, struct span bytes)
{
	if (world.spool_status != STATUS_OK)
		return world.spool_status;
	assert_true(message->size + bytes.size <= sizeof(message->bytes));
	memcpy(message->bytes + message->size, bytes.data, bytes.size);
	message->size += bytes.size;
	return STATUS_OK;
}

void spool_message_free(struct spool_message **message)
{
	free(*message);
	*message = NULL;
}

/* ---- rewriting */

enum status rewriting_begin(struct loop *loop, struct spool_message *original, struct span account,
			    void (*on_done)(void *context, enum status status, struct spool_message *copy,
					    int64_t growth),
			    void *context, struct rewriting **out_rewriting)
{
	(void)loop;
	assert_non_null(original);
	trace("rewrite as %.*s", SPAN_ARGS(account));
	world.on_rewritten = on_done;
	world.rewriting_context = context;
	*out_rewriting = (struct rewriting *)&world;
	return STATUS_OK;
}

void rewriting_cancel(struct rewriting **rewriting)
{
	if (*rewriting)
		trace("rewriting cancelled");
	*rewriting = NULL;
}

/* The copy is made, and larger by so many bytes. */
static inline void rewriting_says(enum status status, int64_t growth)
{
	struct spool_message *copy = status == STATUS_OK ? calloc(1, sizeof(*copy)) : NULL;
	world.on_rewritten(world.rewriting_context, status, copy, growth);
	end_turn();
}

/* ---- upstream */

static inline void trace_asked(const char *verb, const struct upstream_recipient *recipients, size_t count)
{
	char text[1024] = "";
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof(text) - used, " %.*s", SPAN_ARGS(recipients[i].address));
	}
	trace("%s%s", verb, text);
}

enum status upstream_begin(struct upstream_pool *pool, const struct upstream_envelope *envelope,
			   const struct upstream_recipient *recipients, size_t count, uint64_t limit_ms,
			   const struct upstream_handler *handler, void *context, struct upstream **out_upstream)
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
	*world.upstream = (struct upstream){ handler, context };
	*out_upstream = world.upstream;
	return STATUS_OK;
}

enum status upstream_add_recipients(struct upstream *upstream, const struct upstream_recipient *recipients,
				    size_t count)
{
	assert_ptr_equal(upstream, world.upstream);
	trace_asked("more:", recipients, count);
	return STATUS_OK;
}

void upstream_send(struct upstream *upstream, struct spool_message *message, uint64_t size, bool eight_bit,
		   uint64_t step_ms)
{
	world.send_size = size;
	world.send_eight_bit = eight_bit;
	world.step_ms = step_ms;
	assert_ptr_equal(upstream, world.upstream);
	assert_non_null(message);
	trace("send");
}

void upstream_release(struct upstream *upstream, uint64_t limit_ms)
{
	world.verdict_ms = limit_ms;
	assert_ptr_equal(upstream, world.upstream);
	trace("DOT");
}

static inline void drop_upstream(void)
{
	free(world.upstream);
	world.upstream = NULL;
}

void upstream_abort(struct upstream **upstream)
{
	assert_ptr_equal(*upstream, world.upstream);
	trace("abort");
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
	struct upstream ended = *world.upstream;
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
	trace("replies");
}

static inline void keep_message_reply(struct delivery_gate *self, const struct door_message_reply *reply)
{
	(void)self;
	keep_text(world.message_reply, reply->reply);
	trace("answer");
}

static inline struct grant *log_in(uint64_t session, struct span user)
{
	struct buf senders BUF_AUTO;
	struct grant *made;
	buf_init(&senders, 1024);
	assert_int_equal(codec_list_add(&senders, user), STATUS_OK);
	struct door_grant message = { .gate = 7, .session = session, .user = user, .senders = codec_list_of(&senders) };
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
	services = (struct services){ .config = &config, .pools = pools };
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

/* Everything up to the charge: bob is accepted by relay A and the message is complete. */
static inline void bring_message(void)
{
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	upstream_says("250 2.1.5 OK");
	say_data(101, MESSAGE_TEXT, true);
	expect_trace("A: bob@x; replies; charge");
}

/* …and with the charge granted and the record written, up to the final dot. */
static inline void bring_to_dot(void)
{
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	upstream_holds();
	expect_trace("message.leaving 1; send; DOT");
}

#endif
