/*
 * A whole gate role on a real loop, with fake auth and relay roles at the other
 * ends of real doors, and clients that connect by TCP and speak TLS. Tests
 * write what a client says and what it must hear, and read the trace of what
 * the gate told the other roles.
 *
 * The fakes, unless a test says otherwise: AUTH PLAIN with the initial response
 * "good" is alice, who may use alice@example.com and @team.example; "ask" gets
 * a challenge, and then "good" is right; everything else is wrong. Recipients
 * that begin with "bad" are refused; every message is accepted.
 */
#ifndef TESTS_UNIT_GATE_FIXTURE_H
#define TESTS_UNIT_GATE_FIXTURE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "door/messages.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tls.h"
#include "role/role.h"
#include "stats/census.h"

#define PATIENCE_MS 30000       /* for what must happen */
#define BIG_MAXIMUM (64U << 20) /* bytes: no buffer of the fixture is the bottleneck */

static const char certificate_pem[] = "-----BEGIN CERTIFICATE-----\n"
				      "MIIBjjCCATOgAwIBAgIUL2BZoFEeTs8jVNALu+qn1aRPjbAwCgYIKoZIzj0EAwIw\n"
				      "GzEZMBcGA1UEAwwQbWFpbC5leGFtcGxlLmNvbTAgFw0yNjExMjIwNjM1NTRaGA8y\n"
				      "MTI2MTAyOTA2MzU1NFowGzEZMBcGA1UEAwwQbWFpbC5leGFtcGxlLmNvbTBZMBMG\n"
				      "ByqGSM49AgEGCCqGSM49AwEHA0IABL7mybAuMJlIBHKRRUJXTaxuA42Ob3Ycn0LQ\n"
				      "+oKvDL7K//Bp8z4GlLtov49uYQjxMUK+WRFWsbj6IfJHcWNQSASjUzBRMB0GA1Ud\n"
				      "DgQWBBRK2gEnq+7b3SkQhOSSgErXRutg2DAfBgNVHSMEGDAWgBRK2gEnq+7b3SkQ\n"
				      "hOSSgErXRutg2DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDT\n"
				      "bWVAUfWUjb4dLBbnyRCqduPG4uf/vr1YvNhWYOYeowIhAJeU9EKqKR+yYcwdAAZ8\n"
				      "YTxcMb3T0ZLtXBc9cCd8K6n+\n"
				      "-----END CERTIFICATE-----\n";
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3a3ZwUl8wKNHE+Lf\n"
			      "kBJit9UKl6UYx7g3GfndvwAHbUuhRANCAAS+5smwLjCZSARykUVCV02sbgONjm92\n"
			      "HJ9C0PqCrwy+yv/wafM+BpS7aL+PbmEI8TFCvlkRVrG4+iHyR3FjUEgE\n"
			      "-----END PRIVATE KEY-----\n";

#define GATE_SEAT 4 /* in the census; others may stand beside it */

enum { SUBMISSIONS, SUBMISSION, LISTENERS }; /* implicit TLS, STARTTLS */

struct peer {
	struct door *door;
	bool silent;   /* keeps its answers back; the test gives them */
	uint64_t last; /* number of the request or transaction seen last */
};

struct world {
	struct loop *loop; /* of the gate and its clients */
	struct timer *tick;
	struct loop *peer_loop; /* of the fake roles, so that they can rest */
	struct timer *peer_tick;
	bool peers_rest;
	struct config config;
	struct stats *stats;
	struct census_board *census;
	struct role_context role;
	void *gate;
	bool finished; /* the role called role_finish */
	struct endpoint endpoints[LISTENERS];
	int listener_fds[LISTENERS];
	struct tls_context *tls; /* of clients */
	struct peer auth, relay;
	struct buf trace;   /* a line a frame */
	struct buf message; /* bytes of MESSAGE_DATA */
};

struct client {
	struct world *world;
	struct stream *stream;
	struct buf heard;
	bool secured, ended, failed;
};

static struct world world;

/* ---- what role_main.c gives a role */

int role_take_fd(const struct role_context *context, const char *name)
{
	(void)context;
	if (strcmp(name, "census") == 0)
		return dup(census_board_fd(world.census));
	if (strcmp(name, "census-reading") == 0)
		return dup(census_board_reading_fd(world.census));
	return -1;
}

enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret)
{
	static const char tickets[TLS_TICKET_KEY_SIZE] = { 1 };
	(void)context;
	if (strcmp(name, "tls-certificate") == 0)
		return secret_from_span(span_of(certificate_pem), out_secret);
	if (strcmp(name, "tls-key") == 0)
		return secret_from_span(span_of(key_pem), out_secret);
	if (strcmp(name, "tls-tickets") == 0)
		return secret_from_span((struct span){ tickets, sizeof(tickets) }, out_secret);
	return STATUS_NOT_FOUND;
}

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	(void)context;
	if (world.trace.maximum &&
	    buf_printf(&world.trace, "LOST %s %u\n", peer == ROLE_AUTH ? "auth" : "relay", instance) != STATUS_OK)
		abort();
}

void role_finish(const struct role_context *context)
{
	(void)context;
	world.finished = true;
}

/* ---- turns of the loop */

static inline void on_tick(void *context)
{
	loop_stop(context);
}

static inline void turn(void)
{
	timer_set(world.tick, 1);
	loop_run(world.loop);
	if (world.peers_rest)
		return;
	timer_set(world.peer_tick, 0);
	loop_run(world.peer_loop);
}

/* Turns until the condition holds, or patience is gone. */
#define RUN_UNTIL(condition)                                                                    \
	do {                                                                                    \
		for (unsigned ms_ = 0; !(condition) && ms_ < PATIENCE_MS; ms_++)                \
			turn();                                                                 \
		if (!(condition))                                                               \
			fail_msg("%s:%d: never came true: %s", __FILE__, __LINE__, #condition); \
	} while (0)

static inline void rest(unsigned ms)
{
	uint64_t until = clock_monotonic_ms() + ms;
	while (clock_monotonic_ms() < until)
		turn();
}

/* ---- the trace */

static inline void trace(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	assert_int_equal(buf_vprintf(&world.trace, format, args), STATUS_OK);
	va_end(args);
}

static inline bool traced(const char *text)
{
	struct span all = buf_span(&world.trace);
	return all.size && memmem(all.data, all.size, text, strlen(text)) != NULL;
}

static inline size_t count_traced(const char *text)
{
	size_t count = 0;
	struct span rest = buf_span(&world.trace);
	const char *at;
	while (rest.size && (at = memmem(rest.data, rest.size, text, strlen(text))) != NULL) {
		count++;
		rest = span_slice(rest, (size_t)(at - rest.data) + 1, rest.size);
	}
	return count;
}

static inline void trace_list(const char *name, struct codec_list list)
{
	struct span item;
	trace(" %s=", name);
	while (codec_list_next(&list, &item))
		trace("<%.*s>", SPAN_ARGS(item));
}

/* ---- the fake auth role */

static inline void auth_answer(uint64_t request, bool granted, const char *reply)
{
	struct buf senders BUF_AUTO;
	buf_init(&senders, 4096);
	assert_int_equal(codec_list_add(&senders, SPAN("alice@example.com")), STATUS_OK);
	assert_int_equal(codec_list_add(&senders, SPAN("@team.example")), STATUS_OK);
	struct door_sasl_done done = { .request = request,
				       .granted = granted,
				       .reply = span_of(reply),
				       .user = granted ? SPAN("alice") : SPAN(""),
				       .senders = codec_list_of(&senders) };
	assert_int_equal(door_send_sasl_done(world.auth.door, &done), STATUS_OK);
}

static inline void judge(uint64_t request, struct span response)
{
	if (span_equal(response, SPAN("good")))
		auth_answer(request, true, "235 2.7.0 Welcome");
	else
		auth_answer(request, false, "535 5.7.8 Wrong user name or password");
}

static inline enum status on_sasl_start(struct span payload)
{
	struct door_sasl_start m;
	TRY(door_read_sasl_start(payload, &m));
	world.auth.last = m.request;
	trace("SASL_START %.*s initial=%u:%.*s listener=%.*s tls=%.*s helo=%.*s\n", SPAN_ARGS(m.mechanism),
	      m.has_initial, SPAN_ARGS(m.initial), SPAN_ARGS(m.client.listener), SPAN_ARGS(m.client.tls_version),
	      SPAN_ARGS(m.client.helo));
	if (world.auth.silent)
		return STATUS_OK;
	if (m.has_initial) {
		judge(m.request, m.initial);
		return STATUS_OK;
	}
	struct door_sasl_challenge challenge = { .request = m.request, .challenge = SPAN("d2hv") };
	return door_send_sasl_challenge(world.auth.door, &challenge);
}

static inline enum status on_auth_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_sasl_step step;
	(void)context;
	(void)door;
	switch (type) {
	case DOOR_SASL_START:
		return on_sasl_start(payload);
	case DOOR_SASL_STEP:
		TRY(door_read_sasl_step(payload, &step));
		trace("SASL_STEP %zu\n", step.response.size);
		if (!world.auth.silent)
			judge(step.request, step.response);
		return STATUS_OK;
	case DOOR_SASL_CANCEL:
		trace("SASL_CANCEL\n");
		return STATUS_OK;
	default:
		return STATUS_INVALID;
	}
}

