/*
 * subgatectl audit report: who sent most, what was refused and why, how the relays did, and from which addresses users
 * came that they had not used in the four weeks before.
 */
#include <string.h>

#include "admin/ctl_audit.h"
#include "admin/ctl_records.h"
#include "admin/tally.h"
#include "audit/reader/record.h"

#define KNOWN_S (28ULL * 86400) /* how far back an address makes itself known: four weeks */
#define US_PER_SECOND 1000000ULL
#define TEXT_SIZE 1024 /* bytes of a key or a reason, the NUL included; longer ones are cut */

struct report {
	struct ctl_reading reading;  /* first */
	char since[CLOCK_TEXT_SIZE]; /* as records tell the time */
	struct tally users, refusals, relays, addresses;
	json_t *known; /* pairs of users and addresses that were seen before */
};

/* ---- which records */

static bool wants_figures(const struct query *query, struct span ts, struct span type)
{
	const char *since = query->context;
	if (span_equal(type, SPAN("auth.success")))
		return true;
	return strncmp(ts.data, since, ts.size) >= 0 &&
	       (span_equal(type, SPAN("auth.failure")) || span_equal(type, SPAN("session.refused")) ||
		(span_starts_with(type, SPAN("message.")) && !span_equal(type, SPAN("message.leaving"))));
}

/* ---- counts */

static void count_user(struct report *report, const json_t *record, bool is_sent)
{
	const char *user = record_text(record, "user");
	json_t *members = json_pack("{s:s, s:i, s:i, s:i, s:i}", "user", user, "messages", 0, "recipients", 0, "bytes",
				    0, "not_sent", 0);
	json_t *row = tally_row(&report->users, user, members);
	if (!is_sent) {
		tally_add(row, "not_sent", 1);
		return;
	}
	tally_add(row, "messages", 1);
	tally_add(row, "recipients", (json_int_t)json_array_size(json_object_get(record, "rcpt_to")));
	tally_add(row, "bytes", json_integer_value(json_object_get(record, "size")));
}

static void count_relay(struct report *report, const json_t *record, const char *result)
{
	const char *relay = record_text(record, "relay");
	if (*relay == '\0')
		return;
	json_t *members = json_pack("{s:s, s:i, s:i, s:i}", "relay", relay, "sent", 0, "failed", 0, "unknown", 0);
	tally_add(tally_row(&report->relays, relay, members), result, 1);
}

/* Without what differs from one to the next: what stands in angle brackets, and numbers. */
static void generalize_reason(const char *reason, char out_text[TEXT_SIZE])
{
	size_t used = 0;
	bool in_brackets = false, in_number = false;
	for (; *reason && used + 1 < TEXT_SIZE; reason++) {
		bool is_digit = *reason >= '0' && *reason <= '9';
		if (!in_brackets && !(is_digit && in_number))
			out_text[used++] = is_digit ? '#' : *reason;
		in_number = is_digit;
		if (*reason == '<' && strchr(reason, '>'))
			in_brackets = true;
		if (*reason == '>' && in_brackets) {
			in_brackets = false;
			out_text[used++] = '>';
		}
	}
	out_text[used < TEXT_SIZE ? used : TEXT_SIZE - 1] = '\0';
}

/* By us, or by a relay with a reply. */
static void format_reason(const json_t *record, char out_text[TEXT_SIZE])
{
	char text[TEXT_SIZE];
	const char *reason = record_text(record, "reason");
	const json_t *response = json_object_get(record, "response");
	const char *enhanced = record_text(response, "enhanced_code");
	if (*reason == '\0' && response)
		snprintf(out_text, TEXT_SIZE, "reply %lld%s%.20s",
			 (long long)json_integer_value(json_object_get(response, "code")), *enhanced ? " " : "",
			 enhanced);
	else {
		snprintf(text, sizeof(text), "%s", reason);
		generalize_reason(text, out_text);
	}
}

static void count_refusal(struct report *report, const json_t *record)
{
	char reason[TEXT_SIZE], key[2 * TEXT_SIZE];
	const char *type = record_text(record, "type");
	json_int_t count = json_integer_value(json_object_get(record, "count")); /* one record may stand for many */
	format_reason(record, reason);
	snprintf(key, sizeof(key), "%.100s\n%s", type, reason);
	json_t *members = json_pack("{s:s, s:s, s:i}", "what", type, "reason", reason, "count", 0);
	tally_add(tally_row(&report->refusals, key, members), "count", count ? count : 1);
}

