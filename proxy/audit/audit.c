/*
 * The audit as the loop's thread sees it. The records of one turn are gathered in a batch, which goes to the writer at
 * the end of the turn; whoever waits is told when the batch comes back. Owns file, state file, journal and thread.
 */
#include "audit/audit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_private.h"

struct audit {
	struct loop *loop;
	struct audit_options options;
	struct audit_writer *writer;
	struct audit_journal *journal;
	struct wakeup *wakeup;
	struct audit_batch *batch; /* of this turn; NULL: nothing yet */
	struct turn_end flush;
	size_t backlog;  /* bytes of records put and not yet back */
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

static bool is_leaving(enum audit_type type)
{
	return type == AUDIT_MESSAGE_LEAVING;
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

static void add_note(struct audit_batch *batch, const struct audit_event *event)
{
	struct audit_note *note = &batch->notes[batch->note_count++];
	audit_journal_key(event->message, event->attempt, note->message);
	note->leaving = is_leaving(event->type);
}

static enum status append_record(struct audit_batch *batch, const struct audit_event *event, const char *node)
{
	struct buf record BUF_AUTO;
	buf_init(&record, AUDIT_RECORD_MAXIMUM);
	TRY(audit_record_write(&record, event, node));
	uint32_t size = (uint32_t)buf_size(&record);
	char *at;
	TRY(buf_reserve(&batch->records, sizeof(size) + size, &at));
	memcpy(at, &size, sizeof(size));
	memcpy(at + sizeof(size), buf_span(&record).data, size);
	buf_commit(&batch->records, sizeof(size) + size);
	return STATUS_OK;
}

static enum status current_batch(struct audit *audit, struct audit_batch **out_batch)
{
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
	if (audit->backlog >= AUDIT_BACKLOG_MAXIMUM)
		return STATUS_UNAVAILABLE;
	TRY(current_batch(audit, &batch));
	TRY(make_room(batch));
	TRY(append_record(batch, event, audit->options.node));
	if (callback)
		batch->waiters[batch->waiter_count++] = (struct audit_waiter){ callback, context, STATUS_SYSTEM };
	if (is_leaving(event->type) || is_outcome(event->type))
		add_note(batch, event);
	loop_at_turn_end(audit->loop, &audit->flush);
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
	audit->backlog += buf_size(&batch->records);
	audit_writer_put(audit->writer, batch);
}

static const char *trouble_text(int trouble)
{
	if (trouble == EBUSY)
		return "another relay process has not finished its record";
	return trouble ? strerror(trouble) : "records are written again";
}

static void tell_trouble(struct audit *audit)
{
	int trouble = audit_writer_trouble(audit->writer);
	if ((trouble != 0) == audit->in_trouble)
		return;
	audit->in_trouble = trouble != 0;
	if (audit->options.on_trouble)
		audit->options.on_trouble(audit->options.context, trouble_text(trouble));
}

static void on_woken(void *context)
{
	struct audit *audit = context;
	struct audit_batch *batch;
	tell_trouble(audit);
	while ((batch = audit_writer_take_done(audit->writer)) != NULL) {
		audit->backlog -= buf_size(&batch->records);
		for (size_t i = 0; i < batch->waiter_count; i++)
			batch->waiters[i].callback(batch->waiters[i].context, batch->waiters[i].written);
		audit_batch_free(&batch);
	}
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
	audit_file_rest(&search->file);
	return put == (ssize_t)buf_size(&line) ? STATUS_OK : STATUS_SYSTEM;
}

static enum status on_dead(void *context, const char *chain_id, uint64_t offset)
{
	struct search *search = context;
	return audit_orphans_find(search->audit->options.fd, chain_id, offset, on_orphan, search);
}

static enum status begin_chain(struct audit *audit, struct audit_chain *chain)
{
	struct search search = { audit, chain, { .fd = audit->options.fd } };
	TRY(audit_chain_begin(chain, audit->options.key));
	return audit_journal_open(audit->options.state_fd, audit->options.fd, chain->id, on_dead, &search,
				  &audit->journal);
}

static enum status start_writer(struct audit *audit)
{
	struct audit_chain chain = { 0 };
	TRY(begin_chain(audit, &chain));
	TRY(wakeup_create(audit->loop, on_woken, audit, &audit->wakeup));
	struct audit_writer_options options = {
		.fd = audit->options.fd,
		.sync = audit->options.sync,
		.chain = chain,
		.journal = audit->journal,
		.wakeup = audit->wakeup,
	};
	return audit_writer_start(&options, &audit->writer);
}

enum status audit_create(struct loop *loop, const struct audit_options *options, struct audit **out_audit)
{
	struct audit *audit = calloc(1, sizeof(*audit));
	if (audit == NULL)
		return STATUS_NO_MEMORY;
	audit->loop = loop;
	audit->options = *options;
	audit->flush = (struct turn_end){ .run = flush_batch, .context = audit };
	enum status status = start_writer(audit);
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
		if (audit_writer_stop(&audit->writer) != STATUS_OK && audit->options.on_trouble)
			audit->options.on_trouble(audit->options.context,
						  "some records could not be written at the end");
	}
	loop_forget_turn_end(audit->loop, &audit->flush);
	audit_batch_free(&audit->batch);
	if (audit->journal)
		audit_journal_free(&audit->journal);
	else
		close(audit->options.state_fd);
	wakeup_free(&audit->wakeup);
	close(audit->options.fd);
	free(audit);
	*audit_at = NULL;
}
