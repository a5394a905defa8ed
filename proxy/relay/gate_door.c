/*
 * Gates' doors. Owns them, and each gate's link to its deliveries; a gate that goes takes its grants and its unfinished
 * messages along.
 */
#include "relay/gate_door.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "door/ring.h"
#include "relay/answers.h"
#include "relay/records.h"
#include "role/role.h"

/*
 * Bytes in the ring that a gate may name in one turn of the loop. An honest one names no more than the ring holds for
 * each time that its door is read, which is five times a turn at most.
 */
#define PIECES_PER_TURN (16U * RING_SIZE)

struct gate_door {
	struct delivery_gate gate; /* first: deliveries know it by this */
	struct gate_doors *all;
	struct gate_door *next;
	struct door *door;
	struct ring_reader ring;
	uint64_t turn, turn_bytes; /* what was named in it of the ring */
	struct ration ration;      /* of records that rest on its word alone */
};

/* ---- answers */

static void complain_of_gate(const struct delivery_gate *gate, enum status status)
{
	if (status != STATUS_OK)
		log_warning("gate %u does not take its answers: %s", gate->instance, status_text(status));
}

static void send_envelope_reply(struct delivery_gate *gate, const struct door_envelope_reply *reply)
{
	complain_of_gate(gate, door_send_envelope_reply(((struct gate_door *)gate)->door, reply));
}

static void send_message_reply(struct delivery_gate *gate, const struct door_message_reply *reply)
{
	complain_of_gate(gate, door_send_message_reply(((struct gate_door *)gate)->door, reply));
}

/* ---- frames */

/* What rests on the gate's word alone has a ration; `size` is that of the frame. */
static bool may_record(struct gate_door *self, enum audit_type type, size_t size, uint64_t count)
{
	return rations_take(&self->all->services->rations, &self->ration, type, size, count);
}

static void record_ungranted(const struct gate_door *self, const struct door_envelope *envelope)
{
	char session[32];
	grant_name_session(self->gate.instance, envelope->session, session);
	log_warning("gate %u quotes session %s, which has no grant", self->gate.instance, session);
	records_gate_refused(self->all->services->audit, session, NULL, envelope->mail_from, ANSWER_NOT_GRANTED,
			     SPAN("session without a grant"));
}

/* A gate quotes a session that nobody logged in to: nothing of it goes anywhere, and the audit shows that it lies. */
static enum status refuse_ungranted(struct gate_door *self, const struct door_envelope *envelope, size_t size)
{
	struct buf replies BUF_AUTO;
	buf_init(&replies, DOOR_FRAME_MAXIMUM);
	stats_add(self->all->services->stats, COUNTER_REFUSED, REFUSAL_OTHER, 1);
	if (may_record(self, AUDIT_MESSAGE_REFUSED, size, 1))
		record_ungranted(self, envelope);
	size_t count = codec_list_count(envelope->recipients);
	for (size_t i = 0; i < count; i++)
		TRY(codec_list_add(&replies, ANSWER_NOT_GRANTED));
	struct door_envelope_reply reply = { .transaction = envelope->transaction, .replies = codec_list_of(&replies) };
	send_envelope_reply(&self->gate, &reply);
	return STATUS_OK;
}

static enum status take_envelope(struct gate_door *self, struct span payload)
{
	struct door_envelope envelope;
	TRY(door_read_envelope(payload, &envelope));
	struct grant *grant = grants_find(self->all->grants, self->gate.instance, envelope.session);
	if (grant == NULL)
		return refuse_ungranted(self, &envelope, payload.size);
	return deliveries_take_envelope(self->all->deliveries, &self->gate, grant, &envelope);
}

static enum status take_data(struct gate_door *self, struct span payload)
{
	struct door_message_data data;
	TRY(door_read_message_data(payload, &data));
	return deliveries_take_data(self->all->deliveries, &self->gate, &data);
}

