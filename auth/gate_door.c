/* The doors to the gates: a gate has one, and hears of the mechanisms first of all. */
#include "auth/gate_door.h"

#include <stdlib.h>
#include <unistd.h>

#include "auth/drain.h"
#include "auth/sasl/mechanism.h"
#include "base/log.h"

#define MECHANISM_NAMES_MAXIMUM 1024 /* bytes of the list of mechanisms */

void auth_gate_refuse(struct gate_door *gate, uint64_t request, const char *reply)
{
	struct door_sasl_done done = { .request = request, .reply = span_of(reply) };
	if (door_send_sasl_done(gate->door, &done) != STATUS_OK)
		log_debug("a gate is gone before it was told of a refusal");
}

/* ---- frames */

static enum status take_start(struct gate_door *gate, struct span payload)
{
	struct door_sasl_start message;
	TRY(door_read_sasl_start(payload, &message));
	return gate->auth->gate_handler->on_start(gate, &message);
}

static enum status take_step(struct gate_door *gate, struct span payload)
{
	struct door_sasl_step message;
	TRY(door_read_sasl_step(payload, &message));
	gate->auth->gate_handler->on_step(gate, message.request, message.response);
	return STATUS_OK;
}

static enum status take_cancel(struct gate_door *gate, struct span payload)
{
	struct door_sasl_cancel message;
	TRY(door_read_sasl_cancel(payload, &message));
	gate->auth->gate_handler->on_cancel(gate, message.request);
	return STATUS_OK;
}

static enum status take_frame(struct gate_door *gate, uint16_t type, struct span payload)
{
	switch (type) {
	case DOOR_SASL_START:
		return take_start(gate, payload);
	case DOOR_SASL_STEP:
		return take_step(gate, payload);
	case DOOR_SASL_CANCEL:
		return take_cancel(gate, payload);
	default:
		log_warning("gate %u sends what it may not: %s", gate->instance, door_type_text(type));
		return STATUS_INVALID;
	}
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct gate_door *gate = context;
	(void)door;
	enum status status = take_frame(gate, type, payload);
	if (status == STATUS_INVALID)
		role_distrust_gate(gate->auth->role, gate->instance);
	return status;
}

/* ---- life */

static void detach_gate(struct gate_door *gate)
{
	struct gate_door **at = &gate->auth->gates;
	while (*at != gate)
		at = &(*at)->next;
	*at = gate->next;
	gate->auth->gate_handler->on_gone(gate);
	map_free(&gate->exchanges);
	door_free(&gate->door);
	free(gate);
}

static void on_closed(void *context, struct door *door)
{
	struct gate_door *gate = context;
	struct auth *auth = gate->auth;
	(void)door;
	detach_gate(gate);
	auth_check_drained(auth);
}

static const struct door_handler handler = { .on_frame = on_frame, .on_closed = on_closed };

static enum status offer_mechanisms(struct gate_door *gate)
{
	const struct config_list *names = &gate->auth->role->config->auth.mechanisms;
	struct buf list BUF_AUTO;
	buf_init(&list, MECHANISM_NAMES_MAXIMUM);
	TRY(hash_random(gate->challenge.bytes, sizeof(gate->challenge.bytes)));
	gate->challenge.is_set = true;
	for (size_t i = 0; i < names->count; i++) {
		const struct sasl_mechanism *mechanism = sasl_find(span_of(names->items[i]));
		if (mechanism)
			TRY(codec_list_add(&list, span_of(mechanism->name)));
	}
	struct door_mechanisms message = {
		.names = codec_list_of(&list),
		.challenge = { (const char *)gate->challenge.bytes, sizeof(gate->challenge.bytes) },
	};
	return door_send_mechanisms(gate->door, &message);
}

/* A gate has one door: one that says again and again that its door is lost must not pile them up here. */
static void detach_former(struct auth *auth, uint32_t instance)
{
	struct gate_door *former = auth->gates;
	while (former && former->instance != instance)
		former = former->next;
	if (former)
		detach_gate(former);
}

void auth_attach_gate(struct auth *auth, uint32_t instance, int fd)
{
	detach_former(auth, instance);
	struct gate_door *gate = calloc(1, sizeof(*gate));
	if (gate == NULL || map_init(&gate->exchanges) != STATUS_OK) {
		log_error("no door to gate %u: no memory, or no random bytes", instance);
		free(gate);
		close(fd);
		return;
	}
	gate->auth = auth;
	gate->instance = instance;
	enum status status = door_create(auth->role->loop, fd, &handler, gate, &gate->door);
	if (status != STATUS_OK) {
		log_error("no door to gate %u: %s", instance, status_text(status));
		free(gate);
		return;
	}
	gate->next = auth->gates;
	auth->gates = gate;
	if (offer_mechanisms(gate) != STATUS_OK)
		log_error("gate %u can't be told the mechanisms", instance);
}

void auth_detach_gates(struct auth *auth)
{
	while (auth->gates)
		detach_gate(auth->gates);
}
