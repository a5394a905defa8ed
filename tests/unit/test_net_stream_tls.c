/* TLS on streams: real handshakes between two streams, and between a stream and a bare OpenSSL client. */
#include "with_loop.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"
#include "net/tls.h"
#include "with_certificate.h"

#define BULK (512U << 10)   /* bytes: many records, many turns */
#define INPUT_MAXIMUM 20000 /* bytes: not a whole number of records */

/* One side of a connection. */
struct side {
	struct stream *stream;
	struct tls_context *context;
	unsigned told[STREAM_FAILED + 1];
	size_t received; /* bytes, consumed at once */
	bool keeps;      /* does not consume */
};

struct fixture {
	struct loop *loop;
	struct certificate certificate;
	struct secret ticket_key;
	struct side server;
	struct side client;
};

static void note(void *context, struct stream *stream, enum stream_event event)
{
	struct side *side = context;
	side->told[event]++;
	if (side->keeps)
		return;
	side->received += buf_size(stream_input(stream));
	buf_clear(stream_input(stream));
}

static struct tls_context *make_server(struct fixture *f, bool tls13_only)
{
	struct tls_context *context = NULL;
	char *error = NULL;
	struct tls_server_options options = {
		.certificate_pem = f->certificate.certificate,
		.private_key = &f->certificate.key,
		.ticket_key = secret_is_empty(&f->ticket_key) ? NULL : &f->ticket_key,
		.session_id_context = SPAN("submission"),
		.allow_tls13_only = tls13_only,
	};
	assert_int_equal(tls_server_create(&options, &context, &error), STATUS_OK);
	return context;
}

static struct tls_context *make_client(struct span ca_pem, bool verify)
{
	struct tls_context *context = NULL;
	char *error = NULL;
	struct tls_client_options options = { .verify = verify, .ca_pem = ca_pem };
	assert_int_equal(tls_client_create(&options, &context, &error), STATUS_OK);
	return context;
}

static void attach(struct fixture *f, struct side *side, int fd)
{
	struct stream_options options = {
		.input_maximum = INPUT_MAXIMUM, .output_maximum = BULK, .on_event = note, .context = side
	};
	assert_int_equal(stream_create(f->loop, fd, &options, &side->stream), STATUS_OK);
}

/* A server that trusts nobody, and a client that trusts the server's certificate. */
static void begin(struct fixture *f)
{
	int fds[2];
	*f = (struct fixture){ 0 };
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	certificate_make(&f->certificate, "DNS:mail.example.com,IP:192.0.2.1,IP:2001:db8::1");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f->server.context = make_server(f, false);
	f->client.context = make_client(f->certificate.certificate, true);
	attach(f, &f->server, fds[0]);
	attach(f, &f->client, fds[1]);
}

static void end(struct fixture *f)
{
	stream_free(&f->server.stream);
	stream_free(&f->client.stream);
	tls_context_free(&f->server.context);
	tls_context_free(&f->client.context);
	certificate_free(&f->certificate);
	secret_wipe(&f->ticket_key);
	loop_free(f->loop);
}

static bool is_settled(void *context)
{
	struct side *side = context;
	return side->told[STREAM_SECURED] || side->told[STREAM_FAILED];
}

static bool are_settled(void *context)
{
	struct fixture *f = context;
	return is_settled(&f->server) && is_settled(&f->client);
}

static void shake_hands(struct fixture *f, const char *name)
{
	assert_int_equal(stream_secure_server(f->server.stream, f->server.context), STATUS_OK);
	assert_int_equal(stream_secure_client(f->client.stream, f->client.context, span_of(name)), STATUS_OK);
	run_until(f->loop, are_settled, f);
}

static void assert_secured(struct fixture *f)
{
	assert_string_equal(stream_error(f->client.stream), "");
	assert_string_equal(stream_error(f->server.stream), "");
	assert_int_equal(f->client.told[STREAM_SECURED], 1);
	assert_int_equal(f->server.told[STREAM_SECURED], 1);
}

