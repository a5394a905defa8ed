/*
 * The audit as the loop's thread sees it. Records are gathered in a batch, which goes to the writer at the end of the
 * turn in which somebody waits for one of them, and else a few milliseconds after the first; whoever waits is told when
 * the batch comes back. Owns file, state file, journal and thread.
 */
#include "audit/audit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_search.h"

#define SEARCH_AT_ONCE (8U << 20) /* bytes of the file: a moment's work, with the relay's start waiting for it */
#define TROUBLE_SIZE 160          /* bytes of a text, the NUL included */
#define COMPANY_MS 5              /* that a record which nobody waits for waits for others; see audit_submit */
#define COMPANY_BYTES (32U << 10) /* so many need no more of it */

struct audit {
	struct loop *loop;
	struct audit_options options;
	struct audit_writer *writer;
	struct audit_journal *journal;
	struct audit_search *search; /* NULL: none was needed */
	struct audit_keys *keys;     /* the writer's alone once it runs; NULL: chain = false */
	struct audit_public public;
	char chain_id[AUDIT_CHAIN_ID_SIZE];
	uint64_t last_seq; /* of the last batch that came back */
	struct wakeup *wakeup;
	struct audit_batch *batch; /* of this turn; NULL: nothing yet */
	struct audit_batch *spare; /* for the next one; NULL: there is none */
	uint64_t batch_count;      /* which went to the writer */
	struct turn_end flush, claim;
	struct timer *company; /* until the batch goes to the writer anyway */
	size_t backlog;        /* bytes of records put and not yet back */
	struct audit_health health;
	bool in_trouble; /* as it was last told */
};

/* ---- waiters and notes of the batch */

static enum status grow_list(void **items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return STATUS_OK;
	size_t wanted = *room ? *room * 2 : 8;
	void *grown = realloc(*items, wanted * size);
	if (grown == NULL)
		return STATUS_NO_MEMORY;
	*items = grown;
	*room = wanted;
	return STATUS_OK;
}

static bool is_outcome(enum audit_type type)
{
	return type == AUDIT_MESSAGE_SENT || type == AUDIT_MESSAGE_FAILED || type == AUDIT_MESSAGE_UNKNOWN;
}

/* Room for one more of each, so that adding both can't fail half-way. */
static enum status make_room(struct audit_batch *batch)
{
	TRY(grow_list((void **)&batch->waiters, batch->waiter_count, &batch->waiter_room, sizeof(*batch->waiters)));
	return grow_list((void **)&batch->notes, batch->note_count, &batch->note_room, sizeof(*batch->notes));
}

static enum status append_record(struct audit_batch *batch, const struct audit_event *event, const char *node)
{
	size_t before = buf_size(&batch->records);
	TRY(audit_record_write(&batch->records, event, node));
	enum status status = buf_append_byte(&batch->records, '\n');
	if (status != STATUS_OK)
		buf_truncate(&batch->records, before);
	return status;
}

static enum status current_batch(struct audit *audit, struct audit_batch **out_batch)
{
	if (audit->batch == NULL) {
		audit->batch = audit->spare;
		audit->spare = NULL;
	}
	if (audit->batch == NULL) {
		audit->batch = calloc(1, sizeof(*audit->batch));
		if (audit->batch == NULL)
			return STATUS_NO_MEMORY;
		buf_init(&audit->batch->records, AUDIT_BACKLOG_MAXIMUM);
	}
	*out_batch = audit->batch;
	return STATUS_OK;
}

enum status audit_submit(struct audit *audit, const struct audit_event *event, audit_callback *callback, void *context)
{
	struct audit_batch *batch;
	bool is_leaving = event->type == AUDIT_MESSAGE_LEAVING, is_new = audit->batch == NULL;
	if (audit->backlog >= AUDIT_BACKLOG_MAXIMUM)
		return STATUS_UNAVAILABLE;
	TRY(current_batch(audit, &batch));
	TRY(make_room(batch));
	TRY(append_record(batch, event, audit->options.node));
	if (callback)
		batch->waiters[batch->waiter_count++] = (struct audit_waiter){ callback, context, STATUS_SYSTEM };
	batch->is_urgent |= callback && !event->is_ahead;
	if (is_leaving || is_outcome(event->type)) {
		struct audit_note *note = &batch->notes[batch->note_count++];
		audit_journal_key(event->message, event->attempt, note->message);
		note->leaving = is_leaving;
	}
	if (callback || buf_size(&batch->records) >= COMPANY_BYTES)
		loop_at_turn_end(audit->loop, &audit->flush);
	else if (is_new)
		timer_set(audit->company, COMPANY_MS);
	return STATUS_OK;
}

/* ---- batches out and back */

