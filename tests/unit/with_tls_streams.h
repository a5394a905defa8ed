/* For tests of TLS: a server's stream and a client's, joined by a socket pair. */
#ifndef TESTS_WITH_TLS_STREAMS_H
#define TESTS_WITH_TLS_STREAMS_H

#include "with_loop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/stream.h"
#include "net/tls.h"
#include "with_certificate.h"

#define BULK (512U << 10)   /* bytes: many records, many turns */
#define INPUT_MAXIMUM 20000 /* bytes: not a whole number of records */

/* One side of a connection. */
struct tls_side {
	struct stream *stream;
	struct tls_context *context;
	unsigned told[STREAM_FAILED + 1];
	size_t received; /* bytes, consumed at once */
	bool keeps;      /* does not consume */
};

struct tls_fixture {
	struct loop *loop;
	struct certificate certificate;
	struct tls_tickets *tickets; /* NULL: none */
	struct tls_side server;
	struct tls_side client;
};

static inline void note_event(void *context, struct stream *stream, enum stream_event event)
{
	struct tls_side *side = context;
	side->told[event]++;
	if (side->keeps)
		return;
	side->received += buf_size(stream_input(stream));
	buf_clear(stream_input(stream));
}

static inline struct tls_context *make_named_server(struct tls_fixture *f, struct span name, bool tls13_only)
{
	struct tls_context *context = NULL;
	char *error = NULL;
	struct tls_server_options options = {
		.certificate_pem = f->certificate.certificate,
		.private_key = &f->certificate.key,
		.tickets = f->tickets,
		.session_id_context = name,
		.allow_tls13_only = tls13_only,
	};
	assert_int_equal(tls_server_create(&options, &context, &error), STATUS_OK);
	return context;
}

static inline struct tls_context *make_server(struct tls_fixture *f, bool tls13_only)
{
	return make_named_server(f, SPAN("submission"), tls13_only);
}

static inline struct tls_context *make_client(struct span ca_pem, bool verify)
{
	struct tls_context *context = NULL;
	char *error = NULL;
	struct tls_client_options options = { .verify = verify, .ca_pem = ca_pem };
	assert_int_equal(tls_client_create(&options, &context, &error), STATUS_OK);
	return context;
}

static inline void attach_side(struct tls_fixture *f, struct tls_side *side, int fd)
{
	struct stream_options options = {
		.input_maximum = INPUT_MAXIMUM, .output_maximum = BULK, .on_event = note_event, .context = side
	};
	assert_int_equal(stream_create(f->loop, fd, &options, &side->stream), STATUS_OK);
}

/* A server that trusts nobody, and a client that trusts the server's certificate. */
static inline void begin_streams(struct tls_fixture *f)
{
	int fds[2];
	*f = (struct tls_fixture){ 0 };
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	certificate_make(&f->certificate, "DNS:mail.example.com,IP:192.0.2.1,IP:2001:db8::1");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f->server.context = make_server(f, false);
	f->client.context = make_client(f->certificate.certificate, true);
	attach_side(f, &f->server, fds[0]);
	attach_side(f, &f->client, fds[1]);
}

static inline void end_streams(struct tls_fixture *f)
{
	stream_free(&f->server.stream);
	stream_free(&f->client.stream);
	tls_context_free(&f->server.context);
	tls_context_free(&f->client.context);
	certificate_free(&f->certificate);
	tls_tickets_free(&f->tickets);
	loop_free(f->loop);
}

static inline bool is_settled(void *context)
{
	struct tls_side *side = context;
	return side->told[STREAM_SECURED] || side->told[STREAM_FAILED];
}

static inline bool are_settled(void *context)
{
	struct tls_fixture *f = context;
	return is_settled(&f->server) && is_settled(&f->client);
}

static inline void shake_hands(struct tls_fixture *f, const char *name)
{
	assert_int_equal(stream_secure_server(f->server.stream, f->server.context), STATUS_OK);
	assert_int_equal(stream_secure_client(f->client.stream, f->client.context, span_of(name)), STATUS_OK);
	run_until(f->loop, are_settled, f);
}

static inline void assert_secured(struct tls_fixture *f)
{
	assert_string_equal(stream_error(f->client.stream), "");
	assert_string_equal(stream_error(f->server.stream), "");
	assert_int_equal(f->client.told[STREAM_SECURED], 1);
	assert_int_equal(f->server.told[STREAM_SECURED], 1);
}

#endif
