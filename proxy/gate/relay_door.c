/*
 * The relay door's client. Owns the door. A frame that can't be read closes it; the supervisor gives a new one with the
 * next relay role.
 */
#include "gate/relay_door.h"

#include "base/log.h"
#include "door/messages.h"
#include "gate/session.h"

#define THROUGH_LEAST (32U << 10) /* bytes of a message that are sent without a copy */

void relay_door_begin(struct relay_door *relay, struct gate *gate, const struct relay_answer_handler *handler)
{
	*relay = (struct relay_door){ .gate = gate, .handler = handler };
}

/* ---- what comes in */

static enum status on_envelope_reply(struct relay_door *relay, struct span payload)
{
	struct door_envelope_reply message;
	TRY(door_read_envelope_reply(payload, &message));
	struct session *s = registry_find(relay->gate->transactions, message.transaction);
	return s ? relay->handler->on_envelope_reply(s, &message) : STATUS_OK;
}

static enum status on_message_reply(struct relay_door *relay, struct span payload)
{
	struct door_message_reply message;
	TRY(door_read_message_reply(payload, &message));
	struct session *s = registry_find(relay->gate->transactions, message.transaction);
	return s ? relay->handler->on_message_reply(s, message.reply) : STATUS_OK;
}

static enum status on_session_ended(struct relay_door *relay, struct span payload)
{
	struct door_session_ended message;
	TRY(door_read_session_ended(payload, &message));
	relay->handler->on_session_ended(relay->gate, message.session);
	return STATUS_OK;
}

/* One that can't be used is done without. */
static enum status on_ring(struct relay_door *relay, struct door *door, struct span payload)
{
	struct door_ring message;
	TRY(door_read_ring(payload, &message));
	int fd = message.size == RING_SIZE ? door_take_fd(door) : -1;
	if (fd < 0 || ring_join(&relay->ring, fd) != STATUS_OK)
		log_warning("the memory shared with the relay role can't be used, messages go by the socket");
	return STATUS_OK;
}

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	switch (type) {
	case DOOR_RING:
		return on_ring(context, door, payload);
	case DOOR_ENVELOPE_REPLY:
		return on_envelope_reply(context, payload);
	case DOOR_MESSAGE_REPLY:
		return on_message_reply(context, payload);
	case DOOR_SESSION_ENDED:
		return on_session_ended(context, payload);
	default:
		return STATUS_INVALID;
	}
}

static void on_drained(void *context, struct door *door)
{
	struct relay_door *relay = context;
	(void)door;
	relay->handler->on_room(relay->gate);
}

void relay_door_end(struct relay_door *relay)
{
	ring_leave(&relay->ring);
	door_free(&relay->door);
}

static void lose_door(struct relay_door *relay)
{
	relay_door_end(relay);
	relay->handler->on_lost(relay->gate);
}

static void on_closed(void *context, struct door *door)
{
	(void)door;
	struct relay_door *relay = context;
	log_warning("the relay role is gone, mail is refused until it is back");
	lose_door(relay);
	role_door_lost(relay->gate->role, ROLE_RELAY, relay->instance);
}

static const struct door_handler frames = { .on_frame = on_frame, .on_drained = on_drained, .on_closed = on_closed };

void relay_door_attach(struct relay_door *relay, uint32_t instance, int fd)
{
	if (relay->door)
		lose_door(relay);
	relay->instance = instance;
	relay->epoch++;
	if (door_create(relay->gate->loop, fd, &frames, relay, &relay->door) != STATUS_OK)
		log_error("the relay door can't be used");
	else
		door_expect_no_secrets(relay->door);
}

bool relay_door_is_same(const struct relay_door *relay, uint64_t epoch)
{
	return relay->door && relay->epoch == epoch;
}

bool relay_door_is_full(const struct relay_door *relay)
{
	return relay->door && door_backlog(relay->door) > DOOR_PACE;
}

/* ---- what goes out */

/* A frame that can't be queued breaks the door, and on_closed answers the sessions. */
static enum status note_sent(enum status status)
{
	if (status == STATUS_OK)
		return STATUS_OK;
	log_warning("the relay door is broken: %s", status_text(status));
	return STATUS_UNAVAILABLE;
}

void relay_door_session_opened(struct session *s)
{
	struct door *door = s->gate->relay.door;
	struct door_session_opened message = { .session = s->number, .client = session_client(s) };
	s->announced = door && note_sent(door_send_session_opened(door, &message)) == STATUS_OK;
}

void relay_door_session_closed(struct session *s)
{
	struct door *door = s->gate->relay.door;
	struct door_session_closed message = { .session = s->number,
					       .reason = span_of(s->incident ? s->incident : s->close_reason),
					       .duration_ms = loop_now_ms(s->gate->loop) - s->opened_ms,
					       .client = session_client(s) };
	if (door)
		(void)note_sent(door_send_session_closed(door, &message));
}

enum status relay_door_session_refused(struct relay_door *relay, const struct door_session_refused *message)
{
	return relay->door ? note_sent(door_send_session_refused(relay->door, message)) : STATUS_UNAVAILABLE;
}

enum status relay_door_sessions_anonymous(struct relay_door *relay, const struct door_sessions_anonymous *message)
{
	return relay->door ? note_sent(door_send_sessions_anonymous(relay->door, message)) : STATUS_UNAVAILABLE;
}

void relay_door_aborted(struct relay_door *relay, const struct door_transaction_aborted *message)
{
	if (relay->door && note_sent(door_send_transaction_aborted(relay->door, message)) != STATUS_OK)
		log_warning("an aborted transaction was not told to the relay role");
}

enum status relay_door_envelope(struct relay_door *relay, const struct door_envelope *message)
{
	return relay->door ? note_sent(door_send_envelope(relay->door, message)) : STATUS_UNAVAILABLE;
}

/* Puts what is at the front of *bytes into the ring, as far as there is room and it is worth it. */
static enum status send_pieces(struct relay_door *relay, uint64_t transaction, struct span *bytes)
{
	struct door_message_piece message = { .transaction = transaction };
	while (bytes->size >= RING_PIECE_LEAST) {
		struct span piece = span_slice(*bytes, 0, RING_PIECE);
		if (!ring_put(&relay->ring, piece, &message.position))
			break;
		message.size = piece.size;
		TRY(door_send_message_piece(relay->door, &message));
		*bytes = span_slice(*bytes, piece.size, bytes->size);
	}
	return STATUS_OK;
}

/* A large piece is sent without a copy; small pieces of one turn go out in one write. */
static enum status send_rest(struct door *door, const struct door_message_data *message)
{
	struct door_message_data head = *message;
	if (message->bytes.size < THROUGH_LEAST)
		return door_send_message_data(door, message);
	head.bytes = (struct span){ NULL, 0 };
	enum status written = door_write_message_data(door_payload(door), &head);
	return door_send_through(door, DOOR_MESSAGE_DATA, written, message->bytes);
}

static enum status send_data(struct relay_door *relay, const struct door_message_data *message)
{
	struct door_message_data rest = *message;
	TRY(send_pieces(relay, message->transaction, &rest.bytes));
	return rest.complete || rest.bytes.size ? send_rest(relay->door, &rest) : STATUS_OK;
}

enum status relay_door_data(struct relay_door *relay, const struct door_message_data *message)
{
	return relay->door ? note_sent(send_data(relay, message)) : STATUS_UNAVAILABLE;
}
