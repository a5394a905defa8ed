/* RS256 by OpenSSL. Owns nothing for longer than a call. */
#include "base/sign.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* A daemon can't use a key with a password, and OpenSSL would ask for it on the terminal. */
static int refuse_password(char *text, int size, int writes, void *context)
{
	(void)text, (void)size, (void)writes, (void)context;
	return -1;
}

static enum status read_key(struct span pem, EVP_PKEY **out_key)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	if (bio == NULL)
		return STATUS_NO_MEMORY;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, NULL);
	BIO_free(bio);
	if (key == NULL)
		return STATUS_INVALID;
	if (!EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_get_bits(key) < SIGN_KEY_BITS_LEAST) {
		EVP_PKEY_free(key);
		return STATUS_INVALID;
	}
	*out_key = key;
	return STATUS_OK;
}

static enum status sign_digest(EVP_MD_CTX *digest, EVP_PKEY *key, struct span bytes, struct buf *out_signature)
{
	const unsigned char *data = (const unsigned char *)bytes.data;
	size_t size = 0;
	char *at = NULL;
	if (EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestSign(digest, NULL, &size, data, bytes.size) != 1)
		return STATUS_SYSTEM;
	TRY(buf_reserve(out_signature, size, &at));
	if (EVP_DigestSign(digest, (unsigned char *)at, &size, data, bytes.size) != 1)
		return STATUS_SYSTEM;
	buf_commit(out_signature, size);
	return STATUS_OK;
}

enum status sign_rs256(const struct secret *key_pem, struct span bytes, struct buf *out_signature)
{
	EVP_PKEY *key = NULL;
	enum status status = read_key(secret_reveal(key_pem), &key);
	if (status == STATUS_OK) {
		EVP_MD_CTX *digest = EVP_MD_CTX_new();
		status = digest ? sign_digest(digest, key, bytes, out_signature) : STATUS_NO_MEMORY;
		EVP_MD_CTX_free(digest);
	}
	EVP_PKEY_free(key);
	ERR_clear_error();
	return status;
}
