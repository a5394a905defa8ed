/* Single values: what is one, what is none, and that each writes as it reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/values.h"

#define NONE UINT64_MAX

static const struct {
	const char *text;
	uint64_t value;
	const char *written; /* as it is written again; NULL: as it was */
} sizes[] = {
	{ "0", 0, NULL },
	{ "1", 1, NULL },
	{ "35M", 36700160, NULL },
	{ "1G", 1073741824, NULL },
	{ "2T", 2199023255552, NULL },
	{ "1024", 1024, "1K" },
	{ "1536K", 1572864, NULL },
	{ "1025", 1025, NULL },
	{ "010", 10, "10" },
	{ "", NONE, NULL },
	{ "M", NONE, NULL },
	{ "35X", NONE, NULL },
	{ "35 M", NONE, NULL },
	{ "35m", NONE, NULL },
	{ "35MM", NONE, NULL },
	{ "-1", NONE, NULL },
	{ "+1", NONE, NULL },
	{ "1.5G", NONE, NULL },
	{ "0x10", NONE, NULL },
	{ "18446744073709551615T", NONE, NULL },
	{ "18446744073709551616", NONE, NULL },
}, durations[] = {
	{ "0", 0, NULL },
	{ "0s", 0, "0" },
	{ "5s", 5000, NULL },
	{ "1500ms", 1500, NULL },
	{ "10m", 600000, NULL },
	{ "24h", 86400000, "1d" },
	{ "90s", 90000, NULL },
	{ "7d", 604800000, NULL },
	{ "5", NONE, NULL },
	{ "s", NONE, NULL },
	{ "5S", NONE, NULL },
	{ "5 s", NONE, NULL },
	{ "-5s", NONE, NULL },
	{ "1h30m", NONE, NULL },
	{ "18446744073709551615d", NONE, NULL },
};

#define EACH(i, table) for (size_t i = 0; i < sizeof(table) / sizeof((table)[0]); i++)

static void sizes_read_and_write(void **state)
{
	(void)state;
	EACH(i, sizes)
	{
		char written[VALUE_TEXT_SIZE];
		uint64_t value = NONE;
		bool read = value_parse_size(span_of(sizes[i].text), &value) == STATUS_OK;
		assert_int_equal(read, sizes[i].value != NONE);
		assert_int_equal(value, sizes[i].value);
		if (!read)
			continue;
		value_format_size(value, written);
		assert_string_equal(written, sizes[i].written ? sizes[i].written : sizes[i].text);
	}
}

static void durations_read_and_write(void **state)
{
	(void)state;
	EACH(i, durations)
	{
		char written[VALUE_TEXT_SIZE];
		uint64_t value = NONE;
		bool read = value_parse_duration(span_of(durations[i].text), &value) == STATUS_OK;
		assert_int_equal(read, durations[i].value != NONE);
		assert_int_equal(value, durations[i].value);
		if (!read)
			continue;
		value_format_duration(value, written);
		assert_string_equal(written, durations[i].written ? durations[i].written : durations[i].text);
	}
}

static void flags_are_true_or_false_and_nothing_else(void **state)
{
	(void)state;
	static const char *const none[] = { "", "yes", "no", "1", "0", "TRUE", "true ", "truefalse" };
	bool flag = false;
	assert_int_equal(value_parse_flag(SPAN("true"), &flag), STATUS_OK);
	assert_true(flag);
	assert_int_equal(value_parse_flag(SPAN("false"), &flag), STATUS_OK);
	assert_false(flag);
	EACH(i, none)
	assert_int_equal(value_parse_flag(span_of(none[i]), &flag), STATUS_INVALID);
}

static void choices_have_the_number_of_their_place(void **state)
{
	(void)state;
	unsigned index = 9;
	assert_int_equal(value_parse_choice(SPAN("b"), "a|b|c", &index), STATUS_OK);
	assert_int_equal(index, 1);
	assert_int_equal(value_parse_choice(SPAN("a|b"), "a|b|c", &index), STATUS_INVALID);
	assert_int_equal(value_parse_choice(SPAN(""), "a|b|c", &index), STATUS_INVALID);
	assert_int_equal(index, 1);
	assert_true(span_equal(value_choice_name("a|b|c", 2), SPAN("c")));
	assert_true(span_is_empty(value_choice_name("a|b|c", 3)));
}

static void endpoints_are_an_address_and_a_port(void **state)
{
	(void)state;
	static const char *const good[] = { "0.0.0.0:465", "[::]:465", "192.0.2.7:1", "[2001:db8::1]:65535" };
	static const char *const bad[] = { "",          "465",           ":465",          "0.0.0.0",     "0.0.0.0:",
					   "0.0.0.0:0", "0.0.0.0:65536", "localhost:465", "::1:465",     "[::1]",
					   "[::1]465",  "[1.2.3.4]:5",   "1.2.3.4:5 ",    "1.2.3.4.5:6", "[::1:5" };
	EACH(i, good)
	assert_true(value_is_endpoint(span_of(good[i])));
	EACH(i, bad)
	{
		if (value_is_endpoint(span_of(bad[i])))
			fail_msg("taken: %s", bad[i]);
	}
}

static void loopback_is_this_machine_alone(void **state)
{
	(void)state;
	assert_true(value_is_loopback_endpoint(SPAN("127.0.0.1:1")));
	assert_true(value_is_loopback_endpoint(SPAN("127.9.9.9:1")));
	assert_true(value_is_loopback_endpoint(SPAN("[::1]:1")));
	assert_false(value_is_loopback_endpoint(SPAN("0.0.0.0:1")));
	assert_false(value_is_loopback_endpoint(SPAN("[::]:1")));
	assert_false(value_is_loopback_endpoint(SPAN("128.0.0.1:1")));
	assert_true(value_is_loopback_host(SPAN("localhost")));
	assert_false(value_is_loopback_host(SPAN("localhost.example.com")));
	assert_false(value_is_loopback_host(SPAN("127.0.0.1.example.com")));
}

static void names_and_hosts_hold_no_surprises(void **state)
{
	(void)state;
	static const char long_name[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	assert_true(value_is_name(SPAN("relay-1_a.b")));
	assert_false(value_is_name(SPAN("")));
	assert_false(value_is_name(SPAN("a b")));
	assert_false(value_is_name(SPAN("a/b")));
	assert_false(value_is_name(SPAN("a\0b")));
	assert_true(value_is_name((struct span){ long_name, 64 }));
	assert_false(value_is_name((struct span){ long_name, 65 }));
	assert_true(value_is_host(SPAN("smtp.gmail.com")));
	assert_true(value_is_host(SPAN("2001:db8::1")));
	assert_false(value_is_host(SPAN("smtp gmail")));
	assert_false(value_is_host(SPAN("a\r\nb")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_read_and_write),
		cmocka_unit_test(durations_read_and_write),
		cmocka_unit_test(flags_are_true_or_false_and_nothing_else),
		cmocka_unit_test(choices_have_the_number_of_their_place),
		cmocka_unit_test(endpoints_are_an_address_and_a_port),
		cmocka_unit_test(loopback_is_this_machine_alone),
		cmocka_unit_test(names_and_hosts_hold_no_surprises),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
