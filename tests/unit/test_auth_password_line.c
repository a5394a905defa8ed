/* Lines of the file of app passwords: what is read from them, and what is none. */
#include "app_password_lines.h"

/* ---- flat JSON */

static void describe(const char *line, char out_text[512])
{
	char scratch[512];
	struct flat flat = flat_of(span_of(line), scratch);
	struct flat_member member;
	enum status status;
	out_text[0] = '\0';
	while ((status = flat_next(&flat, &member)) == STATUS_OK) {
		char text[128];
		if (member.kind == FLAT_NUMBER)
			snprintf(text, sizeof(text), "%.*s=%llu;", SPAN_ARGS(member.name),
				 (unsigned long long)member.number);
		else
			snprintf(text, sizeof(text), "%.*s%s%.*s;", SPAN_ARGS(member.name),
				 member.kind == FLAT_LIST ? "[]" : ":", SPAN_ARGS(member.text));
		snprintf(out_text + strlen(out_text), 512 - strlen(out_text), "%s", text);
	}
	snprintf(out_text + strlen(out_text), 512 - strlen(out_text), "%s", status == STATUS_END ? "." : "!");
}

static void test_flat_json_is_read_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		const char *line, *expected;
	} cases[] = {
		{ "{}", "." },
		{ " { \"a\" : \"b\" , \"c\":12 }\t", "a:b;c=12;." },
		{ "{\"a\":[]}", "a[];." },
		{ "{\"a\":[\"x\", \"y\" ],\"b\":0}", "a[]x\ny;b=0;." },
		{ "{\"a\":\"q\\\"\\\\\\/\\u00e9\\ud83d\\ude00z\"}", "a:q\"\\/\u00e9\U0001F600z;." },
		{ "{\"a\":[\"\\u00e9\",\"\u00e9\"]}", "a[]\u00e9\n\u00e9;." },
		{ "{\"\\u0061\":\"b\"}", "a:b;." },
		{ "", "!" },
		{ "[]", "!" },
		{ "{", "!" },
		{ "{}x", "!" },
		{ "{\"a\":1,}", "a=1;!" },
		{ "{,\"a\":1}", "!" },
		{ "{\"a\":1 \"b\":2}", "a=1;!" },
		{ "{\"a\":01}", "!" },
		{ "{\"a\":-1}", "!" },
		{ "{\"a\":1.5}", "a=1;!" },
		{ "{\"a\":9007199254740992}", "!" },
		{ "{\"a\":true}", "!" },
		{ "{\"a\":{}}", "!" },
		{ "{\"a\":[1]}", "!" },
		{ "{\"a\":[\"\"]}", "!" },
		{ "{\"a\":[\"x\",]}", "!" },
		{ "{\"a\":[\"x\"", "!" },
		{ "{\"a\":\"x", "!" },
		{ "{\"a\":\"x\\", "!" },
		{ "{\"a\":\"\\n\"}", "!" },
		{ "{\"a\":\"\\u0000\"}", "!" },
		{ "{\"a\":\"\\u000a\"}", "!" },
		{ "{\"a\":\"\\u00zz\"}", "!" },
		{ "{\"a\":\"\\ud83d\"}", "!" },
		{ "{\"a\":\"\\ude00\"}", "!" },
		{ "{\"a\":\"\\ud83dx\"}", "!" },
		{ "{\"a\":\"\x01\"}", "!" },
		{ "{\"a\":\"\x7f\"}", "!" },
		{ "{\"a\":\"\xff\"}", "!" },
		{ "{\"a\":\"\xc0\xaf\"}", "!" },
		{ "{\"a\":\"\xed\xa0\x80\"}", "!" },
		{ "{\"a\":\"\xf4\x90\x80\x80\"}", "!" },
		{ "{\"a\":\"\xc2\x9b\"}", "!" },
		{ "{\"a\":\"\xe2\x82\"}", "!" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];
		describe(cases[i].line, text);
		if (strcmp(text, cases[i].expected) != 0)
			fail_msg("%s: %s", cases[i].line, text);
	}
}

/* ---- lines */

static char scratch[CHANGE_SCRATCH];

static struct app_password_change parse(const char *line)
{
	struct app_password_change change;
	if (change_parse(span_of(line), scratch, &change) != STATUS_OK)
		fail_msg("%s", line);
	return change;
}

static void assert_span(struct span s, const char *expected)
{
	if (!span_equal(s, span_of(expected)))
		fail_msg("%.*s is not %s", SPAN_ARGS(s), expected);
}

