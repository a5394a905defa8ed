/* A certificate that is made here: for its name, its time, and with its key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "net/self_signed.h"
#include "net/tls.h"

static void a_server_can_show_it(void **state)
{
	struct secret certificate SECRET_AUTO = { 0 };
	struct secret key SECRET_AUTO = { 0 };
	struct tls_context *context = NULL;
	char *error = NULL;
	(void)state;
	assert_int_equal(self_signed_make("mail.example.com", &certificate, &key), STATUS_OK);
	const struct tls_server_options options = {
		.certificate_pem = secret_reveal(&certificate),
		.private_key = &key,
		.session_id_context = SPAN("test"),
	};
	assert_int_equal(tls_server_create(&options, &context, &error), STATUS_OK);
	tls_context_free(&context);
}

static void it_is_good_for_its_name_and_its_time_alone(void **state)
{
	struct secret certificate SECRET_AUTO = { 0 };
	struct secret key SECRET_AUTO = { 0 };
	int days, seconds;
	(void)state;
	assert_int_equal(self_signed_make("mail.example.com", &certificate, &key), STATUS_OK);
	struct span pem = secret_reveal(&certificate);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(x509);
	assert_int_equal(X509_check_host(x509, "mail.example.com", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x509, "other.example.com", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ca(x509), 0);
	assert_int_equal(X509_verify(x509, X509_get0_pubkey(x509)), 1);
	assert_int_equal(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(x509), X509_get0_notAfter(x509)), 1);
	assert_true(days == SELF_SIGNED_DAYS && seconds == 3600);
	assert_true(X509_cmp_current_time(X509_get0_notBefore(x509)) < 0);
	X509_free(x509);
}

static void two_have_nothing_in_common(void **state)
{
	struct secret certificates[2] = { 0 }, keys[2] = { 0 };
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(self_signed_make("mail.example.com", &certificates[i], &keys[i]), STATUS_OK);
	assert_false(secret_equal(secret_reveal(&keys[0]), secret_reveal(&keys[1])));
	assert_false(secret_equal(secret_reveal(&certificates[0]), secret_reveal(&certificates[1])));
	for (unsigned i = 0; i < 2; i++) {
		secret_wipe(&certificates[i]);
		secret_wipe(&keys[i]);
	}
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const names[] = { "", "a b", "x,DNS:y", "*.example.com", "a\n", "mail/example" };
	char long_name[400];
	struct secret certificate SECRET_AUTO = { 0 };
	struct secret key SECRET_AUTO = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(self_signed_make(names[i], &certificate, &key), STATUS_INVALID);
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(self_signed_make(long_name, &certificate, &key), STATUS_INVALID);
	long_name[200] = '\0'; /* longer than a common name can be */
	assert_int_equal(self_signed_make(long_name, &certificate, &key), STATUS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_can_show_it),
		cmocka_unit_test(it_is_good_for_its_name_and_its_time_alone),
		cmocka_unit_test(two_have_nothing_in_common),
		cmocka_unit_test(what_is_no_name_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
