/* The store: looking, following the file, changes by a thread. */
#include "auth/app_password/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/app_password/file.h"
#include "auth/app_password/list.h"
#include "base/log.h"

#define DISK_QUEUE_MAXIMUM 256 /* changes waiting for the disk */
#define DISK_TIMEOUT_MS 30000  /* then the disk is broken, and nobody knows whether the change is on it */
#define LOAD_TIMEOUT_MS 60000  /* a million lines take five seconds */
#define LOOK_MS 500            /* what another process changed is known then: a revocation holds within a second */

/* Invariant: either `file` or `list` is there; `loading` says that another file is being read by the thread. */
struct app_password_store {
	struct loop *loop;
	struct password_file *file;
	struct password_list *list;
	struct jobs *disk; /* one thread: changes reach the file in order */
	struct timer *timer;
	struct store_handler handler;
	void *context;
	struct store_waiter *waiters; /* a list */
	struct store_waiter *lookers; /* who waits for a look: a list */
	bool is_late;                 /* nobody waits any more */
	uint64_t skipped;             /* lines, as far as they were told of */
	uint64_t replaced;            /* how often another file came into the place of the former one */
	bool loading;
};

/* NULL: nothing is known yet, as Redis was away all the time. */
static const struct password_table *table_of(const struct app_password_store *store)
{
	return store->list ? list_table(store->list) : file_table(store->file);
}

/* ---- what is told */

static void tell_skipped(struct app_password_store *store)
{
	uint64_t line = 0;
	uint64_t skipped = store->list ? list_skipped(store->list, &line) : file_skipped(store->file, &line);
	if (skipped != store->skipped)
		log_error("app passwords: line %llu can't be read, and is skipped (%llu such lines)",
			  (unsigned long long)line, (unsigned long long)skipped);
	if (skipped != store->skipped && store->list && list_unsealed(store->list) > 0)
		log_error("app passwords: %llu lines in Redis are not sealed with this node's auth.key_file: they are "
			  "forged, or of a node with another key",
			  (unsigned long long)list_unsealed(store->list));
	store->skipped = skipped;
}

static void on_change(void *context, enum change_operation operation, const struct app_password *password)
{
	struct app_password_store *store = context;
	if (operation == CHANGE_REVOKE)
		store->handler.on_revoked(store->context, password);
}

/* ---- another file */

/* The reading of a whole file, by the thread. */
struct load {
	struct job job; /* first */
	struct password_file *file;
	bool is_other; /* in the place of the former one */
	enum status status;
};

static void run_load(struct job *job, void *local)
{
	struct load *load = (struct load *)job;
	(void)local;
	load->status = file_load(load->file);
}

static void free_load(struct load *load)
{
	file_close(&load->file);
	free(load);
}

static void destroy_load(struct job *job)
{
	free_load((struct load *)job);
}

/* Those that are not in the new file or list, or revoked there, were revoked. */
static void tell_revoked(void *context, const struct password_table *before)
{
	struct app_password_store *store = context;
	const struct password_table *now = table_of(store);
	for (size_t i = 0; i < table_count(before); i++) {
		const struct app_password *password = table_at(before, i);
		const struct app_password *same = table_find(now, span_of(password->id));
		if (!password->is_revoked && (same == NULL || same->is_revoked))
			store->handler.on_revoked(store->context, password);
	}
}

static enum status submit_load(struct app_password_store *store, int fd, bool is_other);

/* It may be edited while it is read. */
static void load_again(struct app_password_store *store, const struct load *load)
{
	int fd = file_duplicate(load->file);
	if (fd < 0 || submit_load(store, fd, load->is_other) != STATUS_OK)
		log_error("app passwords: the file was edited again, and can't be read");
}

static void replace_file(struct app_password_store *store, struct load *load)
{
	struct password_file *before = store->file;
	store->file = load->file;
	load->file = before; /* closed with the job */
	store->replaced += load->is_other;
	store->skipped = 0;
	tell_skipped(store);
	tell_revoked(store, file_table(before));
	log_info("app passwords: read a changed file, with %zu of them", table_count(file_table(store->file)));
}

/* What was appended while the thread read is known by the former one, and would count as revoked. */
static void on_loaded(void *context, struct job *job, enum status status)
{
	struct app_password_store *store = context;
	struct load *load = (struct load *)job;
	store->loading = false;
	if (status == STATUS_OK)
		status = load->status;
	if (status == STATUS_OK)
		status = file_read_on(load->file, NULL, NULL);
	if (status == STATUS_OK)
		replace_file(store, load);
	else if (status == STATUS_INVALID)
		load_again(store, load);
	else
		log_error("app passwords: the file can't be read: %s", status_text(status));
}

static enum status submit_load(struct app_password_store *store, int fd, bool is_other)
{
	struct load *load = calloc(1, sizeof(*load));
	if (load == NULL) {
		close(fd);
		return STATUS_NO_MEMORY;
	}
	load->job = (struct job){ .run = run_load, .destroy = destroy_load, .on_done = on_loaded, .context = store };
	load->is_other = is_other;
	enum status status = file_open(fd, &load->file);
	if (status == STATUS_OK)
		status = jobs_submit(store->disk, &load->job, LOAD_TIMEOUT_MS);
	if (status != STATUS_OK)
		free_load(load);
	store->loading = status == STATUS_OK;
	return status;
}

