/*
 * The gate's ends of its doors, without sessions: answers go to the handlers, unless nobody waits for them any more,
 * and a role that says what no honest one says loses its door.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "door/messages.h"
#include "gate/gate.h"

#define PATIENCE_MS 30000

/* Handlers are given sessions and never look into them: any address will do. */
static char somebody[1];
#define SESSION ((struct session *)(void *)somebody)

static struct doors_world {
	struct gate gate;
	struct config config;
	struct timer *tick;
	struct registration registration;
	struct door *peer;
	unsigned replies, outcomes, challenges, verdicts, rooms, losses, role_losses;
	bool honest; /* handlers take the answers for possible ones */
	struct ring_reader ring;
	struct buf received;     /* of a message */
	unsigned pieces, frames; /* by the ring, and by the door */
	bool is_whole;           /* its last frame came */
} world;

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	(void)context, (void)peer;
	assert_int_equal(instance, 7);
	world.role_losses++;
}

static enum status on_envelope_reply(struct session *s, const struct door_envelope_reply *message)
{
	assert_ptr_equal(s, SESSION);
	assert_int_equal(codec_list_count(message->replies), 1);
	world.replies++;
	return world.honest ? STATUS_OK : STATUS_INVALID;
}

static enum status on_message_reply(struct session *s, struct span reply)
{
	assert_ptr_equal(s, SESSION);
	assert_true(span_equal(reply, SPAN("250 2.0.0 Sent")));
	world.outcomes++;
	return world.honest ? STATUS_OK : STATUS_INVALID;
}

static void on_challenge(struct session *s, struct span challenge)
{
	assert_ptr_equal(s, SESSION);
	assert_true(span_equal(challenge, SPAN("d2hv")));
	world.challenges++;
}

static void on_done(struct session *s, const struct door_sasl_done *done)
{
	assert_ptr_equal(s, SESSION);
	assert_true(done->granted);
	world.verdicts++;
}

static void on_room(struct gate *gate)
{
	assert_ptr_equal(gate, &world.gate);
	world.rooms++;
}

static void on_lost(struct gate *gate)
{
	assert_ptr_equal(gate, &world.gate);
	world.losses++;
}

static const struct relay_answer_handler relay_answers = {
	.on_envelope_reply = on_envelope_reply,
	.on_message_reply = on_message_reply,
	.on_room = on_room,
	.on_lost = on_lost,
};
static const struct auth_answer_handler auth_answers = {
	.on_challenge = on_challenge,
	.on_done = on_done,
	.on_lost = on_lost,
};

/* ---- the other end */

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_message_piece piece;
	struct door_message_data data;
	struct span bytes;
	(void)context, (void)door;
	if (type == DOOR_MESSAGE_PIECE && door_read_message_piece(payload, &piece) == STATUS_OK &&
	    ring_take(&world.ring, piece.position, piece.size, &bytes) == STATUS_OK) {
		world.pieces++;
		return buf_append(&world.received, bytes);
	}
	if (type == DOOR_MESSAGE_DATA && door_read_message_data(payload, &data) == STATUS_OK) {
		world.frames++;
		world.is_whole = data.complete;
		return buf_append(&world.received, data.bytes);
	}
	return STATUS_OK;
}

static void on_closed(void *context, struct door *door)
{
	(void)context, (void)door;
}

static const struct door_handler peer_frames = { .on_frame = on_frame, .on_closed = on_closed };

/* The gate's descriptor of a new door. */
static int open_peer(void)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	door_free(&world.peer);
	assert_int_equal(door_create(world.gate.loop, fds[1], &peer_frames, NULL, &world.peer), STATUS_OK);
	return fds[0];
}

static void on_tick(void *context)
{
	loop_stop(context);
}

static void turn_once(void)
{
	timer_set(world.tick, 1);
	loop_run(world.gate.loop);
}

#define RUN_UNTIL(condition)                                                     \
	do {                                                                     \
		for (unsigned ms_ = 0; !(condition) && ms_ < PATIENCE_MS; ms_++) \
			turn_once();                                             \
		assert_true(condition);                                          \
	} while (0)

