/* For tests that need TLS: a key and a self-signed certificate, made on the spot. */
#ifndef TESTS_WITH_CERTIFICATE_H
#define TESTS_WITH_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/secret.h"
#include "base/span.h"

#define PEM_SIZE 4096 /* bytes */

struct certificate {
	char pem[PEM_SIZE];
	struct span certificate; /* a view of pem */
	struct secret key;
};

static inline size_t certificate_read_bio(BIO *bio, char *out_text)
{
	int size = BIO_read(bio, out_text, PEM_SIZE);
	assert_in_range(size, 1, PEM_SIZE - 1);
	BIO_free(bio);
	return (size_t)size;
}

static inline X509 *certificate_sign(EVP_PKEY *key, const char *names)
{
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME *subject = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, subject);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	assert_non_null(extension);
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

/* `names` as OpenSSL writes them: "DNS:mail.example.com,IP:192.0.2.1". */
static inline void certificate_make(struct certificate *certificate, const char *names)
{
	char text[PEM_SIZE];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = certificate_sign(key, names);
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x);
	certificate->certificate = (struct span){ certificate->pem, certificate_read_bio(bio, certificate->pem) };
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	size_t size = certificate_read_bio(bio, text);
	certificate->key = (struct secret){ 0 };
	assert_int_equal(secret_from_span((struct span){ text, size }, &certificate->key), STATUS_OK);
	X509_free(x);
	EVP_PKEY_free(key);
}

static inline void certificate_free(struct certificate *certificate)
{
	secret_wipe(&certificate->key);
}

#endif
