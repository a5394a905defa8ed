/* What is exported of a record: what is read from its line, syslog messages, and the Elastic Common Schema. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "export/ecs.h"
#include "export/syslog_format.h"
#include "tests/unit/failing_memory.h"

#define CHAIN ",\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":7,\"prev\":\"00\"}}"
#define RECORD(type, more) \
	"{\"ts\":\"2026-11-23T08:15:30.123456Z\",\"type\":\"" type "\",\"node\":\"mail.example.com\"" more CHAIN

static void a_line_is_read_without_parsing_it(void **state)
{
	(void)state;
	struct record_line line;
	assert_int_equal(record_line_read(SPAN(RECORD("message.sent", "")), &line), STATUS_OK);
	assert_true(span_equal(line.ts, SPAN("2026-11-23T08:15:30.123456Z")));
	assert_true(span_equal(line.type, SPAN("message.sent")));
	assert_true(span_equal(line.chain_id, SPAN("0123456789abcdef")));
	assert_int_equal(line.chain_seq, 7);
}

static void what_a_client_said_is_not_taken_for_the_chain(void **state)
{
	(void)state;
	struct record_line line;
	const char *said = RECORD("session.open", ",\"helo\":\"\\\"chain\\\":{\\\"id\\\":\\\"x\\\",\\\"seq\\\":1}\"");
	assert_int_equal(record_line_read(span_of(said), &line), STATUS_OK);
	assert_int_equal(line.chain_seq, 7);
}

static void what_is_no_record_is_told(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"",
		"{",
		"}",
		"{}",
		"torn{",
		"{\"ts\":\"2026-11-23T08:15:30.123456Z\",\"type\":\"message.sent\"}",
		"{\"ts\":\"yesterday\",\"type\":\"message.sent\"" CHAIN,
		"{\"ts\":\"2026-11-23T08:15:30.123456Z\"" CHAIN,
		"{\"ts\":\"2026-11-23T08:15:30.123456Z\",\"type\":\"a\",\"chain\":{\"id\":\"\",\"seq\":7}}",
		"{\"ts\":\"2026-11-23T08:15:30.123456Z\",\"type\":\"a\",\"chain\":{\"id\":\"a\",\"seq\":}}",
		"{\"ts\":\"2026-11-23T08:15:30.123456Z\",\"type\":\"a\",\"chain\":{\"id\":\"a\",\"seq\":-1}}",
		"{\"ts\":\"2026-11-23T08:15:30.123456Z\",\"type\":\"a\",\"chain\":{\"id\":\"a\",\"seq\":"
		"99999999999999999999}}",
	};
	struct record_line line;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(record_line_read(span_of(lines[i]), &line), STATUS_INVALID);
	/* Cut anywhere, it is none either. */
	const char *whole = RECORD("message.sent", "");
	for (size_t size = 0; size < strlen(whole); size++)
		assert_int_equal(record_line_read((struct span){ whole, size }, &line), STATUS_INVALID);
}

/* ---- syslog */

static void expect_message(const char *type_and_more, const char *node, const char *header)
{
	struct record_line line;
	struct buf out BUF_AUTO;
	char expected[2048];
	buf_init(&out, 4096);
	assert_int_equal(record_line_read(span_of(type_and_more), &line), STATUS_OK);
	assert_int_equal(syslog_format_message(&line, line.text, node, &out), STATUS_OK);
	snprintf(expected, sizeof(expected), "%s%s", header, type_and_more);
	assert_true(span_equal(buf_span(&out), span_of(expected)));
}

static void a_message_has_the_header_of_rfc_5424(void **state)
{
	(void)state;
	expect_message(RECORD("message.sent", ""), "mail.example.com",
		       "<110>1 2026-11-23T08:15:30.123456Z mail.example.com subgate - message.sent - ");
	expect_message(RECORD("auth.failure", ""), "mail.example.com",
		       "<108>1 2026-11-23T08:15:30.123456Z mail.example.com subgate - auth.failure - ");
	expect_message(RECORD("quota.lost", ""), "", "<107>1 2026-11-23T08:15:30.123456Z - subgate - quota.lost - ");
	expect_message(RECORD("a b", ""), "no host", "<110>1 2026-11-23T08:15:30.123456Z - subgate - - - ");
}

static void a_frame_begins_with_its_length(void **state)
{
	(void)state;
	struct record_line line;
	struct buf out BUF_AUTO;
	buf_init(&out, 4096);
	assert_int_equal(record_line_read(SPAN(RECORD("message.sent", "")), &line), STATUS_OK);
	assert_int_equal(syslog_format_frame(&line, SPAN("one"), "n", &out), STATUS_OK);
	assert_int_equal(syslog_format_frame(&line, SPAN("two"), "n", &out), STATUS_OK);
	assert_true(span_equal(buf_span(&out),
			       SPAN("65 <110>1 2026-11-23T08:15:30.123456Z n subgate - message.sent - one"
				    "65 <110>1 2026-11-23T08:15:30.123456Z n subgate - message.sent - two")));
}