static int open_world(void **state)
{
	(void)state;
	world = (struct doors_world){ .honest = true };
	assert_int_equal(loop_create(&world.gate.loop), STATUS_OK);
	assert_int_equal(timer_make(world.gate.loop, on_tick, world.gate.loop, &world.tick), STATUS_OK);
	world.gate.config = &world.config;
	assert_int_equal(registry_create(64, &world.gate.transactions), STATUS_OK);
	assert_int_equal(registry_create(64, &world.gate.requests), STATUS_OK);
	relay_door_begin(&world.gate.relay, &world.gate, &relay_answers);
	assert_int_equal(auth_door_begin(&world.gate.auth, &world.gate, &auth_answers), STATUS_OK);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	relay_door_end(&world.gate.relay);
	auth_door_end(&world.gate.auth);
	door_free(&world.peer);
	registry_free(&world.gate.transactions);
	registry_free(&world.gate.requests);
	timer_free(&world.tick);
	loop_free(world.gate.loop);
	return 0;
}

static void answer_envelope(uint64_t transaction)
{
	struct buf list BUF_AUTO;
	buf_init(&list, 256);
	assert_int_equal(codec_list_add(&list, SPAN("250 2.1.5 OK")), STATUS_OK);
	const struct door_envelope_reply reply = { .transaction = transaction, .replies = codec_list_of(&list) };
	assert_int_equal(door_send_envelope_reply(world.peer, &reply), STATUS_OK);
}

static void answer_message(uint64_t transaction)
{
	const struct door_message_reply reply = { .transaction = transaction, .reply = SPAN("250 2.0.0 Sent") };
	assert_int_equal(door_send_message_reply(world.peer, &reply), STATUS_OK);
}

static void the_relays_answers_reach_the_session_that_waits(void **state)
{
	(void)state;
	relay_door_attach(&world.gate.relay, 7, open_peer());
	registry_add(world.gate.transactions, &world.registration, 5, SESSION);
	answer_envelope(4); /* nobody waits under this number any more */
	answer_envelope(5);
	answer_message(5);
	RUN_UNTIL(world.outcomes == 1);
	assert_int_equal(world.replies, 1);
	assert_int_equal(world.losses, 0);
	registry_remove(world.gate.transactions, &world.registration);
}

static void an_answer_that_is_not_possible_costs_the_door(void **state)
{
	(void)state;
	relay_door_attach(&world.gate.relay, 7, open_peer());
	registry_add(world.gate.transactions, &world.registration, 5, SESSION);
	world.honest = false;
	answer_message(5);
	RUN_UNTIL(world.role_losses == 1);
	assert_int_equal(world.losses, 1);
	assert_false(relay_door_is_same(&world.gate.relay, 1));
	registry_remove(world.gate.transactions, &world.registration);
}

static void another_relay_replaces_the_one_before(void **state)
{
	(void)state;
	relay_door_attach(&world.gate.relay, 7, open_peer());
	assert_true(relay_door_is_same(&world.gate.relay, 1));
	relay_door_attach(&world.gate.relay, 7, open_peer());
	assert_int_equal(world.losses, 1);
	assert_int_equal(world.role_losses, 0);
	assert_false(relay_door_is_same(&world.gate.relay, 1));
	assert_true(relay_door_is_same(&world.gate.relay, 2));
}

static void a_relay_that_reads_again_is_told_as_room(void **state)
{
	static char bytes[64U << 10];
	const struct door_message_data data = { .transaction = 5, .bytes = { bytes, sizeof(bytes) } };
	(void)state;
	relay_door_attach(&world.gate.relay, 7, open_peer());
	while (!relay_door_is_full(&world.gate.relay))
		assert_int_equal(relay_door_data(&world.gate.relay, &data), STATUS_OK);
	RUN_UNTIL(world.rooms > 0);
	assert_false(relay_door_is_full(&world.gate.relay));
}

static void give_ring(void)
{
	const struct door_ring message = { .size = RING_SIZE };
	int fd;
	assert_int_equal(ring_open(&world.ring, &fd), STATUS_OK);
	door_attach_fd(world.peer, fd);
	assert_int_equal(door_send_ring(world.peer, &message), STATUS_OK);
	RUN_UNTIL(world.gate.relay.ring.memory);
}

