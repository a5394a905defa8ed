/* Slow clients: the gate's clocks, and what moves them. */
#include "gate_mail.h"

#include <poll.h>

#include "net/stream_state.h"

#define IDLE "421 4.4.2 Idle for too long, closing the connection\r\n"
#define SLOW "421 4.4.2 Data comes too slowly, closing the connection\r\n"
#define STEP_MS 20 /* between two pieces of a slow client */

/* Whoever writes to a server that has closed loses what it said last. */
static void hear_all(struct client *c)
{
	struct pollfd socket = { .fd = c->stream->channel.fd, .events = POLLIN };
	while (!c->ended && !c->failed && poll(&socket, 1, 0) == 1)
		world_turn();
}

/* Says it again and again until the server has closed; what was heard stays. */
static void insist_until_closed(struct client *c, const char *text)
{
	for (unsigned i = 0; i < PATIENCE_MS / STEP_MS && !c->ended && !c->failed; i++) {
		client_say(c, text);
		world_turn_for(STEP_MS);
		hear_all(c);
	}
	RUN_UNTIL(c->ended || c->failed);
}

static bool heard_last(const struct client *c, const char *text)
{
	struct span heard = buf_span(&c->heard);
	size_t size = strlen(text);
	return heard.size >= size && memcmp(heard.data + heard.size - size, text, size) == 0;
}

static uint64_t count_refusals(enum stats_refusal reason)
{
	return stats_sum(world.stats, 1, COUNTER_REFUSED, reason);
}

/* ---- commands */

static void a_command_is_whole_in_time_however_its_bytes_trickle(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.command_timeout = 300;
	client_logged_in(&c);
	insist_until_closed(&c, "x");
	assert_true(heard_last(&c, IDLE));
	assert_int_equal(count_refusals(REFUSAL_TIMEOUT), 1);
	RUN_UNTIL(was_traced("SESSION_CLOSED timeout\n"));
	client_close(&c);
}

static void a_line_without_end_is_no_progress_either(void **state)
{
	char much[4097];
	struct client c;
	(void)state;
	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	world.config.limits.command_timeout = 300;
	client_logged_in(&c);
	insist_until_closed(&c, much);
	assert_true(heard_last(&c, "500 5.5.6 Line too long\r\n" IDLE));
	client_close(&c);
}

static void a_client_that_keeps_talking_stays(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.command_timeout = 1000;
	client_logged_in(&c);
	for (unsigned i = 0; i < 15; i++) {
		client_say(&c, "NOOP\r\n");
		HEARS(&c, "250 2.0.0 OK\r\n");
		world_turn_for(100);
	}
	client_close(&c);
}

static void small_talk_keeps_no_transaction(void **state)
{
	static const char *const talk[] = { "NOOP\r\n", "VRFY bob\r\n", "HELP\r\n" };
	(void)state;
	world.config.limits.command_timeout = 2000; /* a transaction is begun in less, on a busy machine too */
	for (size_t i = 0; i < sizeof(talk) / sizeof(talk[0]); i++) {
		struct client c;
		client_begins_mail(&c);
		insist_until_closed(&c, talk[i]);
		assert_true(heard_last(&c, IDLE));
		client_close(&c);
	}
}

static void recipients_keep_a_transaction(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.command_timeout = 1000;
	world.config.limits.recipients_per_message = 100;
	client_begins_mail(&c);
	for (unsigned i = 0; i < 15; i++) {
		client_say(&c, RCPT);
		HEARS(&c, "250 2.1.5 OK\r\n");
		world_turn_for(100);
	}
	client_close(&c);
}

/* ---- before a login */

static void no_command_puts_the_login_off(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.auth_timeout = 300;
	client_greeted(&c);
	insist_until_closed(&c, "NOOP\r\n");
	assert_true(heard_last(&c, "421 4.4.2 No login for too long, closing the connection\r\n"));
	assert_int_equal(count_refusals(REFUSAL_LOGIN), 1);
	client_close(&c);
}

static void a_handshake_that_does_not_end_is_cut_and_recorded(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.auth_timeout = 300;
	client_connect(&c, SUBMISSIONS);
	client_say(&c, "\x16"); /* it begins as TLS does, and never ends */
	client_hears_no_more(&c);
	RUN_UNTIL(was_traced("SESSION_REFUSED login address=127.0.0.1 listener=submissions count=1\n"));
	client_close(&c);
}

