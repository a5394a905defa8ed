/* Texts of warnings: what is a text, which one somebody gets, and what is put into it. */
#include "relay/warning_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define GERMAN                                                                                               \
	"Subject: {used} von {limit} {unit}\r\nMessages: Nachrichten\r\n\r\nHallo {user},\n{percent} % bis " \
	"{resets}.\n"

static struct warning_text read_text(const char *text)
{
	struct warning_text read = { 0 };
	const char *fault;
	if (warning_text_read(span_of(text), &read, &fault) != STATUS_OK)
		fail_msg("%s: %s", text, fault);
	return read;
}

static void expect_written(const struct warning_text *text, enum warning_unit unit, const char *subject,
			   const char *body)
{
	struct buf out_subject BUF_AUTO, out_body BUF_AUTO;
	const struct warning_values values = { .user = SPAN("anna@example.com"),
					       .host = SPAN("mx"),
					       .resets = SPAN("2026-11-30 00:00 CET"),
					       .used = 400,
					       .limit = 500,
					       .percent = 80,
					       .unit = unit };
	buf_init(&out_subject, 4096);
	buf_init(&out_body, 4096);
	assert_int_equal(warning_text_write(text, &values, &out_subject, &out_body), STATUS_OK);
	assert_int_equal(buf_append_byte(&out_subject, '\0'), STATUS_OK);
	assert_int_equal(buf_append_byte(&out_body, '\0'), STATUS_OK);
	assert_string_equal(buf_span(&out_subject).data, subject);
	if (body)
		assert_string_equal(buf_span(&out_body).data, body);
}

static void a_text_is_filled_in(void **state)
{
	(void)state;
	struct warning_text text = read_text(GERMAN);
	expect_written(&text, WARNING_MESSAGES, "400 von 500 Nachrichten",
		       "Hallo anna@example.com,\n80 % bis 2026-11-30 00:00 CET.\n");
	expect_written(&text, WARNING_RECIPIENTS, "400 von 500 recipients", NULL);
}

static void ours_is_english(void **state)
{
	(void)state;
	struct warning_text text = warning_text_default();
	assert_true(span_equal(text.language, SPAN("en")));
	expect_written(&text, WARNING_BYTES, "You have used 80 % of your sending quota", NULL);
	assert_non_null(strstr(text.body.data, "{used} of {limit} {unit}"));
}

/* A user's name is data: it is put in once. */
static void what_a_value_holds_is_no_variable(void **state)
{
	(void)state;
	struct warning_text text = read_text("Subject: {user}\n\nx {host}");
	struct buf subject BUF_AUTO, body BUF_AUTO;
	const struct warning_values values = { .user = SPAN("{host}"), .host = SPAN("{user}") };
	buf_init(&subject, 4096);
	buf_init(&body, 4096);
	assert_int_equal(warning_text_write(&text, &values, &subject, &body), STATUS_OK);
	assert_true(span_equal(buf_span(&subject), SPAN("{host}")));
	assert_true(span_equal(buf_span(&body), SPAN("x {user}")));
}

static void what_is_no_text_is_refused(void **state)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ "", "no Subject" },
		{ "Subject: x", "no empty line ends its header" },
		{ "\nbody", "no Subject" },
		{ "Subject: x\n\n \n", "no text after its header" },
		{ "Subject x\n\nbody", "has no colon" },
		{ "To: x\n\nbody", "is not known; expected Subject" },
		{ "Subject: {usd}\n\nbody", "variable that is not known" },
		{ "Subject: x\nBytes: {used}\n\nbody", "has a brace" },
		{ "Subject: x\n\nbody {}", "variable that is not known" },
		{ "Subject: x\n\nbody \x1B[2J", "control characters" },
		{ "Subject: x\n\nGr\xFC\xDF"
		  "e",
		  "not UTF-8" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct warning_text text;
		const char *fault = NULL;
		if (warning_text_read(span_of(cases[i].text), &text, &fault) != STATUS_INVALID)
			fail_msg("%s: taken", cases[i].text);
		if (!strstr(fault, cases[i].fault))
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].text, fault, cases[i].fault);
	}
}

