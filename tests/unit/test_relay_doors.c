/* Gates and auth at the relay's doors: who is believed, what is answered, and what becomes of it when a peer goes. */
#include "relay_doors.h"

#include "door/ring.h"

/* ---- gates and grants */

static void a_session_with_a_grant_may_send(void **state)
{
	(void)state;
	grant_session(7, 1);
	await_text("granted 1");
	assert_non_null(strstr(world.trace, "auth.success ann@x"));
	send_envelope(1);
	await_text("envelope of ann@x");
}

static void a_session_without_a_grant_hears_530_and_nothing_is_begun(void **state)
{
	(void)state;
	send_envelope(1);
	await_text("530 5.7.0 Authentication required");
	assert_null(strstr(world.trace, "envelope"));
	assert_non_null(strstr(world.trace, "message.refused "));
}

static void another_gates_session_is_nobodys_here(void **state)
{
	(void)state;
	grant_session(8, 1);
	await_text("granted 1");
	send_envelope(1);
	await_text("530 5.7.0 Authentication required");
}

static void a_session_that_closed_has_no_grant_left(void **state)
{
	(void)state;
	grant_session(7, 1);
	await_text("granted 1");
	const struct door_session_closed closed = { .session = 1, .reason = SPAN("quit") };
	assert_int_equal(door_send_session_closed(gate_peer, &closed), STATUS_OK);
	await_text("session.close ann@x; session 7-1 ends");
	send_envelope(1);
	await_text("530 5.7.0 Authentication required");
}

/* The client hung up while the grant was on its way: the closing of its session overtook it. */
static void a_grant_that_was_withdrawn_is_not_kept(void **state)
{
	(void)state;
	const struct door_session_closed closed = { .session = 1, .reason = SPAN("connection lost") };
	const struct door_grant_withdrawn withdrawn = { .gate = 7, .session = 1 };
	assert_int_equal(door_send_session_closed(gate_peer, &closed), STATUS_OK);
	await_text("session.close ");
	grant_session(7, 1);
	await_text("granted 1");
	assert_int_equal(door_send_grant_withdrawn(auth_peer, &withdrawn), STATUS_OK);
	await_text("session 7-1 ends");
	assert_null(grants_find(grants, 7, 1));
}

static void a_gate_that_goes_takes_its_grants_along_and_late_ones_are_not_kept(void **state)
{
	(void)state;
	grant_session(7, 1);
	await_text("granted 1");
	door_free(&gate_peer);
	await_text("session 7-1 ends; gate 7 closed");
	assert_null(grants_find(grants, 7, 1));
	grant_session(7, 2);
	await_text("granted 2");
	assert_null(grants_find(grants, 7, 2));
}

static void grants_stay_while_auth_is_away(void **state)
{
	(void)state;
	grant_session(7, 1);
	await_text("granted 1");
	door_free(&auth_peer);
	run_for(services.loop, 20);
	send_envelope(1);
	await_text("envelope of ann@x");
}

static void a_gate_that_talks_nonsense_loses_its_door(void **state)
{
	(void)state;
	grant_session(7, 1);
	await_text("granted 1");
	enum status written = buf_append(door_payload(gate_peer), SPAN("nonsense"));
	assert_int_equal(door_send_payload(gate_peer, DOOR_ENVELOPE, written), STATUS_OK);
	await_text("door lost");
	assert_non_null(strstr(world.trace, "gate 7 is distrusted"));
	assert_null(grants_find(grants, 7, 1));
}

static void a_gate_that_grants_itself_a_session_loses_its_door(void **state)
{
	(void)state;
	const struct door_grant message = {
		.gate = 7, .session = 1, .user = SPAN("boss@x"), .user_id = SPAN("corp:boss")
	};
	assert_int_equal(door_send_grant(gate_peer, &message), STATUS_OK);
	await_text("door lost");
	assert_non_null(strstr(world.trace, "gate 7 is distrusted"));
	assert_null(grants_find(grants, 7, 1));
}

