/*
 * The spool, on the loop's side: memory first, then jobs for the file thread,
 * and one piece read ahead of a reader that goes through a message. It owns
 * the messages until the thread has closed their files. Appending never waits:
 * bytes that the thread has not written yet are in memory, and limits.spool
 * bounds them together with all others.
 */
#include "relay/spool.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay/spool_private.h"

#define TAIL_SIZE SPOOL_MEMORY /* bytes gathered for one write: few system calls, and short waits for a reader */

static void finish_message(struct spool_message *message)
{
	message->spool->used -= message->size;
	message->spool->file_count -= message->has_job;
	message->spool->block_count -= message->block_count;
	for (size_t i = 0; i < message->block_count; i++)
		buf_free(&message->blocks[i]);
	free(message->blocks);
	buf_free(&message->head);
	buf_free(&message->tail);
	buf_free(&message->ahead);
	buf_free(&message->read_job.bytes);
	free(message);
}

/* ---- reading */

static void start_read(struct spool_message *message, uint64_t offset)
{
	struct spool_job *job = &message->read_job;
	uint64_t left = message->file_end - offset;
	job->kind = SPOOL_READ;
	job->message = message;
	job->at = offset - message->file_begin;
	job->wanted = left < SPOOL_PIECE ? (size_t)left : SPOOL_PIECE;
	buf_init(&job->bytes, SPOOL_PIECE);
	message->reading = true;
	spool_thread_give(&message->spool->files, job);
}

static void read_ahead(struct spool_message *message, uint64_t offset)
{
	if (!message->reading && offset < message->file_end)
		start_read(message, offset);
}

/* Calls the reader, which may free the message in that call. */
static void answer_reader(struct spool_message *message, enum status status, struct span bytes)
{
	void (*on_read)(void *context, enum status status, struct span bytes) = message->on_read;
	message->on_read = NULL;
	on_read(message->context, status, bytes);
}

/* Hands over the piece read ahead, and has the next one read meanwhile. */
static void answer_from_ahead(struct spool_message *message)
{
	struct buf piece BUF_AUTO = message->ahead;
	message->has_ahead = false;
	buf_init(&message->ahead, SPOOL_PIECE);
	read_ahead(message, message->ahead_at + buf_size(&piece));
	answer_reader(message, STATUS_OK, buf_span(&piece));
}

static struct span slice_piece(const struct buf *b, uint64_t from)
{
	return span_slice(buf_span(b), (size_t)from, (size_t)from + SPOOL_PIECE);
}

static struct span slice_block(const struct spool_message *message, uint64_t offset)
{
	uint64_t from = offset - SPOOL_MEMORY;
	return slice_piece(&message->blocks[from / TAIL_SIZE], from % TAIL_SIZE);
}

/* Gives the reader the piece it waits for, or has it fetched. */
static void serve_reader(struct spool_message *message)
{
	uint64_t offset = message->offset;
	if (atomic_load(&message->failed))
		answer_reader(message, STATUS_SYSTEM, (struct span){ NULL, 0 });
	else if (offset >= message->size)
		answer_reader(message, STATUS_END, (struct span){ NULL, 0 });
	else if (offset < buf_size(&message->head))
		answer_reader(message, STATUS_OK, slice_piece(&message->head, offset));
	else if (offset < message->file_begin)
		answer_reader(message, STATUS_OK, slice_block(message, offset));
	else if (offset >= message->file_end)
		answer_reader(message, STATUS_OK, slice_piece(&message->tail, offset - message->file_end));
	else if (message->has_ahead && message->ahead_at == offset)
		answer_from_ahead(message);
	else if (!message->reading)
		start_read(message, offset);
}

void spool_read(struct spool_message *message, uint64_t offset,
		void (*on_read)(void *context, enum status status, struct span bytes), void *context)
{
	assert(message->on_read == NULL);
	message->on_read = on_read;
	message->context = context;
	message->offset = offset;
	if (offset < message->file_begin)
		read_ahead(message, message->file_begin);
	serve_reader(message);
}

