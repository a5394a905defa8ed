/*
 * The queue of our own letters. It plays a gate: it brings one letter's ENVELOPE, waits for the replies, brings the
 * message, waits for the verdict, and takes the next one. What comes is noted; a timer of no time acts upon it, as no
 * delivery may find its gate speaking within its turn. Owns the letters and the grant.
 */
#include "relay/own_mail.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "relay/answers.h"
#include "relay/letter.h"
#include "role/role.h"

#define OWN_GATE 0 /* no gate has this instance */
#define TRIES 6

/* Until the next try, after each one that failed: an upstream that is away for the night still gets it. */
static const uint64_t pauses_ms[TRIES] = { 60000, 300000, 900000, 3600000, 4 * 3600000ULL, 0 };

struct waiting_letter {
	TAILQ_ENTRY(waiting_letter) in_queue;
	char *to;
	char id[MESSAGE_ID_SIZE];
	struct buf bytes;
	unsigned tries;
	uint64_t due_ms; /* of the loop's clock */
};

enum own_state {
	OWN_IDLE,     /* none is under way */
	OWN_ASKED,    /* the relay's role is asked for the recipient */
	OWN_ACCEPTED, /* the recipient is accepted */
	OWN_BROUGHT,  /* the whole letter is there */
	OWN_OVER,     /* `verdict` says how it ended */
};

/* Invariant: `current` is the first of the queue iff `state` is not OWN_IDLE. */
struct own_mail {
	struct services *services;
	struct deliveries *deliveries;
	struct delivery_gate gate;
	struct grant *grant;
	struct timer *timer;
	TAILQ_HEAD(own_queue, waiting_letter) queue;
	size_t count;
	struct waiting_letter *current;
	enum own_state state;
	enum stats_result verdict;
	char reply[128]; /* for the log */
	uint64_t transaction;
	bool is_draining;
};

/* ---- letters */

static void free_letter(struct own_mail *own, struct waiting_letter *letter)
{
	TAILQ_REMOVE(&own->queue, letter, in_queue);
	own->count--;
	buf_free(&letter->bytes);
	free(letter->to);
	free(letter);
}

static void count_letter(struct own_mail *own, enum stats_result result)
{
	stats_add(own->services->stats, COUNTER_NOTICE_MAILS, result, 1);
}

static enum status fill_letter(struct own_mail *own, const struct own_letter *given, struct waiting_letter *letter)
{
	uint64_t now_us = clock_wall_us();
	message_ids_next(&own->services->ids, now_us / 1000, letter->id);
	const struct letter text = {
		.from = span_of(own->services->config->notify.from),
		.to = given->to,
		.subject = given->subject,
		.text = given->text,
		.language = given->language,
		.id = span_of(letter->id),
		.host = span_of(own->services->role->node),
		.time_us = now_us,
	};
	letter->to = span_to_string(given->to);
	return letter->to ? letter_write(&text, &letter->bytes) : STATUS_NO_MEMORY;
}

static enum status add_letter(struct own_mail *own, const struct own_letter *given)
{
	if (own->count >= OWN_MAIL_WAITING)
		return STATUS_TOO_LARGE;
	struct waiting_letter *letter = calloc(1, sizeof(*letter));
	if (letter == NULL)
		return STATUS_NO_MEMORY;
	buf_init(&letter->bytes, LETTER_SIZE_MAXIMUM);
	TAILQ_INSERT_TAIL(&own->queue, letter, in_queue);
	own->count++;
	enum status status = fill_letter(own, given, letter);
	if (status != STATUS_OK)
		free_letter(own, letter);
	return status;
}

/* ---- what the deliveries answer */

