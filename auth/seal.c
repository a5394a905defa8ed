/* Each part stands after its length, so that no others make the same bytes. Owns nothing. */
#include "auth/seal.h"

#include "door/codec.h"

#define LENGTHS 64 /* bytes: more than the lengths of three parts take */

enum status seal_make(const struct secret *key, struct span purpose, struct span name, struct span body,
		      unsigned char out_mac[HASH_SHA256_SIZE])
{
	struct buf text BUF_AUTO;
	buf_init(&text, purpose.size + name.size + body.size + LENGTHS);
	TRY(codec_write_span(&text, purpose));
	TRY(codec_write_span(&text, name));
	TRY(codec_write_span(&text, body));
	return hash_hmac_sha256(secret_reveal(key), buf_span(&text), out_mac);
}