static void a_record_too_long_for_a_datagram_is_named_in_one(void **state)
{
	(void)state;
	struct record_line line;
	struct buf out BUF_AUTO;
	buf_init(&out, 1U << 20);
	char *payload = calloc(1, SYSLOG_DATAGRAM_MAXIMUM + 1);
	memset(payload, 'x', SYSLOG_DATAGRAM_MAXIMUM + 1);
	assert_int_equal(record_line_read(SPAN(RECORD("message.sent", "")), &line), STATUS_OK);
	struct span fits = { payload, SYSLOG_DATAGRAM_MAXIMUM }, too_long = { payload, SYSLOG_DATAGRAM_MAXIMUM + 1 };
	assert_int_equal(syslog_format_datagram(&line, fits, "n", &out), STATUS_OK);
	assert_true(buf_size(&out) > SYSLOG_DATAGRAM_MAXIMUM);
	buf_clear(&out);
	assert_int_equal(syslog_format_datagram(&line, too_long, "n", &out), STATUS_OK);
	assert_true(span_equal(buf_span(&out),
			       SPAN("<110>1 2026-11-23T08:15:30.123456Z n subgate - message.sent - "
				    "{\"ts\":\"2026-11-23T08:15:30.123456Z\",\"type\":\"message.sent\",\"cut\":true,"
				    "\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":7}}")));
	free(payload);
}

/* ---- ECS */

static json_t *convert(const char *line)
{
	struct buf out BUF_AUTO;
	buf_init(&out, 65536);
	assert_int_equal(ecs_write(span_of(line), &out), STATUS_OK);
	json_t *object = json_loadb(buf_span(&out).data, buf_size(&out), 0, NULL);
	assert_non_null(object);
	return object;
}

/* "email.from.address" as compact JSON; "" if it is not there. */
static void expect_at(const json_t *object, const char *path, const char *expected)
{
	struct span rest = span_of(path), part;
	char name[64];
	while (span_cut(&rest, '.', &part)) {
		snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(part));
		object = json_object_get(object, name);
	}
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("");
	assert_string_equal(text, expected);
	free(text);
}

#define SENT                                                                                                        \
	RECORD("message.sent",                                                                                      \
	       ",\"message\":\"1M8\",\"user\":\"alice@example.com\",\"user_id\":\"u1\",\"client_address\":"         \
	       "\"192.0.2.7\",\"client_port\":5000,\"tls_version\":\"TLSv1.3\",\"tls_cipher\":\"C\",\"mail_from\":" \
	       "\"b@example.com\",\"header_from\":\"a@example.com\",\"rcpt_to\":[{\"address\":\"x@example.net\"},"  \
	       "{\"address\":\"y@example.net\",\"code\":250}],\"message_id\":\"<1@x>\",\"relay\":\"gmail\","        \
	       "\"reason\":\"why\",\"duration_ms\":12")

static void a_message_is_told_in_the_words_of_ecs(void **state)
{
	(void)state;
	json_t *object = convert(SENT);
	expect_at(object, "@timestamp", "\"2026-11-23T08:15:30.123456Z\"");
	expect_at(object, "event.action", "\"message.sent\"");
	expect_at(object, "event.category", "[\"email\"]");
	expect_at(object, "event.outcome", "\"success\"");
	expect_at(object, "event.id", "\"0123456789abcdef-7\"");
	expect_at(object, "event.sequence", "7");
	expect_at(object, "event.reason", "\"why\"");
	expect_at(object, "event.duration", "12000000");
	expect_at(object, "host.name", "\"mail.example.com\"");
	expect_at(object, "user", "{\"name\":\"alice@example.com\",\"id\":\"u1\"}");
	expect_at(object, "source", "{\"ip\":\"192.0.2.7\",\"port\":5000}");
	expect_at(object, "related.ip", "[\"192.0.2.7\"]");
	expect_at(object, "tls", "{\"version\":\"1.3\",\"version_protocol\":\"tls\",\"cipher\":\"C\"}");
	expect_at(object, "email.from.address", "[\"a@example.com\"]");
	expect_at(object, "email.sender.address", "\"b@example.com\"");
	expect_at(object, "email.to.address", "[\"x@example.net\",\"y@example.net\"]");
	expect_at(object, "email.message_id", "\"<1@x>\"");
	expect_at(object, "email.local_id", "\"1M8\"");
	expect_at(object, "subgate.relay", "\"gmail\"");
	expect_at(object, "subgate.chain.prev", "\"00\"");
	expect_at(object, "subgate.ts", "");
	json_decref(object);
}