/* ---- the fake relay role */

static inline void relay_answer_envelope(uint64_t transaction, const char *const *replies, size_t count)
{
	struct buf list BUF_AUTO;
	buf_init(&list, 65536);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(codec_list_add(&list, span_of(replies[i])), STATUS_OK);
	struct door_envelope_reply reply = { .transaction = transaction,
					     .message = SPAN("ID1"),
					     .replies = codec_list_of(&list) };
	assert_int_equal(door_send_envelope_reply(world.relay.door, &reply), STATUS_OK);
}

static inline void relay_answer_message(uint64_t transaction, const char *text)
{
	struct door_message_reply reply = { .transaction = transaction, .reply = span_of(text) };
	assert_int_equal(door_send_message_reply(world.relay.door, &reply), STATUS_OK);
}

static inline enum status on_envelope(struct span payload)
{
	struct door_envelope m;
	struct span address;
	const char *replies[1000];
	size_t count = 0;
	TRY(door_read_envelope(payload, &m));
	world.relay.last = m.transaction;
	trace("ENVELOPE from=<%.*s> parameters=%.*s size=%" PRIu64, SPAN_ARGS(m.mail_from),
	      SPAN_ARGS(m.mail_parameters), m.size);
	trace_list("to", m.recipients);
	trace(" helo=%.*s\n", SPAN_ARGS(m.helo));
	trace_list("PARAMETERS", m.recipient_parameters);
	trace("\n");
	assert_int_equal(codec_list_count(m.recipients), codec_list_count(m.recipient_parameters));
	while (codec_list_next(&m.recipients, &address))
		replies[count++] = span_starts_with(address, SPAN("bad")) ? "550 5.1.1 No such user" : "250 2.1.5 OK";
	if (!world.relay.silent)
		relay_answer_envelope(m.transaction, replies, count);
	return STATUS_OK;
}

static inline enum status on_message_data(struct span payload)
{
	struct door_message_data m;
	TRY(door_read_message_data(payload, &m));
	world.relay.last = m.transaction;
	assert_int_equal(buf_append(&world.message, m.bytes), STATUS_OK);
	if (!m.complete)
		return STATUS_OK;
	trace("COMPLETE from=%.*s id=%.*s\n", SPAN_ARGS(m.header_from), SPAN_ARGS(m.message_id));
	if (!world.relay.silent)
		relay_answer_message(m.transaction, "250 2.0.0 Sent as ID1");
	return STATUS_OK;
}

static inline enum status on_session(uint16_t type, struct span payload)
{
	struct door_session_opened opened;
	struct door_session_closed closed;
	struct door_session_refused refused;
	struct door_sessions_anonymous anonymous;
	if (type == DOOR_SESSIONS_ANONYMOUS) {
		TRY(door_read_sessions_anonymous(payload, &anonymous));
		trace("SESSIONS_ANONYMOUS network=%.*s count=%" PRIu64 "\n", SPAN_ARGS(anonymous.network),
		      anonymous.count);
		return STATUS_OK;
	}
	if (type == DOOR_SESSION_REFUSED) {
		TRY(door_read_session_refused(payload, &refused));
		trace("SESSION_REFUSED %.*s address=%.*s listener=%.*s count=%" PRIu64 "\n", SPAN_ARGS(refused.reason),
		      SPAN_ARGS(refused.address), SPAN_ARGS(refused.listener), refused.count);
		return STATUS_OK;
	}
	if (type == DOOR_SESSION_OPENED) {
		TRY(door_read_session_opened(payload, &opened));
		trace("SESSION_OPENED %.*s %.*s %.*s\n", SPAN_ARGS(opened.client.listener),
		      SPAN_ARGS(opened.client.address), SPAN_ARGS(opened.client.tls_version));
		return STATUS_OK;
	}
	TRY(door_read_session_closed(payload, &closed));
	trace("SESSION_CLOSED %.*s\n", SPAN_ARGS(closed.reason));
	return STATUS_OK;
}

