/*
 * The auth door's client. Owns the door and the list of mechanisms. A frame that can't be read closes the door; the
 * supervisor gives a new one with the next auth role.
 */
#include "gate/auth_door.h"

#include <stdlib.h>

#include "base/log.h"
#include "door/door.h"
#include "door/messages.h"
#include "gate/session.h"

#define MECHANISMS_MAXIMUM 400 /* bytes: one line of EHLO's reply */
/* Bytes unsent of logins; the rest of the backlog is for the small frames that end them. */
#define BACKLOG_MAXIMUM (DOOR_BACKLOG_MAXIMUM / 2)

/* ---- mechanisms */

static enum status add_mechanism(struct buf *text, struct span name)
{
	if (buf_size(text) > 0)
		TRY(buf_append_byte(text, ' '));
	return buf_append(text, name);
}

static enum status keep_mechanisms(struct auth_door *auth, struct buf *text)
{
	char *mechanisms = span_to_string(buf_span(text));
	if (mechanisms == NULL)
		return STATUS_NO_MEMORY;
	free(auth->mechanisms);
	auth->mechanisms = mechanisms;
	return STATUS_OK;
}

enum status auth_door_begin(struct auth_door *auth, struct gate *gate, const struct auth_door_handler *handler)
{
	struct buf text BUF_AUTO;
	buf_init(&text, MECHANISMS_MAXIMUM);
	*auth = (struct auth_door){ .gate = gate, .handler = handler };
	const struct config_list *names = &gate->config->auth.mechanisms;
	for (size_t i = 0; i < names->count; i++)
		TRY(add_mechanism(&text, span_of(names->items[i])));
	return keep_mechanisms(auth, &text);
}

static enum status on_mechanisms(struct auth_door *auth, struct span payload)
{
	struct door_mechanisms message;
	struct buf text BUF_AUTO;
	struct span name;
	buf_init(&text, MECHANISMS_MAXIMUM);
	TRY(door_read_mechanisms(payload, &message));
	while (codec_list_next(&message.names, &name))
		TRY(add_mechanism(&text, name));
	return keep_mechanisms(auth, &text);
}

bool auth_door_offers(const struct auth_door *auth, struct span mechanism)
{
	struct span rest = span_of(auth->mechanisms);
	struct span name;
	while (span_cut(&rest, ' ', &name)) {
		if (span_equal_nocase(name, mechanism))
			return true;
	}
	return false;
}

/* ---- what comes in */

static enum status on_challenge(struct auth_door *auth, struct span payload)
{
	struct door_sasl_challenge message;
	TRY(door_read_sasl_challenge(payload, &message));
	struct session *s = registry_find(auth->gate->requests, message.request);
	if (s)
		auth->handler->on_challenge(s, message.challenge);
	return STATUS_OK;
}

static enum status on_done(struct auth_door *auth, struct span payload)
{
	struct door_sasl_done message;
	TRY(door_read_sasl_done(payload, &message));
	struct session *s = registry_find(auth->gate->requests, message.request);
	if (s)
		auth->handler->on_done(s, &message);
	return STATUS_OK;
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct auth_door *auth = context;
	(void)door;
	switch (type) {
	case DOOR_MECHANISMS:
		return on_mechanisms(auth, payload);
	case DOOR_SASL_CHALLENGE:
		return on_challenge(auth, payload);
	case DOOR_SASL_DONE:
		return on_done(auth, payload);
	default:
		return STATUS_INVALID;
	}
}

static void lose_door(struct auth_door *auth)
{
	door_free(&auth->door);
	auth->handler->on_lost(auth->gate);
}

static void on_closed(void *context, struct door *door)
{
	(void)door;
	struct auth_door *auth = context;
	log_warning("the auth role is gone, logins are refused until it is back");
	lose_door(auth);
	role_door_lost(auth->gate->role, ROLE_AUTH, auth->instance);
}

static const struct door_handler frames = { .on_frame = on_frame, .on_closed = on_closed };

void auth_door_attach(struct auth_door *auth, uint32_t instance, int fd)
{
	if (auth->door)
		lose_door(auth);
	auth->instance = instance;
	if (door_create(auth->gate->loop, fd, &frames, auth, &auth->door) != STATUS_OK)
		log_error("the auth door can't be used");
}

void auth_door_end(struct auth_door *auth)
{
	door_free(&auth->door);
	free(auth->mechanisms);
	auth->mechanisms = NULL;
}

/* ---- what goes out */

/* A login without room is answered with 454: one too many must not break the door for all. */
static bool has_room(const struct auth_door *auth)
{
	return auth->door && door_backlog(auth->door) < BACKLOG_MAXIMUM;
}

enum status auth_door_start(struct session *s, struct span mechanism, bool has_initial, struct span initial)
{
	struct gate *gate = s->gate;
	struct door_sasl_start message = { .request = gate->last_request + 1,
					   .session = s->number,
					   .mechanism = mechanism,
					   .has_initial = has_initial,
					   .initial = initial,
					   .client = session_client(s) };
	if (!has_room(&gate->auth) || door_send_sasl_start(gate->auth.door, &message) != STATUS_OK)
		return STATUS_UNAVAILABLE;
	registry_add(gate->requests, &s->request, ++gate->last_request, s);
	s->relay_epoch = gate->relay.epoch;
	return STATUS_OK;
}

enum status auth_door_step(struct session *s, struct span response)
{
	struct door_sasl_step message = { .request = s->request.id, .response = response };
	if (!has_room(&s->gate->auth) || s->request.id == 0)
		return STATUS_UNAVAILABLE;
	return door_send_sasl_step(s->gate->auth.door, &message) == STATUS_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* A frame that can't be queued breaks the door, and on_closed reports it: there is nothing to add here. */
static void note_sent(enum status status)
{
	if (status != STATUS_OK)
		log_warning("the auth door is broken: %s", status_text(status));
}

void auth_door_cancel(struct session *s)
{
	struct door_sasl_cancel message = { .request = s->request.id };
	if (s->request.id == 0)
		return;
	registry_remove(s->gate->requests, &s->request);
	if (s->gate->auth.door)
		note_sent(door_send_sasl_cancel(s->gate->auth.door, &message));
}