static void assert_client_refuses(struct fixture *f, const char *reason)
{
	assert_int_equal(f->client.told[STREAM_SECURED], 0);
	assert_int_equal(f->client.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f->client.stream), reason);
}

/* ---- handshakes */

static void two_streams_agree_on_tls13(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_false(stream_is_secure(f.server.stream));
	assert_string_equal(stream_tls_version(f.server.stream), "");
	shake_hands(&f, "mail.example.com");
	assert_secured(&f);
	assert_true(stream_is_secure(f.server.stream));
	assert_string_equal(stream_tls_version(f.server.stream), "TLSv1.3");
	assert_string_equal(stream_tls_version(f.client.stream), "TLSv1.3");
	assert_string_equal(stream_tls_cipher(f.server.stream), stream_tls_cipher(f.client.stream));
	end(&f);
}

static void an_address_is_verified_as_one(void **state)
{
	static const char *const names[] = { "192.0.2.1", "2001:db8::1" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture f;
		begin(&f);
		shake_hands(&f, names[i]);
		assert_secured(&f);
		end(&f);
	}
}

static void another_name_or_address_is_refused(void **state)
{
	static const struct {
		const char *name;
		const char *reason;
	} cases[] = {
		{ "other.example.com", "certificate verify failed: hostname mismatch" },
		{ "ail.example.com", "certificate verify failed: hostname mismatch" },
		{ "192.0.2.2", "certificate verify failed: IP address mismatch" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		begin(&f);
		shake_hands(&f, cases[i].name);
		assert_client_refuses(&f, cases[i].reason);
		end(&f);
	}
}

static void a_certificate_of_another_authority_is_refused(void **state)
{
	struct fixture f;
	struct certificate other;
	(void)state;
	begin(&f);
	certificate_make(&other, "DNS:mail.example.com");
	tls_context_free(&f.client.context);
	f.client.context = make_client(other.certificate, true);
	shake_hands(&f, "mail.example.com");
	assert_client_refuses(&f, "certificate verify failed: self-signed certificate");
	assert_int_equal(f.server.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.server.stream), "TLS: tlsv1 alert unknown ca");
	certificate_free(&other);
	end(&f);
}

static void without_verification_any_certificate_passes(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	tls_context_free(&f.client.context);
	f.client.context = make_client((struct span){ NULL, 0 }, false);
	shake_hands(&f, "whatever.example.org");
	assert_secured(&f);
	end(&f);
}

static void verification_without_a_name_is_not_begun(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_int_equal(stream_secure_client(f.client.stream, f.client.context, SPAN("")), STATUS_INVALID);
	end(&f);
}

static void text_instead_of_a_handshake_fails_with_a_reason(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_OK);
	assert_int_equal(stream_write(f.client.stream, SPAN("EHLO client.example.com\r\n")), STATUS_OK);
	run_until(f.loop, is_settled, &f.server);
	assert_int_equal(f.server.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.server.stream), "TLS: wrong version number");
	end(&f);
}

static void a_peer_that_leaves_in_the_handshake_is_a_failure(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_OK);
	stream_free(&f.client.stream);
	run_until(f.loop, is_settled, &f.server);
	assert_int_equal(f.server.told[STREAM_FAILED], 1);
	assert_int_equal(f.server.told[STREAM_ENDED], 0);
	assert_string_equal(stream_error(f.server.stream), "connection closed during the TLS handshake");
	end(&f);
}

/* ---- STARTTLS */

static void what_was_written_before_goes_in_clear_and_the_rest_in_tls(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	f.client.keeps = true;
	assert_int_equal(stream_write(f.server.stream, SPAN("220 go ahead\r\n")), STATUS_OK);
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_OK);
	assert_int_equal(stream_write(f.server.stream, SPAN("secret")), STATUS_OK);
	run_for(f.loop, 10);
	assert_true(span_equal(buf_span(stream_input(f.client.stream)), SPAN("220 go ahead\r\n")));
	buf_clear(stream_input(f.client.stream));
	assert_int_equal(stream_secure_client(f.client.stream, f.client.context, SPAN("mail.example.com")), STATUS_OK);
	run_until(f.loop, are_settled, &f);
	assert_secured(&f);
	run_for(f.loop, 10);
	assert_true(span_equal(buf_span(stream_input(f.client.stream)), SPAN("secret")));
	end(&f);
}

