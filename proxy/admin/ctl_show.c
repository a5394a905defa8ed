/*
 * subgatectl audit show: all that happened to one message, with the session that it came in. The message's records are
 * found first; they name the session, whose other records the second reading finds.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "admin/ctl_audit.h"
#include "admin/ctl_records.h"
#include "audit/reader/record.h"
#include "base/text.h"

#define RECORDS_MAXIMUM 10000
#define OPENING_S 60   /* what the records of one login may be apart */
#define LINE_SIZE 4096 /* bytes of a line that people see, the NUL included; longer ones are cut */
#define LABEL_WIDTH 12
#define TIME_WIDTH 27

struct life {
	struct ctl_reading reading; /* first */
	json_t *records;
	const char *message, *session, *node; /* the first one's; NULL before it is known */
	const char *first;                    /* when the message's records begin */
};

/* ---- records */

static bool wants_all(const struct query *query, struct span ts, struct span type)
{
	(void)query;
	(void)ts;
	(void)type;
	return true;
}

static bool keep_of_message(void *context, struct span line, json_t *record)
{
	struct life *life = context;
	(void)line;
	if (strcmp(record_text(record, "message"), life->message) == 0)
		json_array_append(life->records, record);
	return json_array_size(life->records) < RECORDS_MAXIMUM;
}

static uint64_t second_of(const json_t *record)
{
	char text[CLOCK_TEXT_SIZE];
	uint64_t second = 0;
	snprintf(text, sizeof(text), "%.19sZ", record_text(record, "ts"));
	return clock_read_seconds(span_of(text), &second) == STATUS_OK ? second : 0;
}

/* A login may be recorded before the beginning of its session, as other processes tell of it; but not much before. */
static void drop_earlier(json_t *records, const json_t *opening)
{
	uint64_t second = second_of(opening);
	while (json_array_size(records) && second_of(json_array_get(records, 0)) + OPENING_S < second)
		json_array_remove(records, 0);
}

/*
 * Numbers of sessions begin anew with each start. The right one began before the message and has not ended before it;
 * what came before its beginning belongs to another.
 */
static bool keep_of_session(void *context, struct span line, json_t *record)
{
	struct life *life = context;
	const char *type = record_text(record, "type"), *ts = record_text(record, "ts");
	(void)line;
	if (record_text(record, "message")[0] || strcmp(record_text(record, "session"), life->session) != 0 ||
	    strcmp(record_text(record, "node"), life->node) != 0)
		return true;
	if (strcmp(type, "session.open") == 0 && strcmp(ts, life->first) > 0)
		return false;
	if (strcmp(type, "session.open") == 0)
		drop_earlier(life->records, record);
	json_array_append(life->records, record);
	bool ends = strcmp(type, "session.close") == 0;
	if (ends && strcmp(ts, life->first) < 0)
		json_array_clear(life->records);
	return !(ends && strcmp(ts, life->first) >= 0) && json_array_size(life->records) < RECORDS_MAXIMUM;
}

static int compare_records(const void *a, const void *b)
{
	return strcmp(record_text(*(json_t *const *)a, "ts"), record_text(*(json_t *const *)b, "ts"));
}

/* Both lists as one, in the order of time. */
static json_t *join_records(const json_t *of_message, const json_t *of_session)
{
	size_t count = json_array_size(of_message), more = json_array_size(of_session);
	json_t **list = calloc(count + more + 1, sizeof(json_t *));
	json_t *joined = json_array();
	for (size_t i = 0; list && i < count + more; i++)
		list[i] = i < count ? json_array_get(of_message, i) : json_array_get(of_session, i - count);
	if (list)
		qsort(list, count + more, sizeof(json_t *), compare_records);
	for (size_t i = 0; list && i < count + more; i++)
		json_array_append(joined, list[i]);
	free(list);
	return joined;
}

static enum status read_by_id(const struct ctl_call *call, const char *id, struct life *life,
			      bool (*on_record)(void *context, struct span line, json_t *record), json_t **out_reply)
{
	struct query query;
	const char *fault;
	json_t *request = json_pack("{s:s}", "id", id);
	enum status status = query_read(request, &query, &fault);
	if (status == STATUS_OK) {
		query.wants = wants_all;
		const struct walk walk = { .query = &query, .on_record = on_record, .context = life };
		status = ctl_records_walk(call, walk, out_reply);
	} else {
		*out_reply = ctl_records_refuse(fault);
		status = STATUS_OK;
	}
	query_free(&query);
	json_decref(request);
	return status;
}

static enum status read_session(const struct ctl_call *call, json_t *of_message, struct life *life, json_t **out_reply)
{
	const json_t *first = json_array_get(of_message, 0);
	life->session = record_text(first, "session");
	life->node = record_text(first, "node");
	life->first = record_text(first, "ts");
	return life->session[0] ? read_by_id(call, life->session, life, keep_of_session, out_reply) : STATUS_OK;
}

