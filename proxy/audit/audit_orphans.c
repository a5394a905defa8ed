/*
 * What dead processes left: messages that were leaving and have no outcome. Reads the file once, line by line, from
 * where the journal says, or all files of that time; lines that are not records are skipped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_private.h"
#include "audit/reader/lines.h"
#include "base/json_text.h"

#define READ_SIZE (64U << 10) /* bytes a read */

/* Of the processes with these chains. */
struct search {
	const struct audit_place *places;
	size_t place_count;
	struct orphan *orphans;
};

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

/* Once: of a file that was deleted it may have been carried into the next one (audit_change.c). */
static enum status remember_leaving(struct orphan **orphans, const char *key, json_t *record)
{
	for (; *orphans; orphans = &(*orphans)->next)
		if (strcmp((*orphans)->key, key) == 0)
			return STATUS_OK;
	struct orphan *orphan = calloc(1, sizeof(*orphan));
	if (orphan == NULL)
		return STATUS_NO_MEMORY;
	snprintf(orphan->key, sizeof(orphan->key), "%s", key);
	orphan->record = json_incref(record);
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

static bool is_wanted_chain(const struct search *search, struct span id)
{
	for (size_t i = 0; i < search->place_count; i++)
		if (span_equal(id, span_of(search->places[i].chain_id)))
			return true;
	return false;
}

static enum status weigh_record(struct search *search, json_t *record)
{
	char key[AUDIT_MESSAGE_SIZE];
	struct span type = text_at(record, "type");
	struct span message = text_at(record, "message");
	struct span chain = text_at(json_object_get(record, "chain"), "id");
	if (message.size == 0)
		return STATUS_OK;
	audit_journal_key(message, attempt_of(record), key);
	if (span_equal(type, SPAN("message.leaving")) && is_wanted_chain(search, chain))
		return remember_leaving(&search->orphans, key, record);
	if (is_outcome(type)) /* in whatever chain: an earlier search may have written it */
		settle_orphan(&search->orphans, key);
	return STATUS_OK;
}

static enum status weigh_line(struct search *search, struct span line)
{
	/* Most lines are of other types, and need no parsing. */
	if (memmem(line.data, line.size, "\"type\":\"message.", 16) == NULL)
		return STATUS_OK;
	json_t *record = NULL;
	enum status status = json_parse(line, &record);
	if (status != STATUS_OK)
		return status == STATUS_INVALID ? STATUS_OK : status;
	status = weigh_record(search, record);
	json_decref(record);
	return status;
}

/* Hands every whole line in `pending` on, and consumes it. */
static enum status take_lines(struct buf *pending, struct search *search)
{
	struct span bytes = buf_span(pending);
	size_t used = 0;
	for (;;) {
		struct span rest = span_slice(bytes, used, bytes.size);
		size_t size = span_find_byte(rest, '\n');
		if (size == rest.size)
			break;
		TRY(weigh_line(search, span_slice(rest, 0, size)));
		used += size + 1;
	}
	buf_consume(pending, used);
	return STATUS_OK;
}

static enum status read_lines(int fd, uint64_t offset, uint64_t until, struct search *search)
{
	struct buf pending BUF_AUTO;
	buf_init(&pending, 2 * AUDIT_RECORD_MAXIMUM);
	for (;;) {
		char *at;
		if (buf_room(&pending) < READ_SIZE)
			buf_clear(&pending); /* too long for a record: it is not one */
		TRY(buf_reserve(&pending, READ_SIZE, &at));
		size_t wanted = until - offset < READ_SIZE ? (size_t)(until - offset) : READ_SIZE;
		ssize_t got = pread(fd, at, wanted, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return STATUS_SYSTEM;
		if (got == 0)
			return STATUS_OK;
		buf_commit(&pending, (size_t)got);
		offset += (uint64_t)got;
		TRY(take_lines(&pending, search));
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
		.user_id = text_at(record, "user_id"),
		.attempt = attempt_of(record),
		.has_mail_from = json_object_get(record, "mail_from") != NULL,
		.mail_from = text_at(record, "mail_from"),
		.header_from = text_at(record, "header_from"),
		.size = (uint64_t)json_integer_value(json_object_get(record, "size")),
		.message_id = text_at(record, "message_id"),
		.relay = text_at(record, "relay"),
		.relay_host = text_at(record, "relay_host"),
		.sent_as = text_at(record, "sent_as"),
		.redirected_to = text_at(record, "redirected_to"),
		.shared_quota = text_at(record, "shared_quota"),
		.reason = SPAN("the process died before the relay's reply was recorded"),
	};
}

enum status audit_orphan_close(const json_t *record,
			       enum status (*on_event)(void *context, const struct audit_event *event), void *context)
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
	enum status status = on_event(context, &event);
	free(recipients);
	return status;
}

/* Calls back for each, unless the search failed. */
static enum status report_orphans(struct search *search, enum status status,
				  enum status (*on_orphan)(void *context, json_t *record), void *context)
{
	while (search->orphans) {
		if (status == STATUS_OK)
			status = on_orphan(context, search->orphans->record);
		drop_orphan(&search->orphans);
	}
	return status;
}

enum status audit_orphans_find(int fd, const struct audit_place *place, uint64_t offset, uint64_t until,
			       enum status (*on_orphan)(void *context, json_t *record), void *context)
{
	struct search search = { .places = place, .place_count = 1 };
	struct stat file;
	if (fstat(fd, &file) != 0)
		return STATUS_SYSTEM;
	if (offset > (uint64_t)file.st_size)
		offset = 0; /* it was cut or replaced meanwhile: all of it is searched */
	return report_orphans(&search, read_lines(fd, offset, until, &search), on_orphan, context);
}

/* ---- in many files */

/* What is damaged is read as far as it goes. */
static enum status read_file(int fd, struct search *search, const atomic_bool *stop, struct life_thread *sign)
{
	struct lines *lines;
	struct span line;
	TRY(lines_open(fd, &lines));
	lines_show_life(lines, sign);
	enum status status = lines_next(lines, &line);
	while (status == STATUS_OK && !atomic_load(stop)) {
		status = weigh_line(search, line);
		if (status == STATUS_OK)
			status = lines_next(lines, &line);
	}
	lines_close(&lines);
	return status == STATUS_END || status == STATUS_INVALID ? STATUS_OK : status;
}

enum status audit_orphans_find_in_all(struct audit_files *files, const struct audit_place *places, size_t place_count,
				      const atomic_bool *stop, enum status (*on_orphan)(void *context, json_t *record),
				      void *context)
{
	struct search search = { .places = places, .place_count = place_count };
	enum status status = audit_files_sort(files);
	for (size_t i = 0; status == STATUS_OK && i < files->count; i++)
		status = read_file(files->list[i].fd, &search, stop, files->sign);
	if (status == STATUS_OK && atomic_load(stop))
		status = STATUS_REFUSED;
	return report_orphans(&search, status, on_orphan, context);
}
