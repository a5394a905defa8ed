/* Which certificate a client sees: by the name that it asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/tls_context.h"
#include "with_certificate.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { OWN, WILDCARD, TWO_NAMES, EXACT, CERTIFICATES };

static const char *const names_of[CERTIFICATES] = {
	[OWN] = "DNS:mail.example.com",
	[WILDCARD] = "DNS:*.example.com",
	[TWO_NAMES] = "DNS:mail.example.net,DNS:smtp.example.org",
	[EXACT] = "DNS:smtp.example.com",
};

struct names_world {
	struct certificate certificates[CERTIFICATES];
	struct tls_tickets *tickets;
	struct tls_context *server;
};

static struct tls_server_options options_of(struct names_world *w, size_t index)
{
	return (struct tls_server_options){ .certificate_pem = w->certificates[index].certificate,
					    .private_key = &w->certificates[index].key,
					    .tickets = w->tickets,
					    .session_id_context = SPAN("submission") };
}

static int open_world(void **state)
{
	static struct names_world w;
	char *error = NULL;
	memset(&w, 0, sizeof(w));
	static const char key[TLS_TICKET_KEY_SIZE] = { 1 };
	assert_int_equal(tls_tickets_create(7200000, &w.tickets), STATUS_OK);
	assert_int_equal(tls_tickets_add(w.tickets, (struct span){ key, sizeof(key) }), STATUS_OK);
	for (size_t i = 0; i < CERTIFICATES; i++) {
		certificate_make(&w.certificates[i], names_of[i]);
		const struct tls_server_options options = options_of(&w, i);
		enum status status = i == OWN ? tls_server_create(&options, &w.server, &error)
					      : tls_server_add(w.server, &options, &error);
		assert_int_equal(status, STATUS_OK);
	}
	*state = &w;
	return 0;
}

static int close_world(void **state)
{
	struct names_world *w = *state;
	tls_context_free(&w->server);
	tls_tickets_free(&w->tickets);
	for (size_t i = 0; i < CERTIFICATES; i++)
		certificate_free(&w->certificates[i]);
	return 0;
}

/* ---- a client in memory */

/* Both sides take turns until neither gets further. */
static void shake_hands(SSL *client, SSL *server)
{
	for (unsigned i = 0; i < 10; i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	assert_true(SSL_is_init_finished(client) && SSL_is_init_finished(server));
}

/* A client that is through its handshake; the caller ends it with SSL_free. */
static SSL *connect_client(const struct names_world *w, const char *name, int version)
{
	BIO *near, *far;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(context, version);
	SSL_CTX_set_max_proto_version(context, version);
	SSL *client = SSL_new(context);
	SSL *server = SSL_new(w->server->openssl);
	assert_int_equal(BIO_new_bio_pair(&near, 0, &far, 0), 1);
	SSL_set_bio(client, near, near);
	SSL_set_bio(server, far, far);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	if (name)
		SSL_set_tlsext_host_name(client, name);
	shake_hands(client, server);
	SSL_free(server);
	SSL_CTX_free(context);
	return client;
}

static size_t shown_to(const SSL *client, const struct names_world *w)
{
	for (size_t i = 0; i < CERTIFICATES; i++) {
		SSL_CTX *openssl = i == OWN ? w->server->openssl : w->server->named[i - 1];
		if (X509_cmp(SSL_get0_peer_certificate(client), SSL_CTX_get0_certificate(openssl)) == 0)
			return i;
	}
	return CERTIFICATES;
}

/* ---- what is shown */

static const struct {
	const char *name; /* NULL: none is asked for */
	size_t shown;
} cases[] = {
	{ NULL, OWN },
	{ "mail.example.com", OWN }, /* the wildcard would fit, too */
	{ "MAIL.Example.COM", OWN },
	{ "pop.example.com", WILDCARD },
	{ "smtp.example.com", EXACT }, /* the wildcard was there before */
	{ "mail.example.net", TWO_NAMES },
	{ "smtp.example.org", TWO_NAMES },
	{ "SMTP.EXAMPLE.ORG", TWO_NAMES },
	{ "a.pop.example.com", OWN }, /* a wildcard is for one label */
	{ "example.com", OWN },
	{ "*.example.com", WILDCARD }, /* nobody's name; no harm either */
	{ ".example.com", OWN },
	{ ".com", OWN },
	{ "mail.example.netx", OWN },
	{ "xmail.example.net", OWN },
	{ "test", OWN }, /* the subject's CN, which does not count */
	{ "nobody.knows", OWN },
	{ "127.0.0.1", OWN },
};

static void clients_see_the_certificate_of_the_name_they_ask_for(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	const struct names_world *w = *state;
	for (size_t i = 0; i < COUNT(cases) * COUNT(versions); i++) {
		const char *name = cases[i / 2].name;
		SSL *client = connect_client(w, name, versions[i % 2]);
		size_t shown = shown_to(client, w);
		if (shown != cases[i / 2].shown)
			fail_msg("%s was shown certificate %zu", name ? name : "nobody", shown);
		SSL_free(client);
	}
}

/* ---- what can't be added */

static void assert_not_added(struct names_world *w, const struct tls_server_options *options, const char *text)
{
	char *error = NULL;
	size_t before = w->server->named_count;
	assert_int_equal(tls_server_add(w->server, options, &error), STATUS_INVALID);
	assert_non_null(error);
	if (strncmp(error, text, strlen(text)) != 0)
		fail_msg("\"%s\" instead of \"%s\"", error, text);
	free(error);
	assert_int_equal(w->server->named_count, before);
}

static void what_no_client_could_ask_for_is_not_added(void **state)
{
	struct names_world *w = *state;
	struct certificate address;
	certificate_make(&address, "IP:192.0.2.1,email:postmaster@example.com");
	struct tls_server_options options = options_of(w, OWN);
	options.certificate_pem = address.certificate;
	options.private_key = &address.key;
	assert_not_added(w, &options, "the certificate has no DNS name that a client could ask for");
	certificate_free(&address);
}

static void a_key_of_another_certificate_is_not_added(void **state)
{
	struct names_world *w = *state;
	struct tls_server_options options = options_of(w, WILDCARD);
	options.private_key = &w->certificates[EXACT].key;
	assert_not_added(w, &options, "the private key does not belong to the certificate");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(clients_see_the_certificate_of_the_name_they_ask_for),
		WITH_SERVER(what_no_client_could_ask_for_is_not_added),
		WITH_SERVER(a_key_of_another_certificate_is_not_added),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
