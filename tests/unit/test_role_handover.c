/* Descriptors by name: written by the supervisor, read and taken by a role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "role/handover.h"

static void what_is_written_is_read(void **state)
{
	(void)state;
	struct handover list = { 0 }, read = { 0 };
	struct buf text BUF_AUTO;
	buf_init(&text, HANDOVER_TEXT_MAXIMUM);
	assert_int_equal(handover_add(&list, TO(ROLE_GATE), 5, "listener:%s:%d", "on the dock", 0), STATUS_OK);
	assert_int_equal(handover_add(&list, TO(ROLE_GATE), 17, "tls-key"), STATUS_OK);
	assert_int_equal(handover_write(&list, &text), STATUS_OK);
	assert_int_equal(handover_read(buf_span(&text), &read), STATUS_OK);
	assert_int_equal(read.count, 2);
	assert_int_equal(handover_find(&read, "listener:on the dock:0"), 5);
	assert_int_equal(handover_find(&read, "tls-key"), 17);
	handover_forget(&list);
	handover_forget(&read);
}

static void a_text_cut_anywhere_is_refused_or_shorter(void **state)
{
	(void)state;
	const struct span whole = SPAN("5 supervisor\n6 config\n");
	for (size_t size = 0; size <= whole.size; size++) {
		struct handover list = { 0 };
		bool ends_a_line = size == 0 || whole.data[size - 1] == '\n';
		assert_int_equal(handover_read(span_slice(whole, 0, size), &list),
				 ends_a_line ? STATUS_OK : STATUS_INVALID);
		handover_forget(&list);
	}
}

static void odd_texts_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *what, *text;
	} cases[] = {
		{ "no number", "config\n" },
		{ "a sign", "-5 config\n" },
		{ "the standard descriptors", "2 config\n" },
		{ "a number no descriptor has", "2147483648 config\n" },
		{ "no name", "5 \n" },
		{ "nothing after the number", "5\n" },
		{ "an empty line", "\n" },
		{ "one number twice", "5 config\n5 control\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct handover list = { 0 };
		if (handover_read(span_of(cases[i].text), &list) != STATUS_INVALID)
			fail_msg("taken: %s", cases[i].what);
		assert_int_equal(list.count, 0);
	}
}

static void a_descriptor_is_taken_once(void **state)
{
	(void)state;
	struct handover list = { 0 };
	assert_int_equal(handover_add(&list, 0, 5, "control"), STATUS_OK);
	assert_int_equal(handover_take(&list, "contro"), -1);
	assert_int_equal(handover_take(&list, "control"), 5);
	assert_int_equal(handover_take(&list, "control"), -1);
	handover_forget(&list);
}

static void a_role_gets_what_is_for_it_alone(void **state)
{
	(void)state;
	struct handover all = { 0 }, gate = { 0 }, relay = { 0 };
	assert_int_equal(handover_add(&all, TO(ROLE_GATE), 5, "tls-key"), STATUS_OK);
	assert_int_equal(handover_add(&all, TO(ROLE_AUTH) | TO(ROLE_RELAY), 6, "redis-password"), STATUS_OK);
	assert_int_equal(handover_add_all(&gate, &all, ROLE_GATE), STATUS_OK);
	assert_int_equal(handover_add_all(&relay, &all, ROLE_RELAY), STATUS_OK);
	assert_int_equal(gate.count, 1);
	assert_int_equal(handover_find(&gate, "redis-password"), -1);
	assert_int_equal(relay.count, 1);
	assert_int_equal(handover_find(&relay, "redis-password"), 6);
	handover_forget(&all);
	handover_forget(&gate);
	handover_forget(&relay);
}

static void a_name_with_a_line_end_is_refused(void **state)
{
	(void)state;
	struct handover list = { 0 };
	assert_int_equal(handover_add(&list, 0, 5, "listener:%s:0", "a\n6 tls-key"), STATUS_INVALID);
	assert_int_equal(handover_add(&list, 0, 5, "%s", ""), STATUS_INVALID);
	assert_int_equal(list.count, 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void what_was_given_is_closed_unless_taken(void **state)
{
	(void)state;
	struct handover list = { 0 };
	int one = open("/dev/null", O_RDONLY | O_CLOEXEC), other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int third = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(handover_give(&list, 0, one, "one"), STATUS_OK);
	assert_int_equal(handover_give(&list, 0, other, "other"), STATUS_OK);
	assert_int_equal(handover_give(&list, 0, third, "%s", ""), STATUS_INVALID);
	assert_false(is_open(third));
	assert_int_equal(handover_take(&list, "other"), other);
	handover_close(&list);
	assert_false(is_open(one));
	assert_true(is_open(other));
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_text_cut_anywhere_is_refused_or_shorter),
		cmocka_unit_test(odd_texts_are_refused),
		cmocka_unit_test(a_descriptor_is_taken_once),
		cmocka_unit_test(a_role_gets_what_is_for_it_alone),
		cmocka_unit_test(a_name_with_a_line_end_is_refused),
		cmocka_unit_test(what_was_given_is_closed_unless_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
