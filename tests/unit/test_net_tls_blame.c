/* What an administrator hears of a server's certificate that was not taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/x509v3.h>

#include "base/span.h"
#include "net/tls_blame.h"

#define HOUR_S 3600

struct made {
	const char *what;
	long begins_s, ends_s; /* from now */
	const char *names;     /* NULL: none but the common name */
	const char *host;
	const char *phrase; /* part of what is said */
};

static const struct made cases[] = {
	{ "of another name", -HOUR_S, HOUR_S, "DNS:a.example,DNS:b.example", "c.example",
	  "is for \"a.example\", \"b.example\", not for \"c.example\"" },
	{ "of another address", -HOUR_S, HOUR_S, "IP:192.0.2.1", "192.0.2.2",
	  "is for 192.0.2.1, not for \"192.0.2.2\"" },
	{ "of many names", -HOUR_S, HOUR_S, "DNS:a,DNS:b,DNS:c,DNS:d", "e", "\"c\" and others, not for \"e\"" },
	{ "of a name that is no host's", -HOUR_S, HOUR_S, "email:a@b.example", "a.example", "another kind of name" },
	{ "of none but its common name", -HOUR_S, HOUR_S, NULL, "c.example", "is for \"dc1\", not for" },
	{ "over", -2 * HOUR_S, -HOUR_S, "DNS:a.example", "a.example", "expired at 20" },
	{ "not yet good", HOUR_S, 2 * HOUR_S, "DNS:a.example", "a.example", "is not valid before 20" },
	{ "in order", -HOUR_S, HOUR_S, "DNS:a.example", "a.example", "comes from \"dc1\", which is not trusted" },
	{ "in order, for an address", -HOUR_S, HOUR_S, "IP:192.0.2.1", "192.0.2.1", "which is not trusted" },
};

static X509 *make(const struct made *made)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), made->begins_s);
	X509_gmtime_adj(X509_getm_notAfter(x), made->ends_s);
	X509_set_pubkey(x, key);
	X509_NAME *subject = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"dc1", -1, -1, 0);
	X509_set_issuer_name(x, subject);
	if (made->names) {
		X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, made->names);
		assert_non_null(extension);
		X509_add_ext(x, extension, -1);
		X509_EXTENSION_free(extension);
	}
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	EVP_PKEY_free(key);
	return x;
}

static void test_what_is_wrong_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf said BUF_AUTO;
		unsigned char *der = NULL;
		X509 *x = make(&cases[i]);
		int size = i2d_X509(x, &der);
		buf_init(&said, 512);
		assert_int_equal(
			tls_blame_certificate((struct span){ (const char *)der, (size_t)size }, cases[i].host, &said),
			STATUS_OK);
		assert_int_equal(buf_append_byte(&said, '\0'), STATUS_OK);
		if (strstr(buf_span(&said).data, cases[i].phrase) == NULL)
			fail_msg("%s: %s", cases[i].what, buf_span(&said).data);
		OPENSSL_free(der);
		X509_free(x);
	}
}

static void test_what_is_no_certificate_and_what_does_not_fit(void **state)
{
	struct buf said BUF_AUTO, little BUF_AUTO;
	(void)state;
	buf_init(&said, 512);
	buf_init(&little, 8);
	assert_int_equal(tls_blame_certificate(SPAN("no certificate"), "a.example", &said), STATUS_OK);
	assert_true(span_equal(buf_span(&said), SPAN("its certificate is none")));
	assert_int_equal(tls_blame_certificate(SPAN("no certificate"), "a.example", &little), STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_wrong_is_named),
		cmocka_unit_test(test_what_is_no_certificate_and_what_does_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
