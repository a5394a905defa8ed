/* Judging messages by their user's habits. Owns the questions that are open, each with its grant. */
#include "relay/judge.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/network.h"
#include "relay/records.h"

#define CLIENT_SIZE 160 /* bytes: a kind of client, in words */

/* One message that waits for its verdict. */
struct trial_of_message {
	TAILQ_ENTRY(trial_of_message) in_open;
	struct judge *judge;
	struct grant *grant; /* held */
	judged_callback *callback;
	void *delivery;
	unsigned score;
	char network[NETWORK_TEXT_SIZE], client[CLIENT_SIZE];
	char reason[SCORE_REASON_SIZE + 32];
};

struct judge {
	struct services *services;
	struct scores *scores;
	struct events *events;
	TAILQ_HEAD(trials_of_messages, trial_of_message) open;
};

enum status judge_create(struct services *services, struct scores *scores, struct events *events,
			 struct judge **out_judge)
{
	struct judge *judge = calloc(1, sizeof(*judge));
	if (judge == NULL)
		return STATUS_NO_MEMORY;
	*judge = (struct judge){ .services = services, .scores = scores, .events = events };
	TAILQ_INIT(&judge->open);
	*out_judge = judge;
	return STATUS_OK;
}

static void end_trial(struct trial_of_message *trial)
{
	TAILQ_REMOVE(&trial->judge->open, trial, in_open);
	grant_release(&trial->grant);
	free(trial);
}

void judge_free(struct judge **judge)
{
	if (*judge == NULL)
		return;
	while (!TAILQ_EMPTY(&(*judge)->open))
		end_trial(TAILQ_FIRST(&(*judge)->open));
	free(*judge);
	*judge = NULL;
}

/* ---- what a message looks like */

/* The end of a greeting's name says more of a program than its beginning, which is the machine's. */
static struct span shape_of_helo(struct span helo)
{
	if (helo.size && helo.data[0] == '[')
		return SPAN("[]");
	size_t dot = span_find_byte(helo, '.');
	return dot == helo.size ? SPAN("a name alone") : span_slice(helo, dot, helo.size);
}

static void describe_client(const struct grant *grant, char out_text[CLIENT_SIZE])
{
	const struct client_facts *client = &grant->client;
	snprintf(out_text, CLIENT_SIZE, "%.*s, %.*s, %.*s, greets as %.*s", SPAN_ARGS(grant->sasl_mechanism),
		 SPAN_ARGS(client->tls_version), SPAN_ARGS(client->tls_cipher),
		 SPAN_ARGS(span_slice(shape_of_helo(client->helo), 0, 60)));
}

/* ---- the verdict */

static void give_verdict(struct trial_of_message *trial, enum judged verdict)
{
	trial->callback(trial->delivery, verdict);
	end_trial(trial);
}

static enum score_action action_of(const struct judge *judge)
{
	switch (judge->services->config->alert.action) {
	case ALERT_LOCK:
		return SCORE_LOCK;
	case ALERT_THROTTLE:
		return SCORE_THROTTLE;
	case ALERT_RECORD:
	default:
		return SCORE_RECORD;
	}
}

static void raise_notice(const struct trial_of_message *trial, enum score_action action)
{
	static const char *const done[] = {
		[SCORE_RECORD] = "sends in an unusual way: maybe their password was stolen",
		[SCORE_THROTTLE] =
			"sends in an unusual way, and has to wait for an hour: maybe their password was stolen",
		[SCORE_LOCK] = "sends in an unusual way, and is locked: maybe their password was stolen",
	};
	static const char locked[] = "If it is them: subgatectl user unlock %.*s\nIf not: change the password first.";
	static const char not_locked[] = "If it is not them: subgatectl user lock %.*s\nThen change the password.";
	struct buf text BUF_AUTO;
	buf_init(&text, NOTICE_TEXT_MAXIMUM);
	enum status status = buf_printf(&text, "%s.\n\n", trial->reason);
	if (status == STATUS_OK && action == SCORE_LOCK)
		status = buf_printf(&text, locked, SPAN_ARGS(trial->grant->user));
	else if (status == STATUS_OK)
		status = buf_printf(&text, not_locked, SPAN_ARGS(trial->grant->user));
	const struct notice notice = {
		.kind = NOTICE_USER_ALERT,
		.severity = NOTICE_ALARM,
		.user = trial->grant->user,
		.subject = span_of(done[action]),
		.text = status == STATUS_OK ? buf_span(&text) : span_of(trial->reason),
	};
	notices_raise(&trial->judge->services->notices, &notice);
}