void spool_cancel_read(struct spool_message *message)
{
	message->on_read = NULL;
}

static void take_read(struct spool_message *message)
{
	struct spool_job *job = &message->read_job;
	message->reading = false;
	buf_free(&message->ahead);
	message->ahead = job->bytes;
	message->ahead_at = job->at + message->file_begin;
	message->has_ahead = job->status == STATUS_OK;
	buf_init(&job->bytes, SPOOL_PIECE);
	if (message->on_read == NULL)
		return;
	if (job->status != STATUS_OK && message->ahead_at == message->offset)
		answer_reader(message, STATUS_SYSTEM, (struct span){ NULL, 0 });
	else
		serve_reader(message);
}

/* ---- writing */

/* `wanted` more of a maximum, for an owner that holds `held` in other messages or in this one. */
static enum status find_room(uint64_t maximum, uint64_t used, uint64_t held, bool is_only_message, uint64_t wanted)
{
	uint64_t left = maximum - used;
	if (wanted > left)
		return STATUS_TOO_LARGE;
	return is_only_message || held + wanted <= left - wanted ? STATUS_OK : STATUS_REFUSED;
}

static bool is_only_message(const struct spool_message *message)
{
	return message->share == NULL || message->share->messages <= 1;
}

static enum status find_file(const struct spool_message *message)
{
	const struct spool *spool = message->spool;
	uint64_t held = message->share ? message->share->files : 0;
	return find_room(spool->files_maximum, spool->file_count, held, held == 0 || is_only_message(message), 1);
}

/* The tail becomes a job. Its buffer goes with it. */
static enum status hand_over_tail(struct spool_message *message)
{
	struct spool *spool = message->spool;
	if (!message->has_job)
		TRY(find_file(message));
	struct spool_job *job = calloc(1, sizeof(*job));
	if (job == NULL)
		return STATUS_NO_MEMORY;
	job->kind = SPOOL_WRITE;
	job->message = message;
	job->at = message->file_end - message->file_begin;
	job->bytes = message->tail;
	message->file_end += buf_size(&job->bytes);
	spool->file_count += !message->has_job;
	if (message->share)
		message->share->files += !message->has_job;
	message->has_job = true;
	buf_init(&message->tail, TAIL_SIZE);
	spool_thread_give(&spool->files, job);
	return STATUS_OK;
}

/* The tail becomes a block in memory. False: there is none to spare, or the message has a file. */
static bool keep_tail(struct spool_message *message)
{
	struct spool *spool = message->spool;
	if (message->has_job || spool->block_count >= spool->blocks_maximum)
		return false;
	struct buf *blocks = reallocarray(message->blocks, message->block_count + 1, sizeof(*blocks));
	if (blocks == NULL)
		return false;
	blocks[message->block_count++] = message->tail;
	message->blocks = blocks;
	spool->block_count++;
	message->file_begin += TAIL_SIZE;
	message->file_end = message->file_begin;
	buf_init(&message->tail, TAIL_SIZE);
	return true;
}

/* Takes as much as `b` has room for off the front of *bytes. */
static enum status fill_buffer(struct buf *b, struct span *bytes)
{
	size_t room = buf_room(b);
	TRY(buf_append(b, span_slice(*bytes, 0, room)));
	*bytes = span_slice(*bytes, room, bytes->size);
	return STATUS_OK;
}

enum status spool_append(struct spool_message *message, struct span bytes)
{
	struct spool *spool = message->spool;
	if (atomic_load(&message->failed))
		return STATUS_SYSTEM;
	TRY(find_room(spool->maximum, spool->used, message->share ? message->share->used : 0, is_only_message(message),
		      bytes.size));
	spool->used += bytes.size;
	if (message->share)
		message->share->used += bytes.size;
	message->size += bytes.size;
	TRY(fill_buffer(&message->head, &bytes));
	while (bytes.size) {
		char *all;
		TRY(buf_reserve(&message->tail, buf_room(&message->tail), &all)); /* instead of growing, and copying */
		TRY(fill_buffer(&message->tail, &bytes));
		if (buf_room(&message->tail) == 0 && !keep_tail(message))
			TRY(hand_over_tail(message));
	}
	return STATUS_OK;
}

