/* Changing a configuration's text: what is asked for changes, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/config.h"
#include "config/edit.h"
#include "failing_memory.h"

#define MAXIMUM 4096

struct edit_case {
	const char *title;
	const char *before;
	const char *section, *name, *option, *value; /* value NULL: taken out; option NULL: the section */
	const char *after;
};

static const struct edit_case cases[] = {
	{ "a value is replaced where it stands, and comments stay", "# a = 1\na = 2 # two\nb = 3\n", "", "", "a", "5",
	  "# a = 1\na = 5 # two\nb = 3\n" },
	{ "a quoted value is replaced with its quotes", "a = \"x \\\" # no comment\"  b = 1\n", "", "", "a", "\"y\"",
	  "a = \"y\"  b = 1\n" },
	{ "a list is replaced whole", "s { a = {\"x\", # }\n\"y\"} b = 1 }\n", "s", "", "a", "{\"z\"}",
	  "s { a = {\"z\"} b = 1 }\n" },
	{ "an option of the top level comes before the first section", "# first\n\ns {\n}\n", "", "", "a", "1",
	  "# first\n\na = 1\ns {\n}\n" },
	{ "an option of the top level in a file without any", "# only this", "", "", "a", "1", "# only this\na = 1\n" },
	{ "an option of the same name in a section is another one", "s {\n\ta = 1\n}\n", "", "", "a", "2",
	  "a = 2\ns {\n\ta = 1\n}\n" },
	{ "a new option is the last of its section", "s {\n\ta = 1 # }\n}\nt {\n}\n", "s", "", "b", "2",
	  "s {\n\ta = 1 # }\n\tb = 2\n}\nt {\n}\n" },
	{ "a section of one line stays one", "s { a = 1 }\n", "s", "", "b", "2", "s { a = 1  b = 2 }\n" },
	{ "an empty section of one line", "s {}\n", "s", "", "b", "2", "s { b = 2 }\n" },
	{ "a section that is not there comes at the end", "a = 1\n", "s", "x", "b", "2",
	  "a = 1\n\ns x {\n\tb = 2\n}\n" },
	{ "and after a last line without an end", "a = 1", "s", "", "b", "2", "a = 1\n\ns {\n\tb = 2\n}\n" },
	{ "of two sections the one of that title is meant", "s x { a = 1 }\ns y { a = 1 }\n", "s", "y", "a", "2",
	  "s x { a = 1 }\ns y { a = 2 }\n" },
	{ "an option that is taken out takes its line along", "s {\n\ta = 1\n\tb = 2\n}\n", "s", "", "a", NULL,
	  "s {\n\tb = 2\n}\n" },
	{ "but not what else stands on it", "s { a = 1  b = 2 }\n", "s", "", "a", NULL, "s {   b = 2 }\n" },
	{ "what is not there can be taken out", "b = 1\n", "s", "", "a", NULL, "b = 1\n" },
	{ "a section is taken out with all that is in it", "a = 1\ns x {\n\tb = 1 # }\n}\nt { }\n", "s", "x", NULL,
	  NULL, "a = 1\nt { }\n" },
	{ "a brace in a comment or a text ends no section", "s {\n\ta = \"}\" /* } */\n}\n", "s", "", "b", "1",
	  "s {\n\ta = \"}\" /* } */\n\tb = 1\n}\n" },
};

static enum status change(struct buf *text, const struct edit_case *c)
{
	if (c->option == NULL)
		return edit_remove_section(text, c->section, c->name);
	if (c->value == NULL)
		return edit_unset(text, c->section, c->name, c->option);
	return edit_set(text, c->section, c->name, c->option, span_of(c->value));
}

static void what_is_asked_for_changes_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text BUF_AUTO;
		buf_init(&text, MAXIMUM);
		assert_int_equal(buf_append_text(&text, cases[i].before), STATUS_OK);
		print_message("%s\n", cases[i].title);
		assert_int_equal(change(&text, &cases[i]), STATUS_OK);
		assert_int_equal(buf_size(&text), strlen(cases[i].after));
		assert_memory_equal(buf_span(&text).data, cases[i].after, buf_size(&text));
	}
}

#ifndef SUBGATE_SANITIZED
/* False: it took fewer allocations than that. */
static bool changes_without(const struct edit_case *c, unsigned long nth)
{
	struct buf text BUF_AUTO;
	buf_init(&text, MAXIMUM);
	assert_int_equal(buf_append_text(&text, c->before), STATUS_OK);
	memory_left = nth;
	memory_counts = true;
	enum status status = change(&text, c);
	memory_counts = false;
	bool was_reached = memory_left == 0;
	memory_left = 0;
	if (status != STATUS_OK)
		assert_true(span_equal(buf_span(&text), span_of(c->before)));
	return was_reached;
}

static void without_memory_the_text_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned long nth = 1; changes_without(&cases[i], nth); nth++)
			;
}
#endif

static void what_is_no_configuration_is_not_touched(void **state)
{
	(void)state;
	struct buf text BUF_AUTO;
	buf_init(&text, MAXIMUM);
	assert_int_equal(buf_append_text(&text, "s { a = \n"), STATUS_OK);
	assert_int_equal(edit_set(&text, "s", "", "a", SPAN("1")), STATUS_INVALID);
	assert_true(span_equal(buf_span(&text), SPAN("s { a = \n")));
	assert_false(edit_has_section(&text, "s"));
}

static const char rest[] = "listener l { address = {\"127.0.0.1:1\"} }\n"
			   "relay r { host = \"127.0.0.1\"  auth = \"none\" }\n";

static const char *const texts[] = { "plain",        "with blanks ",   "\"quoted\"", "\\",    "back\\slash\\",
				     "# no comment", "/* nor this */", "{brace}",    "$HOME", "$ {x}",
				     "'single'",     "a=b, c",         "Bücher",     "\\\"" };

static void a_quoted_text_reads_back_as_it_was(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf text BUF_AUTO;
		struct buf quoted BUF_AUTO;
		struct config *config = NULL;
		buf_init(&text, MAXIMUM);
		buf_init(&quoted, MAXIMUM);
		assert_int_equal(buf_append_text(&text, rest), STATUS_OK);
		assert_int_equal(edit_quote(span_of(texts[i]), &quoted), STATUS_OK);
		assert_int_equal(edit_set(&text, "redis", "", "prefix", buf_span(&quoted)), STATUS_OK);
		assert_int_equal(config_load(buf_span(&text), "/x/subgate.conf", stderr, &config), STATUS_OK);
		assert_string_equal(config->redis.prefix, texts[i]);
		config_free(&config);
	}
}

static void what_no_text_can_hold_is_refused(void **state)
{
	(void)state;
	static const char *const impossible[] = { "a\nb", "a\rb", "${HOME}", "x${", "\x1b[2J", "\x7f", "\t" };
	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
		struct buf quoted BUF_AUTO;
		buf_init(&quoted, MAXIMUM);
		assert_int_equal(edit_quote(span_of(impossible[i]), &quoted), STATUS_INVALID);
		assert_int_equal(buf_size(&quoted), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_for_changes_and_nothing_else),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(without_memory_the_text_stays),
#endif
		cmocka_unit_test(what_is_no_configuration_is_not_touched),
		cmocka_unit_test(a_quoted_text_reads_back_as_it_was),
		cmocka_unit_test(what_no_text_can_hold_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
