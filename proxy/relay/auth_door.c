/* The auth role's door. Owns it; an answer that nobody waits for is dropped. */
#include "relay/auth_door.h"

#include "base/log.h"
#include "relay/recheck.h"
#include "relay/records.h"
#include "relay/withdrawals.h"

#define SESSIONS_TOLD_MAXIMUM (64U << 10) /* bytes */

/* ---- grants */

static void confirm_grant(struct relay_auth_door *self, uint64_t request)
{
	struct door_granted granted = { .request = request };
	enum status status = door_send_granted(self->door, &granted);
	if (status != STATUS_OK)
		log_warning("auth does not take its answers: %s", status_text(status));
}

/* Without the answer the auth role refuses the login; so a grant that is not held gets none. */
static enum status take_grant(struct relay_auth_door *self, struct span payload)
{
	struct door_grant message;
	struct grant *grant;
	TRY(door_read_grant(payload, &message));
	if (gate_doors_knew(self->gates, message.gate)) {
		confirm_grant(self, message.request);
		return STATUS_OK;
	}
	struct grant *former = grants_find(self->grants, message.gate, message.session);
	if (former)
		deliveries_end_session(former);
	enum status status = grants_add(self->grants, &message, &grant);
	if (status != STATUS_OK) {
		log_error("grant for a session of gate %u not kept: %s", message.gate, status_text(status));
		return STATUS_OK;
	}
	users_enter(self->services->users, grant->user, &grant->limits);
	recheck_note(self->services->rechecks, grant, true);
	/* Its session.open was true: whoever logs in uses up no ration. */
	pace_give_back(&gate_doors_ration(self->gates, message.gate)->pace, 1);
	records_auth_success(self->services->audit, grant);
	confirm_grant(self, message.request);
	return STATUS_OK;
}

static enum status take_withdrawal(struct relay_auth_door *self, struct span payload)
{
	struct door_grant_withdrawn message;
	TRY(door_read_grant_withdrawn(payload, &message));
	struct grant *grant = grants_find(self->grants, message.gate, message.session);
	if (grant) {
		deliveries_end_session(grant);
		grants_drop(self->grants, grant);
	}
	return STATUS_OK;
}

static enum status take_failure(struct relay_auth_door *self, struct span payload)
{
	struct door_auth_failed message;
	TRY(door_read_auth_failed(payload, &message));
	if (rations_take(&self->services->rations, gate_doors_ration(self->gates, message.gate), AUDIT_AUTH_FAILURE,
			 payload.size, 1))
		records_auth_failure(self->services->audit, &message);
	return STATUS_OK;
}

/* ---- rechecks */

static enum status ask_recheck(void *context, const struct grant *grant)
{
	struct relay_auth_door *self = context;
	const struct door_recheck message = {
		.gate = grant->gate,
		.session = grant->session,
		.user_id = grant->user_id,
		.login = grant->login,
		.rights = grant->rights,
		.app_password_id = grant->app_password_id,
	};
	return self->door ? door_send_recheck(self->door, &message) : STATUS_UNAVAILABLE;
}

void relay_auth_door_begin_rechecks(struct relay_auth_door *self, struct rechecks *out_rechecks)
{
	*out_rechecks = (struct rechecks){ .services = self->services, .ask = ask_recheck, .context = self };
}

static enum status take_rechecked(struct relay_auth_door *self, struct span payload)
{
	struct door_rechecked message;
	TRY(door_read_rechecked(payload, &message));
	struct grant *grant = grants_find(self->grants, message.gate, message.session);
	if (grant == NULL || !grant->is_rechecking)
		return STATUS_OK;
	recheck_note(self->services->rechecks, grant, message.verdict == RECHECK_HOLDS);
	if (message.verdict == RECHECK_ENDED)
		withdraw_grant(self->withdrawals, grant, message.reason);
	deliveries_rechecked(grant);
	return STATUS_OK;
}

/* No answer comes any more. */
static void give_recheck_up(void *context, struct grant *grant)
{
	const struct relay_auth_door *self = context;
	if (!grant->is_rechecking)
		return;
	recheck_note(self->services->rechecks, grant, false);
	deliveries_rechecked(grant);
}

static enum status take_lock(const struct relay_auth_door *self, struct span payload)
{
	struct door_user_locked message;
	TRY(door_read_user_locked(payload, &message));
	records_user_locked(self->services->audit, &message);
	return STATUS_OK;
}

/* ---- sessions asked about */

struct session_search {
	struct span user_id;
	struct buf found; /* a codec list */
};

static void note_session(void *context, struct grant *grant)
{
	struct session_search *search = context;
	char text[128];
	if (grant->has_ended || !span_equal(grant->user_id, search->user_id))
		return;
	snprintf(text, sizeof(text), "%s %.*s", grant->name, SPAN_ARGS(span_slice(grant->client.address, 0, 64)));
	if (buf_room(&search->found) > sizeof(text) && codec_list_add(&search->found, span_of(text)) != STATUS_OK)
		log_debug("out of memory for a list of sessions");
}

