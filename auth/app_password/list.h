/*
 * App passwords in a Redis list, for nodes that share them: the same lines as in a file, each sealed with auth's key
 * (auth/seal.h), appended by whoever changes something and read by all, twice a second, into a table. A line that is
 * not sealed so is skipped. What the list lost or was replaced by shows in its last line
 * that was read, and is then read anew; until that is done, and while Redis is away, what was known holds.
 *
 *   PREFIXauth:1:app_passwords   a list of entries: HMAC in hexadecimal, blank, line without LF
 */
#ifndef AUTH_APP_PASSWORD_LIST_H
#define AUTH_APP_PASSWORD_LIST_H

#include "auth/app_password/table.h"
#include "net/loop.h"
#include "redis/redis.h"

struct password_list;

struct password_list_handler {
	void (*on_known)(void *context);  /* all was read for the first time */
	table_change_callback *on_change; /* as changes are read */
	/* Another list than before: `before` is freed after the call. */
	void (*on_replaced)(void *context, const struct password_table *before);
	/* A look at the list has ended, or none is possible now: see list_look. */
	void (*on_looked)(void *context);
};

/* All of them live longer. `key`: what lines are sealed with, the same on all nodes. */
MUST_USE enum status list_create(struct loop *loop, struct redis *redis, const char *prefix, const struct secret *key,
				 const struct password_list_handler *handler, void *context,
				 struct password_list **out_list);
/* NULL-safe; sets to NULL; appends under way end without a callback. Before its Redis client. */
void list_free(struct password_list **list);

/* NULL: nothing was read yet, as Redis was away all the time. */
const struct password_table *list_table(const struct password_list *list);
/* How many lines could not be read, and the number of the last of them, from 1. */
uint64_t list_skipped(const struct password_list *list, uint64_t *out_line);
uint64_t list_unsealed(const struct password_list *list); /* of those, how many had no seal, or a wrong one */
/*
 * Has the list looked at soon, whatever the timer says; at most 50 times a second, whoever asks how often. A look that
 * began after this call has ended once list_looked is as high as what is returned. 0: Redis is away.
 */
uint64_t list_look(struct password_list *list);
uint64_t list_looked(const struct password_list *list);
/* Grows with each change that is read. */
uint64_t list_changes(const struct password_list *list);
/*
 * Appends lines, each with its LF, all or none. `on_done` is called once they were read back. STATUS_TIMEOUT: nobody
 * knows whether it was done; STATUS_UNAVAILABLE: it was not, also where this returns it.
 */
typedef void list_done(void *context, enum status status);
MUST_USE enum status list_append(struct password_list *list, struct span lines, list_done *on_done, void *context);

#endif
