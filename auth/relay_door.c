/* The door to the relay: grants are confirmed and credentials for upstreams asked for from there. */
#include "auth/relay_door.h"

#include "auth/control/user.h"
#include "auth/drain.h"
#include "auth/recheck.h"
#include "base/log.h"

#define BACKLOG_MAXIMUM (DOOR_BACKLOG_MAXIMUM / 2) /* bytes unsent of logins: the rest is for credentials */

bool auth_relay_has_room(const struct auth *auth)
{
	return auth->relay && door_backlog(auth->relay) < BACKLOG_MAXIMUM;
}

/* ---- frames */

static enum status take_granted(struct auth *auth, struct span payload)
{
	struct door_granted message;
	TRY(door_read_granted(payload, &message));
	auth->relay_handler->on_granted(auth, message.request);
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

static enum status take_sessions(struct auth *auth, struct span payload)
{
	struct door_sessions_told message;
	TRY(door_read_sessions_told(payload, &message));
	user_show_take_sessions(auth, &message);
	return STATUS_OK;
}

static enum status take_recheck(struct auth *auth, struct span payload)
{
	struct door_recheck message;
	TRY(door_read_recheck(payload, &message));
	recheck_begin(auth, &message);
	return STATUS_OK;
}

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
	case DOOR_SESSIONS_TOLD:
		return take_sessions(auth, payload);
	case DOOR_RECHECK:
		return take_recheck(auth, payload);
	default:
		log_warning("the relay sends what it may not: %s", door_type_text(type));
		return STATUS_INVALID;
	}
}

/* ---- life */

void auth_detach_relay(struct auth *auth)
{
	door_free(&auth->relay);
	if (auth->tokens)
		tokens_forget_asked(auth->tokens);
	recheck_drop_relays(auth);
	user_show_lose_relay(auth);
	auth->relay_handler->on_gone(auth);
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
