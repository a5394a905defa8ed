/* TLS contexts: what an administrator may get wrong, and the text that says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls.h"
#include "net/tls_clients.h"
#include "with_certificate.h"

static void assert_server_error(const struct tls_server_options *options, const char *text)
{
	struct tls_context *context = NULL;
	char *error = NULL;
	assert_int_equal(tls_server_create(options, &context, &error), STATUS_INVALID);
	assert_null(context);
	assert_non_null(error);
	/* The part in front of OpenSSL's own reason. */
	if (strncmp(error, text, strlen(text)) != 0)
		fail_msg("\"%s\" instead of \"%s\"", error, text);
	free(error);
}

static void assert_server_works(const struct tls_server_options *options)
{
	struct tls_context *context = NULL;
	char *error = NULL;
	assert_int_equal(tls_server_create(options, &context, &error), STATUS_OK);
	assert_non_null(context);
	assert_null(error);
	tls_context_free(&context);
	assert_null(context);
	tls_context_free(&context);
}

static void a_server_takes_a_certificate_with_its_chain(void **state)
{
	struct certificate leaf, authority;
	char both[2 * PEM_SIZE];
	(void)state;
	certificate_make(&leaf, "DNS:mail.example.com");
	certificate_make(&authority, "DNS:ca.example.com");
	int size = snprintf(both, sizeof(both), "comment\n%.*s%.*s", SPAN_ARGS(leaf.certificate),
			    SPAN_ARGS(authority.certificate));
	struct tls_server_options options = {
		.certificate_pem = { both, (size_t)size },
		.private_key = &leaf.key,
	};
	assert_server_works(&options);
	certificate_free(&leaf);
	certificate_free(&authority);
}

static void a_key_of_another_certificate_is_refused(void **state)
{
	struct certificate ours, other;
	(void)state;
	certificate_make(&ours, "DNS:mail.example.com");
	certificate_make(&other, "DNS:mail.example.com");
	struct tls_server_options options = {
		.certificate_pem = ours.certificate,
		.private_key = &other.key,
	};
	assert_server_error(&options, "the private key does not belong to the certificate");
	certificate_free(&ours);
	certificate_free(&other);
}