static void a_single_brace_is_text(void **state)
{
	(void)state;
	struct warning_text text = read_text("Subject: a } b { c\n\nx");
	expect_written(&text, WARNING_MESSAGES, "a } b { c", "x");
}

static void the_language_that_somebody_prefers(void **state)
{
	static const struct {
		const char *languages, *found;
	} cases[] = {
		{ "de", "de" },
		{ "DE-at", "de" },
		{ "pt-BR, de;q=0.5", "pt-BR" },
		{ "pt-PT, de;q=0.5", "de" },
		{ " fr ;q=1, pt-br", "pt-BR" },
		{ "fr", "" },
		{ "", "" },
		{ "-,;, ", "" },
	};
	struct warning_text texts[3] = { read_text("Subject: all\n\nx"), read_text(GERMAN),
					 read_text("Subject: p\n\nx") };
	(void)state;
	texts[1].language = SPAN("de");
	texts[2].language = SPAN("pt-BR");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct warning_text found = warning_text_find(texts, 3, span_of(cases[i].languages));
		if (!span_equal(found.language, span_of(cases[i].found)))
			fail_msg("\"%s\" finds \"%.*s\"", cases[i].languages, SPAN_ARGS(found.language));
	}
	assert_true(span_equal(warning_text_find(texts + 1, 2, SPAN("fr")).language, SPAN("en")));
	assert_true(span_equal(warning_text_find(NULL, 0, SPAN("de")).language, SPAN("en")));
}

/* From the top of the tree, as all unit tests run. */
static void the_examples_are_texts(void **state)
{
	static const char *const paths[] = { "conf/examples/notify/quota.txt", "conf/examples/notify/quota.de.txt" };
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char bytes[WARNING_TEXT_SIZE_MAXIMUM];
		FILE *file = fopen(paths[i], "r");
		assert_non_null(file);
		size_t size = fread(bytes, 1, sizeof(bytes) - 1, file);
		fclose(file);
		bytes[size] = '\0';
		(void)read_text(bytes);
	}
}

static void several_texts_travel_in_one_piece(void **state)
{
	struct buf pack BUF_AUTO;
	struct warning_text texts[WARNING_TEXTS_MAXIMUM];
	size_t count = 0;
	(void)state;
	buf_init(&pack, 65536);
	assert_int_equal(warning_texts_read(buf_span(&pack), texts, &count), STATUS_OK);
	assert_int_equal(count, 0);
	assert_int_equal(warning_texts_add(&pack, SPAN(""), SPAN("Subject: all\n\nx")), STATUS_OK);
	assert_int_equal(warning_texts_add(&pack, SPAN("de"), SPAN(GERMAN)), STATUS_OK);
	assert_int_equal(warning_texts_read(buf_span(&pack), texts, &count), STATUS_OK);
	assert_int_equal(count, 2);
	assert_true(span_equal(texts[1].language, SPAN("de")));
	assert_true(span_equal(texts[1].subject, SPAN("{used} von {limit} {unit}")));
	struct span cut = span_slice(buf_span(&pack), 0, buf_size(&pack) - 1);
	assert_int_equal(warning_texts_read(cut, texts, &count), STATUS_INVALID);
	for (unsigned i = 0; i < WARNING_TEXTS_MAXIMUM; i++)
		assert_int_equal(warning_texts_add(&pack, SPAN("x"), SPAN("Subject: x\n\nx")), STATUS_OK);
	assert_int_equal(warning_texts_read(buf_span(&pack), texts, &count), STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_filled_in),
		cmocka_unit_test(ours_is_english),
		cmocka_unit_test(what_a_value_holds_is_no_variable),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(a_single_brace_is_text),
		cmocka_unit_test(the_language_that_somebody_prefers),
		cmocka_unit_test(the_examples_are_texts),
		cmocka_unit_test(several_texts_travel_in_one_piece),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
