/*
 * The API's tokens as the admin role holds them: the file "api-tokens" in its folder, which a thread reads and
 * replaces. The file is the truth: a change is made to what is in it then, so that the admins of two generations lose
 * nothing of each other's, and one that was replaced by somebody else is taken over within seconds. While it can't be
 * read there is no token.
 */
#ifndef ADMIN_TOKEN_STORE_H
#define ADMIN_TOKEN_STORE_H

#include "admin/token_table.h"
#include "net/jobs.h"

struct token_store;

enum token_change {
	TOKEN_ADD,
	TOKEN_REMOVE, /* by its id */
	TOKEN_USED,   /* by its id: when and from where last */
};

/* How it ended; STATUS_OK: on disk, and in force. STATUS_NOT_FOUND: no token has this id. */
typedef void token_changed(void *context, enum status status);

/*
 * Reads the file at once, before the loop runs. `folder` is borrowed, and so is `disk`, which must be gone before the
 * store.
 */
MUST_USE enum status token_store_create(struct loop *loop, struct jobs *disk, int folder,
					struct token_store **out_store);
void token_store_free(struct token_store **store); /* NULL-safe; sets to NULL */

const struct token_table *token_store_all(const struct token_store *store);
/* `on_changed` may be NULL; else it is called once, later, unless the threads end before. STATUS_UNAVAILABLE. */
MUST_USE enum status token_store_change(struct token_store *store, enum token_change change, const struct token *token,
					token_changed *on_changed, void *context);

#endif
