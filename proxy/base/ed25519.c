/* Ed25519 over OpenSSL's EVP. Owns nothing for longer than a call. */
#include "base/ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

static const unsigned char *data_of(struct span bytes)
{
	/* OpenSSL wants a pointer even for no bytes. */
	return (const unsigned char *)(bytes.size ? bytes.data : "");
}

static enum status write_public(const unsigned char *private_key, unsigned char out_public[ED25519_KEY_SIZE])
{
	size_t size = ED25519_KEY_SIZE;
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, ED25519_KEY_SIZE);
	bool done = key && EVP_PKEY_get_raw_public_key(key, out_public, &size) == 1 && size == ED25519_KEY_SIZE;
	EVP_PKEY_free(key);
	return done ? STATUS_OK : STATUS_SYSTEM;
}

enum status ed25519_generate(unsigned char out_private[ED25519_KEY_SIZE], unsigned char out_public[ED25519_KEY_SIZE])
{
	unsigned char private_key[ED25519_KEY_SIZE];
	/* RFC 8032, 5.1.5: a private key is any 32 random bytes. */
	enum status status = RAND_priv_bytes(private_key, sizeof(private_key)) == 1 ? STATUS_OK : STATUS_SYSTEM;
	if (status == STATUS_OK)
		status = write_public(private_key, out_public);
	if (status == STATUS_OK)
		memcpy(out_private, private_key, sizeof(private_key));
	explicit_bzero(private_key, sizeof(private_key));
	ERR_clear_error();
	return status;
}

enum status ed25519_sign(const unsigned char private_key[ED25519_KEY_SIZE], struct span bytes,
			 unsigned char out_signature[ED25519_SIGNATURE_SIZE])
{
	unsigned char signature[ED25519_SIGNATURE_SIZE];
	size_t size = sizeof(signature);
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, ED25519_KEY_SIZE);
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool done = key && digest && EVP_DigestSignInit(digest, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestSign(digest, signature, &size, data_of(bytes), bytes.size) == 1;
	if (done)
		memcpy(out_signature, signature, sizeof(signature));
	EVP_MD_CTX_free(digest);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return done ? STATUS_OK : STATUS_SYSTEM;
}

enum status ed25519_verify(const unsigned char public_key[ED25519_KEY_SIZE], struct span bytes,
			   const unsigned char signature[ED25519_SIGNATURE_SIZE])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, ED25519_KEY_SIZE);
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	int fits = -1;
	if (key && digest && EVP_DigestVerifyInit(digest, NULL, NULL, NULL, key) == 1)
		fits = EVP_DigestVerify(digest, signature, ED25519_SIGNATURE_SIZE, data_of(bytes), bytes.size);
	EVP_MD_CTX_free(digest);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (fits < 0)
		return STATUS_SYSTEM;
	return fits == 1 ? STATUS_OK : STATUS_REFUSED;
}
