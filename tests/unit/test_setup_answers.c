/* An answers file, and the dialogue: what is asked, taken, refused, and never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "setup/ask.h"

#define TEXT_SIZE 8192

static char written[TEXT_SIZE], faults[TEXT_SIZE];

/* ---- the file */

static enum status parse(const char *text, struct answers *answers)
{
	memset(faults, 0, sizeof(faults));
	FILE *out = fmemopen(faults, sizeof(faults) - 1, "w");
	enum status status = answers_parse(span_of(text), "a", out, answers);
	fclose(out);
	return status;
}

static const struct {
	const char *title;
	const char *text;
	const char *fault;
} bad[] = {
	{ "an unknown name", "hostname = a.b\nhostnmae = x\n",
	  "a:2: unknown name \"hostnmae\"; conf/setup.md has them all\n" },
	{ "a line without a value", "# c\n\nhostname\n", "a:3: expected name = value\n" },
	{ "a name twice", "relay = own\nrelay = ses\n", "a:2: relay: given in line 1 already\n" },
	{ "and once as a file", "relay_password = x\nrelay_password_file = /y\n",
	  "a:2: relay_password: given in line 1 already\n" },
	{ "a file for what is no secret", "relay_file = /x\n",
	  "a:1: unknown name \"relay_file\"; conf/setup.md has them all\n" },
	{ "a name that would steer a terminal", "\x1b[2J = x\n",
	  "a:1: unknown name \"?\"; conf/setup.md has them all\n" },
	{ "all of them in one run", "x = 1\ny = 1\n",
	  "a:1: unknown name \"x\"; conf/setup.md has them all\na:2: unknown name \"y\"; conf/setup.md has them "
	  "all\n" },
};

static void faults_name_their_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct answers answers;
		print_message("%s\n", bad[i].title);
		assert_int_equal(parse(bad[i].text, &answers), STATUS_INVALID);
		assert_string_equal(faults, bad[i].fault);
	}
}

static void values_are_taken_as_they_are(void **state)
{
	struct answers answers;
	(void)state;
	assert_int_equal(parse("  hostname=mail.example.com  \r\n#relay = x\nrelay_password = a = b # c\nnotices =\n"
			       "directory_password_file = /p",
			       &answers),
			 STATUS_OK);
	assert_true(span_equal(answers.of[QUESTION_hostname].value, SPAN("mail.example.com")));
	assert_int_equal(answers.of[QUESTION_relay].line, 0);
	assert_true(span_equal(answers.of[QUESTION_relay_password].value, SPAN("a = b # c")));
	assert_int_equal(answers.of[QUESTION_notices].line, 4);
	assert_true(answers.of[QUESTION_directory_password].is_file);
	answers.of[QUESTION_hostname].is_used = answers.of[QUESTION_relay_password].is_used = true;
	FILE *out = fmemopen(faults, sizeof(faults) - 1, "w");
	assert_int_equal(answers_check_used(&answers, 0, QUESTION_notices, out), STATUS_INVALID);
	fclose(out);
	assert_string_equal(faults, "a:5: directory_password: not asked, with the other answers as they are\n");
	answers_free(&answers);
}

/* ---- the dialogue */

static struct ask ask_with(const char *input, int pipe_ends[2])
{
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(write(pipe_ends[1], input, strlen(input)), (ssize_t)strlen(input));
	close(pipe_ends[1]);
	memset(written, 0, sizeof(written));
	return (struct ask){ .in = pipe_ends[0], .out = fmemopen(written, sizeof(written) - 1, "w"), .errors = stderr };
}

static void end_ask(struct ask *ask)
{
	fclose(ask->out);
	close(ask->in);
}

static const char *judge_digits(const char *text)
{
	return strspn(text, "0123456789") == strlen(text) ? NULL : "Digits alone.";
}

