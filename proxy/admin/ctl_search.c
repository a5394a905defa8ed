/*
 * subgatectl audit search: records that match, as they are found. Rows for people stand in columns (ctl_columns.h);
 * --json gives the records themselves, one a line.
 */
#include <string.h>

#include "admin/ctl_audit.h"
#include "admin/ctl_columns.h"
#include "admin/ctl_records.h"
#include "admin/tally.h"
#include "audit/reader/record.h"
#include "base/text.h"

#define CELL_SIZE 512 /* bytes, the NUL included; longer ones are cut */
#define HOUR_SIZE 13  /* bytes: 2026-11-23T08 */

enum counting { COUNT_NOTHING, COUNT_USER, COUNT_RELAY, COUNT_RESULT, COUNT_HOUR };

static const char *const countings[] = { "", "user", "relay", "result", "hour" };

struct search {
	struct ctl_reading reading; /* first */
	bool json;
	enum counting counting;
	struct tally tally;
	struct columns columns;
	uint64_t shown;
	uint64_t limit;
};

/* "sent", "auth.failure" */
static const char *result_of(const json_t *record)
{
	const char *type = record_text(record, "type");
	return strncmp(type, "message.", 8) == 0 ? type + 8 : type;
}

/* ---- rows */

enum { COLUMN_TIME, COLUMN_RESULT, COLUMN_ID, COLUMN_USER, COLUMN_FROM, COLUMN_TO, COLUMN_RELAY, COLUMN_WHY, COLUMNS };

static void format_cell(const char *text, char out_cell[CELL_SIZE])
{
	snprintf(out_cell, CELL_SIZE, "%s", *text ? text : "-");
	text_blank_controls(out_cell, strlen(out_cell));
}

static void format_recipients(const json_t *record, char out_cell[CELL_SIZE])
{
	const json_t *list = json_object_get(record, "rcpt_to");
	size_t count = json_array_size(list);
	format_cell(record_text(json_array_get(list, 0), "address"), out_cell);
	if (count > 1)
		snprintf(out_cell + strlen(out_cell), CELL_SIZE - strlen(out_cell), " +%zu", count - 1);
}

/* What the relay answered, or why not. */
static const char *words_of(const json_t *record)
{
	const char *reason = record_text(record, "reason");
	return *reason ? reason : record_text(json_object_get(record, "response"), "text");
}

static void write_heading(struct columns *columns)
{
	static const char *const heading[COLUMNS] = { "TIME", "RESULT", "ID", "USER", "FROM", "TO", "RELAY", "WHY" };
	columns_add(columns, heading);
}

static void write_row(struct columns *columns, const json_t *record)
{
	char cells[COLUMNS][CELL_SIZE];
	const char *row[COLUMNS];
	const char *message = record_text(record, "message");
	snprintf(cells[COLUMN_TIME], CELL_SIZE, "%.19sZ", record_text(record, "ts"));
	text_blank_controls(cells[COLUMN_TIME], strlen(cells[COLUMN_TIME]));
	format_cell(result_of(record), cells[COLUMN_RESULT]);
	format_cell(*message ? message : record_text(record, "session"), cells[COLUMN_ID]);
	format_cell(record_text(record, "user"), cells[COLUMN_USER]);
	format_cell(record_text(record, "mail_from"), cells[COLUMN_FROM]);
	format_recipients(record, cells[COLUMN_TO]);
	format_cell(record_text(record, "relay"), cells[COLUMN_RELAY]);
	format_cell(words_of(record), cells[COLUMN_WHY]);
	for (unsigned i = 0; i < COLUMNS; i++)
		row[i] = cells[i];
	columns_add(columns, row);
}

/* False: that was the last, or nobody reads on. */
static bool show_record(void *context, struct span line, json_t *record)
{
	struct search *search = context;
	if (search->json)
		printf("%.*s\n", SPAN_ARGS(line));
	else if (search->shown == 0)
		write_heading(&search->columns);
	if (!search->json)
		write_row(&search->columns, record);
	return ++search->shown != search->limit && !ferror(stdout);
}

