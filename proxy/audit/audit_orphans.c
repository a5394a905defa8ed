/*
 * What a dead process left: messages that were leaving and have no outcome. Reads the file once, line by line, from
 * where the journal says; lines that are not records are skipped.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_private.h"

#define READ_SIZE (64U << 10) /* bytes a read */

struct orphan {
	char key[AUDIT_MESSAGE_SIZE];
	json_t *record;
	struct orphan *next;
};

static struct span text_at(const json_t *record, const char *name)
{
	const json_t *value = json_object_get(record, name);
	return (struct span){ json_string_value(value), json_string_length(value) };
}

static unsigned attempt_of(const json_t *record)
{
	return (unsigned)json_integer_value(json_object_get(record, "attempt"));
}

static void drop_orphan(struct orphan **at)
{
	struct orphan *orphan = *at;
	*at = orphan->next;
	json_decref(orphan->record);
	free(orphan);
}

static enum status remember_leaving(struct orphan **orphans, const char *key, json_t *record)
{
	struct orphan *orphan = calloc(1, sizeof(*orphan));
	if (orphan == NULL)
		return STATUS_NO_MEMORY;
	snprintf(orphan->key, sizeof(orphan->key), "%s", key);
	orphan->record = json_incref(record);
	orphan->next = *orphans;
	*orphans = orphan;
	return STATUS_OK;
}

static void settle_orphan(struct orphan **orphans, const char *key)
{
	for (struct orphan **at = orphans; *at; at = &(*at)->next) {
		if (strcmp((*at)->key, key) == 0) {
			drop_orphan(at);
			return;
		}
	}
}

static bool is_outcome(struct span type)
{
	return span_equal(type, SPAN("message.sent")) || span_equal(type, SPAN("message.failed")) ||
	       span_equal(type, SPAN("message.unknown"));
}

static enum status weigh_record(struct orphan **orphans, json_t *record, const char *chain_id)
{
	char key[AUDIT_MESSAGE_SIZE];
	struct span type = text_at(record, "type");
	struct span message = text_at(record, "message");
	struct span chain = text_at(json_object_get(record, "chain"), "id");
	if (message.size == 0)
		return STATUS_OK;
	audit_journal_key(message, attempt_of(record), key);
	if (span_equal(type, SPAN("message.leaving")) && span_equal(chain, span_of(chain_id)))
		return remember_leaving(orphans, key, record);
	if (is_outcome(type)) /* in whatever chain: an earlier search may have written it */
		settle_orphan(orphans, key);
	return STATUS_OK;
}

static enum status weigh_line(struct orphan **orphans, struct span line, const char *chain_id)
{
	/* Most lines are of other types, and need no parsing. */
	if (memmem(line.data, line.size, "\"type\":\"message.", 16) == NULL)
		return STATUS_OK;
	json_t *record = json_loadb(line.data, line.size, 0, NULL);
	if (record == NULL)
		return STATUS_OK;
	enum status status = weigh_record(orphans, record, chain_id);
	json_decref(record);
	return status;
}

/* Hands every whole line in `pending` on, and consumes it. */
static enum status take_lines(struct buf *pending, struct orphan **orphans, const char *chain_id)
{
	struct span bytes = buf_span(pending);
	size_t used = 0;
	for (;;) {
		struct span rest = span_slice(bytes, used, bytes.size);
		size_t size = span_find_byte(rest, '\n');
		if (size == rest.size)
			break;
		TRY(weigh_line(orphans, span_slice(rest, 0, size), chain_id));
		used += size + 1;
	}
	buf_consume(pending, used);
	return STATUS_OK;
}

static enum status read_lines(int fd, uint64_t offset, struct orphan **orphans, const char *chain_id)
{
	struct buf pending BUF_AUTO;
	buf_init(&pending, 2 * AUDIT_RECORD_MAXIMUM);
	for (;;) {
		char *at;
		if (buf_room(&pending) < READ_SIZE)
			buf_clear(&pending); /* too long for a record: it is not one */
		TRY(buf_reserve(&pending, READ_SIZE, &at));
		ssize_t got = pread(fd, at, READ_SIZE, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return STATUS_SYSTEM;
		if (got == 0)
			return STATUS_OK;
		buf_commit(&pending, (size_t)got);
		offset += (uint64_t)got;
		TRY(take_lines(&pending, orphans, chain_id));
	}
}

/* The outcome of an orphan: unknown, with what its record said. */
static struct audit_event event_of(const json_t *record)
{
	return (struct audit_event){
		.type = AUDIT_MESSAGE_UNKNOWN,
		.session = text_at(record, "session"),
		.message = text_at(record, "message"),
		.user = text_at(record, "user"),
		.attempt = attempt_of(record),
		.has_mail_from = json_object_get(record, "mail_from") != NULL,
		.mail_from = text_at(record, "mail_from"),
		.header_from = text_at(record, "header_from"),
		.size = (uint64_t)json_integer_value(json_object_get(record, "size")),
		.message_id = text_at(record, "message_id"),
		.relay = text_at(record, "relay"),
		.relay_host = text_at(record, "relay_host"),
		.sent_as = text_at(record, "sent_as"),
		.reason = SPAN("the process died before the relay's reply was recorded"),
	};
}

static enum status report_orphan(const json_t *record,
				 enum status (*on_orphan)(void *context, const struct audit_event *event),
				 void *context)
{
	struct audit_event event = event_of(record);
	const json_t *list = json_object_get(record, "rcpt_to");
	size_t count = json_array_size(list);
	struct audit_recipient *recipients = calloc(count ? count : 1, sizeof(*recipients));
	if (recipients == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		recipients[i].address = text_at(json_array_get(list, i), "address");
	event.recipients = recipients;
	event.recipient_count = count;
	enum status status = on_orphan(context, &event);
	free(recipients);
	return status;
}

enum status audit_orphans_find(int fd, const char *chain_id, uint64_t offset,
			       enum status (*on_orphan)(void *context, const struct audit_event *event), void *context)
{
	struct orphan *orphans = NULL;
	struct stat file;
	if (fstat(fd, &file) != 0)
		return STATUS_SYSTEM;
	if (offset > (uint64_t)file.st_size)
		offset = 0; /* it was cut or replaced meanwhile: all of it is searched */
	enum status status = read_lines(fd, offset, &orphans, chain_id);
	while (orphans) {
		if (status == STATUS_OK)
			status = report_orphan(orphans->record, on_orphan, context);
		drop_orphan(&orphans);
	}
	return status;
}