static void each_kind_of_record_has_its_category_and_outcome(void **state)
{
	(void)state;
	static const struct {
		const char *line, *category, *outcome;
	} rows[] = {
		{ RECORD("session.open", ""), "[\"session\"]", "\"success\"" },
		{ RECORD("session.refused", ""), "[\"session\"]", "\"failure\"" },
		{ RECORD("session.anonymous", ""), "[\"session\"]", "\"unknown\"" },
		{ RECORD("auth.failure", ""), "[\"authentication\"]", "\"failure\"" },
		{ RECORD("message.leaving", ""), "[\"email\"]", "\"unknown\"" },
		{ RECORD("message.refused", ""), "[\"email\"]", "\"failure\"" },
		{ RECORD("quota.lost", ""), "[\"email\"]", "\"unknown\"" },
		{ RECORD("user.locked", ""), "[\"iam\"]", "\"success\"" },
		{ RECORD("admin.command", ""), "[\"configuration\"]", "\"unknown\"" },
		{ RECORD("audit.checkpoint", ""), "", "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *object = convert(rows[i].line);
		expect_at(object, "event.category", rows[i].category);
		expect_at(object, "event.outcome", rows[i].outcome);
		expect_at(object, "email", "");
		json_decref(object);
	}
}

static void an_empty_sender_and_no_recipients_are_no_addresses(void **state)
{
	(void)state;
	json_t *object = convert(RECORD("message.refused", ",\"message\":\"1\",\"mail_from\":\"\",\"rcpt_to\":[]"));
	expect_at(object, "email", "{\"direction\":\"outbound\",\"local_id\":\"1\",\"sender\":{\"address\":\"\"}}");
	json_decref(object);
}

static void what_is_no_record_is_not_told_in_other_words(void **state)
{
	(void)state;
	static const char *const lines[] = { "", "[]", "{}", "{\"ts\":1,\"type\":\"a\"}", "{\"ts\":\"a\"}", "{" };
	struct buf out BUF_AUTO;
	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(ecs_write(span_of(lines[i]), &out), STATUS_INVALID);
	assert_int_equal(buf_size(&out), 0);
}

#ifndef SUBGATE_SANITIZED
static void what_is_no_json_is_told_as_far_as_it_goes(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	struct record_line line;
	const char *text = RECORD("message.sent", ",\"helo\":\"\xff\\q\x01\"");
	buf_init(&out, 4096);
	assert_int_equal(record_line_read(span_of(text), &line), STATUS_OK);
	assert_int_equal(ecs_write(line.text, &out), STATUS_INVALID);
	buf_clear(&out);
	assert_int_equal(ecs_write_unread(&line, &out), STATUS_OK);
	json_t *json = json_loadb(buf_span(&out).data, buf_size(&out), 0, NULL);
	expect_at(json, "@timestamp", "\"2026-11-23T08:15:30.123456Z\"");
	expect_at(json, "event.action", "\"message.sent\"");
	expect_at(json, "subgate.chain.id", "\"0123456789abcdef\"");
	const char *original = json_string_value(json_object_get(json_object_get(json, "event"), "original"));
	assert_non_null(strstr(original, "'helo':'??q?'"));
	json_decref(json);
}

static void without_memory_it_is_told_so_and_nothing_leaks(void **state)
{
	(void)state;
	struct buf whole BUF_AUTO;
	enum status status = STATUS_NO_MEMORY;
	buf_init(&whole, 65536);
	assert_int_equal(ecs_write(SPAN(SENT), &whole), STATUS_OK);
	for (unsigned long n = 1; status != STATUS_OK; n++) {
		struct buf out;
		buf_init(&out, 65536);
		long living = memory_living;
		memory_counts = true;
		memory_left = n;
		status = ecs_write(SPAN(SENT), &out);
		memory_counts = false;
		memory_left = 0;
		assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
		if (status == STATUS_OK) {
			assert_true(span_equal(buf_span(&out), buf_span(&whole))); /* not a byte is lost */
		}
		buf_free(&out);
		assert_int_equal(memory_living, living);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_read_without_parsing_it),
		cmocka_unit_test(what_a_client_said_is_not_taken_for_the_chain),
		cmocka_unit_test(what_is_no_record_is_told),
		cmocka_unit_test(a_message_has_the_header_of_rfc_5424),
		cmocka_unit_test(a_frame_begins_with_its_length),
		cmocka_unit_test(a_record_too_long_for_a_datagram_is_named_in_one),
		cmocka_unit_test(a_message_is_told_in_the_words_of_ecs),
		cmocka_unit_test(each_kind_of_record_has_its_category_and_outcome),
		cmocka_unit_test(an_empty_sender_and_no_recipients_are_no_addresses),
		cmocka_unit_test(what_is_no_record_is_not_told_in_other_words),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(what_is_no_json_is_told_as_far_as_it_goes),
		cmocka_unit_test(without_memory_it_is_told_so_and_nothing_leaks),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