/* ---- the life of a message */

enum status spool_begin(struct spool *spool, struct spool_share *share, struct spool_message **out_message)
{
	struct spool_message *message = calloc(1, sizeof(*message));
	if (message == NULL)
		return STATUS_NO_MEMORY;
	message->spool = spool;
	message->share = share;
	if (share)
		share->messages++;
	message->file_begin = message->file_end = SPOOL_MEMORY;
	message->fd = -1;
	buf_init(&message->head, SPOOL_MEMORY);
	buf_init(&message->tail, TAIL_SIZE);
	spool->messages++;
	*out_message = message;
	return STATUS_OK;
}

enum status spool_begin_copy(const struct spool_message *original, struct spool_message **out_copy)
{
	struct spool_share *share = original->share;
	TRY(spool_begin(original->spool, share, out_copy));
	(*out_copy)->is_copy = true;
	if (share) {
		share->messages--;
		share->copies++;
	}
	return STATUS_OK;
}

bool spool_share_is_free(const struct spool_share *share)
{
	return share->messages + share->copies == 0;
}

static void leave_share(struct spool_message *message)
{
	struct spool_share *share = message->share;
	if (share == NULL)
		return;
	share->messages -= !message->is_copy;
	share->copies -= message->is_copy;
	share->used -= message->size;
	share->files -= message->has_job;
	message->share = NULL;
}

uint64_t spool_size(const struct spool_message *message)
{
	return message->size;
}

void spool_message_free(struct spool_message **message)
{
	struct spool_message *gone = *message;
	if (gone == NULL)
		return;
	*message = NULL;
	gone->on_read = NULL;
	gone->spool->messages--;
	leave_share(gone);
	if (!gone->has_job) {
		finish_message(gone);
		return;
	}
	atomic_store(&gone->abandoned, true);
	gone->close_job = (struct spool_job){ .kind = SPOOL_CLOSE, .message = gone };
	spool_thread_give(&gone->spool->files, &gone->close_job);
}

/* ---- the spool */

static void collect_done(void *context)
{
	struct spool *spool = context;
	struct spool_queue done;
	struct spool_job *job;
	spool_thread_collect(&spool->files, &done);
	while ((job = TAILQ_FIRST(&done)) != NULL) {
		TAILQ_REMOVE(&done, job, in_queue);
		if (job->kind == SPOOL_CLOSE)
			finish_message(job->message);
		else
			take_read(job->message);
	}
}

enum status spool_create(struct loop *loop, int folder, uint64_t maximum, uint64_t files, struct spool **out_spool)
{
	struct wakeup *wakeup = NULL;
	struct spool *spool = calloc(1, sizeof(*spool));
	enum status status = spool ? wakeup_create(loop, collect_done, spool, &wakeup) : STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		free(spool);
		close(folder);
		return status;
	}
	spool->loop = loop;
	spool->maximum = maximum;
	spool->files_maximum = files;
	status = spool_thread_start(&spool->files, folder, wakeup);
	if (status != STATUS_OK) {
		wakeup_free(&wakeup);
		free(spool);
		return status;
	}
	*out_spool = spool;
	return STATUS_OK;
}

void spool_use_memory(struct spool *spool, uint64_t bytes)
{
	spool->blocks_maximum = bytes / TAIL_SIZE;
}

void spool_free(struct spool **spool)
{
	struct spool *gone = *spool;
	if (gone == NULL)
		return;
	*spool = NULL;
	assert(gone->messages == 0);
	spool_thread_stop(&gone->files);
	collect_done(gone);
	spool_thread_free(&gone->files);
	wakeup_free(&gone->files.wakeup);
	free(gone);
}