static void data_aborts_and_sessions_reach_their_places(void **state)
{
	(void)state;
	const struct door_session_opened opened = { .session = 1, .client.address = SPAN("192.0.2.1") };
	const struct door_message_data data = { .transaction = 1, .bytes = SPAN("bytes") };
	const struct door_transaction_aborted aborted = { .session = 1, .transaction = 1, .reply = SPAN("552 x") };
	assert_int_equal(door_send_session_opened(gate_peer, &opened), STATUS_OK);
	assert_int_equal(door_send_message_data(gate_peer, &data), STATUS_OK);
	assert_int_equal(door_send_transaction_aborted(gate_peer, &aborted), STATUS_OK);
	await_text("session.open ; data bytes; abort of nobody");
}

static void a_failed_login_is_recorded(void **state)
{
	(void)state;
	const struct door_auth_failed failed = { .gate = 7, .session = 1, .user = SPAN("eve"), .reason = SPAN("no") };
	assert_int_equal(door_send_auth_failed(auth_peer, &failed), STATUS_OK);
	await_text("auth.failure eve");
}

/* ---- the ring */

static struct ring_writer gate_ring;

static enum status take_ring(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_ring ring;
	(void)context;
	if (type != DOOR_RING || door_read_ring(payload, &ring) != STATUS_OK || ring.size != RING_SIZE)
		return STATUS_INVALID;
	assert_int_equal(ring_join(&gate_ring, door_take_fd(door)), STATUS_OK);
	return STATUS_OK;
}

static bool has_ring(void *unused)
{
	(void)unused;
	return gate_ring.memory;
}