/* A few bytes of a frame can make for much to copy: a gate must not keep the loop from its other work with them. */
static enum status count_piece(struct gate_door *self, uint64_t size)
{
	uint64_t turn = loop_turn(self->all->services->loop);
	if (self->turn != turn)
		self->turn_bytes = 0;
	self->turn = turn;
	self->turn_bytes += size;
	return self->turn_bytes > PIECES_PER_TURN ? STATUS_INVALID : STATUS_OK;
}

static enum status take_piece(struct gate_door *self, struct span payload)
{
	struct door_message_piece message;
	struct door_message_data data = { 0 };
	TRY(door_read_message_piece(payload, &message));
	TRY(ring_take(&self->ring, message.position, message.size, &data.bytes));
	TRY(count_piece(self, message.size));
	data.transaction = message.transaction;
	return deliveries_take_data(self->all->deliveries, &self->gate, &data);
}

static enum status take_abort(struct gate_door *self, struct span payload)
{
	struct door_transaction_aborted message;
	TRY(door_read_transaction_aborted(payload, &message));
	struct grant *grant = grants_find(self->all->grants, self->gate.instance, message.session);
	if (grant == NULL &&
	    (span_is_empty(message.reply) || !may_record(self, AUDIT_MESSAGE_REFUSED, payload.size, 1)))
		return STATUS_OK;
	deliveries_abort(self->all->deliveries, &self->gate, grant, &message);
	return STATUS_OK;
}

static enum status take_opened(struct gate_door *self, struct span payload)
{
	struct door_session_opened message;
	TRY(door_read_session_opened(payload, &message));
	if (may_record(self, AUDIT_SESSION_OPEN, payload.size, 1))
		records_session_opened(self->all->services->audit, self->gate.instance, &message);
	return STATUS_OK;
}

static enum status take_closed(struct gate_door *self, struct span payload)
{
	struct door_session_closed message;
	TRY(door_read_session_closed(payload, &message));
	struct grant *grant = grants_find(self->all->grants, self->gate.instance, message.session);
	if (grant || may_record(self, AUDIT_SESSION_CLOSE, payload.size, 1))
		records_session_closed(self->all->services->audit, self->gate.instance, &message, grant);
	if (grant) {
		deliveries_end_session(grant);
		grants_drop(self->all->grants, grant);
	}
	return STATUS_OK;
}

static enum status take_refused(struct gate_door *self, struct span payload)
{
	struct door_session_refused message;
	TRY(door_read_session_refused(payload, &message));
	if (may_record(self, AUDIT_SESSION_REFUSED, payload.size, message.count))
		records_session_refused(self->all->services->audit, &message);
	return STATUS_OK;
}

static enum status take_anonymous(struct gate_door *self, struct span payload)
{
	struct door_sessions_anonymous message;
	TRY(door_read_sessions_anonymous(payload, &message));
	if (may_record(self, AUDIT_SESSION_ANONYMOUS, payload.size, message.count))
		records_sessions_anonymous(self->all->services->audit, &message);
	return STATUS_OK;
}

static enum status take_frame(struct gate_door *self, uint16_t type, struct span payload)
{
	switch (type) {
	case DOOR_ENVELOPE:
		return take_envelope(self, payload);
	case DOOR_MESSAGE_DATA:
		return take_data(self, payload);
	case DOOR_MESSAGE_PIECE:
		return take_piece(self, payload);
	case DOOR_TRANSACTION_ABORTED:
		return take_abort(self, payload);
	case DOOR_SESSION_OPENED:
		return take_opened(self, payload);
	case DOOR_SESSION_CLOSED:
		return take_closed(self, payload);
	case DOOR_SESSION_REFUSED:
		return take_refused(self, payload);
	case DOOR_SESSIONS_ANONYMOUS:
		return take_anonymous(self, payload);
	default:
		log_error("gate %u sent a frame that is not a gate's: %s", self->gate.instance, door_type_text(type));
		return STATUS_INVALID;
	}
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct gate_door *self = context;
	(void)door;
	enum status status = take_frame(self, type, payload);
	if (status == STATUS_INVALID)
		role_distrust_gate(self->all->services->role, self->gate.instance);
	return status;
}

