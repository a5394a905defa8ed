/*
 * The auth door's client. Owns the door and the list of mechanisms. A frame that can't be read closes the door; the
 * supervisor gives a new one with the next auth role.
 */
#include "gate/auth_door.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "door/door.h"
#include "door/messages.h"
#include "gate/session.h"

#define MECHANISMS_MAXIMUM 400 /* bytes: one line of EHLO's reply */
/* Bytes unsent of logins; the rest of the backlog is for the small frames that end them. */
#define BACKLOG_MAXIMUM (DOOR_BACKLOG_MAXIMUM / 2)

/* ---- mechanisms */

struct offer {
	struct buf all, certified;
};

static void begin_offer(struct offer *offer)
{
	buf_init(&offer->all, MECHANISMS_MAXIMUM);
	buf_init(&offer->certified, MECHANISMS_MAXIMUM);
}

static void free_offer(struct offer *offer)
{
	buf_free(&offer->all);
	buf_free(&offer->certified);
}

static enum status add_name(struct buf *text, struct span name)
{
	if (buf_size(text) > 0)
		TRY(buf_append_byte(text, ' '));
	return buf_append(text, name);
}

static enum status add_mechanism(struct offer *offer, struct span name)
{
	if (!config_mechanism_needs_certificate(name))
		TRY(add_name(&offer->all, name));
	return add_name(&offer->certified, name);
}

static enum status keep_mechanisms(struct auth_door *auth, const struct offer *offer)
{
	char *all = span_to_string(buf_span(&offer->all));
	char *certified = span_to_string(buf_span(&offer->certified));
	if (all == NULL || certified == NULL) {
		free(all);
		free(certified);
		return STATUS_NO_MEMORY;
	}
	free(auth->mechanisms);
	free(auth->certified_mechanisms);
	auth->mechanisms = all;
	auth->certified_mechanisms = certified;
	return STATUS_OK;
}

enum status auth_door_begin(struct auth_door *auth, struct gate *gate, const struct auth_answer_handler *handler)
{
	struct offer offer __attribute__((cleanup(free_offer)));
	begin_offer(&offer);
	*auth = (struct auth_door){ .gate = gate, .handler = handler };
	const struct config_list *names = &gate->config->auth.mechanisms;
	for (size_t i = 0; i < names->count; i++)
		TRY(add_mechanism(&offer, span_of(names->items[i])));
	return keep_mechanisms(auth, &offer);
}

static enum status keep_challenge(struct tls_challenge *challenge, struct span bytes)
{
	challenge->is_set = !span_is_empty(bytes);
	if (!challenge->is_set)
		return STATUS_OK;
	if (bytes.size != sizeof(challenge->bytes))
		return STATUS_INVALID;
	memcpy(challenge->bytes, bytes.data, sizeof(challenge->bytes));
	return STATUS_OK;
}

static enum status on_mechanisms(struct auth_door *auth, struct span payload)
{
	struct door_mechanisms message;
	struct offer offer __attribute__((cleanup(free_offer)));
	struct span name;
	begin_offer(&offer);
	TRY(door_read_mechanisms(payload, &message));
	while (codec_list_next(&message.names, &name))
		TRY(add_mechanism(&offer, name));
	TRY(keep_challenge(&auth->gate->challenge, message.challenge));
	return keep_mechanisms(auth, &offer);
}

const char *auth_door_mechanisms(const struct session *s)
{
	const struct auth_door *auth = &s->gate->auth;
	return span_is_empty(stream_client_handshake(s->stream)) ? auth->mechanisms : auth->certified_mechanisms;
}

bool auth_door_offers(const struct session *s, struct span mechanism)
{
	struct span rest = span_of(auth_door_mechanisms(s));
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
	free(auth->certified_mechanisms);
	auth->mechanisms = NULL;
	auth->certified_mechanisms = NULL;
}

/* ---- what goes out */

/* A login without room is answered with 454: one too many must not break the door for all. */
static bool has_room(const struct auth_door *auth)
{
	return auth->door && door_backlog(auth->door) < BACKLOG_MAXIMUM;
}

/* Making them costs as much as the rest of a login, and only SCRAM-SHA-256-PLUS asks for them. */
static void find_bindings(const struct session *s, struct span mechanism, struct stream_bindings *out_bindings)
{
	static const char plus[] = "-PLUS";
	size_t size = sizeof(plus) - 1;
	*out_bindings = (struct stream_bindings){ 0 };
	if (mechanism.size > size &&
	    span_equal_nocase(span_slice(mechanism, mechanism.size - size, mechanism.size), span_of(plus)))
		stream_find_bindings(s->stream, out_bindings);
}

enum status auth_door_start(struct session *s, struct span mechanism, bool has_initial, struct span initial)
{
	struct gate *gate = s->gate;
	struct stream_bindings bindings;
	find_bindings(s, mechanism, &bindings);
	struct door_sasl_start message = { .request = gate->last_request + 1,
					   .session = s->number,
					   .mechanism = mechanism,
					   .has_initial = has_initial,
					   .initial = initial,
					   .handshake = stream_client_handshake(s->stream),
					   .exporter = { bindings.exporter, bindings.exporter_size },
					   .end_point = { bindings.end_point, bindings.end_point_size },
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

void auth_door_cancel(struct session *s)
{
	struct door_sasl_cancel message = { .request = s->request.id };
	if (s->request.id == 0)
		return;
	registry_remove(s->gate->requests, &s->request);
	if (s->gate->auth.door == NULL)
		return;
	/* A frame that can't be queued breaks the door, and on_closed does what is to be done about it. */
	enum status status = door_send_sasl_cancel(s->gate->auth.door, &message);
	if (status != STATUS_OK)
		log_warning("the auth door is broken: %s", status_text(status));
}
