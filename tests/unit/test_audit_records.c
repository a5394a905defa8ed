/* Audit records: what stands in them, what fits, and the chain that they make. On real files. */
#include "audit_fixture.h"

static void a_record_holds_what_it_was_given_and_nothing_else(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_recipient recipients[] = {
		{ SPAN("bob@example.net"), { 250, SPAN("2.1.5"), SPAN("OK") } },
		{ SPAN("eve@example.net"), { 550, SPAN("5.1.1"), SPAN("No \"such\"\nuser") } },
	};
	struct audit_event event = message_event(AUDIT_MESSAGE_SENT, "m1", 2);
	event.recipients = recipients;
	event.recipient_count = 2;
	event.response = (struct audit_reply){ 250, SPAN("2.0.0"), SPAN("queued") };
	event.quota = (struct audit_quota){ 3, 500, 1800000000 };
	event.has_duration = true;
	start_audit(bench);
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	json_t *records = read_records(bench);
	const json_t *record = json_array_get(records, 0);
	assert_string_equal(text_of(records, 0, "type"), "message.sent");
	assert_string_equal(text_of(records, 0, "node"), "node.example");
	assert_int_equal(strlen(text_of(records, 0, "ts")), strlen("2026-11-23T08:15:30.123456Z"));
	assert_int_equal(json_integer_value(json_object_get(record, "attempt")), 2);
	assert_int_equal(json_array_size(json_object_get(record, "rcpt_to")), 2);
	const json_t *second = json_array_get(json_object_get(record, "rcpt_to"), 1);
	assert_string_equal(json_string_value(json_object_get(second, "text")), "No \"such\"\nuser");
	assert_string_equal(json_string_value(json_object_get(json_object_get(record, "quota"), "resets_at")),
			    "2027-01-15T08:00:00Z");
	assert_string_equal(text_of(records, 0, "shared_quota"), "team");
	assert_int_equal(json_integer_value(json_object_get(record, "duration_ms")), 0);
	assert_null(json_object_get(record, "reason"));
	assert_null(json_object_get(record, "client_port"));
	json_decref(records);
}

/* Of the two records of an attempt, as text without what is theirs alone. */
static char *members_in_common(json_t *records, size_t index)
{
	json_t *record = json_deep_copy(json_array_get(records, index));
	static const char *const own[] = { "ts", "type", "chain", "response", "reason" };
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		json_object_del(record, own[i]);
	char *text = json_dumps(record, JSON_COMPACT);
	json_decref(record);
	return text;
}

