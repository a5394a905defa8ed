/*
 * When the writer's thread has the chain signed, and by which records. A failure is told as one to write, and tried
 * again.
 */
#include <errno.h>
#include <time.h>

#include "audit/audit_writer.h"
#include "base/clock.h"

#define SIGN_MS 900        /* after a record, until a checkpoint signs it: a second at most */
#define SIGN_AGAIN_MS 20   /* another process signs just now */
#define SIGN_RETRY_MS 1000 /* the keys can't be written */
#define END_TRIES 50       /* of SIGN_AGAIN_MS each */

static bool is_chained(const struct audit_writer *writer)
{
	return writer->options.chain.keys != NULL;
}

void audit_signing_begin(struct audit_writer *writer)
{
	if (is_chained(writer))
		writer->sign_at_ms = clock_monotonic_ms();
}

void audit_signing_want(struct audit_writer *writer)
{
	if (is_chained(writer) && writer->sign_at_ms == 0)
		writer->sign_at_ms = clock_monotonic_ms() + SIGN_MS;
}

bool audit_signing_is_due(const struct audit_writer *writer)
{
	return writer->sign_at_ms && clock_monotonic_ms() >= writer->sign_at_ms;
}

static void offer_statement(struct audit_writer *writer)
{
	pthread_mutex_lock(&writer->mutex);
	writer->statement = writer->options.chain.statement;
	writer->has_statement = true;
	pthread_mutex_unlock(&writer->mutex);
	wakeup_send(writer->options.wakeup);
}

/* What must be in the file before anything is signed. */
static enum status write_missing(struct audit_writer *writer)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 2 * AUDIT_RECORD_MAXIMUM);
	TRY(audit_chain_prepare(&writer->options.chain, &text));
	return buf_size(&text) ? audit_lines_write(writer, NULL, buf_span(&text)) : STATUS_OK;
}

static enum status write_statement(struct audit_writer *writer, enum audit_type type)
{
	struct audit_chain *chain = &writer->options.chain;
	struct buf text BUF_AUTO;
	buf_init(&text, 2 * AUDIT_RECORD_MAXIMUM);
	if (type == AUDIT_FILE_END)
		TRY(audit_chain_end_file(chain, writer->options.file_name, &text));
	else if (type == AUDIT_END)
		TRY(audit_chain_end(chain, &text));
	else
		TRY(audit_chain_checkpoint(chain, &text));
	return audit_lines_write(writer, NULL, buf_span(&text));
}

/* Writes one record of those that are signed. STATUS_AGAIN: another process signs just now. */
static enum status write_signed(struct audit_writer *writer, enum audit_type type)
{
	if (writer->is_cut)
		return STATUS_SYSTEM;
	enum status status = write_missing(writer);
	if (status == STATUS_OK)
		status = write_statement(writer, type);
	audit_chain_release(&writer->options.chain);
	if (status == STATUS_OK) {
		writer->dirty = true;
		offer_statement(writer);
	}
	return status;
}

/* What a checkpoint signs is on disk first, where anything is ever forced there. */
void audit_signing_run(struct audit_writer *writer)
{
	enum status synced = audit_disk_sync(&writer->disk); /* a failure is told by the disk's health */
	enum status status = synced == STATUS_OK ? write_signed(writer, AUDIT_CHECKPOINT) : synced;
	if (status == STATUS_OK) {
		writer->sign_at_ms = 0;
		return;
	}
	if (synced == STATUS_OK && status != STATUS_AGAIN)
		audit_lines_set_error(writer, status == STATUS_NO_MEMORY ? ENOMEM : errno ? errno : EIO);
	writer->sign_at_ms = clock_monotonic_ms() + (status == STATUS_AGAIN ? SIGN_AGAIN_MS : SIGN_RETRY_MS);
}

/* Where another process signs for long, as its disk is full, ours stays without its last record, as after a crash. */
static enum status write_last(struct audit_writer *writer, enum audit_type type)
{
	const struct timespec pause = { .tv_nsec = SIGN_AGAIN_MS * 1000000L };
	enum status status = STATUS_AGAIN;
	for (int i = 0; is_chained(writer) && i < END_TRIES && status == STATUS_AGAIN; i++) {
		status = write_signed(writer, type);
		if (status == STATUS_AGAIN)
			nanosleep(&pause, NULL);
	}
	return status == STATUS_AGAIN ? STATUS_OK : status;
}

void audit_signing_end(struct audit_writer *writer)
{
	enum status status = write_last(writer, AUDIT_END);
	if (status != STATUS_OK)
		writer->ended = status;
}

void audit_signing_end_file(struct audit_writer *writer)
{
	(void)!write_last(writer, AUDIT_FILE_END); /* a failure to write was told */
}