static void a_handshake_has_less_time_than_the_login(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.command_timeout = 300; /* 30 s where it is longer */
	client_greeted_in_clear(&c);
	client_say(&c, "EHLO pc.local\r\nSTARTTLS\r\n");
	HEARS(&c, OFFER("STARTTLS") "220 2.0.0 Ready to start TLS\r\n");
	client_say(&c, "\x16");
	client_hears_no_more(&c);
	RUN_UNTIL(was_traced("SESSION_REFUSED timeout address=127.0.0.1 listener=submission count=1\n"));
	client_close(&c);
}

static void a_challenge_that_is_never_answered_ends_the_session(void **state)
{
	struct client c;
	(void)state;
	world.config.limits.auth_timeout = 300;
	client_greeted(&c);
	client_say(&c, "EHLO pc.local\r\nAUTH PLAIN\r\n");
	HEARS(&c, OFFER("AUTH PLAIN LOGIN") "334 d2hv\r\n");
	insist_until_closed(&c, "x");
	assert_true(heard_last(&c, "421 4.4.2 No login for too long, closing the connection\r\n"));
	assert_true(was_traced("SASL_CANCEL\n"));
	client_close(&c);
}

/* ---- data */

static void allow_data(uint64_t data_timeout, uint64_t data_rate)
{
	world.config.limits.data_timeout = data_timeout;
	world.config.limits.data_rate = data_rate;
}

static void data_slower_than_the_rate_uses_up_its_time(void **state)
{
	struct client c;
	(void)state;
	allow_data(400, 10000);
	client_begins_mail(&c);
	client_say(&c, "DATA\r\n");
	HEARS(&c, "354 Go ahead, end with a line that holds only a dot\r\n");
	insist_until_closed(&c, "slow "); /* 250 bytes a second */
	assert_true(heard_last(&c, SLOW));
	assert_int_equal(count_refusals(REFUSAL_RATE), 1);
	RUN_UNTIL(was_traced("SESSION_CLOSED too slow\n"));
	assert_true(was_traced("ABORTED"));
	client_close(&c);
}

static void data_at_the_rate_may_take_as_long_as_it_takes(void **state)
{
	struct client c;
	(void)state;
	allow_data(1000, 100);
	client_begins_mail(&c);
	client_say(&c, "DATA\r\n");
	HEARS(&c, "354 Go ahead, end with a line that holds only a dot\r\n");
	for (unsigned i = 0; i < 15; i++) {
		client_say(&c, "Subject: not fast, and no attack\r\n");
		world_turn_for(100);
	}
	client_say(&c, ".\r\n");
	HEARS(&c, "250 2.0.0 Sent as ID1\r\n");
	client_close(&c);
}

static void without_a_rate_silence_alone_counts(void **state)
{
	struct client c;
	(void)state;
	allow_data(1000, 0);
	client_begins_mail(&c);
	client_say(&c, "DATA\r\n");
	HEARS(&c, "354 Go ahead, end with a line that holds only a dot\r\n");
	for (unsigned i = 0; i < 15; i++) {
		client_say(&c, "x");
		world_turn_for(80);
	}
	client_say(&c, "\r\n.\r\n");
	HEARS(&c, "250 2.0.0 Sent as ID1\r\n");
	client_close(&c);
}

static void chunks_share_the_time_of_their_message(void **state)
{
	struct client c;
	(void)state;
	allow_data(400, 10000);
	client_begins_mail(&c);
	insist_until_closed(&c, "BDAT 1\r\nx");
	assert_true(heard_last(&c, SLOW));
	RUN_UNTIL(was_traced("ABORTED"));
	client_close(&c);
}

static void one_chunk_that_trickles_is_cut_too(void **state)
{
	static const char *const begins[] = { "BDAT 100000 LAST\r\n",
					      "RSET\r\nBDAT 100000 LAST\r\n" }; /* taken, and dropped */
	(void)state;
	allow_data(400, 10000);
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		struct client c;
		client_begins_mail(&c);
		client_say(&c, begins[i]);
		insist_until_closed(&c, "x");
		assert_true(heard_last(&c, SLOW));
		client_close(&c);
	}
}

