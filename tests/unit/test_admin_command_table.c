/*
 * The table of commands: what holds for each row, and that the files made from
 * it are up to date. With SUBGATE_UPDATE_REFERENCE=1 it writes them anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/ctl.h"

#define WORDS_MAXIMUM 40
#define LINE_SIZE 512

static char errors[LINE_SIZE];

/* The words of a line, cut at single spaces; more may follow them. */
static enum status parse_line(const char *line, const char *more, struct ctl_call *out_call)
{
	static char copy[LINE_SIZE];
	char *words[WORDS_MAXIMUM + 1] = { (char *)"subgatectl" };
	char *rest;
	int count = 1;
	snprintf(copy, sizeof(copy), "%s %s", line, more);
	for (char *word = strtok_r(copy, " ", &rest); word && count < WORDS_MAXIMUM; word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	memset(errors, 0, sizeof(errors));
	FILE *out = fmemopen(errors, sizeof(errors) - 1, "w");
	enum status status = ctl_parse(count, words, 1000000000, out, out_call);
	fclose(out);
	return status;
}

static unsigned count_words_of(const struct admin_command *command, bool needed_only)
{
	unsigned count = 0;
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++)
		count += argument->form == ARGUMENT_FORM_WORD && (argument->needed || !needed_only);
	return count;
}

/* "FILE...": as many words as there are. */
static bool takes_all_words(const struct admin_command *command)
{
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++)
		if (argument->kind == ARGUMENT_KIND_TEXTS)
			return true;
	return false;
}

static void assert_refused(const struct admin_command *command, const char *line, const char *more, const char *what)
{
	struct ctl_call call;
	char beginning[LINE_SIZE];
	if (parse_line(line, more, &call) != STATUS_INVALID)
		fail_msg("%s %s was taken", line, more);
	snprintf(beginning, sizeof(beginning), "subgatectl: %s: %s", command->name, what);
	if (strncmp(errors, beginning, strlen(beginning)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", errors, beginning);
	assert_non_null(strstr(errors, "; expected: subgatectl "));
	assert_ptr_equal(strchr(errors, '\n'), errors + strlen(errors) - 1);
}

static void every_row_parses_its_example_into_a_request_that_the_daemon_takes(void **state)
{
	(void)state;
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		struct ctl_call call;
		char reason[COMMAND_REASON_SIZE] = "";
		const struct admin_command *checked = NULL;
		if (parse_line(command->example, "", &call) != STATUS_OK)
			fail_msg("%s: %s", command->name, errors);
		assert_ptr_equal(call.topic, command);
		assert_string_equal(json_string_value(json_object_get(call.request, "command")), command->name);
		char *request = json_dumps(call.request, JSON_COMPACT);
		bool is_local = command->role == ROLE_KINDS; /* of no concern to the daemon */
		if ((admin_command_check(span_of(request), &checked, reason) == STATUS_OK) == is_local)
			fail_msg("%s: %s", command->name, reason);
		assert_ptr_equal(checked, is_local ? NULL : command);
		free(request);
		json_decref(call.request);
	}
}

static void every_example_shows_all_options(void **state)
{
	(void)state;
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		struct ctl_call call;
		assert_int_equal(parse_line(command->example, "", &call), STATUS_OK);
		for (const struct admin_argument *argument = command->arguments; argument->field; argument++) {
			if (argument->form == ARGUMENT_FORM_OPTION)
				assert_non_null(json_object_get(call.request, argument->field));
		}
		json_decref(call.request);
	}
}

static void every_row_refuses_a_word_too_many_and_a_word_too_few(void **state)
{
	(void)state;
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		char more[LINE_SIZE];
		int size_of_words = 2 * (int)count_words_of(command, false);
		assert_true(size_of_words <= 8);
		snprintf(more, sizeof(more), "%.*ssurplus", size_of_words, "w w w w ");
		if (!takes_all_words(command))
			assert_refused(command, command->name, more, "unexpected word \"surplus\"");
		if (count_words_of(command, true) > 0)
			assert_refused(command, command->name, "", command->arguments[0].shown);
	}
}

static void all_words_of_a_list_are_taken(void **state)
{
	struct ctl_call call;
	(void)state;
	assert_int_equal(parse_line("audit verify", "a b --key k c", &call), STATUS_OK);
	const json_t *files = json_object_get(call.request, "file");
	assert_int_equal(json_array_size(files), 3);
	assert_string_equal(json_string_value(json_array_get(files, 2)), "c");
	json_decref(call.request);
}

static void every_row_refuses_the_options_of_the_others(void **state)
{
	(void)state;
	unsigned tried = 0;
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		for (const struct admin_command *other = admin_commands; other->name; other++) {
			for (const struct admin_argument *option = other->arguments; option->field; option++) {
				const struct admin_argument *own = admin_command_find_argument(command, option->field);
				char more[LINE_SIZE], what[LINE_SIZE];
				if (own && own->form == ARGUMENT_FORM_OPTION)
					continue;
				snprintf(more, sizeof(more), "--%s x", option->field);
				snprintf(what, sizeof(what), "unknown option --%s;", option->field);
				assert_refused(command, command->example, more, what);
				tried++;
			}
		}
	}
	assert_true(tried > 100);
}

static void every_name_is_there_once_and_groups_stand_together(void **state)
{
	(void)state;
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		assert_ptr_equal(admin_command_find(command->name), command);
		if (!admin_command_begins_group(command))
			continue;
		for (const struct admin_command *earlier = admin_commands; earlier < command; earlier++)
			assert_false(span_equal(admin_command_first_word(earlier), admin_command_first_word(command)));
	}
	assert_null(admin_command_find("relay"));
	assert_null(admin_command_find("list"));
	assert_null(admin_command_find(""));
}

/* ---- files made from it */

static char *read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *in = fopen(path, "r");
	if (in == NULL)
		return strdup("");
	if (getdelim(&text, &size, '\0', in) < 0)
		fail_msg("%s is empty", path);
	fclose(in);
	return text;
}

static void assert_up_to_date(const char *path, void (*write)(FILE *out))
{
	char *made = NULL;
	size_t size;
	FILE *out = open_memstream(&made, &size);
	assert_non_null(out);
	write(out);
	assert_int_equal(fclose(out), 0);
	if (getenv("SUBGATE_UPDATE_REFERENCE")) {
		out = fopen(path, "w");
		assert_non_null(out);
		fputs(made, out);
		assert_int_equal(fclose(out), 0);
	}
	char *kept = read_file(path);
	bool same = strcmp(kept, made) == 0;
	free(kept);
	free(made);
	if (!same)
		fail_msg("%s is out of date: run this test with SUBGATE_UPDATE_REFERENCE=1", path);
}

static void the_reference_and_the_completion_are_those_of_the_table(void **state)
{
	(void)state;
	assert_up_to_date("conf/commands.md", ctl_write_reference);
	assert_up_to_date("deploy/completion/subgatectl", ctl_write_completion);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_parses_its_example_into_a_request_that_the_daemon_takes),
		cmocka_unit_test(every_example_shows_all_options),
		cmocka_unit_test(every_row_refuses_a_word_too_many_and_a_word_too_few),
		cmocka_unit_test(all_words_of_a_list_are_taken),
		cmocka_unit_test(every_row_refuses_the_options_of_the_others),
		cmocka_unit_test(every_name_is_there_once_and_groups_stand_together),
		cmocka_unit_test(the_reference_and_the_completion_are_those_of_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
