/*
 * A whole gate role on a real loop, with fake auth and relay roles (gate_peers.h) at the other ends of real doors, and
 * clients that connect by TCP and speak TLS. Tests write what a client says and what it must hear, and read the trace
 * of what the gate told the other roles.
 */
#ifndef TESTS_UNIT_GATE_FIXTURE_H
#define TESTS_UNIT_GATE_FIXTURE_H

#include "gate_peers.h"

/* ---- the gate */

static inline void configure_gate(struct config *config)
{
	static char *addresses[] = { "127.0.0.1:0" };
	static char *mechanisms[] = { "PLAIN", "LOGIN" };
	static struct config_listener listeners[LISTENERS];
	listeners[SUBMISSIONS] = (struct config_listener){ .name = "submissions",
							   .address = { addresses, 1 },
							   .tls = LISTENER_TLS_IMPLICIT };
	listeners[SUBMISSION] = (struct config_listener){ .name = "submission",
							  .address = { addresses, 1 },
							  .tls = LISTENER_TLS_STARTTLS };
	*config = (struct config){ .file = "", .folder = "" };
	config->global.hostname = "mail.example.com";
	config->global.gates = 1;
	config->listener.items = listeners;
	config->listener.count = LISTENERS;
	config->limits = (struct config_limits){ .connections = 100,
						 .connections_per_address = 50,
						 .memory = 1U << 30,
						 .message_size = 1U << 20,
						 .recipients_per_message = 5,
						 .local_part = 64,
						 .recipient_local_part = 250,
						 .errors = 10,
						 .command_timeout = 60000,
						 .data_timeout = 60000,
						 .auth_timeout = 60000 };
	config->auth.mechanisms = (struct config_list){ mechanisms, 2 };
	config->sender.delimiter = "+";
	config->header.add_missing = true;
}

static inline void open_listeners(void)
{
	for (size_t i = 0; i < LISTENERS; i++) {
		struct endpoint any;
		assert_int_equal(endpoint_parse(SPAN("127.0.0.1:0"), &any), STATUS_OK);
		assert_int_equal(listener_open_socket(&any, &world.listener_fds[i]), STATUS_OK);
		world.endpoints[i].size = sizeof(world.endpoints[i].storage);
		assert_int_equal(getsockname(world.listener_fds[i], (struct sockaddr *)&world.endpoints[i].storage,
					     &world.endpoints[i].size),
				 0);
	}
}

/* Everything but the gate itself, so that a test may change the config first. */
static inline int prepare_world(void **state)
{
	struct tls_client_options options = { .verify = false };
	char *error = NULL;
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	world = (struct world){ 0 };
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(timer_make(world.loop, on_tick, world.loop, &world.tick), STATUS_OK);
	assert_int_equal(loop_create(&world.peer_loop), STATUS_OK);
	assert_int_equal(timer_make(world.peer_loop, on_tick, world.peer_loop, &world.peer_tick), STATUS_OK);
	assert_int_equal(stats_create_private(&world.stats), STATUS_OK);
	assert_int_equal(census_board_create(&world.census), STATUS_OK);
	assert_int_equal(tls_client_create(&options, &world.tls, &error), STATUS_OK);
	buf_init(&world.trace, BIG_MAXIMUM);
	buf_init(&world.message, BIG_MAXIMUM);
	configure_gate(&world.config);
	open_listeners();
	return 0;
}

static inline void start_gate(void)
{
	world.role = (struct role_context){ .loop = world.loop,
					    .config = &world.config,
					    .stats = world.stats,
					    .instance = 3,
					    .index = 1,
					    .seat = GATE_SEAT,
					    .node = "mail.example.com" };
	assert_int_equal(census_board_open(world.census, GATE_SEAT, world.config.limits.connections), STATUS_OK);
	assert_int_equal(gate_role.start(&world.role, &world.gate), STATUS_OK);
	assert_int_equal(gate_role.listen(world.gate, SPAN("0:0:submissions"), world.listener_fds[SUBMISSIONS]),
			 STATUS_OK);
	assert_int_equal(gate_role.listen(world.gate, SPAN("0:0:submission"), world.listener_fds[SUBMISSION]),
			 STATUS_OK);
	attach_auth();
	attach_relay();
	world_turn();
}

static inline int open_world(void **state)
{
	prepare_world(state);
	start_gate();
	return 0;
}

