/* What a client's certificate proves to somebody who was not there: real handshakes, and what was done to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "failing_memory.h"
#include "net/tls_witness.h"
#include "with_client_certificate.h"

#define HANDSHAKE_MAXIMUM 16384

static struct {
	struct client_authority authority;
	struct certificate server;
	struct tls_challenge challenge;
	char ca_pem[PEM_SIZE];
	struct span ca;
} world;

static int begin_world(void **state)
{
	(void)state;
	authority_make(&world.authority);
	certificate_make(&world.server, "DNS:mail.example.com");
	world.ca = write_pem_certificate(world.authority.certificate, world.ca_pem);
	world.challenge.is_set = true;
	memset(world.challenge.bytes, 'c', sizeof(world.challenge.bytes));
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	authority_free(&world.authority);
	certificate_free(&world.server);
	return 0;
}

/* A handshake with the world's server, as it was recorded. */
struct meeting {
	char bytes[HANDSHAKE_MAXIMUM];
	struct span handshake; /* a view of it */
};

typedef void (*set_up_client)(SSL *ssl);

static void meet(struct meeting *meeting, X509 *certificate, EVP_PKEY *key, set_up_client set_up)
{
	struct loop *loop = NULL;
	struct tls_context *context = NULL;
	struct tls_side side = { 0 };
	struct shaking_client client;
	char *error = NULL;
	int fds[2];
	const struct tls_server_options options = {
		.certificate_pem = world.server.certificate,
		.private_key = &world.server.key,
		.session_id_context = SPAN("devices"),
		.client_ca_pem = world.ca,
		.challenge = &world.challenge,
	};
	struct tls_fixture f = { 0 };
	assert_int_equal(loop_create(&loop), STATUS_OK);
	assert_int_equal(tls_server_create(&options, &context, &error), STATUS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f.loop = loop;
	attach_side(&f, &side, fds[0]);
	client_begin(&client, fds[1], certificate, key);
	client.server = &side;
	if (set_up)
		set_up(client.ssl);
	assert_int_equal(stream_secure_server(side.stream, context), STATUS_OK);
	run_until(loop, client_is_settled, &client);
	assert_int_equal(side.told[STREAM_SECURED], 1);
	struct span handshake = stream_client_handshake(side.stream);
	assert_true(handshake.size <= sizeof(meeting->bytes));
	if (handshake.size)
		memcpy(meeting->bytes, handshake.data, handshake.size);
	meeting->handshake = (struct span){ meeting->bytes, handshake.size };
	stream_drop_handshake(side.stream);
	assert_true(span_is_empty(stream_client_handshake(side.stream)));
	client_end(&client);
	stream_free(&side.stream);
	tls_context_free(&context);
	loop_free(loop);
	close(fds[1]);
}

static struct tls_witness *make_witness(struct span crl)
{
	struct tls_witness *witness = NULL;
	char *error = NULL;
	assert_int_equal(tls_witness_create(world.ca, crl, &witness, &error), STATUS_OK);
	assert_int_equal(tls_witness_add_server(witness, world.server.certificate), STATUS_OK);
	return witness;
}

static enum status judge(const struct tls_witness *witness, struct span handshake, const char **out_reason)
{
	struct tls_client_names names TLS_CLIENT_NAMES_AUTO = { 0 };
	return tls_witness_judge(witness, handshake, &world.challenge, &names, out_reason);
}

static void expect_refusal(struct tls_witness *witness, const struct meeting *meeting, const char *reason)
{
	const char *given = "";
	assert_int_equal(judge(witness, meeting->handshake, &given), STATUS_INVALID);
	assert_string_equal(given, reason);
}

/* ---- what holds */

static void want_retry(SSL *ssl)
{
	assert_int_equal(SSL_set1_groups_list(ssl, "P-521:P-384"), 1);
}

static void want_sha384(SSL *ssl)
{
	assert_int_equal(SSL_set_ciphersuites(ssl, "TLS_AES_256_GCM_SHA384"), 1);
}

static void want_sha256(SSL *ssl)
{
	assert_int_equal(SSL_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256"), 1);
}

static const struct {
	const char *what;
	const char *kind;
	set_up_client set_up;
} honest[] = {
	{ "a key on P-256", "P-256", NULL },
	{ "a key on P-384", "P-384", NULL },
	{ "an RSA key", "RSA", NULL },
	{ "an Ed25519 key", "ED25519", NULL },
	{ "a suite with SHA-384", "P-256", want_sha384 },
	{ "a suite with SHA-256", "P-256", want_sha256 },
	{ "a hello that had to be sent again", "P-256", want_retry },
};

static EVP_PKEY *make_key(const char *kind)
{
	if (strcmp(kind, "RSA") == 0)
		return EVP_RSA_gen(2048);
	if (strcmp(kind, "ED25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_EC_gen(kind);
}

static void whoever_holds_the_key_is_named(void **state)
{
	(void)state;
	struct tls_witness *witness = make_witness((struct span){ 0 });
	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++) {
		struct meeting meeting;
		struct tls_client_names names TLS_CLIENT_NAMES_AUTO = { 0 };
		const char *reason = "";
		EVP_PKEY *key = make_key(honest[i].kind);
		X509 *x = sign_certificate(key, "printer", "email:printer@example.com,DNS:p.example.com", 7200,
					   &world.authority);
		meet(&meeting, x, key, honest[i].set_up);
		if (tls_witness_judge(witness, meeting.handshake, &world.challenge, &names, &reason) != STATUS_OK)
			fail_msg("%s: %s", honest[i].what, reason);
		assert_string_equal(names.subject, "CN=printer");
		assert_string_equal(names.common_name, "printer");
		assert_string_equal(names.email, "printer@example.com");
		assert_int_equal(strlen(names.fingerprint), 64);
		X509_free(x);
		EVP_PKEY_free(key);
	}
	tls_witness_free(&witness);
}

/* ---- what does not */

struct device {
	EVP_PKEY *key;
	X509 *certificate;
	struct meeting meeting;
};

static void device_meet(struct device *device, const char *names, long lifetime_s,
			const struct client_authority *authority, set_up_client set_up)
{
	device->key = EVP_EC_gen("P-256");
	device->certificate = sign_certificate(device->key, "printer", names, lifetime_s, authority);
	meet(&device->meeting, device->certificate, device->key, set_up);
}

static void device_free(struct device *device)
{
	X509_free(device->certificate);
	EVP_PKEY_free(device->key);
}

static void no_byte_of_it_can_be_changed(void **state)
{
	struct device device;
	const char *reason;
	(void)state;
	struct tls_witness *witness = make_witness((struct span){ 0 });
	device_meet(&device, "email:printer@example.com", 7200, &world.authority, NULL);
	struct meeting *meeting = &device.meeting;
	assert_true(meeting->handshake.size > 500);
	for (size_t i = 0; i < meeting->handshake.size; i++) {
		meeting->bytes[i] ^= 1;
		if (judge(witness, meeting->handshake, &reason) == STATUS_OK)
			fail_msg("byte %zu of %zu does not count", i, meeting->handshake.size);
		meeting->bytes[i] ^= 1;
	}
	for (size_t size = 0; size < meeting->handshake.size; size++)
		assert_int_equal(judge(witness, span_slice(meeting->handshake, 0, size), &reason), STATUS_INVALID);
	assert_int_equal(judge(witness, meeting->handshake, &reason), STATUS_OK);
	device_free(&device);
	tls_witness_free(&witness);
}

static void it_is_of_no_use_under_another_challenge(void **state)
{
	struct device device;
	const char *reason;
	(void)state;
	struct tls_witness *witness = make_witness((struct span){ 0 });
	device_meet(&device, "email:printer@example.com", 7200, &world.authority, NULL);
	world.challenge.bytes[31]++;
	assert_int_equal(judge(witness, device.meeting.handshake, &reason), STATUS_UNAVAILABLE);
	world.challenge.bytes[31]--;
	world.challenge.is_set = false;
	assert_int_equal(judge(witness, device.meeting.handshake, &reason), STATUS_UNAVAILABLE);
	world.challenge.is_set = true;
	device_free(&device);
	tls_witness_free(&witness);
}

static void what_was_said_to_another_server_counts_for_nothing(void **state)
{
	struct device device;
	struct tls_witness *witness = NULL;
	struct certificate other;
	char *error = NULL;
	(void)state;
	certificate_make(&other, "DNS:mail.example.com");
	assert_int_equal(tls_witness_create(world.ca, (struct span){ 0 }, &witness, &error), STATUS_OK);
	assert_int_equal(tls_witness_add_server(witness, other.certificate), STATUS_OK);
	assert_int_equal(tls_witness_add_server(witness, SPAN("no certificate")), STATUS_INVALID);
	device_meet(&device, "email:printer@example.com", 7200, &world.authority, NULL);
	expect_refusal(witness, &device.meeting, "the TLS handshake was with another server's certificate");
	device_free(&device);
	certificate_free(&other);
	tls_witness_free(&witness);
}

static void what_is_revoked_is_refused_and_the_rest_is_not(void **state)
{
	struct device device;
	char pem[PEM_SIZE], none_pem[PEM_SIZE];
	const char *reason = "";
	(void)state;
	device_meet(&device, "email:printer@example.com", 7200, &world.authority, NULL);
	struct tls_witness *witness = make_witness(write_crl(&world.authority, device.certificate, pem));
	struct tls_witness *mild = make_witness(write_crl(&world.authority, NULL, none_pem));
	expect_refusal(witness, &device.meeting, "the client's certificate is not valid here");
	assert_int_equal(judge(mild, device.meeting.handshake, &reason), STATUS_OK);
	device_free(&device);
	tls_witness_free(&witness);
	tls_witness_free(&mild);
}

static X509 *branch_certificate;

static void show_branch(SSL *ssl)
{
	assert_int_equal(SSL_add1_chain_cert(ssl, branch_certificate), 1);
}

static struct span join_lists(struct span one, struct span other, char out_pem[2 * PEM_SIZE])
{
	int size = snprintf(out_pem, 2 * PEM_SIZE, "%.*s%.*s", SPAN_ARGS(one), SPAN_ARGS(other));
	return (struct span){ out_pem, (size_t)size };
}

/* Who signed for the device may be revoked itself; that nothing is said of them is no fault. */
static void what_a_revoked_authority_signed_is_refused(void **state)
{
	struct device device;
	struct client_authority branch = { .key = EVP_EC_gen("P-256") };
	char none_pem[PEM_SIZE], root_pem[PEM_SIZE], both_pem[2 * PEM_SIZE];
	const char *reason = "";
	(void)state;
	branch.certificate = sign_certificate(branch.key, "Branch", NULL, 7200, &world.authority);
	branch_certificate = branch.certificate;
	device_meet(&device, "email:printer@example.com", 7200, &branch, show_branch);
	struct span nobody = write_crl(&branch, NULL, none_pem);
	struct span of_root = write_crl(&world.authority, branch.certificate, root_pem);
	struct tls_witness *mild = make_witness(nobody), *silent = make_witness(of_root);
	struct tls_witness *strict = make_witness(join_lists(nobody, of_root, both_pem));
	assert_int_equal(judge(mild, device.meeting.handshake, &reason), STATUS_OK);
	expect_refusal(silent, &device.meeting, "the client's certificate is not valid here");
	expect_refusal(strict, &device.meeting, "the client's certificate is not valid here");
	device_free(&device);
	authority_free(&branch);
	tls_witness_free(&mild);
	tls_witness_free(&silent);
	tls_witness_free(&strict);
}

static void what_another_authority_signed_is_refused(void **state)
{
	struct device device;
	struct client_authority other;
	struct tls_witness *witness = NULL;
	char pem[PEM_SIZE];
	char *error = NULL;
	(void)state;
	authority_make(&other);
	assert_int_equal(
		tls_witness_create(write_pem_certificate(other.certificate, pem), (struct span){ 0 }, &witness, &error),
		STATUS_OK);
	assert_int_equal(tls_witness_add_server(witness, world.server.certificate), STATUS_OK);
	device_meet(&device, "email:printer@example.com", 7200, &world.authority, NULL);
	expect_refusal(witness, &device.meeting, "the client's certificate is not valid here");
	device_free(&device);
	authority_free(&other);
	tls_witness_free(&witness);
}

static void want_tls12(SSL *ssl)
{
	assert_int_equal(SSL_set_max_proto_version(ssl, TLS1_2_VERSION), 1);
}

/* A server that requires one would not let them in; this one asks. */
static void nothing_is_kept_of_what_proves_nothing(void **state)
{
	struct device device;
	struct client_authority other;
	struct meeting meeting;
	(void)state;
	authority_make(&other);
	device_meet(&device, "email:printer@example.com", 7200, &world.authority, want_tls12);
	assert_int_equal(device.meeting.handshake.size, 0);
	device_free(&device);
	device_meet(&device, "email:printer@example.com", 7200, &other, NULL);
	assert_int_equal(device.meeting.handshake.size, 0);
	device_free(&device);
	device_meet(&device, "email:printer@example.com", -3600, &world.authority, NULL);
	assert_int_equal(device.meeting.handshake.size, 0);
	device_free(&device);
	meet(&meeting, NULL, NULL, NULL);
	assert_int_equal(meeting.handshake.size, 0);
	authority_free(&other);
}

static void two_addresses_are_no_name(void **state)
{
	struct device device;
	struct tls_client_names names TLS_CLIENT_NAMES_AUTO = { 0 };
	const char *reason = "";
	(void)state;
	struct tls_witness *witness = make_witness((struct span){ 0 });
	device_meet(&device, "email:a@example.com,email:b@example.com", 7200, &world.authority, NULL);
	assert_int_equal(tls_witness_judge(witness, device.meeting.handshake, &world.challenge, &names, &reason),
			 STATUS_OK);
	assert_null(names.email);
	device_free(&device);
	tls_witness_free(&witness);
}

static void broken_files_are_told(void **state)
{
	struct tls_witness *witness = NULL;
	char *error = NULL;
	(void)state;
	assert_int_equal(tls_witness_create(SPAN("no PEM"), (struct span){ 0 }, &witness, &error), STATUS_INVALID);
	assert_non_null(strstr(error, "can't be read"));
	free(error);
	assert_int_equal(tls_witness_create(world.ca, SPAN("no PEM"), &witness, &error), STATUS_INVALID);
	free(error);
	assert_null(witness);
}

#ifndef SUBGATE_SANITIZED
/* OpenSSL has no memory in the middle of it: nothing is proved then, and nothing is kept. */
static void each_allocation_of_a_judgement_fails_once(void **state)
{
	struct device device;
	const char *reason = "";
	(void)state;
	struct tls_witness *witness = make_witness((struct span){ 0 });
	device_meet(&device, "email:printer@example.com", 7200, &world.authority, NULL);
	assert_int_equal(judge(witness, device.meeting.handshake, &reason), STATUS_OK);
	enum status status = STATUS_NO_MEMORY;
	long living = memory_living;
	for (unsigned long n = 1; status != STATUS_OK; n++) {
		memory_counts = true;
		memory_left = n;
		status = judge(witness, device.meeting.handshake, &reason);
		bool has_failed = memory_left == 0;
		memory_counts = false;
		memory_left = 0;
		assert_true(n < 100000);
		if (!has_failed)
			assert_int_equal(status, STATUS_OK);
		else if (status == STATUS_OK)
			status = STATUS_NO_MEMORY; /* it did without */
	}
	assert_in_range(memory_living, living - 50, living + 50); /* OpenSSL keeps some for later */
	device_free(&device);
	tls_witness_free(&witness);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_holds_the_key_is_named),
		cmocka_unit_test(no_byte_of_it_can_be_changed),
		cmocka_unit_test(it_is_of_no_use_under_another_challenge),
		cmocka_unit_test(what_was_said_to_another_server_counts_for_nothing),
		cmocka_unit_test(what_is_revoked_is_refused_and_the_rest_is_not),
		cmocka_unit_test(what_a_revoked_authority_signed_is_refused),
		cmocka_unit_test(what_another_authority_signed_is_refused),
		cmocka_unit_test(nothing_is_kept_of_what_proves_nothing),
		cmocka_unit_test(two_addresses_are_no_name),
		cmocka_unit_test(broken_files_are_told),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(each_allocation_of_a_judgement_fails_once),
#endif
	};
	return cmocka_run_group_tests(tests, begin_world, end_world);
}
