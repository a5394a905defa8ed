/* The door to the relay: grants and failed logins go there, credentials for upstreams are asked from there. */
#include "auth/grant_door.h"

#include "auth/gate_door.h"
#include "base/log.h"

#define BACKLOG_MAXIMUM (DOOR_BACKLOG_MAXIMUM / 2) /* bytes unsent of logins: the rest is for credentials */

const char *auth_grant_method_text(enum stats_method method)
{
	switch (method) {
	case STATS_METHOD_LDAP:
		return "ldap";
	case STATS_METHOD_APP_PASSWORD:
		return "app_password";
	case STATS_METHOD_NONE:
	default:
		return "";
	}
}

/* What a relay that is behind has no room for is refused and not queued: a door too full would break for all. */
static bool has_room(const struct auth *auth)
{
	return auth->relay && door_backlog(auth->relay) < BACKLOG_MAXIMUM;
}

enum status auth_grant_ask(struct exchange *exchange)
{
	struct auth *auth = exchange->gate->auth;
	const struct decision *decision = &exchange->ask.decision;
	if (!has_room(auth))
		return STATUS_UNAVAILABLE;
	exchange->grant = ++auth->last_grant;
	struct door_grant message = {
		.request = exchange->grant,
		.gate = exchange->gate->instance,
		.session = exchange->session,
		.user = span_of(decision->identity.user),
		.auth_method = span_of(auth_grant_method_text(decision->method)),
		.sasl_mechanism = span_of(exchange->mechanism->name),
		.app_password_id = span_of(decision->app_password_id),
		.groups = codec_list_of(&decision->identity.groups),
		.senders = codec_list_of(&decision->identity.senders),
		.client = exchange->client,
	};
	TRY(map_add(&auth->granting, &exchange->by_grant, map_hash_number(&auth->granting, exchange->grant)));
	enum status status = door_send_grant(auth->relay, &message);
	if (status != STATUS_OK)
		map_remove(&auth->granting, &exchange->by_grant);
	return status;
}

void auth_grant_withdraw(const struct exchange *exchange)
{
	const struct auth *auth = exchange->gate->auth;
	struct door_grant_withdrawn message = { .gate = exchange->gate->instance, .session = exchange->session };
	if (auth->relay && door_send_grant_withdrawn(auth->relay, &message) != STATUS_OK)
		log_warning("a grant can't be taken back: there is no relay any more");
}

void auth_grant_report_failure(const struct exchange *exchange, struct span user, const char *reason)
{
	const struct auth *auth = exchange->gate->auth;
	const struct decision *decision = &exchange->ask.decision;
	struct door_auth_failed message = {
		.gate = exchange->gate->instance,
		.session = exchange->session,
		.user = user,
		.auth_method = span_of(auth_grant_method_text(decision->method)),
		.sasl_mechanism = span_of(exchange->mechanism->name),
		.app_password_id = span_of(decision->app_password_id),
		.reason = span_of(reason),
		.client = exchange->client,
	};
	if (!has_room(auth) || door_send_auth_failed(auth->relay, &message) != STATUS_OK)
		log_warning("login refused (%s), and there is no relay, or none in time, to record it", reason);
}

/* ---- frames */

static enum status take_granted(struct auth *auth, struct span payload)
{
	struct door_granted message;
	TRY(door_read_granted(payload, &message));
	struct map_link *link = map_first(&auth->granting, map_hash_number(&auth->granting, message.request));
	for (; link; link = map_next(link)) {
		struct exchange *exchange = MAP_OWNER(link, struct exchange, by_grant);
		if (exchange->grant != message.request)
			continue;
		exchange_granted(exchange);
		break;
	}
	return STATUS_OK;
}

/* The number of a relay that is logged in at with tokens, or the count of all. */
static size_t find_token_relay(const struct auth *auth, struct span name)
{
	const struct config *config = auth->role->config;
	size_t index = 0;
	while (index < config->relay.count &&
	       !(span_equal(span_of(config->relay.items[index].name), name) && tokens_serve(auth->tokens, index)))
		index++;
	return index;
}

static enum status take_credential_request(struct auth *auth, struct door *door, struct span payload)
{
	struct door_credential_request request;
	struct door_credential_reply reply;
	TRY(door_read_credential_request(payload, &request));
	size_t relay = find_token_relay(auth, request.relay);
	if (relay < auth->role->config->relay.count) {
		tokens_ask(auth->tokens, relay, request.mailbox, request.request);
		return STATUS_OK;
	}
	vault_answer(auth->vault, &request, &reply);
	return door_send_credential_reply(door, &reply);
}

static enum status take_credential_refused(const struct auth *auth, struct span payload)
{
	struct door_credential_refused message;
	TRY(door_read_credential_refused(payload, &message));
	size_t relay = find_token_relay(auth, message.relay);
	if (relay < auth->role->config->relay.count)
		tokens_refuse(auth->tokens, relay, message.mailbox, message.serial);
	return STATUS_OK;
}

static void on_token_answer(void *context, const struct door_credential_reply *reply)
{
	const struct auth *auth = context;
	if (auth->relay && door_send_credential_reply(auth->relay, reply) != STATUS_OK)
		log_warning("a token can't be given: there is no relay any more");
}

static void on_tokens_idle(void *context)
{
	auth_check_drained(context);
}

const struct tokens_handler auth_tokens_handler = { .on_answer = on_token_answer, .on_idle = on_tokens_idle };

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct auth *auth = context;
	switch (type) {
	case DOOR_GRANTED:
		return take_granted(auth, payload);
	case DOOR_CREDENTIAL_REQUEST:
		return take_credential_request(auth, door, payload);
	case DOOR_CREDENTIAL_REFUSED:
		return take_credential_refused(auth, payload);
	default:
		log_warning("the relay sends what it may not: %s", door_type_text(type));
		return STATUS_INVALID;
	}
}

/* ---- life */

static void refuse_waiting(void *context, struct map_link *link)
{
	(void)context;
	exchange_not_granted(MAP_OWNER(link, struct exchange, by_grant));
}

void auth_detach_relay(struct auth *auth)
{
	door_free(&auth->relay);
	if (auth->tokens)
		tokens_forget_asked(auth->tokens);
	map_visit(&auth->granting, refuse_waiting, NULL);
}

static void on_closed(void *context, struct door *door)
{
	struct auth *auth = context;
	(void)door;
	auth_detach_relay(auth);
	role_door_lost(auth->role, ROLE_RELAY, auth->relay_instance);
}

static const struct door_handler handler = { .on_frame = on_frame, .on_closed = on_closed };

void auth_attach_relay(struct auth *auth, uint32_t instance, int fd)
{
	auth_detach_relay(auth);
	auth->relay_instance = instance;
	enum status status = door_create(auth->role->loop, fd, &handler, auth, &auth->relay);
	if (status != STATUS_OK)
		log_error("no door to the relay: %s", status_text(status));
}