static void count_message(struct report *report, const json_t *record)
{
	const char *result = record_text(record, "type") + strlen("message.");
	bool is_sent = strcmp(result, "sent") == 0;
	count_user(report, record, is_sent);
	if (strcmp(result, "refused") != 0)
		count_relay(report, record, result);
	if (!is_sent)
		count_refusal(report, record);
}

/* Pairs beyond the bound are not remembered, and so may be told as new. */
static void note_login(struct report *report, const json_t *record)
{
	char key[2 * TEXT_SIZE];
	const char *user = record_text(record, "user"), *address = record_text(record, "client_address");
	const char *ts = record_text(record, "ts");
	snprintf(key, sizeof(key), "%.1000s\n%.100s", user, address);
	if (*address == '\0' || json_object_get(report->known, key))
		return;
	if (strcmp(ts, report->since) < 0) {
		if (json_object_size(report->known) < TALLY_ROWS_MAXIMUM)
			json_object_set_new(report->known, key, json_true());
		return;
	}
	json_t *members = json_pack("{s:s, s:s, s:s, s:i}", "user", user, "address", address, "first", ts, "logins", 0);
	tally_add(tally_row(&report->addresses, key, members), "logins", 1);
}

static bool take_record(void *context, struct span line, json_t *record)
{
	struct report *report = context;
	const char *type = record_text(record, "type");
	(void)line;
	if (strcmp(type, "auth.success") == 0)
		note_login(report, record);
	else if (strncmp(type, "message.", 8) == 0)
		count_message(report, record);
	else
		count_refusal(report, record);
	return true;
}

/* ---- the command */

static json_t *make_report_answer(const struct report *report)
{
	json_t *reply = json_pack("{s:b, s:s, s:o, s:o, s:o, s:o}", "ok", 1, "from", report->since, "users",
				  tally_sort(&report->users, "messages"), "refusals",
				  tally_sort(&report->refusals, "count"), "relays", tally_sort(&report->relays, "sent"),
				  "new_addresses", tally_sort(&report->addresses, NULL));
	if (report->users.is_cut || report->refusals.is_cut || report->relays.is_cut || report->addresses.is_cut)
		json_object_set_new(reply, "truncated", json_true());
	if (report->reading.is_incomplete)
		json_object_set_new(reply, "incomplete", json_true());
	return reply;
}

static enum status read_figures(const struct ctl_call *call, struct report *report, json_t **out_reply)
{
	struct query query;
	const char *fault;
	uint64_t since_s = (uint64_t)json_integer_value(json_object_get(call->request, "since"));
	json_t *request = json_pack("{s:I, s:O*}", "since", (json_int_t)(since_s > KNOWN_S ? since_s - KNOWN_S : 0),
				    "until", json_object_get(call->request, "until"));
	enum status status = STATUS_OK;
	clock_format_us(since_s * US_PER_SECOND, report->since);
	if (query_read(request, &query, &fault) == STATUS_OK) {
		query.wants = wants_figures;
		query.context = report->since;
		const struct walk walk = { .query = &query, .on_record = take_record, .context = report };
		status = ctl_records_walk(call, walk, out_reply);
	} else {
		*out_reply = ctl_records_refuse(fault);
	}
	query_free(&query);
	json_decref(request);
	return status;
}

enum status ctl_audit_report(const struct ctl_call *call, FILE *errors, json_t **out_reply)
{
	struct report report = { .reading = { .errors = errors }, .known = json_object() };
	tally_init(&report.users);
	tally_init(&report.refusals);
	tally_init(&report.relays);
	tally_init(&report.addresses);
	enum status status = read_figures(call, &report, out_reply);
	if (status == STATUS_OK && *out_reply == NULL)
		*out_reply = make_report_answer(&report);
	ctl_records_close(&report.reading);
	tally_free(&report.users);
	tally_free(&report.refusals);
	tally_free(&report.relays);
	tally_free(&report.addresses);
	json_decref(report.known);
	return status;
}