static void note_end(struct own_mail *own, struct span reply)
{
	if (answers_is_accepted(reply))
		own->verdict = STATS_RESULT_OK;
	else if (span_equal(reply, ANSWER_UNKNOWN))
		own->verdict = STATS_RESULT_UNKNOWN;
	else
		own->verdict = span_starts_with(reply, SPAN("5")) ? STATS_RESULT_REFUSED : STATS_RESULT_FAILED;
	snprintf(own->reply, sizeof(own->reply), "%.*s", SPAN_ARGS(span_slice(reply, 0, sizeof(own->reply) - 1)));
	own->state = OWN_OVER;
	timer_set(own->timer, 0);
}

static struct own_mail *own_of(struct delivery_gate *gate)
{
	return MAP_OWNER(gate, struct own_mail, gate);
}

static void on_envelope_reply(struct delivery_gate *gate, const struct door_envelope_reply *answer)
{
	struct own_mail *own = own_of(gate);
	struct codec_list replies = answer->replies;
	struct span reply = { 0 };
	if (own->state != OWN_ASKED || answer->transaction != own->transaction || !codec_list_next(&replies, &reply))
		return;
	if (!answers_is_accepted(reply)) {
		note_end(own, reply);
		return;
	}
	own->state = OWN_ACCEPTED;
	timer_set(own->timer, 0);
}

static void on_message_reply(struct delivery_gate *gate, const struct door_message_reply *answer)
{
	struct own_mail *own = own_of(gate);
	if (own->state != OWN_IDLE && own->state != OWN_OVER && answer->transaction == own->transaction)
		note_end(own, answer->reply);
}

/* ---- what it brings */

static enum status bring_envelope(struct own_mail *own)
{
	struct span to = span_of(own->current->to);
	struct buf recipients BUF_AUTO, parameters BUF_AUTO;
	buf_init(&recipients, LETTER_SIZE_MAXIMUM);
	buf_init(&parameters, LETTER_SIZE_MAXIMUM);
	TRY(codec_list_add(&recipients, to));
	TRY(codec_list_add(&parameters, (struct span){ 0 }));
	const struct door_envelope envelope = {
		.transaction = ++own->transaction,
		.mail_from = span_of(own->services->config->notify.from),
		.mail_parameters = utf8_is_ascii(to) ? (struct span){ 0 } : SPAN("SMTPUTF8"),
		.size = buf_size(&own->current->bytes),
		.recipients = codec_list_of(&recipients),
		.recipient_parameters = codec_list_of(&parameters),
		.helo = span_of(own->services->role->node),
	};
	own->state = OWN_ASKED;
	return deliveries_take_envelope(own->deliveries, &own->gate, own->grant, &envelope);
}

static enum status bring_message(struct own_mail *own)
{
	char message_id[sizeof(own->current->id) + 256 + 4];
	snprintf(message_id, sizeof(message_id), "<%s@%.255s>", own->current->id, own->services->role->node);
	const struct door_message_data data = {
		.transaction = own->transaction,
		.complete = true,
		.bytes = buf_span(&own->current->bytes),
		.header_from = span_of(own->services->config->notify.from),
		.message_id = span_of(message_id),
	};
	own->state = OWN_BROUGHT;
	return deliveries_take_data(own->deliveries, &own->gate, &data);
}

/* False: it is over, one way or the other. */
static bool tries_again(struct own_mail *own, struct waiting_letter *letter)
{
	if (own->verdict != STATS_RESULT_FAILED || ++letter->tries >= TRIES || own->is_draining)
		return false;
	letter->due_ms = loop_now_ms(own->services->loop) + pauses_ms[letter->tries - 1];
	TAILQ_REMOVE(&own->queue, letter, in_queue);
	TAILQ_INSERT_TAIL(&own->queue, letter, in_queue);
	return true;
}

static void conclude_letter(struct own_mail *own)
{
	struct waiting_letter *letter = own->current;
	deliveries_end_session(own->grant); /* where the recipient was refused, its transaction is still there */
	own->current = NULL;
	own->state = OWN_IDLE;
	if (tries_again(own, letter))
		return;
	count_letter(own, own->verdict);
	if (own->verdict != STATS_RESULT_OK)
		log_error("a notice for %s is given up: %s", letter->to, own->reply);
	free_letter(own, letter);
}

