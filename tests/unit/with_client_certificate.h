/* For tests of client certificates: authorities, what they sign and revoke, and a client that shows it over TLS. */
#ifndef TESTS_WITH_CLIENT_CERTIFICATE_H
#define TESTS_WITH_CLIENT_CERTIFICATE_H

#include "with_tls_streams.h"

#include <openssl/ssl.h>

struct client_authority {
	EVP_PKEY *key;
	X509 *certificate;
};

struct client_certificate {
	EVP_PKEY *key; /* whose kind the test chose */
	const char *common_name;
	const char *names; /* as OpenSSL writes them, or NULL */
	long lifetime_s;   /* negative: it is over */
};

static inline X509 *sign_certificate(EVP_PKEY *key, const char *common_name, const char *names, long lifetime_s,
				     const struct client_authority *authority)
{
	static long serial = 100;
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -7200);
	X509_gmtime_adj(X509_getm_notAfter(x), lifetime_s);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
				   -1, -1, 0);
	X509_set_issuer_name(x, authority ? X509_get_subject_name(authority->certificate) : X509_get_subject_name(x));
	X509_EXTENSION *more = names ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names)
				     : X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
	assert_non_null(more);
	X509_add_ext(x, more, -1);
	X509_EXTENSION_free(more);
	assert_true(X509_sign(x, authority ? authority->key : key, EVP_sha256()) > 0);
	return x;
}

static inline void authority_make(struct client_authority *authority)
{
	authority->key = EVP_EC_gen("P-256");
	authority->certificate = sign_certificate(authority->key, "Devices", NULL, 7200, NULL);
}

static inline void authority_free(struct client_authority *authority)
{
	X509_free(authority->certificate);
	EVP_PKEY_free(authority->key);
}

static inline struct span write_pem_certificate(X509 *certificate, char out_pem[PEM_SIZE])
{
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, certificate);
	return (struct span){ out_pem, certificate_read_bio(bio, out_pem) };
}

/* A list that revokes `revoked`, or nobody. */
static inline struct span write_crl(const struct client_authority *authority, const X509 *revoked,
				    char out_pem[PEM_SIZE])
{
	X509_CRL *list = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *later = X509_gmtime_adj(NULL, 3600);
	X509_CRL_set_version(list, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(list, X509_get_subject_name(authority->certificate));
	X509_CRL_set1_lastUpdate(list, now);
	X509_CRL_set1_nextUpdate(list, later);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(entry, (ASN1_INTEGER *)X509_get0_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(entry, now);
		X509_CRL_add0_revoked(list, entry);
	}
	assert_true(X509_CRL_sign(list, authority->key, EVP_sha256()) > 0);
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509_CRL(bio, list);
	ASN1_TIME_free(now);
	ASN1_TIME_free(later);
	X509_CRL_free(list);
	return (struct span){ out_pem, certificate_read_bio(bio, out_pem) };
}

/* ---- a client */

struct shaking_client {
	SSL_CTX *context;
	SSL *ssl;
	bool over;
	struct tls_side *server;
};

static inline void client_begin(struct shaking_client *client, int fd, X509 *certificate, EVP_PKEY *key)
{
	*client = (struct shaking_client){ .context = SSL_CTX_new(TLS_client_method()) };
	if (certificate) {
		assert_int_equal(SSL_CTX_use_certificate(client->context, certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(client->context, key), 1);
	}
	client->ssl = SSL_new(client->context);
	SSL_set_fd(client->ssl, fd);
	SSL_set_connect_state(client->ssl);
}

/* One step of the client; true once both sides are settled. */
static inline bool client_is_settled(void *context)
{
	struct shaking_client *client = context;
	if (!client->over) {
		int returned = SSL_do_handshake(client->ssl);
		client->over = returned == 1 || SSL_get_error(client->ssl, returned) != SSL_ERROR_WANT_READ;
	}
	return client->over && is_settled(client->server);
}

static inline void client_end(struct shaking_client *client)
{
	SSL_free(client->ssl);
	SSL_CTX_free(client->context);
}

#endif