/* Gate 7 comes anew, and takes the memory that it is given. */
static void share_ring(void)
{
	static const struct door_handler handler = { .on_frame = take_ring, .on_closed = note_loss };
	int fds[2];
	door_free(&gate_peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(door_create(services.loop, fds[0], &handler, NULL, &gate_peer), STATUS_OK);
	gate_doors_attach(&gates, 7, fds[1]);
	run_until(services.loop, has_ring, NULL);
}

static void pieces_in_the_ring_and_in_frames_arrive_in_their_order(void **state)
{
	const struct door_message_data data = { .transaction = 1, .bytes = SPAN("two") };
	struct door_message_piece piece = { .transaction = 1 };
	static const char *const texts[] = { "one", "three" };
	(void)state;
	share_ring();
	for (size_t i = 0; i < 2; i++) {
		piece.size = strlen(texts[i]);
		assert_true(ring_put(&gate_ring, span_of(texts[i]), &piece.position));
		assert_int_equal(door_send_message_piece(gate_peer, &piece), STATUS_OK);
		if (i == 0)
			assert_int_equal(door_send_message_data(gate_peer, &data), STATUS_OK);
	}
	await_text("data one; data two; data three");
	ring_leave(&gate_ring);
}

static void a_gate_that_names_a_piece_beyond_its_ring_loses_its_door(void **state)
{
	const struct door_message_piece piece = { .transaction = 1, .position = RING_SIZE - 1, .size = 2 };
	(void)state;
	share_ring();
	assert_int_equal(door_send_message_piece(gate_peer, &piece), STATUS_OK);
	await_text("door lost");
	assert_non_null(strstr(world.trace, "gate 7 is distrusted"));
	assert_null(strstr(world.trace, "data"));
	ring_leave(&gate_ring);
}

static void a_gate_that_names_far_more_than_its_ring_holds_loses_its_door(void **state)
{
	const struct door_message_piece piece = { .transaction = 1, .size = RING_PIECE };
	(void)state;
	share_ring();
	for (size_t i = 0; i < 20 * RING_SIZE / RING_PIECE; i++)
		assert_int_equal(door_send_message_piece(gate_peer, &piece), STATUS_OK);
	await_text("door lost");
	assert_non_null(strstr(world.trace, "gate 7 is distrusted"));
	ring_leave(&gate_ring);
}

/* ---- floods */

#define FLOOD 20000U

static bool is_taken(void *door)
{
	return door_backlog(door) == 0;
}

static void flood_door(struct door *door, void (*send_one)(uint64_t number))
{
	for (uint64_t i = 1; i <= FLOOD; i++) {
		send_one(i);
		if (i % 500 == 0)
			run_until(services.loop, is_taken, door);
	}
	run_until(services.loop, is_taken, door);
	run_for(services.loop, 20);
}

static void invent_session(uint64_t number)
{
	const struct door_session_opened opened = { .session = number, .client.address = SPAN("192.0.2.1") };
	assert_int_equal(door_send_session_opened(gate_peer, &opened), STATUS_OK);
}

static void invent_end(uint64_t number)
{
	const struct door_session_closed closed = { .session = number, .client.address = SPAN("192.0.2.1") };
	assert_int_equal(door_send_session_closed(gate_peer, &closed), STATUS_OK);
}

static void invent_refusal(uint64_t number)
{
	const struct door_session_refused refused = { .reason = SPAN("memory"), .count = 1 };
	(void)number;
	assert_int_equal(door_send_session_refused(gate_peer, &refused), STATUS_OK);
}

static void invent_count(uint64_t number)
{
	const struct door_sessions_anonymous anonymous = { .network = SPAN("192.0.2.1"), .count = 1 };
	(void)number;
	assert_int_equal(door_send_sessions_anonymous(gate_peer, &anonymous), STATUS_OK);
}

static void invent_abort(uint64_t number)
{
	const struct door_transaction_aborted aborted = { .session = number, .reply = SPAN("552 5.3.4 No") };
	assert_int_equal(door_send_transaction_aborted(gate_peer, &aborted), STATUS_OK);
}

static void fail_login(uint64_t number)
{
	const struct door_auth_failed failed = { .gate = 7, .session = number, .reason = SPAN("wrong password") };
	assert_int_equal(door_send_auth_failed(auth_peer, &failed), STATUS_OK);
}

static void the_records_of_a_gate_are_bounded_and_what_is_left_out_is_counted(void **state)
{
	static const struct {
		const char *name;
		void (*send_one)(uint64_t number);
		enum audit_type type;
		struct door **door;
	} floods[] = {
		{ "session.open", invent_session, AUDIT_SESSION_OPEN, &gate_peer },
		{ "session.close", invent_end, AUDIT_SESSION_CLOSE, &gate_peer },
		{ "session.refused", invent_refusal, AUDIT_SESSION_REFUSED, &gate_peer },
		{ "session.anonymous", invent_count, AUDIT_SESSION_ANONYMOUS, &gate_peer },
		{ "auth.failure", fail_login, AUDIT_AUTH_FAILURE, &auth_peer },
	};
	for (size_t i = 0; i < sizeof(floods) / sizeof(*floods); i++) {
		end_doors(state);
		begin_doors(state);
		flood_door(*floods[i].door, floods[i].send_one);
		assert_true(world.records < FLOOD / 3);
		gate_doors_close(&gates); /* what it owes is told with its end */
		if (world.stood_for[floods[i].type] != FLOOD)
			fail_msg("%s: %llu of %u", floods[i].name, (unsigned long long)world.stood_for[floods[i].type],
				 FLOOD);
		assert_true(world.is_gate_named);
	}
}

/* Records that no delivery makes: of nobody's transactions. */
static void refusals_of_nobody_are_bounded_too(void **state)
{
	(void)state;
	flood_door(gate_peer, invent_abort);
	gate_doors_close(&gates);
	assert_true(world.stood_for[AUDIT_MESSAGE_REFUSED] > FLOOD * 3 / 4); /* the others went to deliveries_abort */
	assert_true(world.records < 10);
}

static void large_texts_of_a_gate_cost_more_of_its_ration(void **state)
{
	static char text[100000];
	struct door_session_opened opened = { .client = { .address = { text, sizeof(text) },
							  .helo = { text, sizeof(text) } } };
	(void)state;
	memset(text, 'x', sizeof(text));
	for (opened.session = 1; opened.session <= 100; opened.session++) {
		assert_int_equal(door_send_session_opened(gate_peer, &opened), STATUS_OK);
		run_until(services.loop, is_taken, gate_peer);
	}
	run_for(services.loop, 20);
	assert_in_range(world.records, 1, 19);
	assert_int_equal(world.longest, GATE_TEXT_MAXIMUM);
}

/* Each session that logs in gives back what its session.open took. */
static void whoever_logs_in_uses_up_no_ration(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 5000; i++) {
		const struct door_session_closed closed = { .session = i };
		const struct door_grant message = {
			.request = i, .gate = 7, .session = i, .user = SPAN("ann@x"), .user_id = SPAN("corp:ann")
		};
		invent_session(i);
		assert_int_equal(door_send_grant(auth_peer, &message), STATUS_OK);
		run_until(services.loop, is_taken, gate_peer);
		run_until(services.loop, is_taken, auth_peer);
		if (i % 100 == 0)
			run_for(services.loop, 1);
		assert_int_equal(door_send_session_closed(gate_peer, &closed), STATUS_OK);
	}
	run_for(services.loop, 50);
	gate_doors_close(&gates);
	assert_null(strstr(world.trace, " count "));
}

