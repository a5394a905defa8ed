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

/* What is kept of one. */
struct app_password_hash {
	unsigned char salt[APP_PASSWORD_SALT_SIZE];
	unsigned char digest[HASH_SHA256_SIZE];
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

/* With a new salt. */
MUST_USE enum status app_password_make_hash(const struct secret *normal, struct app_password_hash *out_hash);
/* In constant time. STATUS_NOT_FOUND: it is another password; any other: it can't be hashed now. */
MUST_USE enum status app_password_verify(const struct app_password_hash *hash, const struct secret *normal);

/* A short random name for one, to be shown and revoked by. */
MUST_USE enum status app_password_make_id(char out_id[APP_PASSWORD_ID_SIZE]);

#endif
