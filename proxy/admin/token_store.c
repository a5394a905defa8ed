/* Owns the table; each job of its thread owns another one, which takes its place. */
#include "admin/token_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/shelf.h"
#include "base/log.h"

#define FILE_NAME "api-tokens"
/* Then the disk is broken, and nobody knows whether the change is on it. */
#define CHANGE_MS 30000
/* Between two looks whether the file is another one. */
#define LOOK_MS 1000

struct token_store {
	struct loop *loop;
	struct jobs *disk;
	int folder;
	struct token_table tokens;
	struct shelf_mark mark; /* of the file that they are from */
	struct timer *timer;
	uint64_t last_number, settled; /* of errands: the newest begun, the newest that was heeded */
	bool is_broken;                /* the file can't be read, as was told */
	size_t strange;                /* lines that can't be read, as far as was told */
};

/* One look, or one change. */
struct errand {
	struct job job;  /* first */
	uint64_t number; /* the thread does them in this order, and they may come back in another one */
	int folder;
	bool changes, is_same;
	bool is_again; /* what was read last is not known */
	enum token_change change;
	struct token token;
	token_changed *on_changed;
	void *context;
	/* what came of it */
	enum status status;
	int error;
	bool is_read; /* `tokens` and `mark` are those of the file */
	struct token_table tokens;
	struct shelf_mark mark;
};

/* ---- on the thread */

static enum status read_file(struct errand *errand)
{
	struct buf text BUF_AUTO;
	struct token_table tokens;
	buf_init_sensitive(&text, SHELF_FILE_MAXIMUM);
	TRY(shelf_read(errand->folder, FILE_NAME, &text, &errand->mark));
	TRY(token_table_read(buf_span(&text), &tokens));
	token_table_free(&errand->tokens);
	errand->tokens = tokens;
	errand->is_read = true;
	return STATUS_OK;
}

static enum status apply_change(struct errand *errand)
{
	struct token *token = token_table_find(&errand->tokens, span_of(errand->token.id));
	if (errand->change == TOKEN_ADD)
		return token_table_add(&errand->tokens, &errand->token);
	if (token == NULL)
		return STATUS_NOT_FOUND;
	if (errand->change == TOKEN_REMOVE) {
		token_table_remove(&errand->tokens, token);
		return STATUS_OK;
	}
	token->used_s = errand->token.used_s;
	memcpy(token->used_from, errand->token.used_from, sizeof(token->used_from));
	return STATUS_OK;
}

static enum status change_file(struct errand *errand)
{
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, SHELF_FILE_MAXIMUM);
	TRY(read_file(errand));
	TRY(apply_change(errand));
	errand->is_read = false; /* not before it is on the disk */
	TRY(token_table_write(&errand->tokens, &text));
	TRY(shelf_replace(errand->folder, FILE_NAME, buf_span(&text), &errand->mark));
	errand->is_read = true;
	return STATUS_OK;
}

static enum status change_under_lock(struct errand *errand)
{
	int lock = -1;
	TRY(shelf_lock(errand->folder, FILE_NAME, &lock));
	enum status status = change_file(errand);
	errand->error = errno;
	shelf_unlock(lock);
	errno = errand->error;
	return status;
}

/* Reads it only if it is not the one that was read. */
static enum status look_at_file(struct errand *errand)
{
	struct shelf_mark now;
	TRY(shelf_look(errand->folder, FILE_NAME, &now));
	errand->is_same = !errand->is_again && shelf_same(&now, &errand->mark);
	return errand->is_same ? STATUS_OK : read_file(errand);
}

static void run_errand(struct job *job, void *local)
{
	struct errand *errand = (struct errand *)job;
	(void)local;
	errand->status = errand->changes ? change_under_lock(errand) : look_at_file(errand);
	errand->error = errno;
}

/* ---- what comes back */

static void destroy_errand(struct job *job)
{
	struct errand *errand = (struct errand *)job;
	token_table_free(&errand->tokens);
	free(errand);
}

static void tell_strange(struct token_store *store)
{
	const struct token_table *tokens = &store->tokens;
	if (tokens->strange_count > store->strange)
		log_error("API tokens: line %zu can't be read, and is skipped (%zu such lines)", tokens->strange_line,
			  tokens->strange_count);
	store->strange = tokens->strange_count;
}

