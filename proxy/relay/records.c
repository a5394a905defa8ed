/* Filling audit records. Owns nothing beyond a call. */
#include "relay/records.h"

#include <stdlib.h>

#include "base/log.h"
#include "smtp/reply.h"

#define SOME_RECIPIENTS 16 /* need no memory */

/* For records that no promise hangs on: when they can't be queued the log says so. */
static void submit_or_log(struct audit *audit, const struct audit_event *event)
{
	enum status status = audit_submit(audit, event, NULL, NULL);
	if (status != STATUS_OK)
		log_error("audit record %u of session %.*s lost: %s", (unsigned)event->type, SPAN_ARGS(event->session),
			  status_text(status));
}

static struct span cut_text(struct span text)
{
	return span_slice(text, 0, GATE_TEXT_MAXIMUM);
}

static struct client_facts cut_client(const struct client_facts *client)
{
	return client_facts_cut(client, GATE_TEXT_MAXIMUM);
}

static uint64_t cap_count(uint64_t count)
{
	return count < RATIONS_COUNT_MAXIMUM ? count : RATIONS_COUNT_MAXIMUM;
}

static void fill_identity(struct audit_event *event, const struct grant *grant)
{
	event->session = span_of(grant->name);
	event->user = grant->user;
	event->user_id = grant->user_id;
	event->auth_method = grant->auth_method;
	event->sasl_mechanism = grant->sasl_mechanism;
	event->app_password_id = grant->app_password_id;
}

static void fill_grant(struct audit_event *event, const struct grant *grant)
{
	fill_identity(event, grant);
	event->client = cut_client(&grant->client);
}

void records_session_opened(struct audit *audit, uint32_t gate, const struct door_session_opened *message)
{
	char session[32];
	grant_name_session(gate, message->session, session);
	struct audit_event event = { .type = AUDIT_SESSION_OPEN, .session = span_of(session) };
	event.client = cut_client(&message->client);
	submit_or_log(audit, &event);
}

void records_session_closed(struct audit *audit, uint32_t gate, const struct door_session_closed *message,
			    const struct grant *grant)
{
	char session[32];
	grant_name_session(gate, message->session, session);
	struct audit_event event = { .type = AUDIT_SESSION_CLOSE, .session = span_of(session) };
	if (grant)
		fill_identity(&event, grant);
	event.client = cut_client(&message->client);
	event.reason = cut_text(message->reason);
	event.has_duration = true;
	event.duration_ms = message->duration_ms;
	submit_or_log(audit, &event);
}

void records_session_ended(struct audit *audit, const struct grant *grant, struct span reason)
{
	struct audit_event event = { .type = AUDIT_SESSION_ENDED, .reason = reason };
	fill_grant(&event, grant);
	submit_or_log(audit, &event);
}

void records_user_locked(struct audit *audit, const struct door_user_locked *message)
{
	const struct audit_event event = {
		.type = AUDIT_USER_LOCKED, .user = message->user, .user_id = message->user_id, .reason = message->reason
	};
	submit_or_log(audit, &event);
}

void records_session_refused(struct audit *audit, const struct door_session_refused *message)
{
	const struct audit_event event = {
		.type = AUDIT_SESSION_REFUSED,
		.client = { .address = cut_text(message->address),
			    .port = message->port,
			    .listener = cut_text(message->listener) },
		.reason = cut_text(message->reason),
		.count = cap_count(message->count),
	};
	submit_or_log(audit, &event);
}

void records_sessions_anonymous(struct audit *audit, const struct door_sessions_anonymous *message)
{
	const struct audit_event event = {
		.type = AUDIT_SESSION_ANONYMOUS,
		.client = { .address = cut_text(message->network) },
		.count = cap_count(message->count),
	};
	submit_or_log(audit, &event);
}

void records_auth_success(struct audit *audit, const struct grant *grant)
{
	struct audit_event event = { .type = AUDIT_AUTH_SUCCESS };
	fill_grant(&event, grant);
	submit_or_log(audit, &event);
}

void records_auth_failure(struct audit *audit, const struct door_auth_failed *message)
{
	char session[32];
	grant_name_session(message->gate, message->session, session);
	struct audit_event event = {
		.type = AUDIT_AUTH_FAILURE,
		.session = span_of(session),
		.user = message->user,
		.auth_method = message->auth_method,
		.sasl_mechanism = message->sasl_mechanism,
		.app_password_id = message->app_password_id,
		.reason = message->reason,
	};
	event.client = cut_client(&message->client);
	submit_or_log(audit, &event);
}