static void bytes_in_front_of_the_handshake_are_refused(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	f.server.keeps = true;
	assert_int_equal(stream_write(f.client.stream, SPAN("MAIL FROM:<a@b>\r\n")), STATUS_OK);
	run_for(f.loop, 10);
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_INVALID);
	end(&f);
}

static void tls_begins_only_once(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	shake_hands(&f, "mail.example.com");
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_INVALID);
	end(&f);
}

/* ---- bytes */

static bool server_has_bulk(void *context)
{
	return ((struct fixture *)context)->server.received == BULK;
}

static void bulk_goes_through_a_small_input(void **state)
{
	struct fixture f;
	char *bulk = calloc(1, BULK);
	(void)state;
	begin(&f);
	shake_hands(&f, "mail.example.com");
	assert_int_equal(stream_write(f.client.stream, (struct span){ bulk, BULK }), STATUS_OK);
	run_until(f.loop, server_has_bulk, &f);
	assert_int_equal(f.client.told[STREAM_DRAINED], 1);
	free(bulk);
	end(&f);
}

static void what_tls_holds_back_comes_when_there_is_room_again(void **state)
{
	struct fixture f;
	char *bulk = calloc(1, BULK);
	size_t total = 0;
	(void)state;
	begin(&f);
	shake_hands(&f, "mail.example.com");
	f.server.keeps = true;
	assert_int_equal(stream_write(f.client.stream, (struct span){ bulk, BULK }), STATUS_OK);
	/* Each round leaves the rest of a record inside of OpenSSL, of which the descriptor tells nothing. */
	while (total < BULK) {
		run_for(f.loop, 3);
		size_t size = buf_size(stream_input(f.server.stream));
		assert_in_range(size, 1, INPUT_MAXIMUM);
		buf_consume(stream_input(f.server.stream), size);
		total += size;
	}
	assert_int_equal(total, BULK);
	free(bulk);
	end(&f);
}

static void a_pause_holds_back_what_tls_has_and_resume_brings_it(void **state)
{
	struct fixture f;
	static const char line[30000];
	(void)state;
	begin(&f);
	shake_hands(&f, "mail.example.com");
	f.server.keeps = true;
	assert_int_equal(stream_write(f.client.stream, (struct span){ line, sizeof(line) }), STATUS_OK);
	run_for(f.loop, 10);
	assert_int_equal(buf_size(stream_input(f.server.stream)), INPUT_MAXIMUM);
	stream_pause(f.server.stream);
	buf_clear(stream_input(f.server.stream));
	run_for(f.loop, 10);
	assert_int_equal(buf_size(stream_input(f.server.stream)), 0);
	stream_resume(f.server.stream);
	run_for(f.loop, 10);
	assert_int_equal(buf_size(stream_input(f.server.stream)), sizeof(line) - INPUT_MAXIMUM);
	end(&f);
}

static bool server_ended(void *context)
{
	return ((struct fixture *)context)->server.told[STREAM_ENDED] > 0;
}

static void finish_and_a_bare_close_both_end_the_other_side(void **state)
{
	(void)state;
	for (int bare = 0; bare < 2; bare++) {
		struct fixture f;
		begin(&f);
		shake_hands(&f, "mail.example.com");
		assert_int_equal(stream_write(f.client.stream, SPAN("QUIT\r\n")), STATUS_OK);
		run_for(f.loop, 5);
		if (bare)
			stream_free(&f.client.stream);
		else
			stream_finish(&f.client.stream, 1000);
		run_until(f.loop, server_ended, &f);
		assert_int_equal(f.server.received, 6);
		assert_int_equal(f.server.told[STREAM_FAILED], 0);
		stream_free(&f.server.stream);
		run_for(f.loop, 5);
		end(&f);
	}
}

