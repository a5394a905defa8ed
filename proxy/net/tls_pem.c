/* Reading PEM with OpenSSL. A fault leaves OpenSSL's reason in its list of errors. */
#include "net/tls_pem.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>

BIO *tls_open_pem(struct span pem)
{
	return pem.size && pem.size <= INT_MAX ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
}

int tls_refuse_passphrase(char *text, int size, int writing, void *context)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

/* Whether a file of `count` items ended as it should. */
static bool ended_well(size_t count)
{
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return false;
	if (count)
		ERR_clear_error();
	return count > 0;
}

bool tls_read_certificates(struct span pem, bool (*take)(void *context, X509 *certificate), void *context)
{
	BIO *bio __attribute__((cleanup(free_bio))) = tls_open_pem(pem);
	size_t count = 0;
	if (bio == NULL)
		return false;
	for (;;) {
		X509 *certificate = PEM_read_bio_X509(bio, NULL, tls_refuse_passphrase, NULL);
		if (certificate == NULL)
			break;
		if (!take(context, certificate)) {
			X509_free(certificate);
			return false;
		}
		count++;
	}
	return ended_well(count);
}

bool tls_take_authority(void *context, X509 *certificate)
{
	if (X509_STORE_add_cert(context, certificate) != 1)
		return false;
	X509_free(certificate);
	return true;
}

/* Who signed a certificate must say what they revoked; authorities further up may. */
static int forgive_silence(int ok, X509_STORE_CTX *context)
{
	if (ok || X509_STORE_CTX_get_error(context) != X509_V_ERR_UNABLE_TO_GET_CRL ||
	    X509_STORE_CTX_get_error_depth(context) == 0)
		return ok;
	X509_STORE_CTX_set_error(context, X509_V_OK);
	return 1;
}

bool tls_read_revocations(struct span pem, X509_STORE *store)
{
	BIO *bio __attribute__((cleanup(free_bio))) = tls_open_pem(pem);
	size_t count = 0;
	if (bio == NULL)
		return false;
	for (;;) {
		X509_CRL *list = PEM_read_bio_X509_CRL(bio, NULL, tls_refuse_passphrase, NULL);
		if (list == NULL)
			break;
		int added = X509_STORE_add_crl(store, list);
		X509_CRL_free(list);
		if (added != 1)
			return false;
		count++;
	}
	X509_STORE_set_verify_cb(store, forgive_silence);
	return ended_well(count) && X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
}