/* ---- coming and going */

static void end_session(void *context, struct grant *grant)
{
	(void)context;
	deliveries_end_session(grant);
}

static void close_door(struct gate_door *self)
{
	struct gate_doors *all = self->all;
	struct gate_door **at = &all->first;
	while (*at != self)
		at = &(*at)->next;
	*at = self->next;
	all->count--;
	all->closed[all->closed_next++ % GATES_CLOSED_KEPT] = self->gate.instance;
	grants_drop_gate(all->grants, self->gate.instance, end_session, NULL);
	rations_settle(&all->services->rations, &self->ration);
	deliveries_gate_closed(all->deliveries, &self->gate);
	door_free(&self->door);
	ring_close(&self->ring);
	free(self);
}

static void on_closed(void *context, struct door *door)
{
	struct gate_door *self = context;
	(void)door;
	log_info("gate %u is gone", self->gate.instance);
	close_door(self);
}

static const struct door_handler handler = { .on_frame = on_frame, .on_closed = on_closed };

static struct gate_door *find_door(const struct gate_doors *doors, uint32_t instance)
{
	struct gate_door *door = doors->first;
	while (door && door->gate.instance != instance)
		door = door->next;
	return door;
}

/* Where there is no memory for it, the gate does without. */
static void offer_ring(struct gate_door *self)
{
	const struct door_ring message = { .size = RING_SIZE };
	int fd;
	enum status status = ring_open(&self->ring, &fd);
	if (status == STATUS_OK) {
		door_attach_fd(self->door, fd);
		status = door_send_ring(self->door, &message);
	}
	if (status != STATUS_OK)
		log_warning("no memory is shared with gate %u, its messages come by the socket: %s",
			    self->gate.instance, status_text(status));
}

/* One whose door broke comes again with a new one. */
static void forget_closed(struct gate_doors *doors, uint32_t instance)
{
	for (size_t i = 0; i < GATES_CLOSED_KEPT; i++) {
		if (doors->closed[i] == instance)
			doors->closed[i] = 0;
	}
}

void gate_doors_attach(struct gate_doors *doors, uint32_t instance, int fd)
{
	/* A gate has one door: one that says again and again that its door is lost must not pile them up here. */
	struct gate_door *former = find_door(doors, instance);
	if (former)
		close_door(former);
	struct gate_door *self = calloc(1, sizeof(*self));
	if (self == NULL) {
		log_error("gate %u can't be served: out of memory", instance);
		close(fd);
		return;
	}
	self->gate = (struct delivery_gate){ instance, send_envelope_reply, send_message_reply };
	self->ration.gate = instance;
	self->all = doors;
	enum status status = door_create(doors->services->loop, fd, &handler, self, &self->door);
	if (status != STATUS_OK) {
		log_error("gate %u can't be served: %s", instance, status_text(status));
		free(self);
		return;
	}
	door_expect_no_secrets(self->door);
	offer_ring(self);
	forget_closed(doors, instance);
	self->next = doors->first;
	doors->first = self;
	doors->count++;
}

bool gate_doors_knew(const struct gate_doors *doors, uint32_t instance)
{
	for (size_t i = 0; i < GATES_CLOSED_KEPT; i++)
		if (doors->closed[i] == instance && instance != 0)
			return true;
	return false;
}

struct ration *gate_doors_ration(struct gate_doors *doors, uint32_t instance)
{
	struct gate_door *door = find_door(doors, instance);
	doors->gone.gate = GATES_GONE;
	return door ? &door->ration : &doors->gone;
}

void gate_doors_end_session(struct gate_doors *doors, const struct grant *grant)
{
	const struct gate_door *door = find_door(doors, grant->gate);
	const struct door_session_ended message = { .session = grant->session };
	if (door)
		complain_of_gate(&door->gate, door_send_session_ended(door->door, &message));
}

void gate_doors_close(struct gate_doors *doors)
{
	while (doors->first)
		close_door(doors->first);
	if (doors->services)
		rations_settle(&doors->services->rations, &doors->gone);
}
