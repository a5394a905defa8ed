/*
 * What surrounds the relay's deliveries in their tests: time, audit, spool and stats are played here, quota and budgets
 * in relay_played_quota.h. They write what they are asked for into a trace, one word or line each. relay_world.h has
 * the rest.
 */
#ifndef TESTS_RELAY_PLAYED_H
#define TESTS_RELAY_PLAYED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "relay/delivery_private.h"
#include "relay/recheck.h"

#define TEXT_SIZE 8192
#define RECORDS_WAITING 8

struct upstream_attempt {
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
	unsigned claims;                /* calls of audit_claim */
	bool is_ahead;                  /* the last record's callback waits for one */
	uint64_t now;
	struct timer *timers;
	struct upstream_attempt *upstream; /* the last attempt begun, while it lives */
	uint64_t begin_limit_ms, send_size, step_ms, verdict_ms, begin_size;
	bool send_eight_bit, begin_eight_bit;
	const char *mail_parameters,
		*rcpt_parameters; /* that say_envelope says; NULL: "SIZE=20 body=8bitmime" and none */
	char begin_from[128], begin_mailbox[128];
	void (*on_rewritten)(void *context, enum status status, struct spool_message *copy, int64_t growth);
	void *rewriting_context;
	bool is_rewriting;
	char begin_parameters[512]; /* RET, ENVID and the first recipient's, as the upstream gets them */
	bool relay_is_down[3];      /* upstream_begin refuses */
	audit_callback *written;    /* of the oldest record that waits; of those after it */
	void *written_context;
	audit_callback *written_later[RECORDS_WAITING];
	void *written_later_context[RECORDS_WAITING];
	size_t written_later_count;
	bool audit_full, audit_stuck, quota_exhausted, quota_broken, quota_is_rebuilt, quota_is_local, budget_is_spent,
		auth_is_away;
	enum budget_verdict budget; /* what budget_take answers */
	void (*budget_callback)(void *context, enum budget_verdict verdict);
	void *budget_context;
	enum status spool_status;
	quota_callback *charged;
	void *charged_context;
	uint64_t charged_recipients, charged_bytes;
	char charged_strangers[TEXT_SIZE];
	char token[64], refunded[64];
	bool refused_broken;
	refused_callback *counted; /* of the call of refused_count that is under way */
	void *counted_context;
	struct turn_end *turn; /* what runs at the end of the loop's turn; NULL: nothing */
	bool turn_goes_on;     /* what follows happens in the same turn of the loop */
} world;

static inline void trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void trace_line(const char *format, ...)
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
		trace_line("count %s", results[label % 8]);
}

void stats_observe_ms(struct stats *stats, enum stats_counter histogram, unsigned label, uint64_t duration_ms)
{
	(void)stats, (void)histogram, (void)label, (void)duration_ms;
}

/* ---- audit */

void audit_claim(struct audit *audit)
{
	(void)audit;
	world.claims++;
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
	if (event->redirected_to.size)
		assert_int_equal(buf_printf(&text, " to %.*s", SPAN_ARGS(event->redirected_to)), STATUS_OK);
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
		trace_line("no room for %s", names[event->type]);
		return STATUS_UNAVAILABLE;
	}
	if (event->attempt)
		trace_line("%s %u", names[event->type], event->attempt);
	else
		trace_line("%s", names[event->type]);
	keep_record(event);
	world.is_ahead = event->is_ahead;
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

enum status rewriting_begin(struct loop *loop, struct spool_message *original, const struct rewriting_changes *changes,
			    void (*on_done)(void *context, enum status status, struct spool_message *copy,
					    int64_t growth),
			    void *context, struct rewriting **out_rewriting)
{
	(void)loop;
	assert_non_null(original);
	if (changes->account.size)
		trace_line("rewrite as %.*s", SPAN_ARGS(changes->account));
	if (changes->fields.size)
		trace_line("add %.*s", SPAN_ARGS(changes->fields));
	world.on_rewritten = on_done;
	world.rewriting_context = context;
	world.is_rewriting = true;
	*out_rewriting = (struct rewriting *)&world;
	return STATUS_OK;
}

void rewriting_cancel(struct rewriting **rewriting)
{
	if (*rewriting)
		trace_line("rewriting cancelled");
	world.is_rewriting = world.is_rewriting && *rewriting == NULL;
	*rewriting = NULL;
}

/* The copy is made, and larger by so many bytes. */
static inline void rewriting_says(enum status status, int64_t growth)
{
	struct spool_message *copy = status == STATUS_OK ? calloc(1, sizeof(*copy)) : NULL;
	world.is_rewriting = false;
	world.on_rewritten(world.rewriting_context, status, copy, growth);
	end_turn();
}

#endif
