/*
 * The app passwords as the role sees them: a table that follows the file, or the list in Redis, and changes on their
 * way to it. Nothing here waits: the disk is waited for by one thread, which also reads a file anew that was put in the
 * place of the former one, or was edited; until it has, what was known before holds.
 *
 * Passwords belong to an owner, which is an identity's id.
 */
#ifndef AUTH_APP_PASSWORD_STORE_H
#define AUTH_APP_PASSWORD_STORE_H

#include "auth/app_password/table.h"
#include "net/jobs.h"
#include "net/loop.h"
#include "redis/redis.h"

struct app_password_store;

struct store_handler {
	/* Read of this process or another one; `password` is valid during the call. */
	void (*on_revoked)(void *context, const struct app_password *password);
};

struct store_settings {
	struct loop *loop;
	int fd;              /* of the file: read-write, append; taken over, also on failure; -1: they are in Redis */
	struct redis *redis; /* with that, and the prefix of keys there */
	const char *prefix;
	const struct secret *key; /* what is kept there is sealed with it; lives longer */
	const struct store_handler *handler;
	void *context;
};

/* Reads the whole file, before the loop runs; from Redis it is read once that is there. Logs what is wrong. */
MUST_USE enum status store_create(const struct store_settings *settings, struct app_password_store **out_store);
/* NULL-safe; sets to NULL. Changes under way end without a callback. */
void store_close(struct app_password_store **store);

/*
 * Reads what was appended since: called before looking. It fails, and logs, when what is known may be outdated.
 * STATUS_AGAIN: nothing is known yet, as this process has begun just now; store_wait tells when.
 */
MUST_USE enum status store_refresh(struct app_password_store *store);

/* Somebody who waits; embedded in its owner, zeroed before. */
struct store_waiter {
	struct store_waiter *next, **at;
	uint64_t look, changes; /* store_look: the one that they wait for, and what was known then */
	void (*on_known)(void *context, bool is_known);
	void *context;
};
/* `on_known` is called once, later, within STORE_WAIT_MS, unless it is forgotten before. */
#define STORE_WAIT_MS 5000
void store_wait(struct app_password_store *store, void (*on_known)(void *context, bool is_known), void *context,
		struct store_waiter *waiter);
void store_forget_waiter(struct store_waiter *waiter); /* safe on a zeroed one, and twice */

/*
 * Before somebody is refused: another node may have made their password just now. `on_looked` is called once, later,
 * unless it is forgotten before; `has_news`: something was changed since this call. All who wait share a look, and
 * there are at most 50 a second. False: there is nothing to be looked at; what is known holds.
 */
bool store_look(struct app_password_store *store, void (*on_looked)(void *context, bool has_news), void *context,
		struct store_waiter *waiter);

/* Another file is in the place of the former one. Takes the descriptor over. */
void store_take_file(struct app_password_store *store, int fd);

/*
 * The owner's password that this is; also one that is revoked, or expired. STATUS_NOT_FOUND: it is none of theirs; any
 * other: it can't be known. Valid until the loop turns.
 */
MUST_USE enum status store_match(struct app_password_store *store, struct span owner, const struct secret *normal,
				 const struct app_password **out_password);
/* NULL: there is none; it may be revoked. */
const struct app_password *store_find(const struct app_password_store *store, struct span id);
/* An owner's, in no order; revoked ones are left out. NULL at the end. */
const struct app_password *store_first(const struct app_password_store *store, struct span owner);
const struct app_password *store_next(const struct app_password *password);
/* All in the order of creation, revoked ones too: numbers are 0 to store_count() - 1. */
size_t store_count(const struct app_password_store *store);
const struct app_password *store_at(const struct app_password_store *store, size_t number);

/*
 * Makes a change last; `line` is copied. `on_done` is told once what became of it, after it was read back.
 * STATUS_UNAVAILABLE: too many wait, and it is not called.
 */
typedef void store_done(void *context, enum status status);
MUST_USE enum status store_submit(struct app_password_store *store, struct span line, store_done *on_done,
				  void *context);
/* The thread that waits for the disk: whoever makes a change may have it hash there. */
struct jobs *store_jobs(struct app_password_store *store);

#endif