static struct waiting_letter *next_due(const struct own_mail *own)
{
	uint64_t now = loop_now_ms(own->services->loop);
	struct waiting_letter *letter;
	for (letter = TAILQ_FIRST(&own->queue); letter; letter = TAILQ_NEXT(letter, in_queue))
		if (letter->due_ms <= now)
			return letter;
	return NULL;
}

static void begin_next(struct own_mail *own)
{
	own->current = next_due(own);
	if (own->current && bring_envelope(own) != STATUS_OK)
		note_end(own, ANSWER_NO_MEMORY);
}

/* When the first that waits for its time is due. */
static void set_alarm(struct own_mail *own)
{
	uint64_t now = loop_now_ms(own->services->loop), due = UINT64_MAX;
	struct waiting_letter *letter;
	for (letter = TAILQ_FIRST(&own->queue); letter; letter = TAILQ_NEXT(letter, in_queue))
		if (letter->due_ms < due)
			due = letter->due_ms;
	if (due != UINT64_MAX)
		timer_set(own->timer, due > now ? due - now : 0);
}

static void go_on(void *context)
{
	struct own_mail *own = context;
	if (own->state == OWN_OVER)
		conclude_letter(own);
	if (own->state == OWN_ACCEPTED && bring_message(own) != STATUS_OK)
		note_end(own, ANSWER_NO_MEMORY);
	else if (own->state == OWN_IDLE)
		begin_next(own);
	if (own->state == OWN_IDLE)
		set_alarm(own);
}

/* ---- its contract */

void own_mail_send(struct own_mail *own, const struct own_letter *letter)
{
	if (own->services->config->notify.from[0] == '\0')
		return;
	enum status status = add_letter(own, letter);
	if (status == STATUS_OK && own->state == OWN_IDLE)
		timer_set(own->timer, 0);
	if (status == STATUS_OK)
		return;
	count_letter(own, STATS_RESULT_FAILED);
	log_error("a notice for %.*s is dropped: %s", SPAN_ARGS(letter->to),
		  status == STATUS_TOO_LARGE ? "too many wait, or it is too long" : status_text(status));
}

size_t own_mail_count(const struct own_mail *own)
{
	return own->count;
}

void own_mail_drain(struct own_mail *own)
{
	struct waiting_letter *letter;
	own->is_draining = true;
	for (letter = TAILQ_FIRST(&own->queue); letter; letter = TAILQ_NEXT(letter, in_queue))
		letter->due_ms = 0;
	if (own->state == OWN_IDLE)
		timer_set(own->timer, 0);
}

enum status own_mail_create(struct services *services, struct deliveries *deliveries, struct own_mail **out_mail)
{
	struct own_mail *own = calloc(1, sizeof(*own));
	if (own == NULL)
		return STATUS_NO_MEMORY;
	own->services = services;
	own->deliveries = deliveries;
	own->gate = (struct delivery_gate){ OWN_GATE, on_envelope_reply, on_message_reply };
	TAILQ_INIT(&own->queue);
	enum status status = grant_create_own(span_of(services->config->notify.from), &own->grant);
	if (status == STATUS_OK)
		status = timer_make(services->loop, go_on, own, &own->timer);
	if (status != STATUS_OK) {
		own_mail_free(&own);
		return status;
	}
	*out_mail = own;
	return STATUS_OK;
}

void own_mail_free(struct own_mail **own_at)
{
	struct own_mail *own = *own_at;
	struct waiting_letter *letter;
	if (own == NULL)
		return;
	if (own->count)
		log_error("%zu mails with notices are lost, as this process ends", own->count);
	while ((letter = TAILQ_FIRST(&own->queue)) != NULL)
		free_letter(own, letter);
	deliveries_gate_closed(own->deliveries, &own->gate);
	grant_release(&own->grant);
	timer_free(&own->timer);
	free(own);
	*own_at = NULL;
}