/* Sessions of theirs end on every node, and nobody logs in as them. */
static void end_sessions(const struct trial_of_message *trial)
{
	const struct event event = { .kind = EVENT_LOCK, .user_id = trial->grant->user_id };
	const struct door_user_locked message = { .user = trial->grant->user,
						  .user_id = trial->grant->user_id,
						  .reason = span_of(trial->reason) };
	records_user_locked(trial->judge->services->audit, &message);
	if (events_publish(trial->judge->events, &event) != STATUS_OK)
		log_error("%.*s is locked, but other nodes can't be told", SPAN_ARGS(trial->grant->user));
}

static void tell_of_alert(const struct trial_of_message *trial, enum score_action action)
{
	struct services *services = trial->judge->services;
	log_warning("%.*s sends in an unusual way: %s", SPAN_ARGS(trial->grant->user), trial->reason);
	records_user_alert(services->audit, trial->grant, span_of(trial->reason));
	stats_add(services->stats, COUNTER_ALERTS, services->config->alert.action, 1);
	raise_notice(trial, action);
	if (action == SCORE_LOCK)
		end_sessions(trial);
}

/* What can't be marked is put off: the next message finds out. */
static void on_marked(void *context, enum status status, bool is_first)
{
	struct trial_of_message *trial = context;
	enum score_action action = action_of(trial->judge);
	if (status == STATUS_OK && is_first)
		tell_of_alert(trial, action);
	if (action == SCORE_RECORD)
		give_verdict(trial, JUDGED_GOOD);
	else
		give_verdict(trial, status == STATUS_OK && action == SCORE_LOCK ? JUDGED_LOCKED : JUDGED_PUT_OFF);
}

static void act_upon(struct trial_of_message *trial, const struct score_facts *facts)
{
	char words[SCORE_REASON_SIZE];
	struct judge *judge = trial->judge;
	score_explain(facts, span_of(trial->network), span_of(trial->client), words);
	snprintf(trial->reason, sizeof(trial->reason), "score %u: %s", trial->score, words);
	enum status status = scores_mark(judge->scores, trial->grant->user, trial->grant->user_id, action_of(judge),
					 span_of(trial->reason), on_marked, trial);
	if (status != STATUS_OK)
		on_marked(trial, status, false);
}

static void on_taken(void *context, enum score_verdict verdict, const struct score_facts *facts)
{
	struct trial_of_message *trial = context;
	trial->score = verdict == SCORE_COUNTED ? score_compute(facts) : 0;
	if (verdict == SCORE_WAITING && trial->judge->services->config->alert.action == ALERT_THROTTLE)
		give_verdict(trial, JUDGED_PUT_OFF);
	else if (trial->score >= trial->judge->services->config->alert.score)
		act_upon(trial, facts);
	else
		give_verdict(trial, JUDGED_GOOD);
}

static struct trial_of_message *open_trial(struct judge *judge, struct grant *grant, judged_callback *callback,
					   void *delivery)
{
	struct trial_of_message *trial = calloc(1, sizeof(*trial));
	if (trial == NULL)
		return NULL;
	trial->judge = judge;
	trial->grant = grant_hold(grant);
	trial->callback = callback;
	trial->delivery = delivery;
	TAILQ_INSERT_TAIL(&judge->open, trial, in_open);
	network_of_home(grant->client.address, trial->network);
	describe_client(grant, trial->client);
	return trial;
}

enum status judge_ask(void *context, struct grant *grant, struct span strangers, judged_callback *callback,
		      void *delivery)
{
	struct judge *judge = context;
	const struct config_alert *alert = &judge->services->config->alert;
	if (config_names_user(&alert->exempt_users, &alert->exempt_groups, grant->user, grant->groups.items,
			      grant->groups.count))
		return STATUS_NOT_FOUND;
	struct trial_of_message *trial = open_trial(judge, grant, callback, delivery);
	if (trial == NULL)
		return STATUS_NO_MEMORY;
	const struct score_message message = { .user = grant->user,
					       .network = span_of(trial->network),
					       .client = span_of(trial->client),
					       .recipients = strangers };
	enum status status = scores_take(judge->scores, &message, on_taken, trial);
	if (status != STATUS_OK)
		end_trial(trial);
	return status;
}