/* ---- counts */

static void format_key(const struct search *search, const json_t *record, char out_key[CELL_SIZE])
{
	const char *text = search->counting == COUNT_USER     ? record_text(record, "user")
			   : search->counting == COUNT_RELAY  ? record_text(record, "relay")
			   : search->counting == COUNT_RESULT ? result_of(record)
							      : record_text(record, "ts");
	int size = search->counting == COUNT_HOUR ? HOUR_SIZE : CELL_SIZE - 1;
	snprintf(out_key, CELL_SIZE, "%.*s", size, text);
}

static bool count_record(void *context, struct span line, json_t *record)
{
	struct search *search = context;
	char key[CELL_SIZE];
	(void)line;
	format_key(search, record, key);
	json_t *members = json_pack("{s:s, s:i}", countings[search->counting], key, "count", 0);
	tally_add(tally_row(&search->tally, key, members), "count", 1);
	return true;
}

static bool wants_messages(const struct query *query, struct span ts, struct span type)
{
	(void)ts;
	return query->by[QUERY_BY_RESULT].text ||
	       (span_starts_with(type, SPAN("message.")) && !span_equal(type, SPAN("message.leaving")));
}

static json_t *answer_counts(const struct search *search)
{
	const char *order = search->counting == COUNT_HOUR ? NULL : "count";
	json_t *reply = json_pack("{s:b, s:o}", "ok", 1, "counts", tally_sort(&search->tally, order));
	if (search->tally.is_cut)
		json_object_set_new(reply, "truncated", json_true());
	if (search->reading.is_incomplete)
		json_object_set_new(reply, "incomplete", json_true());
	return reply;
}

/* ---- the command */

static enum status read_counting(const json_t *request, enum counting *out_counting)
{
	const char *wanted = json_string_value(json_object_get(request, "count-by"));
	for (size_t i = 0; i < sizeof(countings) / sizeof(countings[0]); i++) {
		if (strcmp(wanted ? wanted : "", countings[i]) == 0) {
			*out_counting = (enum counting)i;
			return STATUS_OK;
		}
	}
	return STATUS_INVALID;
}

static json_t *make_search_answer(const struct search *search)
{
	if (search->counting)
		return answer_counts(search);
	if (search->shown == 0 && !search->json)
		puts("none");
	return search->reading.is_incomplete ? ctl_records_refuse("not all of the audit could be read") : json_null();
}

static enum status search_files(const struct ctl_call *call, const struct query *query, struct search *search,
				json_t **out_reply)
{
	const struct walk walk = {
		.query = query,
		.newest_first = json_is_true(json_object_get(call->request, "newest-first")),
		.on_record = search->counting ? count_record : show_record,
		.context = search,
	};
	enum status status = ctl_records_walk(call, walk, out_reply);
	columns_end(&search->columns);
	TRY(status);
	if (*out_reply == NULL)
		*out_reply = make_search_answer(search);
	return STATUS_OK;
}

enum status ctl_audit_search(const struct ctl_call *call, FILE *errors, json_t **out_reply)
{
	struct query query;
	const char *fault;
	enum status status = STATUS_OK;
	struct search search = { .reading = { .errors = errors }, .json = call->json };
	search.limit = (uint64_t)json_integer_value(json_object_get(call->request, "limit"));
	tally_init(&search.tally);
	columns_begin(&search.columns, COLUMNS, stdout);
	if (query_read(call->request, &query, &fault) != STATUS_OK)
		*out_reply = ctl_records_refuse(fault);
	else if (read_counting(call->request, &search.counting) != STATUS_OK)
		*out_reply = ctl_records_refuse("--count-by is none of user, relay, result and hour");
	else {
		query.wants = search.counting ? wants_messages : query.wants;
		status = search_files(call, &query, &search, out_reply);
	}
	ctl_records_close(&search.reading);
	query_free(&query);
	tally_free(&search.tally);
	return status;
}
