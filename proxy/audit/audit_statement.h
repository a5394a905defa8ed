/*
 * What a checkpoint states: that a chain held so many records, the last of which had this hash. It is signed with a key
 * that is used once, and names the next one. conf/audit.md tells it to those who verify it.
 */
#ifndef AUDIT_AUDIT_STATEMENT_H
#define AUDIT_AUDIT_STATEMENT_H

#include <jansson.h>

#include "base/ed25519.h"
#include "base/hash.h"

#define AUDIT_CHAIN_ID_SIZE 17 /* bytes: 16 hexadecimal digits and a NUL */
#define AUDIT_KEY_HEX_SIZE (2 * ED25519_KEY_SIZE + 1)
#define AUDIT_SIGNATURE_HEX_SIZE (2 * ED25519_SIGNATURE_SIZE + 1)

/* All but the numbers in lower-case hexadecimal. */
struct audit_statement {
	uint64_t number; /* of this node's checkpoints, from 1 over all chains */
	char chain[AUDIT_CHAIN_ID_SIZE];
	uint64_t count; /* records of the chain */
	char head[HASH_SHA256_HEX_SIZE];
	char key[AUDIT_KEY_HEX_SIZE];  /* the public key that this one is signed with */
	char next[AUDIT_KEY_HEX_SIZE]; /* that of the next one */
	char signature[AUDIT_SIGNATURE_HEX_SIZE];
};

/* Fills in the signature, over everything but the key that it is made with. STATUS_SYSTEM. */
MUST_USE enum status audit_statement_sign(struct audit_statement *statement,
					  const unsigned char private_key[ED25519_KEY_SIZE]);
/* STATUS_REFUSED: the key that it names did not sign it. STATUS_SYSTEM. Whether that is the right key it can't tell. */
MUST_USE enum status audit_statement_verify(const struct audit_statement *statement);

/* NULL: out of memory. */
json_t *audit_statement_to_json(const struct audit_statement *statement);
/* STATUS_INVALID: something is missing, or not of its form. */
MUST_USE enum status audit_statement_from_json(const json_t *object, struct audit_statement *out_statement);

/* Bytes of lower-case hexadecimal: `size` of them, and nothing else. STATUS_INVALID. */
MUST_USE enum status audit_read_hex(struct span text, unsigned char *out_bytes, size_t size);

#endif