static void the_last_words_come_before_the_failure(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	shake_hands(&f, "mail.example.com");
	stream_pause(f.client.stream);
	assert_int_equal(stream_write(f.server.stream, SPAN("421 bye\r\n")), STATUS_OK);
	run_for(f.loop, 5);
	stream_free(&f.server.stream);
	stream_resume(f.client.stream);
	assert_int_equal(stream_write(f.client.stream, SPAN("RSET\r\n")), STATUS_OK);
	run_for(f.loop, 10);
	assert_int_equal(f.client.told[STREAM_FAILED], 1);
	assert_int_equal(f.client.received, 9);
	end(&f);
}

/* ---- policy, seen by a bare OpenSSL client */

struct bare_client {
	SSL_CTX *context;
	SSL *ssl;
	struct side *server;
	unsigned tickets;
	SSL_SESSION *session; /* the last that came */
};

static int note_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct bare_client *client = SSL_get_app_data(ssl);
	client->tickets++;
	SSL_SESSION_free(client->session);
	client->session = session;
	return 1;
}

static void bare_begin(struct bare_client *client, struct fixture *f, int version, SSL_SESSION *resumed)
{
	int fds[2];
	*client = (struct bare_client){ .server = &f->server };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	stream_free(&f->server.stream);
	attach(f, &f->server, fds[0]);
	memset(f->server.told, 0, sizeof(f->server.told));
	client->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(client->context, 0);
	SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client->context, note_ticket);
	SSL_CTX_set_min_proto_version(client->context, version);
	SSL_CTX_set_max_proto_version(client->context, version);
	client->ssl = SSL_new(client->context);
	SSL_set_app_data(client->ssl, client);
	SSL_set_connect_state(client->ssl);
	SSL_set_fd(client->ssl, fds[1]);
	if (resumed)
		SSL_set_session(client->ssl, resumed);
	assert_int_equal(stream_secure_server(f->server.stream, f->server.context), STATUS_OK);
}

/* Reads, too, so that tickets are seen. */
static bool bare_step(void *context)
{
	struct bare_client *client = context;
	char byte;
	(void)SSL_read(client->ssl, &byte, 1);
	return is_settled(client->server);
}

static void bare_end(struct bare_client *client)
{
	close(SSL_get_fd(client->ssl));
	SSL_free(client->ssl);
	SSL_CTX_free(client->context);
	SSL_SESSION_free(client->session);
}

static void assert_server_refuses(struct fixture *f, int version, const char *ciphers, const char *reason)
{
	struct bare_client client;
	bare_begin(&client, f, version, NULL);
	if (ciphers)
		assert_int_equal(SSL_set_cipher_list(client.ssl, ciphers), 1);
	run_until(f->loop, bare_step, &client);
	assert_int_equal(f->server.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f->server.stream), reason);
	bare_end(&client);
}

static void old_versions_and_weak_ciphers_are_refused(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f);
	assert_server_refuses(&f, TLS1_1_VERSION, "ALL:@SECLEVEL=0", "TLS: unsupported protocol");
	assert_server_refuses(&f, TLS1_2_VERSION, "AES128-SHA:AES256-GCM-SHA384", "TLS: no shared cipher");
	assert_server_refuses(&f, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", "TLS: no shared cipher");
	end(&f);
}

static void tls12_is_taken_with_forward_secrecy_unless_only_tls13_is_allowed(void **state)
{
	struct fixture f;
	struct bare_client client;
	(void)state;
	begin(&f);
	bare_begin(&client, &f, TLS1_2_VERSION, NULL);
	run_until(f.loop, bare_step, &client);
	assert_string_equal(stream_tls_version(f.server.stream), "TLSv1.2");
	assert_true(span_starts_with(span_of(stream_tls_cipher(f.server.stream)), SPAN("ECDHE-")));
	bare_end(&client);
	tls_context_free(&f.server.context);
	f.server.context = make_server(&f, true);
	assert_server_refuses(&f, TLS1_2_VERSION, NULL, "TLS: unsupported protocol");
	end(&f);
}