void store_take_file(struct app_password_store *store, int fd)
{
	enum status status = submit_load(store, fd, true);
	if (status != STATUS_OK)
		log_error("app passwords: the new file can't be read: %s", status_text(status));
}

/* The same file, which somebody has edited. */
static enum status read_anew(struct app_password_store *store)
{
	if (store->loading)
		return STATUS_OK;
	int fd = file_duplicate(store->file);
	return fd < 0 ? STATUS_SYSTEM : submit_load(store, fd, false);
}

/* ---- looking */

enum status store_refresh(struct app_password_store *store)
{
	if (store->list) { /* which looks by itself */
		tell_skipped(store);
		if (table_of(store))
			return STATUS_OK;
		return store->is_late ? STATUS_UNAVAILABLE : STATUS_AGAIN;
	}
	enum status status = file_read_on(store->file, on_change, store);
	if (status == STATUS_INVALID)
		status = read_anew(store);
	tell_skipped(store);
	if (status != STATUS_OK)
		log_error("app passwords: the file can't be read: %s", status_text(status));
	return status;
}

/* It is told when it fails, and tried again next time. */
static void on_timer(void *context)
{
	struct app_password_store *store = context;
	timer_set(store->timer, LOOK_MS);
	if (store_refresh(store) != STATUS_OK)
		return;
}

/* ---- waiting for the first reading */

static void add_waiter(struct store_waiter **list, void (*on_known)(void *context, bool is_known), void *context,
		       struct store_waiter *waiter)
{
	*waiter = (struct store_waiter){ .next = *list, .at = list, .on_known = on_known, .context = context };
	if (waiter->next)
		waiter->next->at = &waiter->next;
	*list = waiter;
}

void store_wait(struct app_password_store *store, void (*on_known)(void *context, bool is_known), void *context,
		struct store_waiter *waiter)
{
	add_waiter(&store->waiters, on_known, context, waiter);
}

void store_forget_waiter(struct store_waiter *waiter)
{
	if (waiter->at == NULL)
		return;
	*waiter->at = waiter->next;
	if (waiter->next)
		waiter->next->at = waiter->at;
	*waiter = (struct store_waiter){ 0 };
}

static void tell_waiters(struct app_password_store *store, bool is_known)
{
	store->is_late = true;
	while (store->waiters) {
		const struct store_waiter waiter = *store->waiters;
		store_forget_waiter(store->waiters);
		waiter.on_known(waiter.context, is_known);
	}
}

static void on_known(void *context)
{
	tell_waiters(context, true);
}

static void on_late(void *context)
{
	tell_waiters(context, false);
}

/* ---- a look before somebody is refused */

bool store_look(struct app_password_store *store, void (*on_looked)(void *context, bool has_news), void *context,
		struct store_waiter *waiter)
{
	uint64_t look = store->list && table_of(store) ? list_look(store->list) : 0;
	if (look == 0)
		return false;
	add_waiter(&store->lookers, on_looked, context, waiter);
	waiter->look = look;
	waiter->changes = list_changes(store->list);
	return true;
}

static struct store_waiter *find_ready_looker(const struct app_password_store *store)
{
	struct store_waiter *waiter = store->lookers;
	while (waiter && waiter->look > list_looked(store->list))
		waiter = waiter->next;
	return waiter;
}

static void on_looked(void *context)
{
	struct app_password_store *store = context;
	struct store_waiter *ready;
	while ((ready = find_ready_looker(store)) != NULL) {
		const struct store_waiter waiter = *ready;
		store_forget_waiter(ready);
		waiter.on_known(waiter.context, list_changes(store->list) != waiter.changes);
	}
}

/* ---- looking up */

enum status store_match(struct app_password_store *store, struct span owner, const struct secret *normal,
			const struct app_password **out_password)
{
	unsigned char digest[HASH_SHA256_SIZE];
	const struct app_password *salted = NULL; /* the one whose salt the digest was made with */
	const struct app_password *password = table_of(store) ? table_first(table_of(store), owner) : NULL;
	for (; password; password = table_next(password)) {
		if (salted == NULL || memcmp(salted->salt, password->salt, sizeof(salted->salt)) != 0)
			TRY(app_password_digest(password->salt, normal, digest));
		salted = password;
		if (secret_equal((struct span){ (const char *)digest, sizeof(password->digest) },
				 (struct span){ (const char *)password->digest, sizeof(password->digest) })) {
			*out_password = password;
			return STATUS_OK;
		}
	}
	return STATUS_NOT_FOUND;
}

const struct app_password *store_find(const struct app_password_store *store, struct span id)
{
	return table_of(store) ? table_find(table_of(store), id) : NULL;
}

static const struct app_password *skip_revoked(const struct app_password *password)
{
	while (password && password->is_revoked)
		password = table_next(password);
	return password;
}