static void small_talk_between_chunks_puts_nothing_off(void **state)
{
	struct client c;
	(void)state;
	allow_data(500, 10000);
	client_begins_mail(&c);
	client_say(&c, "BDAT 5\r\nx: y\n");
	HEARS(&c, "250 2.0.0 Chunk received\r\n");
	insist_until_closed(&c, "NOOP\r\n");
	assert_true(heard_last(&c, IDLE));
	client_close(&c);
}

#define LINE "a line of forty bytes and not one more\r\n"
#define LINES_AT_ONCE 1000

/* Sixteen megabytes: more than all buffers between the client and the relay hold. */
static void say_more_than_is_read(struct client *c)
{
	static char lines[LINES_AT_ONCE * (sizeof(LINE) - 1) + 1];
	for (size_t i = 0; i < LINES_AT_ONCE; i++)
		memcpy(lines + i * (sizeof(LINE) - 1), LINE, sizeof(LINE));
	client_say(c, "Subject: x\r\n\r\n");
	for (unsigned i = 0; i < 400; i++)
		client_say(c, lines);
}

static void no_clock_runs_while_the_relay_does_not_read(void **state)
{
	struct client c, slow;
	(void)state;
	allow_data(4000, 10000);
	client_begins_mail(&slow);
	client_begins_mail(&c);
	world.config.limits.message_size = 64U << 20;
	client_say(&c, "DATA\r\n");
	HEARS(&c, "354 Go ahead, end with a line that holds only a dot\r\n");
	client_say(&slow, "DATA\r\n");
	HEARS(&slow, "354 Go ahead, end with a line that holds only a dot\r\n");
	world.peers_paused = true;
	say_more_than_is_read(&c);
	world_turn_for(200);
	client_say(&slow, "x");
	world_turn_for(4300);
	assert_true(stream_backlog(c.stream) > 1U << 20);
	world.peers_paused = false;
	world_turn_for(50);
	client_say(&slow, "\r\n.\r\n");
	client_say(&c, ".\r\n");
	HEARS(&slow, "250 2.0.0 Sent as ID1\r\n");
	HEARS(&c, "250 2.0.0 Sent as ID1\r\n");
	client_close(&c);
	client_close(&slow);
}

static void a_client_that_waited_for_a_relay_that_is_gone_is_under_the_clocks_again(void **state)
{
	struct client c, slow;
	(void)state;
	allow_data(1500, 10000);
	client_begins_mail(&slow);
	client_begins_mail(&c);
	world.config.limits.message_size = 64U << 20;
	client_say(&c, "DATA\r\n");
	HEARS(&c, "354 Go ahead, end with a line that holds only a dot\r\n");
	client_say(&slow, "DATA\r\n");
	HEARS(&slow, "354 Go ahead, end with a line that holds only a dot\r\n");
	world.peers_paused = true;
	say_more_than_is_read(&c);
	world_turn_for(200);
	client_say(&slow, "x");
	world_turn_for(50);
	door_free(&world.relay.door);
	world.peers_paused = false;
	insist_until_closed(&slow, "x");
	assert_true(heard_last(&slow, SLOW));
	client_close(&c);
	client_close(&slow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_command_is_whole_in_time_however_its_bytes_trickle),
		IN_WORLD(a_line_without_end_is_no_progress_either),
		IN_WORLD(a_client_that_keeps_talking_stays),
		IN_WORLD(small_talk_keeps_no_transaction),
		IN_WORLD(recipients_keep_a_transaction),
		IN_WORLD(no_command_puts_the_login_off),
		IN_WORLD(a_handshake_that_does_not_end_is_cut_and_recorded),
		IN_WORLD(a_handshake_has_less_time_than_the_login),
		IN_WORLD(a_challenge_that_is_never_answered_ends_the_session),
		IN_WORLD(data_slower_than_the_rate_uses_up_its_time),
		IN_WORLD(data_at_the_rate_may_take_as_long_as_it_takes),
		IN_WORLD(without_a_rate_silence_alone_counts),
		IN_WORLD(chunks_share_the_time_of_their_message),
		IN_WORLD(one_chunk_that_trickles_is_cut_too),
		IN_WORLD(small_talk_between_chunks_puts_nothing_off),
		IN_WORLD(no_clock_runs_while_the_relay_does_not_read),
		IN_WORLD(a_client_that_waited_for_a_relay_that_is_gone_is_under_the_clocks_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
