/*
 * From one file to the next, on the writer's thread, between two batches: the former file's last record of ours, the
 * next one's first, and what a deleted file had that is still needed.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "audit/audit_writer.h"

/* ---- what was in a deleted file */

struct carrying {
	struct audit_writer *writer;
	struct buf lines;
};

/* The record of a message under way, once more. */
static enum status carry_record(void *context, json_t *record)
{
	struct carrying *carrying = context;
	char key[AUDIT_MESSAGE_SIZE];
	const char *message = json_string_value(json_object_get(record, "message"));
	audit_journal_key(span_of(message), (unsigned)json_integer_value(json_object_get(record, "attempt")), key);
	if (!audit_journal_has(carrying->writer->options.journal, key))
		return STATUS_OK;
	(void)json_object_del(record, "chain");
	char *text = json_dumps(record, JSON_COMPACT);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	const struct span open = { text, strlen(text) - 1 };
	enum status status = audit_chain_link(&carrying->writer->options.chain, open, &carrying->lines);
	free(text);
	return status;
}

/* What can't be read or kept, out of memory, is gone with its file. */
void audit_change_carry_open(struct audit_writer *writer)
{
	struct carrying carrying = { .writer = writer };
	struct audit_journal *journal = writer->options.journal;
	struct audit_place own = { 0 };
	uint64_t offset;
	if (writer->deleted_fd < 0)
		return;
	memcpy(own.chain_id, writer->options.chain.id, sizeof(own.chain_id));
	buf_init(&carrying.lines, 2 * AUDIT_BACKLOG_MAXIMUM);
	if (audit_journal_first_in(journal, writer->deleted_fd, &offset) && offset < writer->deleted_until)
		(void)!audit_orphans_find(writer->deleted_fd, &own, offset, writer->deleted_until, carry_record,
					  &carrying);
	/* What comes once more, as it was written after that, lies in the present file already. */
	audit_journal_carry(journal, writer->deleted_fd, 0);
	close(writer->deleted_fd);
	writer->deleted_fd = -1;
	if (buf_size(&carrying.lines))
		(void)!audit_lines_write(writer, NULL, buf_span(&carrying.lines));
	buf_free(&carrying.lines);
	audit_lines_save_journal(writer);
}

/* ---- the next file */

static bool has_next_file(struct audit_writer *writer)
{
	pthread_mutex_lock(&writer->mutex);
	bool has = writer->next_fd >= 0;
	pthread_mutex_unlock(&writer->mutex);
	return has;
}

static void write_first_record(struct audit_writer *writer, const char *former_name)
{
	struct buf text BUF_AUTO;
	buf_init(&text, AUDIT_RECORD_MAXIMUM);
	if (audit_chain_begin_file(&writer->options.chain, former_name[0] ? former_name : NULL, &text) == STATUS_OK)
		(void)!audit_lines_write(writer, NULL, buf_span(&text));
	audit_signing_want(writer);
}

/*
 * A deleted file is left as it is. A record that can't be made, out of memory, is missing at the seam, which the
 * verifiers show.
 */
void audit_change_file(struct audit_writer *writer)
{
	char former_name[AUDIT_NAME_SIZE];
	if (!has_next_file(writer))
		return;
	int former = writer->disk.file.fd;
	bool is_deleted = audit_file_is_deleted(&writer->disk.file);
	if (!is_deleted)
		audit_signing_end_file(writer);
	int fd = audit_lines_take_next(writer, former_name);
	if (fd < 0)
		return; /* it was deleted meanwhile, and is replaced already */
	if (!is_deleted)
		(void)!audit_disk_sync(&writer->disk); /* its error is published */
	audit_lines_begin_file(writer, fd);
	write_first_record(writer, former_name);
	if (is_deleted) {
		writer->deleted_fd = former;
		writer->deleted_until = UINT64_MAX;
		audit_change_carry_open(writer);
	} else {
		/* We write it no more, though others may keep a copy of the descriptor, to read: it may be packed. */
		(void)flock(former, LOCK_UN);
		close(former);
	}
	audit_lines_save_journal(writer);
}
