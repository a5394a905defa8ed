/*
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: the client proves that it knows a password without showing it.
 * Whoever has several passwords under one salt may have used any of them, so a proof is held against the stored key of
 * each. Pure.
 *
 * With channel binding (-PLUS; RFC 9266, RFC 5929) the proof covers the TLS connection that it came over, as its gate
 * tells: whoever sits between client and gate can't use it.
 */
#ifndef AUTH_SASL_SCRAM_H
#define AUTH_SASL_SCRAM_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/secret.h"

#define SCRAM_SALT_SIZE 16       /* bytes */
#define SCRAM_TEXT_MAXIMUM 2048  /* bytes of each message of a client; a name has 255 */
#define SCRAM_BINDING_MAXIMUM 64 /* bytes of channel binding */

/* What TLS gives to bind to; sizes are 0 where it gives nothing. */
struct scram_bindings {
	char exporter[SCRAM_BINDING_MAXIMUM], end_point[SCRAM_BINDING_MAXIMUM];
	size_t exporter_size, end_point_size;
};

struct scram;

/* STATUS_NO_MEMORY, STATUS_SYSTEM: no random bytes. */
MUST_USE enum status scram_create(struct scram **out_scram);
void scram_free(struct scram **scram); /* NULL-safe; sets to NULL; wipes */

/*
 * The client's first message. `is_plus`: of the mechanism with channel binding; `has_plus`: that is offered as well, so
 * that a client which could, and believes that we can't, was lied to. STATUS_INVALID: not its syntax. STATUS_REFUSED:
 * an honest client would not have sent it here. *out_name, and *out_authzid (maybe empty), are unescaped.
 */
MUST_USE enum status scram_take_first(struct scram *scram, struct span message, const struct scram_bindings *bindings,
				      bool is_plus, bool has_plus, struct secret *out_name, struct secret *out_authzid);
/* The answer to it. */
MUST_USE enum status scram_write_first(struct scram *scram, const unsigned char salt[SCRAM_SALT_SIZE],
				       uint32_t iterations, struct buf *out_message);
/* The client's second message. STATUS_INVALID, as above. STATUS_REFUSED: it binds to something else. */
MUST_USE enum status scram_take_final(struct scram *scram, struct span message);

/* Whether the passwords of this salt are those that the client was asked about. */
bool scram_is_about(const struct scram *scram, const unsigned char salt[SCRAM_SALT_SIZE], uint32_t iterations);
/* STATUS_OK: the client has the password of this key. STATUS_NOT_FOUND: not. STATUS_SYSTEM: it can't be known. */
MUST_USE enum status scram_prove(const struct scram *scram, const unsigned char stored_key[HASH_SHA256_SIZE]);
/* Our own proof to a client that has. */
MUST_USE enum status scram_write_final(const struct scram *scram, const unsigned char server_key[HASH_SHA256_SIZE],
				       struct buf *out_message);

#endif
