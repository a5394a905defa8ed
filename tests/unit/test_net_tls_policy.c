/* What a bare OpenSSL client sees of us: versions, ciphers and tickets. */
#include "with_tls_streams.h"

#include <openssl/ssl.h>
#include <unistd.h>

/* ---- policy, seen by a bare OpenSSL client */

struct bare_client {
	SSL_CTX *context;
	SSL *ssl;
	struct tls_side *server;
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

static void bare_begin(struct bare_client *client, struct tls_fixture *f, int version, SSL_SESSION *resumed)
{
	int fds[2];
	*client = (struct bare_client){ .server = &f->server };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	stream_free(&f->server.stream);
	attach_side(f, &f->server, fds[0]);
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

static void assert_server_refuses(struct tls_fixture *f, int version, const char *ciphers, const char *reason)
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
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	assert_server_refuses(&f, TLS1_1_VERSION, "ALL:@SECLEVEL=0", "TLS: unsupported protocol");
	assert_server_refuses(&f, TLS1_2_VERSION, "AES128-SHA:AES256-GCM-SHA384", "TLS: no shared cipher");
	assert_server_refuses(&f, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", "TLS: no shared cipher");
	end_streams(&f);
}

static void tls12_is_taken_with_forward_secrecy_unless_only_tls13_is_allowed(void **state)
{
	struct tls_fixture f;
	struct bare_client client;
	(void)state;
	begin_streams(&f);
	bare_begin(&client, &f, TLS1_2_VERSION, NULL);
	run_until(f.loop, bare_step, &client);
	assert_string_equal(stream_tls_version(f.server.stream), "TLSv1.2");
	assert_true(span_starts_with(span_of(stream_tls_cipher(f.server.stream)), SPAN("ECDHE-")));
	bare_end(&client);
	tls_context_free(&f.server.context);
	f.server.context = make_server(&f, true);
	assert_server_refuses(&f, TLS1_2_VERSION, NULL, "TLS: unsupported protocol");
	end_streams(&f);
}

static void the_cheaper_suite_is_chosen_whatever_a_client_has_first(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	static const char *const suites[] = { "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256" };
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	for (size_t i = 0; i < 2; i++) {
		struct bare_client client;
		bare_begin(&client, &f, versions[i], NULL);
		assert_int_equal(SSL_set_cipher_list(client.ssl, "AES256:AES128"), 1);
		assert_int_equal(SSL_set_ciphersuites(client.ssl, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"), 1);
		run_until(f.loop, bare_step, &client);
		assert_string_equal(stream_tls_cipher(f.server.stream), suites[i]);
		bare_end(&client);
	}
	end_streams(&f);
}

/* ---- tickets */

static void new_key(struct tls_fixture *f, char number)
{
	char key[TLS_TICKET_KEY_SIZE];
	memset(key, number, sizeof(key));
	assert_int_equal(tls_tickets_add(f->tickets, (struct span){ key, sizeof(key) }), STATUS_OK);
}

static void begin_with_tickets(struct tls_fixture *f)
{
	begin_streams(f);
	assert_int_equal(tls_tickets_create(7200000, &f->tickets), STATUS_OK);
	new_key(f, 1);
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
	struct tls_fixture f;
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
	end_streams(&f);
}

static bool is_resumed(struct tls_fixture *f, SSL_SESSION *session)
{
	struct bare_client client;
	SSL_SESSION *copy = SSL_SESSION_dup(session); /* OpenSSL gives one up whose connection was cut */
	bare_begin(&client, f, TLS1_3_VERSION, copy);
	run_until(f->loop, bare_step, &client);
	SSL_SESSION_free(copy);
	bool reused = SSL_session_reused(client.ssl);
	bare_end(&client);
	return reused;
}

static void a_ticket_is_taken_under_the_key_before_and_no_older_one(void **state)
{
	struct tls_fixture f;
	struct bare_client first;
	(void)state;
	begin_with_tickets(&f);
	bare_begin(&first, &f, TLS1_3_VERSION, NULL);
	run_until(f.loop, bare_step, &first);
	stream_send_ticket(f.server.stream);
	assert_int_equal(stream_write(f.server.stream, SPAN("250 OK\r\n")), STATUS_OK);
	run_until(f.loop, has_ticket, &first);
	assert_true(is_resumed(&f, first.session));
	new_key(&f, 2);
	assert_true(is_resumed(&f, first.session));
	new_key(&f, 3);
	assert_false(is_resumed(&f, first.session));
	bare_end(&first);
	end_streams(&f);
}

static void a_ticket_is_good_for_its_own_listener_only(void **state)
{
	const struct span one = SPAN("a-listener-whose-name-is-as-long-as-one-may-be");
	const struct span other = SPAN("a-listener-whose-name-is-as-long-as-another-one");
	struct tls_fixture f;
	struct bare_client first;
	(void)state;
	begin_with_tickets(&f);
	tls_context_free(&f.server.context);
	f.server.context = make_named_server(&f, one, false);
	bare_begin(&first, &f, TLS1_3_VERSION, NULL);
	run_until(f.loop, bare_step, &first);
	stream_send_ticket(f.server.stream);
	assert_int_equal(stream_write(f.server.stream, SPAN("250 OK\r\n")), STATUS_OK);
	run_until(f.loop, has_ticket, &first);
	assert_true(is_resumed(&f, first.session));
	tls_context_free(&f.server.context);
	f.server.context = make_named_server(&f, other, false);
	assert_false(is_resumed(&f, first.session));
	bare_end(&first);
	end_streams(&f);
}

static void without_a_key_no_ticket_is_sent(void **state)
{
	struct tls_fixture f;
	struct bare_client client;
	(void)state;
	begin_streams(&f);
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
	end_streams(&f);
}

static void a_client_of_another_protocol_is_not_served(void **state)
{
	static const struct {
		const char *offers; /* each with its length in front (RFC 7301, 3.1) */
		bool passes;
	} cases[] = {
		{ "\x02h2\x08http/1.1", false }, { "\x03smt", false }, { "\x04smtp", true }, { "\x02h2\x04smtp", true }
	};
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bare_client client;
		bare_begin(&client, &f, TLS1_3_VERSION, NULL);
		assert_int_equal(SSL_set_alpn_protos(client.ssl, (const unsigned char *)cases[i].offers,
						     (unsigned)strlen(cases[i].offers)),
				 0);
		run_until(f.loop, bare_step, &client);
		assert_int_equal(f.server.told[STREAM_SECURED], cases[i].passes);
		bare_end(&client);
	}
	end_streams(&f);
}

/* ---- clients' certificates */

/*
 * The fixture's own certificate, with its key, and without a subject: its owner stands in subjectAltName alone (RFC
 * 5280, 4.1.2.6).
 */
static void make_nameless(const struct tls_fixture *f, X509 **out_certificate, EVP_PKEY **out_key)
{
	struct span key_pem = secret_reveal(&f->certificate.key);
	BIO *bio = BIO_new_mem_buf(f->certificate.certificate.data, (int)f->certificate.certificate.size);
	*out_certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	bio = BIO_new_mem_buf(key_pem.data, (int)key_pem.size);
	*out_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	X509_NAME *nobody = X509_NAME_new();
	assert_int_equal(X509_set_subject_name(*out_certificate, nobody), 1);
	assert_int_equal(X509_set_issuer_name(*out_certificate, nobody), 1);
	assert_true(X509_sign(*out_certificate, *out_key, EVP_sha256()) > 0);
	X509_NAME_free(nobody);
}

static struct tls_context *make_asking_server(const struct tls_fixture *f, X509 *authority)
{
	struct tls_context *context = NULL;
	char *error = NULL, *pem = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, authority), 1);
	long size = BIO_get_mem_data(bio, &pem);
	struct tls_server_options options = {
		.certificate_pem = f->certificate.certificate,
		.private_key = &f->certificate.key,
		.session_id_context = SPAN("submission"),
		.client_ca_pem = { pem, (size_t)size },
	};
	assert_int_equal(tls_server_create(&options, &context, &error), STATUS_OK);
	BIO_free(bio);
	return context;
}

static void a_verified_certificate_without_a_subject_has_an_empty_one(void **state)
{
	struct tls_fixture f;
	struct bare_client client;
	X509 *certificate;
	EVP_PKEY *key;
	(void)state;
	begin_streams(&f);
	make_nameless(&f, &certificate, &key);
	tls_context_free(&f.server.context);
	f.server.context = make_asking_server(&f, certificate);
	bare_begin(&client, &f, TLS1_2_VERSION, NULL);
	assert_int_equal(SSL_use_certificate(client.ssl, certificate), 1);
	assert_int_equal(SSL_use_PrivateKey(client.ssl, key), 1);
	run_until(f.loop, bare_step, &client);
	char *subject = stream_tls_client_subject(f.server.stream);
	assert_non_null(subject);
	assert_string_equal(subject, "");
	free(subject);
	bare_end(&client);
	X509_free(certificate);
	EVP_PKEY_free(key);
	end_streams(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_of_another_protocol_is_not_served),
		cmocka_unit_test(old_versions_and_weak_ciphers_are_refused),
		cmocka_unit_test(tls12_is_taken_with_forward_secrecy_unless_only_tls13_is_allowed),
		cmocka_unit_test(the_cheaper_suite_is_chosen_whatever_a_client_has_first),
		cmocka_unit_test(a_ticket_comes_only_when_sent_and_outlives_the_context),
		cmocka_unit_test(a_ticket_is_taken_under_the_key_before_and_no_older_one),
		cmocka_unit_test(a_ticket_is_good_for_its_own_listener_only),
		cmocka_unit_test(without_a_key_no_ticket_is_sent),
		cmocka_unit_test(a_verified_certificate_without_a_subject_has_an_empty_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