static void flush_batch(void *context)
{
	struct audit *audit = context;
	struct audit_batch *batch = audit->batch;
	if (batch == NULL)
		return;
	audit->batch = NULL;
	timer_clear(audit->company);
	audit->backlog += buf_size(&batch->records);
	batch->number = ++audit->batch_count;
	audit_writer_put(audit->writer, batch);
}

static void describe_trouble(const struct audit_health *health, char out_text[TROUBLE_SIZE])
{
	const char *what = strerror(health->error);
	if (health->error == 0)
		what = "records are written again";
	else if (health->error == EBUSY)
		what = "another relay process has not finished its record";
	else if (health->error == ENOENT)
		what = "the file was deleted, and there is no other one yet";
	snprintf(out_text, TROUBLE_SIZE, "%s%s", health->is_sync ? "records can't be forced to the disk: " : "", what);
}

static void tell_trouble(struct audit *audit)
{
	char text[TROUBLE_SIZE];
	if ((audit->health.error != 0) == audit->in_trouble)
		return;
	audit->in_trouble = audit->health.error != 0;
	describe_trouble(&audit->health, text);
	if (audit->options.on_trouble)
		audit->options.on_trouble(audit->options.context, !audit->in_trouble, text);
}

static void tell_health(struct audit *audit)
{
	struct audit_health before = audit->health;
	audit_writer_read_health(audit->writer, &audit->health);
	tell_trouble(audit);
	if (audit->options.on_health && !audit_health_equal(&before, &audit->health))
		audit->options.on_health(audit->options.context, &audit->health);
}

static void tell_statement(struct audit *audit)
{
	if (audit_writer_take_statement(audit->writer, &audit->public.last) && audit->options.on_statement)
		audit->options.on_statement(audit->options.context, &audit->public.last);
}

static void put_aside(struct audit *audit, struct audit_batch *batch)
{
	if (audit->spare == NULL && audit_batch_empty(batch))
		audit->spare = batch;
	else
		audit_batch_free(&batch);
}

static void on_woken(void *context)
{
	struct audit *audit = context;
	struct audit_batch *batch;
	tell_health(audit);
	tell_statement(audit);
	while ((batch = audit_writer_take_done(audit->writer)) != NULL) {
		audit->backlog -= buf_size(&batch->records);
		audit->last_seq = batch->last_seq;
		for (size_t i = 0; i < batch->waiter_count; i++)
			batch->waiters[i].callback(batch->waiters[i].context, batch->waiters[i].written);
		put_aside(audit, batch);
	}
}

/* First what is to be woken for, then what is done: what the writer finishes between the two wakes for itself. */
static void claim_batches(void *context)
{
	struct audit *audit = context;
	audit_writer_claim(audit->writer, audit->batch_count + (audit->batch != NULL));
	on_woken(audit);
}

void audit_claim(struct audit *audit)
{
	loop_at_turn_end(audit->loop, &audit->claim);
}

struct audit_position audit_written_position(const struct audit *audit)
{
	return (struct audit_position){ span_of(audit->chain_id), audit->last_seq };
}

const struct audit_public *audit_public(const struct audit *audit)
{
	return &audit->public;
}

bool audit_is_stuck(const struct audit *audit)
{
	return audit->in_trouble || audit->backlog >= AUDIT_BACKLOG_MAXIMUM;
}

/* ---- beginning and end */

/* What the search for orphans needs; it runs before there is a thread. */
struct search {
	struct audit *audit;
	struct audit_chain *chain;
	struct audit_file file;
};

/* Written at once, so that its place in the journal can be freed afterwards. */
static enum status on_orphan(void *context, const struct audit_event *event)
{
	struct search *search = context;
	struct buf record BUF_AUTO;
	struct buf line BUF_AUTO;
	buf_init(&record, AUDIT_RECORD_MAXIMUM);
	buf_init(&line, 2 * AUDIT_RECORD_MAXIMUM);
	TRY(audit_record_write(&record, event, search->audit->options.node));
	TRY(audit_chain_link(search->chain, buf_span(&record), &line));
	ssize_t put = audit_file_write(&search->file, buf_span(&line));
	(void)!audit_file_rest(&search->file);
	return put == (ssize_t)buf_size(&line) ? STATUS_OK : STATUS_SYSTEM;
}

static enum status close_orphan(void *context, json_t *record)
{
	return audit_orphan_close(record, on_orphan, context);
}

/* Little, and in this file, is searched at once. */
static enum status on_dead(void *context, const struct audit_place *place)
{
	struct search *search = context;
	struct audit *audit = search->audit;
	struct stat file;
	if (fstat(audit->options.fd, &file) != 0)
		return STATUS_SYSTEM;
	uint64_t size = (uint64_t)file.st_size;
	if ((uint64_t)file.st_ino == place->inode && place->offset <= size && size - place->offset <= SEARCH_AT_ONCE)
		return audit_orphans_find(audit->options.fd, place, place->offset, UINT64_MAX, close_orphan, search);
	if (audit->search == NULL)
		TRY(audit_search_create(audit, audit_submit, &audit->search));
	TRY(audit_search_add(audit->search, place));
	return STATUS_AGAIN;
}

