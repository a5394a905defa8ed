/*
 * relay test: logs in at a relay, shows the dialog, and sends a test mail if one is wanted. That mail is recorded and
 * counted in the account's budget like any other; it is nobody's, so no quota counts it.
 *
 * How it fails: with a text for the administrator. An administrator who has left hears nothing, and the mail goes to
 * its end all the same.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/control.h"
#include "relay/records.h"
#include "role/role.h"
#include "smtp/address.h"

#define ANSWER_MS 50000   /* in all, until the administrator hears how far it got */
#define STEP_MS 30000     /* for one step of the mail */
#define LINES_MAXIMUM 500 /* of the dialog */
#define ARENA_MAXIMUM (64U << 10)

/* Invariants: the record message.leaving is submitted iff `is_leaving`; then exactly one outcome follows. */
struct trial {
	struct trial *next;
	struct control *control;
	uint64_t request, generation;
	size_t relay;
	json_t *lines;
	struct timer *timer;
	struct upstream_trial *upstream_trial;
	struct upstream_attempt *upstream;
	struct spool_message *message;
	struct budget_claim claim;
	struct arena arena;
	struct recipients recipients;
	struct grant sender; /* whose the records say it is */
	char from[ADDRESS_MAXIMUM + 1], to[ADDRESS_MAXIMUM + 1];
	char id[MESSAGE_ID_SIZE];
	uint64_t size, begun_ms;
	bool is_answered, is_leaving, is_over;
	bool waits_for_audit;
};

static struct services *services_of(const struct trial *trial)
{
	return trial->control->services;
}

static const struct config_relay *relay_of(const struct trial *trial)
{
	return &services_of(trial)->config->relay.items[trial->relay];
}

/* ---- its end */

static void answer_administrator(struct trial *trial, const char *error)
{
	if (trial->is_answered)
		return;
	trial->is_answered = true;
	json_t *reply = json_pack("{s:b, s:O}", "ok", error == NULL, "dialog", trial->lines);
	if (reply && error)
		json_object_set_new(reply, "error", json_string(error));
	if (trial->generation == trial->control->generation)
		control_reply(trial->control, trial->request, reply);
	else
		json_decref(reply);
}

static void free_trial(struct trial *trial)
{
	struct trial **at = &trial->control->trials;
	while (*at != trial)
		at = &(*at)->next;
	*at = trial->next;
	timer_free(&trial->timer);
	spool_message_free(&trial->message);
	recipients_free(&trial->recipients);
	arena_reset(&trial->arena);
	json_decref(trial->lines);
	free(trial);
}

static void free_if_over(struct trial *trial)
{
	if (trial->is_over && !trial->waits_for_audit && trial->upstream == NULL)
		free_trial(trial);
}

static void finish_trial(struct trial *trial, const char *error)
{
	answer_administrator(trial, error);
	budget_give_back(&trial->claim);
	upstream_trial_close(&trial->upstream_trial);
	timer_clear(trial->timer);
	trial->is_over = true;
}

/* In front of the message: nothing of it has left. */
static void give_trial_up(struct trial *trial, const char *error)
{
	upstream_abort(&trial->upstream);
	finish_trial(trial, error);
}

static void on_late(void *context)
{
	answer_administrator(context, "it takes too long; the log and the audit tell how it ends");
}

/* ---- the mail */

static struct record_message describe_mail(const struct trial *trial)
{
	return (struct record_message){ .grant = &trial->sender,
					.id = trial->id,
					.mail_from = span_of(trial->from),
					.header_from = span_of(trial->from),
					.recipients = &trial->recipients,
					.size = trial->size,
					.attempt = 1,
					.relay = span_of(relay_of(trial)->name) };
}

static void record_outcome(const struct trial *trial, const struct upstream_outcome *outcome)
{
	struct record_message record = describe_mail(trial);
	enum audit_type type = outcome->class == UPSTREAM_ACCEPTED  ? AUDIT_MESSAGE_SENT
			       : outcome->class == UPSTREAM_UNKNOWN ? AUDIT_MESSAGE_UNKNOWN
								    : AUDIT_MESSAGE_FAILED;
	record.relay_host = span_of(outcome->host);
	record.response = outcome->reply;
	record.reason = outcome->class == UPSTREAM_ACCEPTED ? (struct span){ 0 } : outcome->reason;
	record.has_duration = true;
	record.duration_ms = loop_now_ms(services_of(trial)->loop) - trial->begun_ms;
	if (records_message(services_of(trial)->audit, type, &record, NULL, NULL) != STATUS_OK)
		log_error("message %s: the outcome of a test is not recorded", trial->id);
}