static json_t *make_life_answer(const struct life *life, const json_t *of_message)
{
	json_t *reply = json_pack("{s:b, s:s, s:o}", "ok", 1, "message", life->message, "records",
				  join_records(of_message, life->records));
	if (life->reading.is_incomplete)
		json_object_set_new(reply, "incomplete", json_true());
	return reply;
}

enum status ctl_audit_show(const struct ctl_call *call, FILE *errors, json_t **out_reply)
{
	struct life life = { .reading = { .errors = errors }, .records = json_array() };
	life.message = json_string_value(json_object_get(call->request, "id"));
	enum status status = read_by_id(call, life.message, &life, keep_of_message, out_reply);
	json_t *of_message = life.records;
	life.records = json_array();
	if (status == STATUS_OK && *out_reply == NULL && json_array_size(of_message) == 0)
		*out_reply = ctl_records_refuse("the audit has no message of this id");
	if (status == STATUS_OK && *out_reply == NULL)
		status = read_session(call, of_message, &life, out_reply);
	if (status == STATUS_OK && *out_reply == NULL)
		*out_reply = make_life_answer(&life, of_message);
	ctl_records_close(&life.reading);
	json_decref(of_message);
	json_decref(life.records);
	return status;
}

/* ---- for people */

__attribute__((format(printf, 4, 5))) static void write_line(FILE *out, int width, const char *label,
							     const char *format, ...)
{
	char line[LINE_SIZE], shown_label[LINE_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	snprintf(shown_label, sizeof(shown_label), "%s", label);
	text_blank_controls(line, strlen(line));
	text_blank_controls(shown_label, strlen(shown_label));
	fprintf(out, "%-*s  %s\n", width, shown_label, line);
}

/* The member of the last record that has it. */
static const json_t *find_member(const json_t *records, const char *name)
{
	for (size_t i = json_array_size(records); i > 0; i--) {
		const json_t *value = json_object_get(json_array_get(records, i - 1), name);
		if (value)
			return value;
	}
	return NULL;
}

static void write_facts(const json_t *records, FILE *out)
{
	static const struct {
		const char *label, *name;
	} facts[] = {
		{ "node", "node" },
		{ "session", "session" },
		{ "user", "user" },
		{ "user id", "user_id" },
		{ "login", "auth_method" },
		{ "mechanism", "sasl_mechanism" },
		{ "password", "app_password_id" },
		{ "client", "client_address" },
		{ "TLS", "tls_version" },
		{ "HELO", "helo" },
		{ "sender", "mail_from" },
		{ "From", "header_from" },
		{ "sent as", "sent_as" },
		{ "Message-ID", "message_id" },
		{ "bytes", "size" },
	};
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		const json_t *value = find_member(records, facts[i].name);
		if (json_is_string(value))
			write_line(out, LABEL_WIDTH, facts[i].label, "%s", json_string_value(value));
		else if (json_is_integer(value))
			write_line(out, LABEL_WIDTH, facts[i].label, "%lld", (long long)json_integer_value(value));
	}
}

/* "250 2.0.0 Ok"; empty where nobody answered. */
static void format_answer(const json_t *reply, char out_text[LINE_SIZE])
{
	json_int_t code = json_integer_value(json_object_get(reply, "code"));
	out_text[0] = '\0';
	if (code)
		snprintf(out_text, LINE_SIZE, "%lld %s%s%s", (long long)code, record_text(reply, "enhanced_code"),
			 record_text(reply, "enhanced_code")[0] ? " " : "", record_text(reply, "text"));
}

static void write_recipients(const json_t *record, FILE *out)
{
	size_t i;
	json_t *recipient;
	json_array_foreach(json_object_get(record, "rcpt_to"), i, recipient)
	{
		char answer[LINE_SIZE];
		format_answer(recipient, answer);
		write_line(out, TIME_WIDTH, "", "  to %s  %s", record_text(recipient, "address"), answer);
	}
}

static void write_record(const json_t *record, FILE *out)
{
	char answer[LINE_SIZE];
	const char *reason = record_text(record, "reason"), *relay = record_text(record, "relay");
	format_answer(json_object_get(record, "response"), answer);
	write_line(out, TIME_WIDTH, record_text(record, "ts"), "%s%s%s%s%s%s%s", record_text(record, "type"),
		   *relay ? "  relay " : "", relay, *answer ? "  " : "", answer, *reason ? "  " : "", reason);
	write_recipients(record, out);
}

void ctl_audit_print_message(const json_t *reply, FILE *out)
{
	size_t i;
	json_t *record;
	json_t *records = json_object_get(reply, "records");
	write_line(out, LABEL_WIDTH, "message", "%s", record_text(reply, "message"));
	write_facts(records, out);
	fputc('\n', out);
	json_array_foreach(records, i, record)
	{
		write_record(record, out);
	}
	if (json_is_true(json_object_get(reply, "incomplete")))
		fputs("\nNot all of the audit could be read.\n", out);
}