static void take_table(struct token_store *store, struct errand *errand)
{
	struct token_table before = store->tokens;
	store->tokens = errand->tokens;
	errand->tokens = before;
	store->mark = errand->mark;
	store->is_broken = false;
	tell_strange(store);
}

/* Whoever can't tell which tokens there are takes none. */
static void lose_table(struct token_store *store, enum status status, int error)
{
	if (!store->is_broken)
		log_error("API tokens can't be read, so none is valid: %s",
			  status == STATUS_SYSTEM ? strerror(error) : status_text(status));
	store->is_broken = true;
	token_table_free(&store->tokens);
	store->mark = (struct shelf_mark){ 0 };
}

static void settle_errand(struct token_store *store, struct errand *errand)
{
	if (errand->number < store->settled)
		return;
	store->settled = errand->number;
	if (errand->status == STATUS_OK && errand->is_read)
		take_table(store, errand);
	else if (errand->status != STATUS_OK && !errand->changes)
		lose_table(store, errand->status, errand->error);
}

static void on_looked(void *context, struct job *job, enum status status)
{
	struct token_store *store = context;
	struct errand *errand = (struct errand *)job;
	if (status == STATUS_OK)
		settle_errand(store, errand);
	else
		lose_table(store, status, 0);
	timer_set(store->timer, LOOK_MS);
}

static void on_changed(void *context, struct job *job, enum status status)
{
	struct token_store *store = context;
	struct errand *errand = (struct errand *)job;
	if (status == STATUS_OK) {
		status = errand->status;
		settle_errand(store, errand);
	}
	if (status == STATUS_SYSTEM)
		log_error("API tokens can't be written: %s", strerror(errand->error));
	if (errand->on_changed)
		errand->on_changed(errand->context, status);
}

/* ---- public */

static struct errand *make_errand(struct token_store *store)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	if (errand == NULL)
		return NULL;
	errand->job = (struct job){ .run = run_errand, .destroy = destroy_errand, .context = store };
	errand->number = ++store->last_number;
	errand->folder = store->folder;
	errand->mark = store->mark;
	token_table_init(&errand->tokens);
	return errand;
}

static void look_for_changes(void *context)
{
	struct token_store *store = context;
	struct errand *errand = make_errand(store);
	if (errand) {
		errand->is_again = store->is_broken;
		errand->job.on_done = on_looked;
	}
	if (errand && jobs_submit(store->disk, &errand->job, CHANGE_MS) == STATUS_OK)
		return;
	if (errand)
		destroy_errand(&errand->job);
	timer_set(store->timer, LOOK_MS);
}

const struct token_table *token_store_all(const struct token_store *store)
{
	return &store->tokens;
}

enum status token_store_change(struct token_store *store, enum token_change change, const struct token *token,
			       token_changed *changed, void *context)
{
	struct errand *errand = make_errand(store);
	if (errand == NULL)
		return STATUS_NO_MEMORY;
	errand->changes = true;
	errand->change = change;
	errand->token = *token;
	errand->on_changed = changed;
	errand->context = context;
	errand->job.on_done = on_changed;
	enum status status = jobs_submit(store->disk, &errand->job, CHANGE_MS);
	if (status != STATUS_OK)
		destroy_errand(&errand->job);
	return status;
}

static enum status read_first(struct token_store *store)
{
	struct errand *errand = make_errand(store);
	if (errand == NULL)
		return STATUS_NO_MEMORY;
	errand->status = read_file(errand);
	errand->error = errno;
	settle_errand(store, errand);
	destroy_errand(&errand->job);
	return STATUS_OK;
}

enum status token_store_create(struct loop *loop, struct jobs *disk, int folder, struct token_store **out_store)
{
	struct token_store *store = calloc(1, sizeof(*store));
	if (store == NULL)
		return STATUS_NO_MEMORY;
	*store = (struct token_store){ .loop = loop, .disk = disk, .folder = folder };
	token_table_init(&store->tokens);
	enum status status = timer_make(loop, look_for_changes, store, &store->timer);
	if (status == STATUS_OK)
		status = read_first(store);
	if (status != STATUS_OK) {
		token_store_free(&store);
		return status;
	}
	timer_set(store->timer, LOOK_MS);
	*out_store = store;
	return STATUS_OK;
}

void token_store_free(struct token_store **store)
{
	if (*store == NULL)
		return;
	timer_free(&(*store)->timer);
	token_table_free(&(*store)->tokens);
	free(*store);
	*store = NULL;
}
