/*
 * Copies a message piece by piece, its header changed. Owns the copy until it
 * is done; all it waits for is the spool.
 */
#include "relay/rewriting.h"

#include <stdlib.h>

#include "base/buf.h"
#include "smtp/header.h"

/* Bytes: the header, what the gate added, and a piece after it. */
#define GATHERED_MAXIMUM (HEADER_MAXIMUM + SPOOL_PIECE + 16384)

/* Invariant: while the header is gathered, `copy` holds only the fields before it; `status` counts with the timer. */
struct rewriting {
	struct spool_message *original, *copy;
	struct span account;
	void (*on_done)(void *context, enum status status, struct spool_message *copy, int64_t growth);
	void *context;
	struct timer *timer; /* so that nobody is called back within their own call */
	struct buf gathered;
	bool is_past_header;
	uint64_t offset;
	int64_t growth;
	enum status status;
};

static void destroy_rewriting(struct rewriting *rewriting)
{
	spool_message_free(&rewriting->copy);
	timer_free(&rewriting->timer);
	buf_free(&rewriting->gathered);
	free(rewriting);
}

static void tell_owner(void *context)
{
	struct rewriting *rewriting = context;
	struct spool_message *copy = rewriting->copy;
	struct rewriting done = *rewriting;
	if (done.status == STATUS_OK)
		rewriting->copy = NULL;
	destroy_rewriting(rewriting);
	done.on_done(done.context, done.status, done.status == STATUS_OK ? copy : NULL, done.growth);
}

static enum status write_header(struct rewriting *rewriting, size_t size)
{
	struct buf header BUF_AUTO;
	struct span old = span_slice(buf_span(&rewriting->gathered), 0, size);
	buf_init(&header, 2 * GATHERED_MAXIMUM);
	TRY(header_rewrite_sender(old, rewriting->account, &header));
	rewriting->growth += (int64_t)buf_size(&header) - (int64_t)size;
	rewriting->is_past_header = true;
	TRY(spool_append(rewriting->copy, buf_span(&header)));
	struct span body = span_slice(buf_span(&rewriting->gathered), size, buf_size(&rewriting->gathered));
	return body.size ? spool_append(rewriting->copy, body) : STATUS_OK;
}

static enum status take_piece(struct rewriting *rewriting, struct span bytes, bool complete)
{
	size_t size;
	if (rewriting->is_past_header)
		return bytes.size ? spool_append(rewriting->copy, bytes) : STATUS_OK;
	TRY(buf_append(&rewriting->gathered, bytes));
	enum status status = header_find_end(buf_span(&rewriting->gathered), complete, &size);
	if (status == STATUS_AGAIN)
		return STATUS_OK;
	TRY(status);
	return write_header(rewriting, size);
}

static void on_read(void *context, enum status status, struct span bytes)
{
	struct rewriting *rewriting = context;
	bool is_end = status == STATUS_END;
	if (status == STATUS_OK || is_end)
		status = take_piece(rewriting, is_end ? (struct span){ 0 } : bytes, is_end);
	rewriting->offset += is_end ? 0 : bytes.size;
	if (status == STATUS_OK && !is_end) {
		spool_read(rewriting->original, rewriting->offset, on_read, rewriting);
		return;
	}
	rewriting->status = status;
	timer_set(rewriting->timer, 0);
}

static enum status begin_copy(struct rewriting *rewriting, struct span fields)
{
	TRY(spool_begin_copy(rewriting->original, &rewriting->copy));
	rewriting->growth = (int64_t)fields.size;
	return fields.size ? spool_append(rewriting->copy, fields) : STATUS_OK;
}

enum status rewriting_begin(struct loop *loop, struct spool_message *original, const struct rewriting_changes *changes,
			    void (*on_done)(void *context, enum status status, struct spool_message *copy,
					    int64_t growth),
			    void *context, struct rewriting **out_rewriting)
{
	struct rewriting *rewriting = calloc(1, sizeof(*rewriting));
	if (rewriting == NULL)
		return STATUS_NO_MEMORY;
	*rewriting = (struct rewriting){
		.original = original,
		.account = changes->account,
		.on_done = on_done,
		.context = context,
		.is_past_header = span_is_empty(changes->account),
	};
	buf_init(&rewriting->gathered, GATHERED_MAXIMUM);
	enum status status = timer_make(loop, tell_owner, rewriting, &rewriting->timer);
	if (status == STATUS_OK)
		status = begin_copy(rewriting, changes->fields);
	if (status != STATUS_OK) {
		destroy_rewriting(rewriting);
		return status;
	}
	*out_rewriting = rewriting;
	spool_read(original, 0, on_read, rewriting);
	return STATUS_OK;
}

void rewriting_cancel(struct rewriting **rewriting)
{
	struct rewriting *gone = *rewriting;
	if (gone == NULL)
		return;
	*rewriting = NULL;
	spool_cancel_read(gone->original);
	destroy_rewriting(gone);
}