/* ---- tickets */

static void begin_with_tickets(struct fixture *f)
{
	begin(f);
	assert_int_equal(secret_random_hex(TLS_TICKET_KEY_SIZE / 2, &f->ticket_key), STATUS_OK);
	tls_context_free(&f->server.context);
	f->server.context = make_server(f, false);
}

static bool has_ticket(void *context)
{
	struct bare_client *client = context;
	bare_step(context);
	return client->tickets > 0;
}

static void a_ticket_comes_only_when_sent_and_outlives_the_context(void **state)
{
	struct fixture f;
	struct bare_client first, second;
	(void)state;
	begin_with_tickets(&f);
	bare_begin(&first, &f, TLS1_3_VERSION, NULL);
	run_until(f.loop, bare_step, &first);
	for (int i = 0; i < 5; i++) {
		run_for(f.loop, 2);
		bare_step(&first);
	}
	assert_int_equal(first.tickets, 0);
	stream_send_ticket(f.server.stream);
	assert_int_equal(stream_write(f.server.stream, SPAN("250 OK\r\n")), STATUS_OK);
	run_until(f.loop, has_ticket, &first);
	assert_int_equal(first.tickets, 1);
	/* A reload: another context with the same key. */
	tls_context_free(&f.server.context);
	f.server.context = make_server(&f, false);
	bare_begin(&second, &f, TLS1_3_VERSION, first.session);
	run_until(f.loop, bare_step, &second);
	assert_int_equal(f.server.told[STREAM_SECURED], 1);
	assert_int_equal(SSL_session_reused(second.ssl), 1);
	bare_end(&first);
	bare_end(&second);
	end(&f);
}

static void without_a_key_no_ticket_is_sent(void **state)
{
	struct fixture f;
	struct bare_client client;
	(void)state;
	begin(&f);
	bare_begin(&client, &f, TLS1_3_VERSION, NULL);
	run_until(f.loop, bare_step, &client);
	stream_send_ticket(f.server.stream);
	assert_int_equal(stream_write(f.server.stream, SPAN("250 OK\r\n")), STATUS_OK);
	for (int i = 0; i < 5; i++) {
		run_for(f.loop, 2);
		bare_step(&client);
	}
	assert_int_equal(client.tickets, 0);
	bare_end(&client);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_streams_agree_on_tls13),
		cmocka_unit_test(an_address_is_verified_as_one),
		cmocka_unit_test(another_name_or_address_is_refused),
		cmocka_unit_test(a_certificate_of_another_authority_is_refused),
		cmocka_unit_test(without_verification_any_certificate_passes),
		cmocka_unit_test(verification_without_a_name_is_not_begun),
		cmocka_unit_test(text_instead_of_a_handshake_fails_with_a_reason),
		cmocka_unit_test(a_peer_that_leaves_in_the_handshake_is_a_failure),
		cmocka_unit_test(what_was_written_before_goes_in_clear_and_the_rest_in_tls),
		cmocka_unit_test(bytes_in_front_of_the_handshake_are_refused),
		cmocka_unit_test(tls_begins_only_once),
		cmocka_unit_test(bulk_goes_through_a_small_input),
		cmocka_unit_test(what_tls_holds_back_comes_when_there_is_room_again),
		cmocka_unit_test(a_pause_holds_back_what_tls_has_and_resume_brings_it),
		cmocka_unit_test(finish_and_a_bare_close_both_end_the_other_side),
		cmocka_unit_test(the_last_words_come_before_the_failure),
		cmocka_unit_test(old_versions_and_weak_ciphers_are_refused),
		cmocka_unit_test(tls12_is_taken_with_forward_secrecy_unless_only_tls13_is_allowed),
		cmocka_unit_test(a_ticket_comes_only_when_sent_and_outlives_the_context),
		cmocka_unit_test(without_a_key_no_ticket_is_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