const struct app_password *store_first(const struct app_password_store *store, struct span owner)
{
	return skip_revoked(table_of(store) ? table_first(table_of(store), owner) : NULL);
}

const struct app_password *store_next(const struct app_password *password)
{
	return skip_revoked(table_next(password));
}

size_t store_count(const struct app_password_store *store)
{
	return table_of(store) ? table_count(table_of(store)) : 0;
}

const struct app_password *store_at(const struct app_password_store *store, size_t number)
{
	return table_at(table_of(store), number);
}

/* ---- changes */

struct submission {
	struct job job; /* first */
	int fd;
	uint64_t replaced; /* how often the file was, when this began */
	struct buf line;
	enum status status;
	store_done *on_done;
	void *context;
};

static void run_submission(struct job *job, void *local)
{
	struct submission *submission = (struct submission *)job;
	(void)local;
	submission->status = file_append(submission->fd, buf_span(&submission->line));
}

static void free_submission(struct submission *submission)
{
	buf_free(&submission->line);
	if (submission->fd >= 0)
		close(submission->fd);
	free(submission);
}

static void destroy_submission(struct job *job)
{
	free_submission((struct submission *)job);
}

static void on_written(void *context, struct job *job, enum status status)
{
	struct app_password_store *store = context;
	const struct submission *submission = (const struct submission *)job;
	if (status == STATUS_OK)
		status = submission->status;
	if (status == STATUS_OK && submission->replaced != store->replaced)
		status = STATUS_NOT_FOUND;
	if (status == STATUS_OK)
		status = store_refresh(store);
	submission->on_done(submission->context, status);
}

enum status store_submit(struct app_password_store *store, struct span line, store_done *on_done, void *context)
{
	if (store->list)
		return list_append(store->list, line, on_done, context);
	struct submission *submission = calloc(1, sizeof(*submission));
	if (submission == NULL)
		return STATUS_NO_MEMORY;
	submission->job = (struct job){
		.run = run_submission, .destroy = destroy_submission, .on_done = on_written, .context = store
	};
	submission->fd = file_duplicate(store->file);
	submission->replaced = store->replaced;
	submission->on_done = on_done;
	submission->context = context;
	buf_init_sensitive(&submission->line, CHANGE_LINE_MAXIMUM);
	enum status status = submission->fd < 0 ? STATUS_SYSTEM : buf_append(&submission->line, line);
	if (status == STATUS_OK)
		status = jobs_submit(store->disk, &submission->job, DISK_TIMEOUT_MS);
	if (status != STATUS_OK)
		free_submission(submission);
	return status;
}

struct jobs *store_jobs(struct app_password_store *store)
{
	return store->disk;
}

/* ---- life */

static enum status open_file(struct app_password_store *store, int fd)
{
	TRY(file_open(fd, &store->file));
	enum status status = file_load(store->file);
	if (status != STATUS_OK) {
		log_error("app passwords: the file can't be read: %s", status_text(status));
		return status;
	}
	tell_skipped(store);
	TRY(timer_make(store->loop, on_timer, store, &store->timer));
	timer_set(store->timer, LOOK_MS);
	return STATUS_OK;
}

static enum status open_list(struct app_password_store *store, const struct store_settings *settings)
{
	const struct password_list_handler handler = {
		.on_known = on_known,
		.on_change = on_change,
		.on_replaced = tell_revoked,
		.on_looked = on_looked,
	};
	TRY(timer_make(store->loop, on_late, store, &store->timer));
	timer_set(store->timer, STORE_WAIT_MS);
	return list_create(store->loop, settings->redis, settings->prefix, settings->key, &handler, store,
			   &store->list);
}

static enum status set_up(struct app_password_store *store, const struct store_settings *settings)
{
	const struct jobs_settings disk = {
		.name = "disk", .kind = LIFE_DISK, .threads = 1, .queue_maximum = DISK_QUEUE_MAXIMUM
	};
	if (settings->fd >= 0)
		TRY(open_file(store, settings->fd));
	else
		TRY(open_list(store, settings));
	return jobs_create(store->loop, &disk, &store->disk);
}

enum status store_create(const struct store_settings *settings, struct app_password_store **out_store)
{
	struct app_password_store *store = calloc(1, sizeof(*store));
	if (store == NULL) {
		if (settings->fd >= 0)
			close(settings->fd);
		return STATUS_NO_MEMORY;
	}
	store->loop = settings->loop;
	store->handler = *settings->handler;
	store->context = settings->context;
	enum status status = set_up(store, settings);
	if (status != STATUS_OK) {
		store_close(&store);
		return status;
	}
	*out_store = store;
	return STATUS_OK;
}

void store_close(struct app_password_store **store_at)
{
	struct app_password_store *store = *store_at;
	*store_at = NULL;
	if (store == NULL)
		return;
	jobs_free(&store->disk); /* one that hangs keeps what it uses, which is none of the store's */
	timer_free(&store->timer);
	while (store->waiters)
		store_forget_waiter(store->waiters);
	while (store->lookers)
		store_forget_waiter(store->lookers);
	file_close(&store->file);
	list_free(&store->list);
	free(store);
}
