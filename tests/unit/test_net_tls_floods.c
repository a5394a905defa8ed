/*
 * Peers that send what costs a role time and says nothing: the work of a turn is bounded whatever comes, and what no
 * honest peer does ends the connection.
 */
#include "with_tls_attacker.h"

#define FLOOD (160U << 10)   /* bytes: more than two turns may take, and less than the socket holds */
#define TURN_MAXIMUM 100000U /* bytes that a turn may take off the descriptor: what is allowed, and one record's rest */

/* ---- floods that must end the connection */

static void update_key(SSL *attacker)
{
	assert_int_equal(SSL_key_update(attacker, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(SSL_do_handshake(attacker), 1);
}

static void send_ticket(SSL *attacker)
{
	assert_int_equal(SSL_new_session_ticket(attacker), 1);
	assert_int_equal(SSL_do_handshake(attacker), 1);
}

static void assert_ended_by(void (*attack)(SSL *attacker), bool attacker_is_server)
{
	struct attack_fixture f;
	begin_attack(&f, attacker_is_server, TLS1_3_VERSION);
	shake_hands(&f);
	while (count_written(&f) < FLOOD)
		attack(f.attacker);
	flood_with_turn(&f);
	assert_int_equal(f.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.victim), "TLS: too many messages after the handshake");
	assert_true(f.most_in_turn < (int)TURN_MAXIMUM);
	end_attack(&f);
}

static void key_updates_without_end_end_the_connection(void **state)
{
	(void)state;
	assert_ended_by(update_key, false);
	assert_ended_by(update_key, true);
}

static void tickets_without_end_end_the_connection(void **state)
{
	(void)state;
	assert_ended_by(send_ticket, true);
}

static void a_few_key_updates_and_tickets_are_taken(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, true, TLS1_3_VERSION);
	shake_hands(&f);
	for (int i = 0; i < 8; i++) {
		update_key(f.attacker);
		send_ticket(f.attacker);
	}
	assert_int_equal(SSL_write(f.attacker, "220 hello\r\n", 11), 11);
	flood_with_turn(&f);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	assert_int_equal(f.received, 11);
	end_attack(&f);
}

static void a_peer_that_sends_much_may_renew_keys_again_and_again(void **state)
{
	static const char bulk[128 << 10];
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, true, TLS1_3_VERSION);
	shake_hands(&f);
	for (int i = 0; i < 40 * 8; i++) {
		if (i % 8 == 0)
			update_key(f.attacker);
		assert_int_equal(SSL_write(f.attacker, bulk, sizeof(bulk)), sizeof(bulk));
		send_and_run(&f);
	}
	assert_int_equal(f.told[STREAM_FAILED], 0);
	assert_int_equal(f.received, 40 * 8 * sizeof(bulk));
	end_attack(&f);
}

static void a_client_that_renegotiates_is_cut_off(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_2_VERSION);
	shake_hands(&f);
	assert_int_equal(SSL_renegotiate(f.attacker), 1);
	SSL_do_handshake(f.attacker);
	flood_with_turn(&f);
	assert_int_equal(f.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.victim), "TLS: renegotiation");
	end_attack(&f);
}

/* ---- answers that find no room */

static bool goes_on(void *context)
{
	struct attack_fixture *f = context;
	char piece[4096];
	while (recv(f->fd, piece, sizeof(piece), 0) > 0)
		;
	return f->told[STREAM_FAILED] || f->received > 0;
}

/* A peer reads nothing and wants an answer of TLS itself: no turn waits for room, and the loop does not spin. */
static void a_key_update_that_finds_no_room_for_its_answer_waits(void **state)
{
	static const char bulk[4096];
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
	shake_hands(&f);
	for (size_t size = sizeof(bulk); size; size /= 2)
		while (send(f.victim_fd, bulk, size, MSG_NOSIGNAL) > 0)
			;
	update_key(f.attacker);
	update_key(f.attacker);
	assert_int_equal(SSL_write(f.attacker, "QUIT\r\n", 6), 6);
	send_all(&f);
	f.turns = 0;
	run_for(f.loop, 100);
	assert_int_equal(f.received, 0);
	assert_true(f.turns < 300);
	run_until(f.loop, goes_on, &f);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	assert_int_equal(f.received, 6);
	end_attack(&f);
}

/* ---- floods that go on, in bounded turns */

static void records_of_one_byte_leave_the_turn_to_others(void **state)
{
	(void)state;
	for (int is_server = 0; is_server < 2; is_server++) {
		struct attack_fixture f;
		size_t sent = 0;
		begin_attack(&f, is_server, TLS1_3_VERSION);
		shake_hands(&f);
		for (; count_written(&f) < FLOOD; sent++)
			assert_int_equal(SSL_write(f.attacker, "x", 1), 1);
		flood_with_turn(&f);
		assert_int_equal(f.told[STREAM_FAILED], 0);
		assert_int_equal(f.received, sent);
		/* Each costs as much time as many bytes: a turn takes one read of them. */
		assert_true(f.most_in_turn < 20000);
		end_attack(&f);
	}
}

static void a_hello_in_pieces_of_one_byte_leaves_the_turn_to_others(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
	send_hello(&f, HELLO_MAXIMUM, 1, 6 * HELLO_MAXIMUM);
	flood_with_turn(&f);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	assert_true(f.most_in_turn < 600);
	end_attack(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_updates_without_end_end_the_connection),
		cmocka_unit_test(tickets_without_end_end_the_connection),
		cmocka_unit_test(a_few_key_updates_and_tickets_are_taken),
		cmocka_unit_test(a_peer_that_sends_much_may_renew_keys_again_and_again),
		cmocka_unit_test(a_client_that_renegotiates_is_cut_off),
		cmocka_unit_test(a_key_update_that_finds_no_room_for_its_answer_waits),
		cmocka_unit_test(records_of_one_byte_leave_the_turn_to_others),
		cmocka_unit_test(a_hello_in_pieces_of_one_byte_leaves_the_turn_to_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
