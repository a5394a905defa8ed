/* What a browser reads of a stream of events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "console/pages/events.h"

#define ROOM 256

static void nothing_in_a_message_is_taken_for_more_than_its_text(void **state)
{
	(void)state;
	static const struct {
		const char *text, *sent;
	} cases[] = {
		{ "one", "data: one\n\n" },
		{ "one\ntwo\n", "data: one\ndata: two\n\n" },
		{ "one\r\ntwo", "data: one\ndata: two\n\n" },
		{ "a\n\nevent: b", "data: a\ndata: \ndata: event: b\n\n" },
		{ "a\r\rretry: 1", "data: a\ndata: \ndata: retry: 1\n\n" },
		{ "a\r\n\r\nid: 1\r", "data: a\ndata: \ndata: id: 1\n\n" },
		{ "\ndata: x", "data: \ndata: data: x\n\n" },
		{ ": no comment", "data: : no comment\n\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, ROOM);
		assert_int_equal(events_add_message(span_of(cases[i].text), &out), STATUS_OK);
		assert_true(span_equal(buf_span(&out), span_of(cases[i].sent)));
	}
}

static void what_is_no_message_shows_nothing(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, ROOM);
	assert_int_equal(events_add_retry(2000, &out), STATUS_OK);
	assert_int_equal(events_add_nothing(&out), STATUS_OK);
	assert_true(span_equal(buf_span(&out), SPAN("retry: 2000\n\n:\n\n")));
}

static void what_has_no_room_is_told(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 10);
	assert_int_equal(events_add_message(SPAN("abcdef"), &out), STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_in_a_message_is_taken_for_more_than_its_text),
		cmocka_unit_test(what_is_no_message_shows_nothing),
		cmocka_unit_test(what_has_no_room_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