static enum status tell_sessions(struct relay_auth_door *self, struct span payload)
{
	struct door_sessions_asked message;
	TRY(door_read_sessions_asked(payload, &message));
	struct session_search search = { .user_id = message.user_id };
	buf_init(&search.found, SESSIONS_TOLD_MAXIMUM);
	grants_visit(self->grants, note_session, &search);
	const struct door_sessions_told told = { .request = message.request, .sessions = codec_list_of(&search.found) };
	enum status status = door_send_sessions_told(self->door, &told);
	buf_free(&search.found);
	return status;
}

/* ---- credentials */

static void answer_credential(struct credential_wanted *wanted, const struct upstream_credential *credential)
{
	struct credential_wanted taken = *wanted;
	*wanted = (struct credential_wanted){ 0 };
	upstream_pool_credential(taken.pool, taken.ticket, credential);
}

static void refuse_all_wanted(struct relay_auth_door *self, struct span reason)
{
	const struct upstream_credential none = { .reason = reason };
	for (size_t i = 0; i < CREDENTIALS_PENDING; i++)
		if (self->wanted[i].request)
			answer_credential(&self->wanted[i], &none);
}

static struct credential_wanted *find_wanted(struct relay_auth_door *self, uint64_t request)
{
	for (size_t i = 0; i < CREDENTIALS_PENDING; i++)
		if (self->wanted[i].request == request)
			return &self->wanted[i];
	return NULL;
}

static enum status take_credential(struct relay_auth_door *self, struct span payload)
{
	struct door_credential_reply message;
	TRY(door_read_credential_reply(payload, &message));
	struct credential_wanted *wanted = message.request ? find_wanted(self, message.request) : NULL;
	if (wanted == NULL)
		return STATUS_OK;
	const struct upstream_credential credential = {
		.available = message.available,
		.mechanism = message.mechanism,
		.serial = message.serial,
		.user = message.user,
		.secret = message.secret,
		.reason = message.reason,
	};
	answer_credential(wanted, &credential);
	return STATUS_OK;
}

static enum status request_credential(struct relay_auth_door *self, const char *relay, const char *mailbox,
				      struct upstream_pool *pool, uint64_t ticket)
{
	struct credential_wanted *wanted = find_wanted(self, 0);
	struct door_credential_request message = { .request = ++self->last_request,
						   .relay = span_of(relay),
						   .mailbox = span_of(mailbox) };
	if (self->door == NULL)
		return STATUS_UNAVAILABLE;
	if (wanted == NULL)
		return STATUS_TOO_LARGE;
	TRY(door_send_credential_request(self->door, &message));
	*wanted = (struct credential_wanted){ message.request, ticket, pool };
	return STATUS_OK;
}

void relay_auth_door_ask(struct relay_auth_door *self, const char *relay, const char *mailbox,
			 struct upstream_pool *pool, uint64_t ticket)
{
	enum status status = request_credential(self, relay, mailbox, pool, ticket);
	if (status == STATUS_OK)
		return;
	const struct upstream_credential none = { .reason = status == STATUS_UNAVAILABLE
								    ? SPAN("auth role not running")
								    : SPAN("auth role is behind") };
	log_warning("no credential for relay %s: %.*s", relay, SPAN_ARGS(none.reason));
	upstream_pool_credential(pool, ticket, &none);
}

void relay_auth_door_refuse(struct relay_auth_door *self, const char *relay, const char *mailbox, uint64_t serial)
{
	struct door_credential_refused message = { .relay = span_of(relay),
						   .mailbox = span_of(mailbox),
						   .serial = serial };
	if (self->door && door_send_credential_refused(self->door, &message) != STATUS_OK)
		log_warning("relay %s: auth can't be told that its token was refused", relay);
}

/* ---- coming and going */

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct relay_auth_door *self = context;
	(void)door;
	switch (type) {
	case DOOR_GRANT:
		return take_grant(self, payload);
	case DOOR_GRANT_WITHDRAWN:
		return take_withdrawal(self, payload);
	case DOOR_AUTH_FAILED:
		return take_failure(self, payload);
	case DOOR_USER_LOCKED:
		return take_lock(self, payload);
	case DOOR_SESSIONS_ASKED:
		return tell_sessions(self, payload);
	case DOOR_RECHECKED:
		return take_rechecked(self, payload);
	case DOOR_CREDENTIAL_REPLY:
		return take_credential(self, payload);
	default:
		log_error("auth sent a frame that is not auth's: %s", door_type_text(type));
		return STATUS_INVALID;
	}
}

static void on_closed(void *context, struct door *door)
{
	struct relay_auth_door *self = context;
	(void)door;
	log_warning("the auth role is gone");
	relay_auth_door_close(self);
}

static const struct door_handler handler = { .on_frame = on_frame, .on_closed = on_closed };

void relay_auth_door_attach(struct relay_auth_door *self, int fd)
{
	relay_auth_door_close(self);
	enum status status = door_create(self->services->loop, fd, &handler, self, &self->door);
	if (status != STATUS_OK)
		log_error("the auth role can't be served: %s", status_text(status));
}

void relay_auth_door_close(struct relay_auth_door *self)
{
	door_free(&self->door);
	refuse_all_wanted(self, SPAN("auth role not running"));
	if (self->grants)
		grants_visit(self->grants, give_recheck_up, self);
}