static void record_quota(struct audit *audit, enum audit_type type, const struct grant *grant,
			 const struct quota_state *state)
{
	struct audit_event event = {
		.type = type,
		.quota = { state->used, state->limit, state->resets_at },
		.reason = span_of(state->unit),
	};
	fill_grant(&event, grant);
	submit_or_log(audit, &event);
}

void records_quota_exceeded(struct audit *audit, const struct grant *grant, const struct quota_state *state)
{
	record_quota(audit, AUDIT_QUOTA_EXCEEDED, grant, state);
}

void records_quota_warning(struct audit *audit, const struct grant *grant, const struct quota_state *state)
{
	record_quota(audit, AUDIT_QUOTA_WARNING, grant, state);
}

void records_user_alert(struct audit *audit, const struct grant *grant, struct span reason)
{
	struct audit_event event = { .type = AUDIT_USER_ALERT, .reason = reason };
	fill_grant(&event, grant);
	submit_or_log(audit, &event);
}

void records_quota_lost(struct audit *audit, struct span reason)
{
	const struct audit_event event = { .type = AUDIT_QUOTA_LOST, .reason = reason };
	submit_or_log(audit, &event);
}

void records_certificate_expiring(struct audit *audit, struct span reason)
{
	const struct audit_event event = { .type = AUDIT_CERTIFICATE_EXPIRING, .reason = reason };
	submit_or_log(audit, &event);
}

void records_quota_rebuilt(struct audit *audit, uint64_t messages, uint64_t duration_ms)
{
	const struct audit_event event = {
		.type = AUDIT_QUOTA_REBUILT, .count = messages, .has_duration = true, .duration_ms = duration_ms
	};
	submit_or_log(audit, &event);
}

enum status records_command(struct audit *audit, const struct door_command_record *message, audit_callback *callback,
			    void *context)
{
	const struct audit_command command = { message->uid,    message->name,    message->token, message->command,
					       message->object, message->options, message->result };
	const struct audit_event event = {
		.type = AUDIT_ADMIN_COMMAND, .user = message->user, .reason = message->reason, .command = &command
	};
	return audit_submit(audit, &event, callback, context);
}

static struct audit_reply read_reply(struct span text)
{
	struct reply reply;
	if (reply_read(text, &reply) != STATUS_OK)
		return (struct audit_reply){ .text = text };
	return (struct audit_reply){ reply.code, reply.enhanced, reply.text };
}

void records_gate_refused(struct audit *audit, const char *session, const struct grant *grant, struct span mail_from,
			  struct span reply, struct span reason)
{
	struct audit_event event = {
		.type = AUDIT_MESSAGE_REFUSED,
		.session = span_of(session),
		.has_mail_from = true,
		.mail_from = cut_text(mail_from),
		.response = read_reply(cut_text(reply)),
		.reason = cut_text(reason),
	};
	if (grant) {
		fill_grant(&event, grant);
	}
	submit_or_log(audit, &event);
}

static void fill_message(struct audit_event *event, const struct record_message *message)
{
	fill_grant(event, message->grant);
	if (!span_is_empty(message->helo))
		event->client.helo = message->helo;
	event->message = span_of(message->id);
	event->attempt = message->attempt;
	event->has_mail_from = true;
	event->mail_from = message->mail_from;
	event->header_from = message->header_from;
	event->size = message->size;
	event->message_id = message->message_id;
	event->relay = message->relay;
	event->relay_host = message->relay_host;
	event->sent_as = message->sent_as;
	event->redirected_to = message->redirected_to;
	event->digest = message->digest;
	if (!span_is_empty(message->response))
		event->response = read_reply(message->response);
	event->quota = message->quota;
	event->shared_quota = message->shared_quota;
	event->reason = message->reason;
	event->has_duration = message->has_duration;
	event->duration_ms = message->duration_ms;
	event->alike = message->alike;
	event->out_alike = message->out_alike;
}

enum status records_message(struct audit *audit, enum audit_type type, const struct record_message *message,
			    audit_callback *callback, void *context)
{
	struct audit_recipient some[SOME_RECIPIENTS], *recipients = some;
	size_t count = message->alike.size ? 0 : message->recipients->count;
	if (count > SOME_RECIPIENTS && (recipients = reallocarray(NULL, count, sizeof(*recipients))) == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		recipients[i].address = message->recipients->items[i].address;
		recipients[i].reply = read_reply(message->recipients->items[i].reply);
	}
	struct audit_event event = { .type = type, .recipients = recipients, .recipient_count = count };
	event.is_ahead = message->is_ahead;
	fill_message(&event, message);
	enum status status = audit_submit(audit, &event, callback, context);
	if (recipients != some)
		free(recipients);
	return status;
}
