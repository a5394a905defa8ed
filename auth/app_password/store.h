/*
 * Where app passwords are kept: a file of JSON lines that only grows, read
 * into a table. The file is the truth: a change is appended and forced to
 * disk by a job's thread, and then read back by whoever looks next, so that two
 * auth roles that live at once during a reload see each other's changes.
 *
 *   {"op":"create","id":…,"user":…,"label":…,"salt":hex,"hash":hex,"created":seconds,"expires":…,"from":…}
 *   {"op":"revoke","id":…}
 *
 * A torn last line, left by a crash, is cut off at start. Any other line that
 * can't be read stops the store, as it might be a revocation: from then on
 * everybody is refused for now (STATUS_INVALID), until the file is mended.
 */
#ifndef AUTH_APP_PASSWORD_STORE_H
#define AUTH_APP_PASSWORD_STORE_H

#include "auth/app_password/password.h"
#include "auth/name.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/network.h"

#define STORE_LABEL_MAXIMUM 100        /* bytes */
#define STORE_LINE_MAXIMUM 2048        /* bytes of one line of the file */
#define STORE_FILE_MAXIMUM (256 << 20) /* bytes: about 800,000 app passwords */

/* One app password; owned by the store. */
struct app_password_record {
	struct map_link by_id;
	struct map_link by_user;
	char id[APP_PASSWORD_ID_SIZE];
	char user[NAME_SIZE]; /* canonical */
	char label[STORE_LABEL_MAXIMUM + 1];
	struct app_password_hash hash;
	uint64_t created_s;
	uint64_t expires_s;                /* 0: never */
	char from_text[NETWORK_TEXT_SIZE]; /* "": from anywhere */
	struct network from;
	uint64_t last_used_s; /* since this process started; 0: not */
};

struct app_password_store;

/* Takes over the descriptor (read-write, append). Empty until store_load. */
MUST_USE enum status store_create(int fd, struct app_password_store **out_store);
/*
 * Reads the whole file; *out_cut is how many bytes of a torn last line were cut off. May wait for another process's
 * append.
 */
MUST_USE enum status store_load(struct app_password_store *store, uint64_t *out_cut);
void store_close(struct app_password_store **store); /* NULL-safe; sets to NULL; no append may be under way */

/* Reads what was appended since, by us or by another process. STATUS_INVALID: the store is stopped. */
MUST_USE enum status store_refresh(struct app_password_store *store);
/* Lines applied so far: a fault is in the next one. */
uint64_t store_line(const struct app_password_store *store);

/*
 * The record of this user that the password belongs to, whether or not it may be used now. STATUS_NOT_FOUND: the
 * password is wrong; any other: it can't be known.
 */
MUST_USE enum status store_match(struct app_password_store *store, const char *user, const struct secret *normal,
				 struct app_password_record **out_record);
struct app_password_record *store_find(struct app_password_store *store, const char *id);
/* Every record of the user, or of all with NULL, in no order. */
void store_list(struct app_password_store *store, const char *user,
		void (*visit)(void *context, const struct app_password_record *record), void *context);

/* The lines of changes, LF included. */
MUST_USE enum status store_format_create(const struct app_password_record *record, struct buf *line);
MUST_USE enum status store_format_revoke(const char *id, struct buf *line);
/*
 * Appends one line and forces it to disk. For a job's thread: it waits for the
 * disk. All or nothing: if it fails, the part that was written is cut off again.
 */
MUST_USE enum status store_append(const struct app_password_store *store, struct span line);

#endif