static inline enum status on_relay_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_transaction_aborted aborted;
	(void)context;
	(void)door;
	switch (type) {
	case DOOR_SESSION_OPENED:
	case DOOR_SESSION_CLOSED:
	case DOOR_SESSION_REFUSED:
	case DOOR_SESSIONS_ANONYMOUS:
		return on_session(type, payload);
	case DOOR_ENVELOPE:
		return on_envelope(payload);
	case DOOR_MESSAGE_DATA:
		return on_message_data(payload);
	case DOOR_TRANSACTION_ABORTED:
		TRY(door_read_transaction_aborted(payload, &aborted));
		trace("ABORTED from=<%.*s> reply=%.*s reason=%.*s\n", SPAN_ARGS(aborted.mail_from),
		      SPAN_ARGS(aborted.reply), SPAN_ARGS(aborted.reason));
		return STATUS_OK;
	default:
		return STATUS_INVALID;
	}
}

static inline void on_peer_closed(void *context, struct door *door)
{
	(void)door;
	trace("%s\n", context == &world.auth ? "AUTH_DOOR_CLOSED" : "RELAY_DOOR_CLOSED");
}

static const struct door_handler auth_handler = { .on_frame = on_auth_frame, .on_closed = on_peer_closed };
static const struct door_handler relay_handler = { .on_frame = on_relay_frame, .on_closed = on_peer_closed };

static inline void attach_peer(struct peer *peer, enum role_kind kind, const struct door_handler *handler)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	door_free(&peer->door);
	assert_int_equal(door_create(world.peer_loop, fds[1], handler, peer, &peer->door), STATUS_OK);
	gate_role.attached(world.gate, kind, 7, fds[0]);
}

static inline void attach_auth(void)
{
	struct buf names BUF_AUTO;
	buf_init(&names, 256);
	attach_peer(&world.auth, ROLE_AUTH, &auth_handler);
	assert_int_equal(codec_list_add(&names, SPAN("PLAIN")), STATUS_OK);
	assert_int_equal(codec_list_add(&names, SPAN("LOGIN")), STATUS_OK);
	struct door_mechanisms mechanisms = { .names = codec_list_of(&names) };
	assert_int_equal(door_send_mechanisms(world.auth.door, &mechanisms), STATUS_OK);
}

static inline void attach_relay(void)
{
	attach_peer(&world.relay, ROLE_RELAY, &relay_handler);
}

/* ---- the gate */

static inline void configure(struct config *config)
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
	configure(&world.config);
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
	turn();
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
		turn(); /* streams that finish by themselves */
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
		turn();
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

static inline void say(struct client *c, const char *text)
{
	assert_int_equal(stream_write(c->stream, span_of(text)), STATUS_OK);
}

/* As say, each byte in a turn of its own. */
static inline void drip(struct client *c, const char *text)
{
	for (; *text; text++) {
		assert_int_equal(stream_write(c->stream, (struct span){ text, 1 }), STATUS_OK);
		turn();
	}
}

/* The next that the client hears is exactly this; what comes behind it stays for the next one. */
#define HEARS(c, text) hears(c, text, __LINE__)
static inline void hears(struct client *c, const char *text, int line)
{
	size_t size = strlen(text);
	for (unsigned ms = 0; buf_size(&c->heard) < size && ms < PATIENCE_MS && !c->ended && !c->failed; ms++)
		turn();
	struct span heard = buf_span(&c->heard);
	if (!span_starts_with(heard, span_of(text)))
		fail_msg("line %d: expected \"%s\", heard \"%.*s\"", line, text, SPAN_ARGS(heard));
	buf_consume(&c->heard, size);
}

static inline void hears_no_more(struct client *c)
{
	RUN_UNTIL(c->ended || c->failed);
	assert_int_equal(buf_size(&c->heard), 0);
}

#define GREETING "220 mail.example.com ESMTP Subgate ready\r\n"
#define OFFER(last)                                           \
	"250-mail.example.com\r\n250-PIPELINING\r\n250-SIZE " \
	"1048576\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250 " last "\r\n"

/* On the implicit listener, greeted. */
static inline void client_greeted(struct client *c)
{
	client_connect(c, SUBMISSIONS);
	client_secure(c);
	HEARS(c, GREETING);
}

/* The same, and alice. */
static inline void client_logged_in(struct client *c)
{
	client_greeted(c);
	say(c, "EHLO pc.local\r\nAUTH PLAIN good\r\n");
	HEARS(c, OFFER("AUTH PLAIN LOGIN"));
	HEARS(c, "235 2.7.0 Welcome\r\n");
}

#endif
