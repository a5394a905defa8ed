/*
 * The app passwords in memory: what all changes so far come to. Made for many: 200,000 take about 55 MB. Revoked ones
 * stay in it, so that a device that goes on with one is known for what it is, and the directory is not asked.
 */
#ifndef AUTH_APP_PASSWORD_TABLE_H
#define AUTH_APP_PASSWORD_TABLE_H

#include "auth/app_password/change.h"
#include "base/map.h"

#define TABLE_DIGEST_SIZE 16 /* bytes: more bits than a password has random ones */

/* One app password; the table's, and it lives as long. */
struct app_password {
	struct map_link by_id, by_owner;
	const char *owner; /* an identity's id; the same pointer for all of an owner's */
	uint32_t created_s;
	uint32_t expires_s;        /* 0: never */
	uint32_t messages_per_day; /* 0: no limit but the user's own */
	uint32_t number;           /* its place in the order of creation */
	char id[APP_PASSWORD_ID_SIZE];
	bool is_revoked;
	bool is_console; /* it opens the console, and sends no mail */
	/* As in struct app_password_hash. */
	uint32_t iterations;
	unsigned char salt[APP_PASSWORD_SALT_SIZE];
	unsigned char digest[TABLE_DIGEST_SIZE]; /* its beginning */
	unsigned char stored_key[HASH_SHA256_SIZE], server_key[HASH_SHA256_SIZE];
	char texts[]; /* in their order, each with a NUL */
};

/* "" where it has none. */
const char *app_password_text(const struct app_password *password, enum app_password_text which);

/* Whether it can be used from there: an unknown address is outside of every network. */
bool app_password_is_from(const struct app_password *password, struct span address);

struct password_table;

/* What is told of each change as it is read. */
typedef void table_change_callback(void *context, enum change_operation operation, const struct app_password *password);

MUST_USE enum status table_create(struct password_table **out_table);
void table_free(struct password_table **table); /* NULL-safe; sets to NULL; wipes */

/*
 * STATUS_INVALID: there is one of this id already. STATUS_NOT_FOUND: there is none to be changed. *out_changed is the
 * password that was made or changed.
 */
MUST_USE enum status table_apply(struct password_table *table, const struct app_password_change *change,
				 struct app_password **out_changed);

/* NULL; also one that is revoked. */
const struct app_password *table_find(const struct password_table *table, struct span id);
/* The passwords of an owner, in no order, revoked ones too. NULL at the end. */
const struct app_password *table_first(const struct password_table *table, struct span owner);
const struct app_password *table_next(const struct app_password *password);
/* All of them in the order of creation: numbers are 0 to table_count() - 1. */
size_t table_count(const struct password_table *table);
const struct app_password *table_at(const struct password_table *table, size_t number);

#endif
