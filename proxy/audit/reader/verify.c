/* The verifier's way through files and lines. Owns rows, chains and claims for one call. */
#include "audit/reader/verify.h"

#include <stdlib.h>
#include <string.h>

#include "audit/reader/record.h"
#include "audit/reader/verify_private.h"

/* ---- files */

/* "audit.jsonl-20261129" of "/var/log/audit.jsonl-20261129.gz" */
static struct span base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct span name = span_of(slash ? slash + 1 : path);
	if (span_ends_with_nocase(name, SPAN(".gz")))
		return span_slice(name, 0, name.size - 3);
	return span_ends_with_nocase(name, SPAN(".zst")) ? span_slice(name, 0, name.size - 4) : name;
}

static bool is_at_hand(const struct verify *verify, struct span name)
{
	for (size_t i = 0; i < verify->files->count; i++)
		if (span_equal(base_name(verify->files->list[i].name), name))
			return true;
	return false;
}

/* Whether the file before this one is the one that it names. One that only has another name now is told. */
static void compare_names(struct verify *verify, const struct verify_record *record)
{
	const struct verify_row *row = record->row;
	const char *previous = record_text(record->json, "previous_file");
	if (*previous == '\0' || row->former_file == VERIFY_NOWHERE)
		return;
	struct span before = base_name(verify_file_name(verify, row->former_file));
	if (span_equal(before, span_of(previous)))
		return;
	if (is_at_hand(verify, span_of(previous)))
		verify_blame(verify, "the file before this one was %s, and not %.*s: they are swapped", previous,
			     SPAN_ARGS(before));
	else
		verify_note(verify, "the file before this one was called %s", previous);
}

static void begin_file(struct verify *verify, const struct verify_record *record)
{
	bool is_begin = span_equal(record->type, SPAN("audit.begin"));
	bool is_file_begin = span_equal(record->type, SPAN("audit.file_begin"));
	verify->file_has_begun = true;
	if (!is_begin && !is_file_begin)
		verify_blame(verify, "the beginning of this file is missing: it begins with neither audit.begin nor "
				     "audit.file_begin");
	if (is_file_begin)
		compare_names(verify, record);
}

/* ---- lines */

static enum status take_own_record(struct verify *verify, const struct verify_record *record,
				   struct verify_chain *chain)
{
	if (span_equal(record->type, SPAN("audit.peer")))
		return verify_take_peer(verify, record);
	if (span_equal(record->type, SPAN("audit.begin")))
		verify_take_former(verify, record);
	TRY(verify_take_statements(verify, record, chain));
	if (span_equal(record->type, SPAN("audit.file_end")))
		chain->ended_file = verify->place.file;
	chain->has_ended |= span_equal(record->type, SPAN("audit.end"));
	return STATUS_OK;
}

static enum status take_linked(struct verify *verify, struct verify_record *record)
{
	struct verify_chain *chain = NULL;
	enum status status = STATUS_OK;
	if (span_starts_with(record->type, SPAN("audit.")))
		status = record_parse(record->line, &record->json);
	if (status == STATUS_NO_MEMORY)
		return status;
	if (status == STATUS_INVALID)
		verify_blame(verify, "this is no JSON");
	if (!verify->file_has_begun)
		begin_file(verify, record);
	status = verify_take_link(verify, record, &chain);
	if (status == STATUS_OK && record->json)
		status = take_own_record(verify, record, chain);
	json_decref(record->json);
	return status;
}

/* Of the former format, or written without a chain. */
static enum status take_unlinked(struct verify *verify, const struct verify_record *record)
{
	bool is_former = record->link.kind == AUDIT_LINK_MAC;
	record->row->former++;
	if (record->row->records)
		verify_blame(verify, is_former ? "a record of the former format after linked ones: added"
					       : "a record that is not linked (chain = false), after linked ones");
	else if (!verify->is_file_noted)
		verify_note(verify, is_former ? "records of the former format from here on, which no public key proves"
					      : "records that are not linked (chain = false) from here on");
	verify->is_file_noted = true;
	return verify_take_unlinked(verify, record);
}

/* A line that does not end as a record does. */
static enum status take_other(struct verify *verify, struct span line)
{
	json_t *json = NULL;
	enum status status = record_parse(line, &json);
	if (status == STATUS_NO_MEMORY)
		return status;
	if (status == STATUS_INVALID && span_starts_with(line, SPAN("{\"ts\":\"")))
		verify_note(verify, "a record that was torn when its process died");
	else
		verify_blame(verify, "this is no record: added, or changed");
	json_decref(json);
	return STATUS_OK;
}

static enum status take_line(struct verify *verify, struct span line)
{
	struct verify_record record = { .line = line, .type = record_read_type(line) };
	if (audit_link_read(line, &record.link) != STATUS_OK)
		return take_other(verify, line);
	record.row = verify_row_of_line(verify, line);
	if (record.row == NULL)
		return STATUS_NO_MEMORY;
	return record.link.kind == AUDIT_LINK_HASH ? take_linked(verify, &record) : take_unlinked(verify, &record);
}

static enum status read_file(struct verify *verify, size_t file)
{
	struct lines *lines;
	struct span line;
	int fd;
	verify->place = (struct verify_place){ .file = file };
	verify->file_has_begun = verify->is_file_noted = false;
	TRY(verify_open_file(verify, file, &fd, &lines));
	enum status status = verify_next_line(verify, lines, &line);
	while (status == STATUS_OK) {
		verify->place.line = lines_number(lines);
		status = take_line(verify, line);
		if (status == STATUS_OK)
			status = verify_next_line(verify, lines, &line);
	}
	verify->place.line = lines_number(lines);
	verify_close_file(verify, file, fd, &lines);
	if (status == STATUS_INVALID)
		verify_blame(verify, "the packed file is damaged, or ends too early");
	return status == STATUS_END || status == STATUS_INVALID ? STATUS_OK : status;
}

/* ---- the end */

static void tell_row(struct verify *verify, const struct verify_row *row)
{
	const struct verify_node node = {
		.name = row->name,
		.records = row->records,
		.former = row->former,
		.unsigned_records = row->unsigned_records,
		.first = row->first,
		.last = row->last,
		.is_proven = row->is_proven,
	};
	if (verify->options->keys && row->last.number && !row->is_proven)
		verify_blame_at(verify, (struct verify_place){ row->first_file, 0 },
				"no checkpoint of %s was signed with a key that was given: the beginning is missing, "
				"or all of it is forged",
				row->name);
	verify->options->on_node(verify->options->context, &node);
}

static enum status verify_all(struct verify *verify)
{
	const struct verify_options *options = verify->options;
	TRY(map_init(&verify->chains));
	for (size_t i = 0; i < verify->files->count; i++)
		TRY(read_file(verify, i));
	verify_settle_chains(verify);
	TRY(verify_settle_claims(verify));
	if (options->known && options->known->number)
		TRY(verify_settle_known(verify, options->known_node, options->known));
	for (const struct verify_row *row = verify->rows; row; row = row->next)
		tell_row(verify, row);
	return STATUS_OK;
}

enum status verify_files(const struct audit_files *files, const struct verify_options *options)
{
	struct verify verify = { .options = options, .files = files };
	enum status status = verify_all(&verify);
	verify_free_chains(&verify);
	while (verify.rows) {
		struct verify_row *row = verify.rows;
		verify.rows = row->next;
		free(row);
	}
	free(verify.claims);
	return status;
}