static const struct {
	const char *title;
	const char *input;
	const char *answer; /* NULL: they left */
} lines[] = {
	{ "an empty line takes what is offered", "\n", "7" },
	{ "blanks around an answer don't count", "  12 \r\n", "12" },
	{ "a minus is none", "-\n", "" },
	{ "what won't do is asked again", "abc\n12\n", "12" },
	{ "control bytes won't do", "\x1b[2J\n12\n", "12" },
	{ "the end of input leaves", "", NULL },
	{ "a line without an end was not sent", "12", NULL },
};

static void a_line_is_an_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char answer[ASK_SIZE] = "untouched";
		int ends[2];
		struct ask ask = ask_with(lines[i].input, ends);
		print_message("%s\n", lines[i].title);
		enum status status = ask_text(&ask, QUESTION_daily_limit, "7", judge_digits, answer);
		end_ask(&ask);
		assert_int_equal(status, lines[i].answer ? STATUS_OK : STATUS_END);
		assert_string_equal(answer, lines[i].answer ? lines[i].answer : "untouched");
		assert_non_null(strstr(written, "[7] > "));
	}
}

static void a_line_that_is_too_long_is_none(void **state)
{
	char input[3 * ASK_SIZE], answer[ASK_SIZE];
	int ends[2];
	(void)state;
	memset(input, '1', sizeof(input));
	memcpy(input + sizeof(input) - 5, "\n34\n", 5);
	struct ask ask = ask_with(input, ends);
	assert_int_equal(ask_text(&ask, QUESTION_daily_limit, "7", judge_digits, answer), STATUS_OK);
	end_ask(&ask);
	assert_string_equal(answer, "34");
	assert_non_null(strstr(written, "too long"));
}

static void a_choice_goes_by_name_or_number(void **state)
{
	static const struct ask_choice choices[] = { { "red", "" }, { "green", "" } };
	static const struct {
		const char *input;
		size_t index;
	} tries[] = { { "\n", 1 }, { "1\n", 0 }, { "RED\n", 0 }, { "3\n0\nblue\n2\n", 1 } };
	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		size_t index = 9;
		int ends[2];
		struct ask ask = ask_with(tries[i].input, ends);
		assert_int_equal(ask_choice(&ask, QUESTION_relay, choices, 2, 1, &index), STATUS_OK);
		end_ask(&ask);
		assert_int_equal(index, tries[i].index);
	}
}

