/* The header: where it ends, and what it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "smtp/header.h"

struct end_case {
	const char *what;
	const char *bytes;
	size_t size; /* of the header */
};

static const struct end_case end_cases[] = {
	{ "an empty line", "A: b\r\nC: d\r\n\r\nbody\r\n", 12 },
	{ "a folded field", "A: b\r\n c\r\n\td\r\n\r\n", 14 },
	{ "a line of blanks goes on with the field", "A: b\r\n \r\nC: d\r\n\r\n", 15 },
	{ "a line that is no field", "A: b\r\nhello world\r\nC: d\r\n\r\n", 6 },
	{ "a body without header", "hello\r\n", 0 },
	{ "an empty line first", "\r\nbody\r\n", 0 },
	{ "a blank first", " A: b\r\n\r\n", 0 },
	{ "blanks within a name", "From me: b\r\n\r\n", 0 },
	{ "an mbox line", "From me@d Sat Jan 01 10:00:00 2026\r\nA: b\r\n\r\n", 0 },
	{ "a name without a name", ": b\r\n\r\n", 0 },
	{ "blanks in front of the colon", "A : b\r\nB\t:\r\n\r\n", 12 },
	{ "a control byte in a name", "A: b\r\nFrom\v: x\r\n\r\n", 6 },
	{ "8-bit bytes in a name", "\xC3\x9C-Thread: b\r\n\r\n", 14 },
	{ "a stuffed dot", "A: b\r\n..X: c\r\n.D: d\r\n. e\r\n\r\n", 26 },
	{ "a stuffed dot in a line that is no field", "A: b\r\n..\r\n\r\n", 6 },
};

static void test_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(end_cases) / sizeof(*end_cases); i++) {
		const struct end_case *c = &end_cases[i];
		size_t size = 99;
		assert_int_equal(header_find_end(span_of(c->bytes), false, &size), STATUS_OK);
		if (size != c->size)
			fail_msg("%s: %zu", c->what, size);
	}
}

/* The answer never changes once it is given. */
static void test_the_end_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(end_cases) / sizeof(*end_cases); i++) {
		struct span bytes = span_of(end_cases[i].bytes);
		for (size_t size = 0; size <= bytes.size; size++) {
			size_t found = end_cases[i].size;
			enum status status = header_find_end(span_slice(bytes, 0, size), false, &found);
			assert_true(status == STATUS_AGAIN || status == STATUS_OK);
			if (found != end_cases[i].size)
				fail_msg("%s: %zu at %zu", end_cases[i].what, found, size);
		}
	}
}

static void test_a_message_of_header_alone(void **state)
{
	(void)state;
	size_t size = 99;
	assert_int_equal(header_find_end(SPAN("A: b\r\n c\r\n"), false, &size), STATUS_AGAIN);
	assert_int_equal(header_find_end(SPAN("A: b\r\n c\r\n"), true, &size), STATUS_OK);
	assert_int_equal(size, 10);
	assert_int_equal(header_find_end(SPAN(""), true, &size), STATUS_OK);
	assert_int_equal(size, 0);
}