/* Twice as much as the ring holds, in one turn. */
static void a_message_goes_by_the_ring_as_far_as_that_has_room_and_arrives_whole(void **state)
{
	static char bytes[2 * RING_SIZE];
	struct door_message_data data = { .transaction = 5, .bytes = { bytes, RING_PIECE + RING_PIECE / 2 } };
	const size_t half = sizeof(bytes) / 2;
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 31 + i / 251);
	buf_init(&world.received, sizeof(bytes));
	relay_door_attach(&world.gate.relay, 7, open_peer());
	give_ring();
	for (size_t at = 0; at < half; at += data.bytes.size) {
		data.bytes = span_slice((struct span){ bytes, half }, at, at + RING_PIECE + RING_PIECE / 2);
		assert_int_equal(relay_door_data(&world.gate.relay, &data), STATUS_OK);
	}
	data.complete = 1;
	data.bytes = (struct span){ bytes + half, half };
	assert_int_equal(relay_door_data(&world.gate.relay, &data), STATUS_OK);
	RUN_UNTIL(world.is_whole);
	assert_true(span_equal(buf_span(&world.received), (struct span){ bytes, sizeof(bytes) }));
	assert_true(world.pieces >= RING_SIZE / RING_PIECE);
	assert_int_equal(world.frames, 1);
	ring_close(&world.ring);
	buf_free(&world.received);
}

static void a_ring_of_another_size_or_without_memory_is_done_without(void **state)
{
	const struct door_ring other = { .size = RING_SIZE / 2 }, empty = { .size = RING_SIZE };
	static char bytes[RING_PIECE];
	const struct door_message_data data = { .transaction = 5, .complete = 1, .bytes = { bytes, sizeof(bytes) } };
	int fd;
	(void)state;
	buf_init(&world.received, sizeof(bytes));
	relay_door_attach(&world.gate.relay, 7, open_peer());
	assert_int_equal(ring_open(&world.ring, &fd), STATUS_OK);
	door_attach_fd(world.peer, fd);
	assert_int_equal(door_send_ring(world.peer, &other), STATUS_OK);
	assert_int_equal(door_send_ring(world.peer, &empty), STATUS_OK);
	door_flush(world.peer);
	door_receive(world.gate.relay.door);
	assert_null(world.gate.relay.ring.memory);
	assert_int_equal(relay_door_data(&world.gate.relay, &data), STATUS_OK);
	RUN_UNTIL(world.is_whole);
	assert_int_equal(world.losses + world.pieces, 0);
	assert_int_equal(buf_size(&world.received), sizeof(bytes));
	ring_close(&world.ring);
	buf_free(&world.received);
}

static void a_ring_goes_with_its_door(void **state)
{
	(void)state;
	relay_door_attach(&world.gate.relay, 7, open_peer());
	give_ring();
	relay_door_attach(&world.gate.relay, 7, open_peer());
	assert_null(world.gate.relay.ring.memory);
	ring_close(&world.ring);
}

static void the_auth_roles_answers_reach_the_session_that_waits(void **state)
{
	const struct door_sasl_challenge late = { .request = 4, .challenge = SPAN("d2hv") };
	const struct door_sasl_challenge challenge = { .request = 5, .challenge = SPAN("d2hv") };
	const struct door_sasl_done done = { .request = 5, .granted = true, .user = SPAN("alice") };
	(void)state;
	auth_door_attach(&world.gate.auth, 7, open_peer());
	registry_add(world.gate.requests, &world.registration, 5, SESSION);
	assert_int_equal(door_send_sasl_challenge(world.peer, &late), STATUS_OK);
	assert_int_equal(door_send_sasl_challenge(world.peer, &challenge), STATUS_OK);
	assert_int_equal(door_send_sasl_done(world.peer, &done), STATUS_OK);
	RUN_UNTIL(world.verdicts == 1);
	assert_int_equal(world.challenges, 1);
	registry_remove(world.gate.requests, &world.registration);
}

static void an_auth_role_that_is_gone_loses_its_exchanges(void **state)
{
	(void)state;
	auth_door_attach(&world.gate.auth, 7, open_peer());
	door_free(&world.peer);
	RUN_UNTIL(world.role_losses == 1);
	assert_int_equal(world.losses, 1);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(the_relays_answers_reach_the_session_that_waits),
		IN_WORLD(an_answer_that_is_not_possible_costs_the_door),
		IN_WORLD(another_relay_replaces_the_one_before),
		IN_WORLD(a_message_goes_by_the_ring_as_far_as_that_has_room_and_arrives_whole),
		IN_WORLD(a_ring_of_another_size_or_without_memory_is_done_without),
		IN_WORLD(a_ring_goes_with_its_door),
		IN_WORLD(a_relay_that_reads_again_is_told_as_room),
		IN_WORLD(the_auth_roles_answers_reach_the_session_that_waits),
		IN_WORLD(an_auth_role_that_is_gone_loses_its_exchanges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
