/*
 * The form of app passwords: 25 characters of base32 (RFC 4648, 6), shown in
 * five groups of five. 23 of them are random (115 bits), two are a checksum
 * that catches every single wrong character and every swap of neighbours. It
 * tells a typing error from a guess, and an app password from anything else.
 * At that strength one salted SHA-256 is enough.
 *
 * A "normal" app password is the 25 characters in upper case without dashes.
 */
#ifndef AUTH_APP_PASSWORD_PASSWORD_H
#define AUTH_APP_PASSWORD_PASSWORD_H

#include "base/hash.h"
#include "base/secret.h"

#define APP_PASSWORD_SIZE 25                       /* characters */
#define APP_PASSWORD_RANDOM 23                     /* of them random */
#define APP_PASSWORD_SHOWN (APP_PASSWORD_SIZE + 4) /* with a dash between the groups */
#define APP_PASSWORD_SALT_SIZE 16                  /* bytes */
#define APP_PASSWORD_ID_SIZE 9                     /* 8 characters of base32 and a NUL */

#define APP_PASSWORD_ITERATIONS 4096 /* RFC 7677, 4: for 115 random bits as good as any number */

/* What is kept of one. The keys are those of RFC 5802, 3 with SHA-256, of the password as it is shown. */
struct app_password_hash {
	unsigned char salt[APP_PASSWORD_SALT_SIZE]; /* one for all of a user's, so that SCRAM has one to send */
	unsigned char digest[HASH_SHA256_SIZE];     /* of the salt and the normal form */
	uint32_t iterations;                        /* 0: a line of version 1, which has no keys */
	unsigned char stored_key[HASH_SHA256_SIZE];
	unsigned char server_key[HASH_SHA256_SIZE];
};

/* A new one, normal. */
MUST_USE enum status app_password_generate(struct secret *out_normal);
/* As it is shown to people: AAAAA-BBBBB-CCCCC-DDDDD-EEEEE. */
MUST_USE enum status app_password_show(const struct secret *normal, struct secret *out_shown);
/*
 * What somebody typed or pasted, with any blanks and dashes, those of Unicode too, and in any case. STATUS_NOT_FOUND:
 * it does not have the form, or the checksum is wrong.
 */
MUST_USE enum status app_password_normalize(struct span typed, struct secret *out_normal);

/*
 * The salt of an owner's passwords where they have none yet, and the false one of whoever has none: the same on all
 * nodes that share the key. STATUS_SYSTEM.
 */
MUST_USE enum status app_password_make_salt(struct span key, struct span owner,
					    unsigned char out_salt[APP_PASSWORD_SALT_SIZE]);
/* With hash->salt; fills the rest. For a thread: it takes milliseconds. */
MUST_USE enum status app_password_make_hash(const struct secret *normal, struct app_password_hash *hash);
/* As `digest` of a hash with this salt. */
MUST_USE enum status app_password_digest(const unsigned char *salt, const struct secret *normal,
					 unsigned char out_digest[HASH_SHA256_SIZE]);

/* A short random name for one, to be shown and revoked by. */
MUST_USE enum status app_password_make_id(char out_id[APP_PASSWORD_ID_SIZE]);

#endif
