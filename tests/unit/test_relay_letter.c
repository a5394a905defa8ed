/* Letters of ours: what a mail reader makes of them, and that nothing in them ends a field or the letter. */
#include "relay/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/utf8.h"
#include "smtp/body.h"

static struct buf bytes;

static int end_bytes(void **state)
{
	(void)state;
	buf_free(&bytes);
	return 0;
}

/* Written anew, and sound: CRLF lines of at most 78 ASCII characters, which a relay takes as they are. */
static const char *write_about(struct span subject, struct span text, struct span language)
{
	struct body_check check = { 0 };
	const struct letter letter = {
		.from = SPAN("postmaster@example.com"),
		.to = SPAN("ada@example.com"),
		.subject = subject,
		.text = text,
		.language = language,
		.id = SPAN("1M8"),
		.host = SPAN("mx.example.com"),
		.time_us = 1764400000000000,
	};
	buf_free(&bytes);
	buf_init(&bytes, LETTER_SIZE_MAXIMUM);
	assert_int_equal(letter_write(&letter, &bytes), STATUS_OK);
	assert_true(utf8_is_ascii(buf_span(&bytes)));
	assert_int_equal(body_check_feed(&check, buf_span(&bytes)), STATUS_OK);
	assert_int_equal(body_check_finish(&check), STATUS_OK);
	assert_int_equal(buf_append_byte(&bytes, '\0'), STATUS_OK);
	return bytes.data + bytes.start;
}

static void expect_line(const char *letter, const char *line)
{
	char wanted[512];
	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	if (!strstr(letter, wanted))
		fail_msg("no line \"%s\" in:\n%s", line, letter);
}

static const char *text_of(const char *letter)
{
	return strstr(letter, "\r\n\r\n") + 4;
}

static void a_plain_letter(void **state)
{
	(void)state;
	const char *letter = write_about(SPAN("Your quota"), SPAN("Hello,\n\nall well.\n"), SPAN("en"));
	assert_int_equal(strncmp(letter, "From: <postmaster@example.com>\r\nTo: <ada@example.com>\r\n", 55), 0);
	expect_line(letter, "Subject: Your quota");
	expect_line(letter, "Date: Sat, 29 Nov 2025 07:06:40 +0000");
	expect_line(letter, "Message-ID: <1M8@mx.example.com>");
	expect_line(letter, "Content-Language: en");
	expect_line(letter, "Auto-Submitted: auto-generated");
	assert_string_equal(text_of(letter), "Hello,\r\n\r\nall well.\r\n");
}

static void other_letters_are_encoded(void **state)
{
	(void)state;
	const char *letter = write_about(SPAN("Kontingent f\xC3\xBCr heute"),
					 SPAN("Gr\xC3\xBC\xC3\x9F"
					      "e = \xE2\x9C\x93"),
					 SPAN("de"));
	expect_line(letter, "Subject: =?UTF-8?B?S29udGluZ2VudCBmw7xyIGhldXRl?=");
	assert_string_equal(text_of(letter), "Gr=C3=BC=C3=9Fe =3D =E2=9C=93\r\n");
}

/* Each of its words holds whole characters. */
static void a_long_subject_is_several_words(void **state)
{
	(void)state;
	const char *letter = write_about(SPAN("\xE2\x9C\x93\xE2\x9C\x93\xE2\x9C\x93\xE2\x9C\x93\xE2\x9C\x93\xE2\x9C\x93"
					      "\xE2\x9C\x93\xE2\x9C\x93\xE2\x9C\x93\xE2\x9C\x93\xE2\x9C\x93\xE2\x9C\x93"
					      "\xE2\x9C\x93\xE2\x9C\x93"),
					 SPAN("x"), SPAN(""));
	assert_non_null(strstr(letter,
			       "\r\nSubject: =?UTF-8?B?4pyT4pyT4pyT4pyT4pyT4pyT4pyT4pyT4pyT4pyT4pyT4pyT4pyT?=\r\n"
			       " =?UTF-8?B?4pyT?=\r\n"));
	assert_null(strstr(letter, "Content-Language"));
}

static void what_looks_encoded_is_encoded(void **state)
{
	(void)state;
	expect_line(write_about(SPAN("=?a?Q?b?="), SPAN("x"), SPAN("")), "Subject: =?UTF-8?B?PT9hP1E/Yj89?=");
}

static void no_line_of_the_subject_becomes_a_field(void **state)
{
	(void)state;
	const char *letter = write_about(SPAN("a\r\nBcc: all@example.com\n\nbody\x1B[2J"), SPAN("x"), SPAN(""));
	expect_line(letter, "Subject: a Bcc: all@example.com  body [2J");
	assert_null(strstr(letter, "\r\nBcc"));
}

static void a_language_that_is_none_is_left_out(void **state)
{
	(void)state;
	assert_null(strstr(write_about(SPAN("a"), SPAN("x"), SPAN("de\r\nBcc: x")), "Content-Language"));
	assert_null(strstr(write_about(SPAN("a"), SPAN("x"), SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")),
			   "Content-Language"));
}

static void what_is_no_utf8_is_a_question_mark(void **state)
{
	(void)state;
	const char *letter = write_about(SPAN("a\xFF\xC3"),
					 SPAN("b\xC0\x80"
					      "c\xC2\x9B"
					      "d\x07"),
					 SPAN(""));
	expect_line(letter, "Subject: a??");
	assert_string_equal(text_of(letter), "b??c??d=20\r\n");
}

static void dots_and_from_lines_and_blanks_survive(void **state)
{
	(void)state;
	const char *letter = write_about(SPAN("a"), SPAN(".\n..\nFrom me\ntrailing \n\ttab"), SPAN(""));
	assert_string_equal(text_of(letter), "=2E\r\n=2E.\r\n=46rom me\r\ntrailing=20\r\n tab\r\n");
}

static void long_lines_are_broken_softly(void **state)
{
	char line[301], unbroken[400] = "";
	(void)state;
	memset(line, 'x', 300);
	line[300] = '\0';
	line[75] = '.'; /* at the front of the second line */
	const char *letter = write_about(SPAN("a"), span_of(line), SPAN(""));
	size_t used = 0;
	for (const char *c = text_of(letter); *c; c++) {
		if (strncmp(c, "=\r\n", 3) == 0)
			c += 2;
		else
			unbroken[used++] = *c;
	}
	assert_memory_equal(unbroken, line, 75);
	assert_memory_equal(unbroken + 75, "=2E", 3);
	for (const char *at = text_of(letter), *end; (end = strstr(at, "\r\n")) != NULL; at = end + 2)
		assert_true(end - at <= 76);
}

static void what_is_too_long_is_refused(void **state)
{
	static char text[LETTER_SIZE_MAXIMUM + 1];
	(void)state;
	memset(text, 'x', sizeof(text));
	const struct letter letter = { .text = { text, sizeof(text) } };
	buf_init(&bytes, LETTER_SIZE_MAXIMUM);
	assert_int_equal(letter_write(&letter, &bytes), STATUS_TOO_LARGE);
}

#define CASE(name) cmocka_unit_test_teardown(name, end_bytes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_plain_letter),
		CASE(other_letters_are_encoded),
		CASE(a_long_subject_is_several_words),
		CASE(what_looks_encoded_is_encoded),
		CASE(no_line_of_the_subject_becomes_a_field),
		CASE(a_language_that_is_none_is_left_out),
		CASE(what_is_no_utf8_is_a_question_mark),
		CASE(dots_and_from_lines_and_blanks_survive),
		CASE(long_lines_are_broken_softly),
		CASE(what_is_too_long_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
