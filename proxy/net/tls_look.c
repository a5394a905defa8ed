/* Looks at PEM texts with OpenSSL. Owns nothing for longer than a call. */
#include "net/tls_look.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <time.h>

#include "net/tls_context.h"
#include "net/tls_pem.h"

static void free_certificate(X509 **certificate)
{
	X509_free(*certificate);
}

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void free_store(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static enum status fail_look(char **out_error, const char *what)
{
	const char *reason = tls_take_reason();
	if (asprintf(out_error, "%s%s%s", what, *reason ? ": " : "", reason) < 0)
		*out_error = NULL;
	return STATUS_INVALID;
}

/* The rest of the chain is read as well, as whoever uses it reads all of it. */
static bool keep_first(void *context, X509 *certificate)
{
	X509 **first = context;
	if (*first)
		X509_free(certificate);
	else
		*first = certificate;
	return true;
}

enum status tls_look_at_expiry(struct span certificate_pem, uint64_t *out_s)
{
	X509 *leaf __attribute__((cleanup(free_certificate))) = NULL;
	struct tm when;
	ERR_clear_error();
	bool is_read = tls_read_certificates(certificate_pem, keep_first, &leaf) &&
		       ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &when) == 1;
	ERR_clear_error();
	time_t seconds = is_read ? timegm(&when) : -1;
	if (seconds < 0)
		return STATUS_INVALID;
	*out_s = (uint64_t)seconds;
	return STATUS_OK;
}

enum status tls_look_at_pair(struct span certificate_pem, const struct secret *key, char **out_error)
{
	X509 *leaf __attribute__((cleanup(free_certificate))) = NULL;
	ERR_clear_error();
	if (!tls_read_certificates(certificate_pem, keep_first, &leaf))
		return fail_look(out_error, "the certificate can't be read");
	BIO *bio __attribute__((cleanup(free_bio))) = tls_open_pem(secret_reveal(key));
	EVP_PKEY *own __attribute__((cleanup(free_key))) =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, tls_refuse_passphrase, NULL) : NULL;
	if (own == NULL)
		return fail_look(out_error, "the private key can't be read");
	if (X509_check_private_key(leaf, own) != 1)
		return fail_look(out_error, "the private key does not belong to the certificate");
	return STATUS_OK;
}

enum status tls_look_at_authorities(struct span ca_pem, struct span crl_pem, char **out_error)
{
	X509_STORE *store __attribute__((cleanup(free_store))) = X509_STORE_new();
	ERR_clear_error();
	if (store == NULL || !tls_read_certificates(ca_pem, tls_take_authority, store))
		return fail_look(out_error, "the authorities can't be read");
	if (crl_pem.size && !tls_read_revocations(crl_pem, store))
		return fail_look(out_error, "what these authorities revoked can't be read");
	return STATUS_OK;
}
