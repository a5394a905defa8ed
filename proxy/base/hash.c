/* Digests over OpenSSL's EVP. Owns nothing; results are copied out only once they are complete. */
#include "base/hash.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "base/hash_kind.h"

#define SHA1_SIZE 20 /* bytes */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const EVP_MD *sha256;

/* Without memory for it, each use fetches it anew. */
static void fetch_kinds(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	if (sha256 == NULL)
		sha256 = EVP_sha256();
}

const EVP_MD *hash_kind_sha256(void)
{
	pthread_once(&once, fetch_kinds);
	return sha256;
}

static enum status compute_digest(const EVP_MD *kind, struct span bytes, unsigned char out_digest[EVP_MAX_MD_SIZE])
{
	/* OpenSSL wants a pointer even for no bytes. */
	const void *data = bytes.size ? bytes.data : "";
	unsigned int size = 0;
	return EVP_Digest(data, bytes.size, out_digest, &size, kind, NULL) == 1 ? STATUS_OK : STATUS_SYSTEM;
}

enum status hash_sha1_hex(struct span bytes, char out_hex[HASH_SHA1_HEX_SIZE])
{
	unsigned char whole[EVP_MAX_MD_SIZE];
	TRY(compute_digest(EVP_sha1(), bytes, whole));
	hash_to_hex(whole, SHA1_SIZE, out_hex);
	return STATUS_OK;
}

enum status hash_sha256(struct span bytes, unsigned char out_digest[HASH_SHA256_SIZE])
{
	unsigned char whole[EVP_MAX_MD_SIZE];
	TRY(compute_digest(hash_kind_sha256(), bytes, whole));
	memcpy(out_digest, whole, HASH_SHA256_SIZE);
	return STATUS_OK;
}

enum status hash_hmac_sha256(struct span key, struct span bytes, unsigned char out_mac[HASH_SHA256_SIZE])
{
	const void *key_data = key.size ? key.data : "";
	const void *data = bytes.size ? bytes.data : "";
	unsigned char whole[EVP_MAX_MD_SIZE];
	unsigned int size = 0;
	if (key.size > INT_MAX)
		return STATUS_TOO_LARGE;
	if (HMAC(hash_kind_sha256(), key_data, (int)key.size, data, bytes.size, whole, &size) == NULL)
		return STATUS_SYSTEM;
	memcpy(out_mac, whole, HASH_SHA256_SIZE);
	return STATUS_OK;
}

enum status hash_pbkdf2_sha256(struct span password, struct span salt, uint32_t iterations,
			       unsigned char out_key[HASH_SHA256_SIZE])
{
	unsigned char key[HASH_SHA256_SIZE];
	const unsigned char *salt_data = (const unsigned char *)(salt.size ? salt.data : "");
	if (password.size > INT_MAX || salt.size > INT_MAX || iterations == 0 || iterations > INT_MAX)
		return STATUS_TOO_LARGE;
	if (PKCS5_PBKDF2_HMAC(password.size ? password.data : "", (int)password.size, salt_data, (int)salt.size,
			      (int)iterations, hash_kind_sha256(), sizeof(key), key) != 1)
		return STATUS_SYSTEM;
	memcpy(out_key, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	return STATUS_OK;
}

enum status hash_random(void *out_bytes, size_t size)
{
	if (size > INT_MAX)
		return STATUS_TOO_LARGE;
	return RAND_bytes(out_bytes, (int)size) == 1 ? STATUS_OK : STATUS_SYSTEM;
}

void hash_to_hex(const void *bytes, size_t size, char *out_hex)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	for (size_t i = 0; i < size; i++) {
		out_hex[2 * i] = digits[from[i] >> 4];
		out_hex[2 * i + 1] = digits[from[i] & 15];
	}
	out_hex[2 * size] = '\0';
}
