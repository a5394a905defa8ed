/* subgatectl audit senders: whom checks with mode "audit" would have refused, counted from the audit's files. */
#include "admin/ctl_audit.h"

#include <stdlib.h>
#include <string.h>

#include "admin/ctl_records.h"
#include "admin/tally.h"
#include "audit/reader/record.h"

struct refusals {
	struct ctl_reading reading; /* first */
	struct tally tally;
};

static void count_reason(struct refusals *refusals, const char *user, struct span why, const char *ts)
{
	char *key = NULL;
	if (asprintf(&key, "%s\n%.*s", user, SPAN_ARGS(why)) < 0)
		return;
	json_t *members = json_pack("{s:s, s:s%, s:i, s:s, s:s}", "user", user, "why", why.data, why.size, "messages",
				    0, "first", ts, "last", ts);
	json_t *row = tally_row(&refusals->tally, key, members);
	free(key);
	tally_add(row, "messages", 1);
	if (row && strcmp(ts, record_text(row, "first")) < 0)
		json_object_set_new(row, "first", json_string(ts));
	if (row && strcmp(ts, record_text(row, "last")) > 0)
		json_object_set_new(row, "last", json_string(ts));
}

/* "sender <…> not owned by the user; recipient <…> not allowed by the rule …": each counts. */
static bool count_reasons(void *context, struct span line, json_t *record)
{
	const char *user = json_string_value(json_object_get(record, "user"));
	const char *reason = json_string_value(json_object_get(record, "reason"));
	const char *ts = record_text(record, "ts");
	(void)line;
	if (user == NULL || reason == NULL)
		return true;
	for (const char *end; (end = strstr(reason, "; ")) != NULL; reason = end + 2)
		count_reason(context, user, (struct span){ reason, (size_t)(end - reason) }, ts);
	count_reason(context, user, span_of(reason), ts);
	return true;
}

static bool wants_leavings(const struct query *query, struct span ts, struct span type)
{
	(void)query;
	(void)ts;
	return span_equal(type, SPAN("message.leaving"));
}

static json_t *make_refusals_answer(const struct refusals *refusals)
{
	json_t *rows = tally_sort(&refusals->tally, "messages");
	json_t *reply = json_pack("{s:b, s:o}", "ok", 1, "would_be_refused", rows);
	if (refusals->tally.is_cut)
		json_object_set_new(reply, "truncated", json_true());
	if (refusals->reading.is_incomplete)
		json_object_set_new(reply, "incomplete", json_true());
	return reply;
}

enum status ctl_audit_senders(const struct ctl_call *call, FILE *errors, json_t **out_reply)
{
	struct query query;
	const char *fault;
	struct refusals refusals = { .reading = { .errors = errors } };
	if (query_read(call->request, &query, &fault) != STATUS_OK) {
		query_free(&query);
		*out_reply = ctl_records_refuse(fault);
		return STATUS_OK;
	}
	query.wants = wants_leavings;
	tally_init(&refusals.tally);
	const struct walk walk = { .query = &query, .on_record = count_reasons, .context = &refusals };
	enum status status = ctl_records_walk(call, walk, out_reply);
	if (status == STATUS_OK && *out_reply == NULL)
		*out_reply = make_refusals_answer(&refusals);
	ctl_records_close(&refusals.reading);
	query_free(&query);
	tally_free(&refusals.tally);
	return status;
}