static void test_a_line_of_version_1_belongs_to_the_name(void **state)
{
	(void)state;
	struct app_password_change change =
		parse(OLD_LINE(OLD_ID, "Anna@Example.com", ",\"expires\":1900000000,\"from\":\"192.0.2.0/24\""));
	assert_int_equal(change.operation, CHANGE_CREATE);
	assert_string_equal(change.id, OLD_ID);
	assert_span(change.owner, "name:anna@example.com");
	assert_span(change.texts[APP_PASSWORD_FROM], "192.0.2.0/24");
	assert_int_equal(change.created_s, 1700000000);
	assert_int_equal(change.expires_s, 1900000000);
	assert_int_equal(change.hash.iterations, 0);
	assert_int_equal(change.hash.salt[15], 0xff);
	assert_int_equal(parse("{\"op\":\"revoke\",\"id\":\"" OLD_ID "\"}").operation, CHANGE_REVOKE);
}

static void test_a_change_is_read_as_it_was_written(void **state)
{
	(void)state;
	struct app_password_change change = {
		.operation = CHANGE_CREATE,
		.id = "BBBBBBBB",
		.owner = SPAN("corp:1"),
		.expires_s = 1900000000,
		.texts = { SPAN("anna"), SPAN("Printer \"2\"\\ \u00e9"), SPAN("192.0.2.0/24\n2001:db8::/32"),
			   SPAN("a@example.com\n@b.example"), SPAN("@example.com"), SPAN("bert") },
		.hash = { .salt = { 1 },
			  .digest = { 2 },
			  .iterations = 4096,
			  .stored_key = { 3 },
			  .server_key = { 4 } },
		.created_s = 1700000000,
		.messages_per_day = 50,
		.is_console = true,
	};
	struct buf line BUF_AUTO;
	buf_init(&line, CHANGE_LINE_MAXIMUM);
	assert_int_equal(change_format(&change, &line), STATUS_OK);
	struct span text = buf_span(&line);
	struct app_password_change read;
	assert_int_equal(change_parse(span_slice(text, 0, text.size - 1), scratch, &read), STATUS_OK);
	assert_string_equal(read.id, change.id);
	assert_true(read.is_console);
	assert_true(span_equal(read.owner, change.owner));
	for (size_t i = 0; i < APP_PASSWORD_TEXTS; i++)
		assert_true(span_equal(read.texts[i], change.texts[i]));
	assert_memory_equal(&read.hash, &change.hash, sizeof(read.hash));
	assert_int_equal(read.expires_s, change.expires_s);
	assert_int_equal(read.created_s, change.created_s);
	assert_int_equal(read.messages_per_day, change.messages_per_day);
}

static void test_the_other_changes_are_read_as_they_were_written(void **state)
{
	(void)state;
	const struct app_password_change changes[] = {
		{ .operation = CHANGE_REVOKE, .id = "A" },
		{ .operation = CHANGE_EXPIRE, .id = "A", .expires_s = 5 },
		{ .operation = CHANGE_ASSIGN, .id = "A", .owner = SPAN("corp:1") },
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct buf line BUF_AUTO;
		struct app_password_change read;
		buf_init(&line, CHANGE_LINE_MAXIMUM);
		assert_int_equal(change_format(&changes[i], &line), STATUS_OK);
		struct span text = buf_span(&line);
		assert_int_equal(change_parse(span_slice(text, 0, text.size - 1), scratch, &read), STATUS_OK);
		assert_int_equal(read.operation, changes[i].operation);
		assert_int_equal(read.expires_s, changes[i].expires_s);
		assert_true(span_equal(read.owner, changes[i].owner));
	}
}

static void test_what_is_not_exactly_a_change_is_none(void **state)
{
	(void)state;
	struct app_password_change change;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
		if (change_parse(span_of(damaged[i]), scratch, &change) != STATUS_INVALID)
			fail_msg("%s", damaged[i]);
	parse(NEW_LINE(OLD_ID, "corp:1", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flat_json_is_read_and_nothing_else),
		cmocka_unit_test(test_a_line_of_version_1_belongs_to_the_name),
		cmocka_unit_test(test_a_change_is_read_as_it_was_written),
		cmocka_unit_test(test_the_other_changes_are_read_as_they_were_written),
		cmocka_unit_test(test_what_is_not_exactly_a_change_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