static void on_done(void *context, const struct upstream_outcome *outcome)
{
	struct trial *trial = context;
	char error[600];
	trial->upstream = NULL;
	if (trial->is_leaving)
		record_outcome(trial, outcome);
	if (outcome->class == UPSTREAM_ACCEPTED || outcome->class == UPSTREAM_UNKNOWN)
		budget_spend(&trial->claim);
	snprintf(error, sizeof(error), "the test mail: %.*s", SPAN_ARGS(outcome->reason));
	finish_trial(trial, outcome->class == UPSTREAM_ACCEPTED ? NULL : error);
	free_if_over(trial);
}

static void on_held(void *context)
{
	struct trial *trial = context;
	upstream_release(trial->upstream, STEP_MS);
}

static void on_leaving_written(void *context, enum status written)
{
	struct trial *trial = context;
	trial->waits_for_audit = false;
	if (written == STATUS_OK && trial->upstream) {
		upstream_send(trial->upstream, trial->message, trial->size, false, STEP_MS);
	} else if (trial->upstream) {
		const struct upstream_outcome failed = { .reason = SPAN("audit unavailable"), .host = "" };
		record_outcome(trial, &failed);
		give_trial_up(trial, "the audit can't be written");
	}
	free_if_over(trial);
}

static void hand_mail_over(struct trial *trial)
{
	struct record_message record = describe_mail(trial);
	if (leaving_submit(services_of(trial), &record, on_leaving_written, trial) != STATUS_OK) {
		give_trial_up(trial, "the audit can't be written");
		return;
	}
	trial->is_leaving = trial->waits_for_audit = true;
}

static void judge_budget(struct trial *trial, enum budget_verdict verdict)
{
	if (verdict == BUDGET_TAKEN)
		hand_mail_over(trial);
	else if (verdict != BUDGET_ASKED)
		give_trial_up(trial, verdict == BUDGET_SPENT
					     ? "its account has sent as much as it may for now"
					     : "the budget of its account can't be counted: Redis is away");
}

static void on_budget(void *context, enum budget_verdict verdict)
{
	struct trial *trial = context;
	if (trial->upstream)
		judge_budget(trial, verdict);
	free_if_over(trial);
}

static void on_replies(void *context, const struct span *replies, size_t count)
{
	struct trial *trial = context;
	struct budget *budget = services_of(trial)->budgets ? services_of(trial)->budgets[trial->relay] : NULL;
	if (count != 1 || recipients_take_reply(&trial->recipients, replies[0]) != STATUS_OK ||
	    recipients_accepted(&trial->recipients) == 0)
		give_trial_up(trial, "the relay does not take this recipient");
	else
		judge_budget(trial, budget ? budget_take(budget, 1, &trial->claim, on_budget, trial) : BUDGET_TAKEN);
	free_if_over(trial);
}

static const struct upstream_handler mail_handler = { on_replies, on_held, on_done };

static enum status write_message(struct trial *trial)
{
	struct services *services = services_of(trial);
	char text[2048], date[CLOCK_TEXT_SIZE + 8];
	clock_format_mail(clock_wall_us(), date);
	int size = snprintf(text, sizeof(text),
			    "From: <%s>\r\nTo: <%s>\r\nSubject: Subgate test of relay %s\r\nDate: %s\r\n"
			    "Message-ID: <%s@%s>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
			    "An administrator of Subgate sent this mail to try the relay.\r\n",
			    trial->from, trial->to, relay_of(trial)->name, date, trial->id, services->role->node);
	if (size < 0 || (size_t)size >= sizeof(text))
		return STATUS_TOO_LARGE;
	trial->size = (uint64_t)size; /* no line begins with a dot */
	TRY(spool_begin(services->spool, NULL, &trial->message));
	return spool_append(trial->message, span_of(text));
}

static enum status begin_mail(struct trial *trial)
{
	const struct upstream_envelope envelope = { .mail_from = span_of(trial->from), .size = trial->size };
	const struct upstream_recipient recipient = { .address = span_of(trial->to) };
	recipients_begin_batch(&trial->recipients);
	TRY(recipients_add(&trial->recipients, recipient.address, (struct span){ 0 }, (struct span){ 0 }));
	recipients_release(&trial->recipients, 1); /* an administrator's: it counts among nobody's refused ones */
	recipients_begin_attempt(&trial->recipients);
	return upstream_trial_begin(trial->upstream_trial, &envelope, &recipient, 1, STEP_MS, &mail_handler, trial,
				    &trial->upstream);
}