/* ---- credentials */

static void a_credential_is_asked_of_auth_and_given_to_the_pool_once(void **state)
{
	(void)state;
	const struct door_credential_reply reply = { .request = 1, .available = 1, .user = SPAN("relay@corp") };
	relay_auth_door_ask(&auth, "gmail", "", NULL, 42);
	await_text("credential 1 for gmail");
	assert_int_equal(door_send_credential_reply(auth_peer, &reply), STATUS_OK);
	await_text("ticket 42: yes relay@corp");
	forget_heard();
	assert_int_equal(door_send_credential_reply(auth_peer, &reply), STATUS_OK);
	run_for(services.loop, 20);
	assert_string_equal(world.trace, "");
}

static void without_auth_there_is_no_credential(void **state)
{
	(void)state;
	relay_auth_door_close(&auth);
	relay_auth_door_ask(&auth, "gmail", "", NULL, 42);
	assert_string_equal(world.trace, "ticket 42: no auth role not running");
}

static void whoever_waits_for_a_credential_hears_when_auth_goes(void **state)
{
	(void)state;
	relay_auth_door_ask(&auth, "gmail", "", NULL, 42);
	await_text("credential 1 for gmail");
	door_free(&auth_peer);
	await_text("ticket 42: no auth role not running");
}

static void no_more_credentials_wait_than_there_is_room_for(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < CREDENTIALS_PENDING; i++)
		relay_auth_door_ask(&auth, "gmail", "", NULL, i + 1);
	assert_string_equal(world.trace, "");
	relay_auth_door_ask(&auth, "gmail", "", NULL, 9999);
	assert_string_equal(world.trace, "ticket 9999: no auth role is behind");
	forget_heard();
}

static void a_gate_that_comes_again_has_one_door_the_new_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		gate_doors_attach(&gates, 7, open_door(&gate_peer));
	assert_int_equal(gates.count, 1);
	assert_false(gate_doors_knew(&gates, 7));
	gate_doors_attach(&gates, 8, open_door(&gate_peer));
	assert_int_equal(gates.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_session_with_a_grant_may_send),
		CASE(a_session_without_a_grant_hears_530_and_nothing_is_begun),
		CASE(another_gates_session_is_nobodys_here),
		CASE(a_session_that_closed_has_no_grant_left),
		CASE(a_grant_that_was_withdrawn_is_not_kept),
		CASE(a_gate_that_goes_takes_its_grants_along_and_late_ones_are_not_kept),
		CASE(grants_stay_while_auth_is_away),
		CASE(a_gate_that_talks_nonsense_loses_its_door),
		CASE(a_gate_that_grants_itself_a_session_loses_its_door),
		CASE(data_aborts_and_sessions_reach_their_places),
		CASE(a_failed_login_is_recorded),
		CASE(pieces_in_the_ring_and_in_frames_arrive_in_their_order),
		CASE(a_gate_that_names_a_piece_beyond_its_ring_loses_its_door),
		CASE(a_gate_that_names_far_more_than_its_ring_holds_loses_its_door),
		CASE(the_records_of_a_gate_are_bounded_and_what_is_left_out_is_counted),
		CASE(refusals_of_nobody_are_bounded_too),
		CASE(large_texts_of_a_gate_cost_more_of_its_ration),
		CASE(whoever_logs_in_uses_up_no_ration),
		CASE(a_credential_is_asked_of_auth_and_given_to_the_pool_once),
		CASE(without_auth_there_is_no_credential),
		CASE(whoever_waits_for_a_credential_hears_when_auth_goes),
		CASE(no_more_credentials_wait_than_there_is_room_for),
		CASE(a_gate_that_comes_again_has_one_door_the_new_one),
	};
	return cmocka_run_group_tests_name("relay doors", tests, NULL, NULL);
}