/* A line that may be one is not judged before the next one is there, and then for good. */
static void test_mbox_lines(void **state)
{
	static const struct end_case cases[] = {
		{ "none", "A: b\r\n\r\n", 0 },
		{ "one", "From root Mon Nov 23 08:00:00 2026\r\nA: b\r\n\r\n", 36 },
		{ "one with a stuffed dot", ".From root Mon Nov 23 08:00:00 2026\r\nA: b\r\n\r\n", 37 },
		{ "a quoted one", ">From me@d\r\nA: b\r\n\r\n", 12 },
		{ "two", "From me@d\r\n>From you@d\r\nA: b\r\n\r\n", 24 },
		{ "text that begins alike", "From me to you\r\nhello\r\n", 0 },
		{ "text and an empty line", "From me to you\r\n\r\nA: b\r\n", 0 },
		{ "a continuation after it", "From me\r\n A: b\r\n\r\n", 0 },
		{ "a field", "From : me@d\r\nA: b\r\n\r\n", 0 },
		{ "in lower case", "from me@d\r\nA: b\r\n\r\n", 0 },
		{ "within the header", "A: b\r\nFrom me@d\r\nC: d\r\n\r\n", 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct span bytes = span_of(cases[i].bytes);
		for (size_t size = 0; size <= bytes.size; size++) {
			size_t found = cases[i].size;
			enum status status = header_measure_mbox(span_slice(bytes, 0, size), false, &found);
			assert_true(status == STATUS_AGAIN || status == STATUS_OK);
			if (found != cases[i].size || (status == STATUS_AGAIN && size == bytes.size))
				fail_msg("%s: %zu at %zu", cases[i].what, found, size);
		}
	}
}

static void test_mbox_lines_alone_are_text(void **state)
{
	size_t size = 99;
	(void)state;
	assert_int_equal(header_measure_mbox(SPAN("From me\r\n"), true, &size), STATUS_OK);
	assert_int_equal(size, 0);
	assert_int_equal(header_measure_mbox(SPAN(""), true, &size), STATUS_OK);
	assert_int_equal(size, 0);
}

static void test_an_endless_header_is_too_large(void **state)
{
	(void)state;
	static char bytes[HEADER_MAXIMUM + 8];
	size_t size;
	for (size_t i = 0; i + 8 <= sizeof(bytes); i += 8)
		memcpy(bytes + i, "Abcd: e\n", 8);
	assert_int_equal(header_find_end((struct span){ bytes, HEADER_MAXIMUM - 8 }, false, &size), STATUS_AGAIN);
	assert_int_equal(header_find_end((struct span){ bytes, sizeof(bytes) }, false, &size), STATUS_TOO_LARGE);
	assert_int_equal(header_find_end((struct span){ bytes, sizeof(bytes) }, true, &size), STATUS_TOO_LARGE);
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(header_find_end((struct span){ bytes, sizeof(bytes) }, false, &size), STATUS_TOO_LARGE);
}

/* ---- facts */

static void test_facts(void **state)
{
	(void)state;
	struct buf addresses BUF_AUTO;
	struct header_facts facts;
	struct span header = SPAN("received: one\r\nReceived : two\r\n\tthree\r\nDATE: now\r\n"
				  "Message-Id:\r\n <1@d>\r\nX: \xFF\r\nFrom: me@d\r\n");
	buf_init(&addresses, 1000);
	assert_int_equal(header_read(header, &facts, &addresses), STATUS_OK);
	assert_int_equal(facts.received_count, 2);
	assert_int_equal(facts.from_count, 1);
	assert_true(facts.has_date && facts.has_message_id && facts.is_8bit);
	assert_true(span_equal(facts.message_id, SPAN("<1@d>")));
	assert_true(span_equal(buf_span(&addresses), SPAN("me@d")));
}

static void test_facts_of_an_empty_header(void **state)
{
	(void)state;
	struct buf addresses BUF_AUTO;
	struct header_facts facts;
	buf_init(&addresses, 1000);
	assert_int_equal(header_read(SPAN(""), &facts, &addresses), STATUS_OK);
	assert_false(facts.from_count || facts.has_date || facts.has_message_id || facts.is_8bit);
	assert_int_equal(facts.message_id.size + buf_size(&addresses), 0);
}

static void test_facts_are_told_even_where_from_is_refused(void **state)
{
	(void)state;
	struct buf addresses BUF_AUTO;
	struct header_facts facts;
	buf_init(&addresses, 1000);
	assert_int_equal(header_read(SPAN("From: <<x>\r\nFrom: me@d\r\nDate: x\r\n"), &facts, &addresses),
			 STATUS_INVALID);
	assert_true(facts.has_date);
	assert_int_equal(facts.from_count, 2);
	assert_int_equal(buf_size(&addresses), 0);
}

static void expect_message_id(const char *header, const char *wanted)
{
	struct buf addresses BUF_AUTO;
	struct header_facts facts;
	buf_init(&addresses, 1000);
	assert_int_equal(header_read(span_of(header), &facts, &addresses), STATUS_OK);
	assert_true(facts.has_message_id);
	if (!span_equal(facts.message_id, span_of(wanted)))
		fail_msg("\"%s\": \"%.*s\"", header, SPAN_ARGS(facts.message_id));
}

static void test_message_ids(void **state)
{
	(void)state;
	expect_message_id("Message-ID: <a@b>\r\n", "<a@b>");
	expect_message_id("Message-ID: (x) <a@b> y\r\n", "<a@b>");
	expect_message_id("Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n", "<a@b>");
	expect_message_id("Message-ID: a@b\r\n", "");
	expect_message_id("Message-ID: <a@\r\n b>\r\n", "");
	expect_message_id("Message-ID: <a@b\r\n", "");
	expect_message_id("Message-ID: <a b>\r\n", "");
	expect_message_id("Message-ID:\r\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_end),
		cmocka_unit_test(test_the_end_byte_by_byte),
		cmocka_unit_test(test_a_message_of_header_alone),
		cmocka_unit_test(test_mbox_lines),
		cmocka_unit_test(test_mbox_lines_alone_are_text),
		cmocka_unit_test(test_an_endless_header_is_too_large),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_facts_of_an_empty_header),
		cmocka_unit_test(test_facts_are_told_even_where_from_is_refused),
		cmocka_unit_test(test_message_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