static void an_outcome_repeats_what_its_leaving_said(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_recipient recipients[] = { { SPAN("b\"ob@example.net"), { 250, SPAN("2.1.5"), SPAN("OK") } } };
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m1", 1);
	struct buf alike BUF_AUTO;
	buf_init(&alike, 4096);
	event.recipients = recipients;
	event.recipient_count = 1;
	event.out_alike = &alike;
	start_audit(bench);
	assert_int_equal(audit_submit(bench->audit, &event, NULL, NULL), STATUS_OK);
	assert_true(buf_size(&alike) > 0);
	const struct audit_event outcome = { .type = AUDIT_MESSAGE_SENT,
					     .message = event.message,
					     .attempt = 1,
					     .shared_quota = event.shared_quota,
					     .alike = buf_span(&alike),
					     .response = { 250, SPAN("2.0.0"), SPAN("queued") } };
	assert_int_equal(audit_submit(bench->audit, &outcome, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	json_t *records = read_records(bench);
	char *first = members_in_common(records, 0), *second = members_in_common(records, 1);
	assert_string_equal(first, second);
	assert_non_null(strstr(second, "b\\\"ob@example.net"));
	free(first);
	free(second);
	json_decref(records);
}

/* What does not fit is written anew. */
static void a_record_too_long_to_be_kept_is_written_all_the_same(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m1", 1);
	struct buf alike BUF_AUTO;
	buf_init(&alike, 16);
	event.out_alike = &alike;
	start_audit(bench);
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(buf_size(&alike), 0);
	json_t *records = read_records(bench);
	assert_string_equal(text_of(records, 0, "message"), "m1");
	json_decref(records);
}

static void a_command_of_root_has_its_uid(void **state)
{
	struct audit_bench *bench = *state;
	const struct audit_command command = { 0,           SPAN("root"),      SPAN(""),    SPAN("app-password create"),
					       SPAN("a@x"), SPAN("--label l"), SPAN("done") };
	const struct audit_event event = { .type = AUDIT_ADMIN_COMMAND, .user = SPAN("a@x"), .command = &command };
	start_audit(bench);
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	json_t *records = read_records(bench);
	const json_t *uid = json_object_get(json_array_get(records, 0), "uid");
	assert_true(json_is_integer(uid) && json_integer_value(uid) == 0);
	assert_string_equal(text_of(records, 0, "admin"), "root");
	assert_string_equal(text_of(records, 0, "command"), "app-password create");
	assert_string_equal(text_of(records, 0, "object"), "a@x");
	assert_string_equal(text_of(records, 0, "options"), "--label l");
	assert_string_equal(text_of(records, 0, "result"), "done");
	json_decref(records);
}

static void bytes_that_are_no_utf8_are_replaced_and_the_record_stays_json(void **state)
{
	struct audit_bench *bench = *state;
	static const struct {
		struct span given;
		const char *shown;
	} cases[] = {
		{ SPAN("caf\xe9"), "caf\xef\xbf\xbd" },
		{ SPAN("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong */
		{ SPAN("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
		{ SPAN("a\xf0\x9f\x8e\x89z"), "a\xf0\x9f\x8e\x89z" },
		{ SPAN("\xc2\x9b[2J\xc2\x85\xc2\xa0"),
		  "\xef\xbf\xbd[2J\xef\xbf\xbd\xc2\xa0" },        /* C1 controls, and none */
		{ SPAN("\xf0\x9f"), "\xef\xbf\xbd\xef\xbf\xbd" }, /* cut off */
	};
	start_audit(bench);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct audit_event event = { .type = AUDIT_AUTH_FAILURE, .user = cases[i].given };
		bench->told = 0;
		assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
		run_until(bench->loop, was_told, bench);
		json_t *records = read_records(bench);
		assert_string_equal(text_of(records, i, "user"), cases[i].shown);
		json_decref(records);
	}
}

static void a_thousand_recipients_fit_in_a_record(void **state)
{
	struct audit_bench *bench = *state;
	static struct audit_recipient recipients[1000];
	static char address[254], reply[1024];
	struct audit_event event = message_event(AUDIT_MESSAGE_SENT, "m1", 1);
	memset(address, 'a', sizeof(address));
	memset(reply, '"', sizeof(reply));
	for (size_t i = 0; i < 1000; i++) {
		recipients[i].address = (struct span){ address, sizeof(address) };
		recipients[i].reply = (struct audit_reply){ 250, SPAN("2.1.5"), { reply, sizeof(reply) } };
	}
	event.recipients = recipients;
	event.recipient_count = 1000;
	start_audit(bench);
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(json_object_get(json_array_get(records, 0), "rcpt_to")), 1000);
	json_decref(records);
}

static void what_may_leave_has_an_outcome_that_fits(void **state)
{
	static char reply[65536], from[AUDIT_RECORD_MAXIMUM];
	struct buf record BUF_AUTO;
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m1", 1);
	(void)state;
	memset(from, 'a', sizeof(from));
	memset(reply, '\xff', sizeof(reply));
	buf_init(&record, AUDIT_RECORD_MAXIMUM);
	event.header_from = (struct span){ from, sizeof(from) };
	while (event.header_from.size && audit_record_write(&record, &event, "node.example") != STATUS_OK)
		event.header_from.size -= 1024;
	assert_in_range(event.header_from.size, AUDIT_RECORD_MAXIMUM / 2, AUDIT_RECORD_MAXIMUM);
	for (int byte = 0xff; byte; byte = byte == 0xff ? 1 : 0) {
		memset(reply, byte, sizeof(reply));
		buf_clear(&record);
		event.type = AUDIT_MESSAGE_SENT;
		event.response = (struct audit_reply){ 250, SPAN("2.0.0"), { reply, sizeof(reply) } };
		assert_int_equal(audit_record_write(&record, &event, "node.example"), STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_record_holds_what_it_was_given_and_nothing_else),
		WITH_BENCH(an_outcome_repeats_what_its_leaving_said),
		WITH_BENCH(a_record_too_long_to_be_kept_is_written_all_the_same),
		WITH_BENCH(a_command_of_root_has_its_uid),
		WITH_BENCH(bytes_that_are_no_utf8_are_replaced_and_the_record_stays_json),
		WITH_BENCH(a_thousand_recipients_fit_in_a_record),
		WITH_BENCH(what_may_leave_has_an_outcome_that_fits),
	};
	return cmocka_run_group_tests_name("audit records", tests, NULL, NULL);
}