static void broken_files_are_named(void **state)
{
	struct certificate good;
	struct secret nonsense SECRET_AUTO = { 0 };
	const struct secret nothing = { 0 };
	(void)state;
	certificate_make(&good, "DNS:mail.example.com");
	assert_int_equal(secret_from_span(SPAN("-----BEGIN PRIVATE KEY-----\nAAAA\n"), &nonsense), STATUS_OK);
	struct tls_server_options options = { .private_key = &good.key };
	const struct span certificates[] = {
		SPAN(""),
		SPAN("not PEM at all"),
		SPAN("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		span_slice(good.certificate, 0, good.certificate.size / 2),
	};
	for (size_t i = 0; i < sizeof(certificates) / sizeof(*certificates); i++) {
		options.certificate_pem = certificates[i];
		assert_server_error(&options, "the certificate can't be read");
	}
	options.certificate_pem = good.certificate;
	options.private_key = &nonsense;
	assert_server_error(&options, "the private key can't be read");
	options.private_key = &nothing;
	assert_server_error(&options, "the private key can't be read");
	certificate_free(&good);
}

/* Nobody is there to type the passphrase. */
static void an_encrypted_key_is_refused_without_asking(void **state)
{
	struct certificate good;
	struct secret encrypted SECRET_AUTO = { 0 };
	char text[PEM_SIZE];
	(void)state;
	certificate_make(&good, "DNS:mail.example.com");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(
		PEM_write_bio_PrivateKey(bio, key, EVP_aes_128_cbc(), (const unsigned char *)"pass", 4, NULL, NULL), 1);
	size_t size = certificate_read_bio(bio, text);
	EVP_PKEY_free(key);
	assert_int_equal(secret_from_span((struct span){ text, size }, &encrypted), STATUS_OK);
	struct tls_server_options options = { .certificate_pem = good.certificate, .private_key = &encrypted };
	assert_server_error(&options, "the private key can't be read");
	certificate_free(&good);
}

static void a_ticket_key_of_another_size_is_refused(void **state)
{
	struct certificate good;
	struct tls_tickets *tickets = NULL;
	const char key[TLS_TICKET_KEY_SIZE] = { 1 };
	(void)state;
	certificate_make(&good, "DNS:mail.example.com");
	assert_int_equal(tls_tickets_create(7200000, &tickets), STATUS_OK);
	struct tls_server_options options = {
		.certificate_pem = good.certificate,
		.private_key = &good.key,
		.tickets = tickets,
		.session_id_context = SPAN("a listener with a name that is longer than OpenSSL takes"),
	};
	assert_int_equal(tls_tickets_add(tickets, (struct span){ key, sizeof(key) - 1 }), STATUS_INVALID);
	assert_int_equal(tls_tickets_add(tickets, (struct span){ key, sizeof(key) }), STATUS_OK);
	assert_server_works(&options);
	tls_tickets_free(&tickets);
	certificate_free(&good);
}

static void a_client_needs_a_readable_authority_or_the_systems(void **state)
{
	struct tls_context *context = NULL;
	char *error = NULL;
	struct tls_client_options options = { .verify = true, .ca_pem = SPAN("nonsense") };
	(void)state;
	assert_int_equal(tls_client_create(&options, &context, &error), STATUS_INVALID);
	assert_true(strncmp(error, "the CA file can't be read", 25) == 0);
	free(error);
	error = NULL;
	options.ca_pem = (struct span){ NULL, 0 };
	assert_int_equal(tls_client_create(&options, &context, &error), STATUS_OK);
	assert_null(error);
	tls_context_free(&context);
}

static struct tls_context *take_client(struct tls_clients *clients, struct span ca_pem, bool verify)
{
	struct tls_client_options options = { .verify = verify, .ca_pem = ca_pem };
	struct tls_context *context = NULL;
	char *error = NULL;
	assert_int_equal(tls_clients_take(clients, &options, &context, &error), STATUS_OK);
	assert_null(error);
	return context;
}

static void clients_that_trust_the_same_share_a_context(void **state)
{
	struct certificate first, second;
	struct tls_clients *clients = NULL;
	char copy[PEM_SIZE];
	(void)state;
	certificate_make(&first, "DNS:a.example");
	certificate_make(&second, "DNS:b.example");
	memcpy(copy, first.certificate.data, first.certificate.size);
	assert_int_equal(tls_clients_create(&clients), STATUS_OK);
	struct tls_context *of_first = take_client(clients, first.certificate, true);
	struct tls_context *of_system = take_client(clients, (struct span){ 0 }, true);
	struct tls_context *of_nobody = take_client(clients, (struct span){ 0 }, false);
	assert_ptr_equal(take_client(clients, (struct span){ copy, first.certificate.size }, true), of_first);
	assert_ptr_equal(take_client(clients, (struct span){ 0 }, true), of_system);
	assert_ptr_equal(take_client(clients, (struct span){ 0 }, false), of_nobody);
	assert_ptr_not_equal(of_system, of_nobody);
	assert_ptr_not_equal(of_first, of_system);
	assert_ptr_not_equal(take_client(clients, second.certificate, true), of_first);
	assert_ptr_not_equal(take_client(clients, first.certificate, false), of_first);
	tls_clients_free(&clients);
	assert_null(clients);
	tls_clients_free(&clients);
	certificate_free(&first);
	certificate_free(&second);
}

static void what_no_context_can_be_made_of_is_not_kept(void **state)
{
	struct tls_clients *clients = NULL;
	struct tls_context *context = NULL;
	struct tls_client_options options = { .verify = true, .ca_pem = SPAN("nonsense") };
	(void)state;
	assert_int_equal(tls_clients_create(&clients), STATUS_OK);
	for (int i = 0; i < 2; i++) {
		char *error = NULL;
		assert_int_equal(tls_clients_take(clients, &options, &context, &error), STATUS_INVALID);
		assert_non_null(error);
		free(error);
	}
	assert_null(context);
	tls_clients_free(&clients);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_takes_a_certificate_with_its_chain),
		cmocka_unit_test(a_key_of_another_certificate_is_refused),
		cmocka_unit_test(broken_files_are_named),
		cmocka_unit_test(an_encrypted_key_is_refused_without_asking),
		cmocka_unit_test(a_ticket_key_of_another_size_is_refused),
		cmocka_unit_test(a_client_needs_a_readable_authority_or_the_systems),
		cmocka_unit_test(clients_that_trust_the_same_share_a_context),
		cmocka_unit_test(what_no_context_can_be_made_of_is_not_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