/* ---- the login */

static void on_line(void *context, const char *line)
{
	struct trial *trial = context;
	if (json_array_size(trial->lines) < LINES_MAXIMUM)
		json_array_append_new(trial->lines, json_string(line));
}

static void on_ready(void *context)
{
	struct trial *trial = context;
	enum status status = STATUS_OK;
	if (trial->to[0] == '\0') {
		finish_trial(trial, NULL);
	} else {
		status = write_message(trial);
		if (status == STATUS_OK)
			status = begin_mail(trial);
		if (status != STATUS_OK)
			give_trial_up(trial, status_text(status));
	}
	free_if_over(trial);
}

static void on_failed(void *context, const char *reason)
{
	struct trial *trial = context;
	if (trial->upstream == NULL)
		finish_trial(trial, reason);
	free_if_over(trial);
}

static const struct upstream_trial_handler trial_handler = { on_line, on_ready, on_failed };

/* ---- its beginning */

static bool copy_address(const char *text, char out_address[ADDRESS_MAXIMUM + 1])
{
	struct mailbox mailbox;
	if (strlen(text) > ADDRESS_MAXIMUM || address_read(span_of(text), false, &mailbox) != STATUS_OK ||
	    mailbox.domain.size == 0)
		return false;
	snprintf(out_address, ADDRESS_MAXIMUM + 1, "%s", text);
	return true;
}

/* The account itself where it is an address: no relay refuses that one. */
static bool choose_sender(struct trial *trial, const char *wanted)
{
	char fallback[300];
	if (wanted)
		return copy_address(wanted, trial->from);
	snprintf(fallback, sizeof(fallback), "postmaster@%s", services_of(trial)->role->node);
	return copy_address(relay_of(trial)->user, trial->from) || copy_address(fallback, trial->from);
}

static const char *read_arguments(struct trial *trial, const json_t *object)
{
	const char *to = json_string_value(json_object_get(object, "to"));
	const char *from = json_string_value(json_object_get(object, "from"));
	if (to == NULL && from)
		return "--from is for a mail; expected --to too";
	if (to && !copy_address(to, trial->to))
		return "--to is no mail address";
	if (to && !choose_sender(trial, from))
		return "--from is no mail address";
	return NULL;
}

static struct trial *make_trial(struct control *control, uint64_t request, size_t relay)
{
	struct loop *loop = control->services->loop;
	struct trial *trial = calloc(1, sizeof(*trial));
	if (trial == NULL)
		return NULL;
	*trial = (struct trial){ .control = control,
				 .request = request,
				 .generation = control->generation,
				 .relay = relay,
				 .lines = json_array(),
				 .begun_ms = loop_now_ms(loop) };
	if (timer_make(loop, on_late, trial, &trial->timer) != STATUS_OK) {
		json_decref(trial->lines);
		free(trial);
		return NULL;
	}
	arena_init(&trial->arena, ARENA_MAXIMUM);
	recipients_init(&trial->recipients, &trial->arena);
	trial->sender.user = SPAN("subgatectl");
	message_ids_next(&control->services->ids, clock_wall_us() / 1000, trial->id);
	trial->next = control->trials;
	control->trials = trial;
	timer_set(trial->timer, ANSWER_MS);
	return trial;
}

static void begin_trial(struct trial *trial, const json_t *object)
{
	const char *error = read_arguments(trial, object);
	if (error) {
		finish_trial(trial, error);
		return;
	}
	if (upstream_trial_open(services_of(trial)->pools[trial->relay], &trial_handler, trial,
				&trial->upstream_trial) != STATUS_OK)
		finish_trial(trial, "out of memory");
}

void control_try_relay(struct control *control, uint64_t request, const json_t *object)
{
	size_t index;
	if (!control_find_relay(control, request, object, &index))
		return;
	struct trial *trial = make_trial(control, request, index);
	if (trial == NULL) {
		control_refuse(control, request, "out of memory");
		return;
	}
	begin_trial(trial, object);
	free_if_over(trial);
}

/* ---- the end of the process */

void relay_admin_door_drop_trials(struct control *control)
{
	for (struct trial *trial = control->trials; trial; trial = trial->next) {
		budget_give_back(&trial->claim);
		upstream_trial_close(&trial->upstream_trial);
		spool_message_free(&trial->message);
	}
}

void control_trials_free(struct control *control)
{
	while (control->trials)
		free_trial(control->trials);
}