static void a_secret_is_taken_and_not_shown(void **state)
{
	static const struct {
		const char *input;
		const char *kept;
		bool is_grouped;
		const char *secret;
	} tries[] = {
		{ "abcd efgh\n", NULL, true, "abcdefgh" },
		{ "abcd\xC2\xA0"
		  "efgh \n",
		  NULL, true, "abcdefgh" },
		{ " ab cd \n", NULL, false, " ab cd " },
		{ "\n-\n", NULL, false, "-" },
		{ "\n", "what is there", false, "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct secret secret SECRET_AUTO = { 0 };
		int ends[2];
		struct ask ask = ask_with(tries[i].input, ends);
		assert_int_equal(
			ask_secret(&ask, QUESTION_relay_password, tries[i].kept, tries[i].is_grouped, NULL, &secret),
			STATUS_OK);
		end_ask(&ask);
		assert_true(span_equal(secret_reveal(&secret), span_of(tries[i].secret)));
		assert_null(strstr(written, "abcd"));
	}
}

#define QUICK_SECRET "typed at once"
#define HANG_SECONDS 30 /* what was thrown away would be waited for for ever */

static bool is_echoed(int terminal)
{
	struct termios now;
	assert_int_equal(tcgetattr(terminal, &now), 0);
	return now.c_lflag & ECHO;
}

/* Somebody who types as soon as they see the prompt, the context's terminal in front of them. */
static ssize_t answer_prompt(void *context, const char *bytes, size_t size)
{
	const int *ends = context;
	if (size >= 2 && memcmp(bytes + size - 2, "> ", 2) == 0) {
		assert_false(is_echoed(ends[0]));
		assert_int_equal(write(ends[1], QUICK_SECRET "\n", sizeof(QUICK_SECRET)), sizeof(QUICK_SECRET));
	}
	return (ssize_t)size;
}

static void a_secret_typed_at_once_is_neither_echoed_nor_lost(void **state)
{
	struct secret secret SECRET_AUTO = { 0 };
	int ends[2] = { -1, posix_openpt(O_RDWR | O_NOCTTY) };
	(void)state;
	if (ends[1] < 0 || grantpt(ends[1]) != 0 || unlockpt(ends[1]) != 0)
		skip(); /* a machine without terminals */
	ends[0] = open(ptsname(ends[1]), O_RDWR | O_NOCTTY);
	assert_true(ends[0] >= 0);
	struct ask ask = {
		.in = ends[0],
		.out = fopencookie(ends, "w", (cookie_io_functions_t){ .write = answer_prompt }),
		.errors = stderr,
	};
	alarm(HANG_SECONDS);
	assert_int_equal(ask_secret(&ask, QUESTION_relay_password, NULL, false, NULL, &secret), STATUS_OK);
	alarm(0);
	assert_true(span_equal(secret_reveal(&secret), SPAN(QUICK_SECRET)));
	assert_true(is_echoed(ends[0]));
	end_ask(&ask);
	close(ends[1]);
}

static void a_file_of_answers_asks_nobody(void **state)
{
	struct answers answers;
	struct secret secret SECRET_AUTO = { 0 };
	char answer[ASK_SIZE];
	int ends[2];
	(void)state;
	assert_int_equal(parse("daily_limit = x\nrelay_password = top secret\nnotices = -\n", &answers), STATUS_OK);
	struct ask ask = ask_with("", ends);
	ask.answers = &answers;
	ask.errors = fmemopen(faults, sizeof(faults) - 1, "w");
	assert_int_equal(ask_text(&ask, QUESTION_daily_limit, "7", judge_digits, answer), STATUS_INVALID);
	assert_int_equal(ask_text(&ask, QUESTION_hostname, "7", judge_digits, answer), STATUS_OK);
	assert_string_equal(answer, "7");
	assert_int_equal(ask_text(&ask, QUESTION_notices, "7", NULL, answer), STATUS_OK);
	assert_string_equal(answer, "");
	assert_int_equal(ask_secret(&ask, QUESTION_relay_password, NULL, false, NULL, &secret), STATUS_OK);
	assert_true(span_equal(secret_reveal(&secret), SPAN("top secret")));
	fclose(ask.errors);
	end_ask(&ask);
	assert_string_equal(faults, "a:1: daily_limit: Digits alone.\n");
	assert_null(strstr(written, "top secret"));
	assert_non_null(strstr(written, "(not shown)"));
	answers_free(&answers);
}

/* ---- the page */

static void the_page_explains_every_question(void **state)
{
	char page[65536] = "", row[128];
	(void)state;
	FILE *in = fopen("conf/setup.md", "r");
	assert_non_null(in);
	assert_true(fread(page, 1, sizeof(page) - 1, in) > 0);
	fclose(in);
	for (unsigned i = 0; i < QUESTIONS; i++) {
		snprintf(row, sizeof(row), "| `%s`%s | ", questions[i].name, questions[i].is_secret ? " (secret)" : "");
		print_message("%s\n", questions[i].name);
		assert_non_null(strstr(page, row));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_name_their_line),
		cmocka_unit_test(values_are_taken_as_they_are),
		cmocka_unit_test(a_line_is_an_answer),
		cmocka_unit_test(a_line_that_is_too_long_is_none),
		cmocka_unit_test(a_choice_goes_by_name_or_number),
		cmocka_unit_test(a_secret_is_taken_and_not_shown),
		cmocka_unit_test(a_secret_typed_at_once_is_neither_echoed_nor_lost),
		cmocka_unit_test(a_file_of_answers_asks_nobody),
		cmocka_unit_test(the_page_explains_every_question),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
