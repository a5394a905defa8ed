/* Over OpenSSL's EVP. */
#include "base/digest.h"

#include "base/hash_kind.h"

enum status digest_begin(struct digest *digest)
{
	if (digest->state == NULL)
		digest->state = EVP_MD_CTX_new();
	if (digest->state == NULL)
		return STATUS_NO_MEMORY;
	return EVP_DigestInit_ex(digest->state, hash_kind_sha256(), NULL) == 1 ? STATUS_OK : STATUS_SYSTEM;
}

enum status digest_add(struct digest *digest, struct span bytes)
{
	if (digest->state == NULL || bytes.size == 0)
		return STATUS_OK;
	return EVP_DigestUpdate(digest->state, bytes.data, bytes.size) == 1 ? STATUS_OK : STATUS_SYSTEM;
}

enum status digest_end(struct digest *digest, char out_hex[HASH_SHA256_HEX_SIZE])
{
	unsigned char whole[EVP_MAX_MD_SIZE];
	if (digest->state == NULL)
		return STATUS_OK;
	if (EVP_DigestFinal_ex(digest->state, whole, NULL) != 1)
		return STATUS_SYSTEM;
	hash_to_hex(whole, HASH_SHA256_SIZE, out_hex);
	return STATUS_OK;
}

void digest_free(struct digest *digest)
{
	EVP_MD_CTX_free(digest->state);
	digest->state = NULL;
}