/* In the earlier files and this one. */
static enum status start_search(struct audit *audit)
{
	size_t count = audit->options.earlier_count;
	if (audit->search == NULL)
		return STATUS_OK;
	int *fds = calloc(count + 1, sizeof(*fds));
	if (fds == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		fds[i] = audit->options.earlier[i];
	fds[count] = audit->options.fd;
	enum status status = audit_search_start(audit->search, audit->loop, audit->journal, fds, count + 1);
	free(fds);
	return status;
}

static enum status open_keys(struct audit *audit)
{
	struct audit_keys_state state;
	int fd = audit->options.keys_fd;
	audit->options.keys_fd = -1;
	if (fd < 0)
		return STATUS_OK;
	TRY(audit_keys_open(fd, &audit->keys, &audit->public.is_renewed));
	TRY(audit_keys_read(audit->keys, &state));
	memcpy(audit->public.first, state.first, sizeof(state.first));
	audit->public.last = state.last;
	return STATUS_OK;
}

static enum status begin_chain(struct audit *audit, struct audit_chain *chain)
{
	struct search search = { .audit = audit, .chain = chain };
	audit_file_begin(&search.file, audit->options.fd);
	TRY(open_keys(audit));
	TRY(audit_chain_begin(chain, audit->options.node, audit->keys));
	TRY(audit_chain_continue(chain, audit->options.fd));
	return audit_journal_open(audit->options.state_fd, audit->options.fd, chain->id, on_dead, &search,
				  &audit->journal);
}

static enum status start_writer(struct audit *audit, const struct audit_chain *chain)
{
	memcpy(audit->chain_id, chain->id, sizeof(audit->chain_id));
	TRY(start_search(audit));
	TRY(timer_make(audit->loop, flush_batch, audit, &audit->company));
	TRY(wakeup_create(audit->loop, on_woken, audit, &audit->wakeup));
	const struct audit_writer_options options = {
		.fd = audit->options.fd,
		.sync = audit->options.sync,
		.chain = *chain,
		.journal = audit->journal,
		.file_name = audit->options.file_name,
		.wakeup = audit->wakeup,
	};
	TRY(audit_writer_start(&options, &audit->writer));
	audit->options.fd = -1;
	return STATUS_OK;
}

static enum status start_audit(struct audit *audit)
{
	struct audit_chain chain = { 0 };
	enum status status = begin_chain(audit, &chain);
	if (status == STATUS_OK)
		status = start_writer(audit, &chain);
	if (status != STATUS_OK)
		audit_chain_drop(&chain);
	return status;
}

void audit_use_file(struct audit *audit, int fd, struct span former_name)
{
	audit_writer_use_file(audit->writer, fd, former_name);
}

enum status audit_create(struct loop *loop, const struct audit_options *options, struct audit **out_audit)
{
	struct audit *audit = calloc(1, sizeof(*audit));
	if (audit == NULL)
		return STATUS_NO_MEMORY;
	audit->loop = loop;
	audit->options = *options;
	audit->health.free_bytes = AUDIT_SPACE_UNKNOWN;
	audit->flush = (struct turn_end){ .run = flush_batch, .context = audit };
	audit->claim = (struct turn_end){ .run = claim_batches, .context = audit };
	enum status status = start_audit(audit);
	if (status != STATUS_OK) {
		audit_free(&audit);
		return status;
	}
	*out_audit = audit;
	return STATUS_OK;
}

void audit_free(struct audit **audit_at)
{
	struct audit *audit = *audit_at;
	if (audit == NULL)
		return;
	if (audit->writer) {
		flush_batch(audit);
		if (audit_writer_stop(audit->writer) != STATUS_OK && audit->options.on_trouble)
			audit->options.on_trouble(audit->options.context, false,
						  "some records could not be written at the end");
		tell_statement(audit); /* that of audit.end */
		audit_writer_free(&audit->writer);
	}
	audit_search_free(&audit->search);
	loop_forget_turn_end(audit->loop, &audit->flush);
	loop_forget_turn_end(audit->loop, &audit->claim);
	audit_batch_free(&audit->batch);
	audit_batch_free(&audit->spare);
	if (audit->journal)
		audit_journal_free(&audit->journal);
	else
		close(audit->options.state_fd);
	timer_free(&audit->company);
	wakeup_free(&audit->wakeup);
	audit_keys_free(&audit->keys);
	if (audit->options.keys_fd >= 0)
		close(audit->options.keys_fd);
	if (audit->options.fd >= 0)
		close(audit->options.fd);
	free(audit);
	*audit_at = NULL;
}