static inline int close_world(void **state)
{
	(void)state;
	gate_role.stop(world.gate);
	door_free(&world.auth.door);
	door_free(&world.relay.door);
	for (unsigned i = 0; i < 3; i++)
		world_turn(); /* streams that finish by themselves */
	tls_context_free(&world.tls);
	stats_free_private(&world.stats);
	census_board_free(&world.census);
	buf_free(&world.trace);
	buf_free(&world.message);
	timer_free(&world.tick);
	timer_free(&world.peer_tick);
	loop_free(world.loop);
	loop_free(world.peer_loop);
	return 0;
}

/* ---- clients */

static inline void on_client_event(void *context, struct stream *stream, enum stream_event event)
{
	struct client *c = context;
	if (event == STREAM_INPUT) {
		assert_int_equal(buf_append(&c->heard, buf_span(stream_input(stream))), STATUS_OK);
		buf_clear(stream_input(stream));
	}
	c->secured |= event == STREAM_SECURED;
	c->ended |= event == STREAM_ENDED;
	c->failed |= event == STREAM_FAILED;
}

static inline void client_connect(struct client *c, unsigned listener)
{
	struct stream_options options = {
		.input_maximum = 1U << 20, .output_maximum = BIG_MAXIMUM, .on_event = on_client_event, .context = c
	};
	*c = (struct client){ .world = &world };
	buf_init(&c->heard, BIG_MAXIMUM);
	assert_int_equal(stream_connect(world.loop, (struct sockaddr *)&world.endpoints[listener].storage,
					world.endpoints[listener].size, &options, &c->stream),
			 STATUS_OK);
	for (unsigned i = 0; i < 3; i++)
		world_turn();
}

static inline void client_secure(struct client *c)
{
	assert_int_equal(stream_secure_client(c->stream, world.tls, SPAN("mail.example.com")), STATUS_OK);
	RUN_UNTIL(c->secured || c->failed);
}

static inline void client_close(struct client *c)
{
	stream_free(&c->stream);
	buf_free(&c->heard);
}

static inline void client_say(struct client *c, const char *text)
{
	assert_int_equal(stream_write(c->stream, span_of(text)), STATUS_OK);
}

/* The same, each byte in a turn of its own. */
static inline void client_drip(struct client *c, const char *text)
{
	for (; *text; text++) {
		assert_int_equal(stream_write(c->stream, (struct span){ text, 1 }), STATUS_OK);
		world_turn();
	}
}

/* The next that the client hears is exactly this; anything after it stays for the next one. */
#define HEARS(c, text) client_hears(c, text, __LINE__)
static inline void client_hears(struct client *c, const char *text, int line)
{
	size_t size = strlen(text);
	for (unsigned ms = 0; buf_size(&c->heard) < size && ms < PATIENCE_MS && !c->ended && !c->failed; ms++)
		world_turn();
	struct span heard = buf_span(&c->heard);
	if (!span_starts_with(heard, span_of(text)))
		fail_msg("line %d: expected \"%s\", heard \"%.*s\"", line, text, SPAN_ARGS(heard));
	buf_consume(&c->heard, size);
}

static inline void client_hears_no_more(struct client *c)
{
	RUN_UNTIL(c->ended || c->failed);
	assert_int_equal(buf_size(&c->heard), 0);
}

#define GREETING "220 mail.example.com ESMTP Subgate ready\r\n"
#define OFFER(last)                                           \
	"250-mail.example.com\r\n250-PIPELINING\r\n250-SIZE " \
	"1048576\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250 " last "\r\n"

/* On the listener for STARTTLS, greeted in clear. */
static inline void client_greeted_in_clear(struct client *c)
{
	client_connect(c, SUBMISSION);
	HEARS(c, GREETING);
}

/* On the implicit listener, greeted. */
static inline void client_greeted(struct client *c)
{
	client_connect(c, SUBMISSIONS);
	client_secure(c);
	HEARS(c, GREETING);
}

/* The same, after EHLO. */
static inline void client_offered_login(struct client *c)
{
	client_greeted(c);
	client_say(c, "EHLO pc.local\r\n");
	HEARS(c, OFFER("AUTH PLAIN LOGIN"));
}

/* The same, and logged in as alice. */
static inline void client_logged_in(struct client *c)
{
	client_greeted(c);
	client_say(c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(c, "235 2.7.0 Welcome\r\n");
}

/* A test with a gate of its own. */
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

#endif
