/* Command lines, verbs, and the parameters of MAIL and RCPT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "smtp/command.h"
#include "smtp/parameters.h"

struct line_case {
	const char *what;
	struct span bytes;
	enum status status;
	struct span line;
	size_t used;
};

static const struct line_case line_cases[] = {
	{ "CRLF ends a line", SPAN("QUIT\r\nX"), STATUS_OK, SPAN("QUIT"), 6 },
	{ "a bare LF ends a line", SPAN("QUIT\nX"), STATUS_OK, SPAN("QUIT"), 5 },
	{ "an empty line", SPAN("\r\n"), STATUS_OK, SPAN(""), 2 },
	{ "nothing yet", SPAN(""), STATUS_AGAIN, SPAN(""), 0 },
	{ "no end yet", SPAN("QUIT\r"), STATUS_AGAIN, SPAN(""), 0 },
	{ "a stray CR", SPAN("QU\rIT\r\nX"), STATUS_INVALID, SPAN(""), 7 },
	{ "CR CR LF", SPAN("QUIT\r\r\n"), STATUS_INVALID, SPAN(""), 7 },
	{ "a NUL", SPAN("QU\0IT\r\n"), STATUS_INVALID, SPAN(""), 7 },
	{ "ten bytes are not too long", SPAN("12345678\r\n"), STATUS_OK, SPAN("12345678"), 10 },
	{ "eleven are", SPAN("123456789\r\n"), STATUS_TOO_LARGE, SPAN(""), 0 },
	{ "ten without an end are", SPAN("1234567890"), STATUS_TOO_LARGE, SPAN(""), 0 },
	{ "nine without an end are not yet", SPAN("123456789"), STATUS_AGAIN, SPAN(""), 0 },
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(line_cases) / sizeof(*line_cases); i++) {
		const struct line_case *c = &line_cases[i];
		struct span line = SPAN("");
		size_t used = 0;
		enum status status = command_take_line(c->bytes, 10, &line, &used);
		if (status != c->status || !span_equal(line, c->line) || used != c->used)
			fail_msg("%s: %s, %zu used", c->what, status_text(status), used);
	}
}

static void test_a_line_byte_by_byte(void **state)
{
	(void)state;
	struct span bytes = SPAN("MAIL FROM:<a@b>\r\n");
	struct span line;
	size_t used;
	for (size_t size = 0; size < bytes.size; size++)
		assert_int_equal(command_take_line(span_slice(bytes, 0, size), 100, &line, &used), STATUS_AGAIN);
	assert_int_equal(command_take_line(bytes, 100, &line, &used), STATUS_OK);
	assert_int_equal(used, bytes.size);
}

struct verb_case {
	const char *line;
	enum verb verb;
	const char *name, *argument;
};

static const struct verb_case verb_cases[] = {
	{ "EHLO client.example", VERB_EHLO, "EHLO", "client.example" },
	{ "helo x", VERB_HELO, "helo", "x" },
	{ "StartTLS", VERB_STARTTLS, "StartTLS", "" },
	{ "AUTH PLAIN AGFsaWNl", VERB_AUTH, "AUTH", "PLAIN AGFsaWNl" },
	{ "mail FROM:<a@b> size=1  ", VERB_MAIL, "mail", "FROM:<a@b> size=1" },
	{ "RCPT\tTO:<a@b>", VERB_RCPT, "RCPT", "TO:<a@b>" },
	{ "data ", VERB_DATA, "data", "" },
	{ "RSET", VERB_RSET, "RSET", "" },
	{ "NOOP  a  b", VERB_NOOP, "NOOP", "a  b" },
	{ "VRFY u", VERB_VRFY, "VRFY", "u" },
	{ "HELP", VERB_HELP, "HELP", "" },
	{ "quit", VERB_QUIT, "quit", "" },
	{ "", VERB_UNKNOWN, "", "" },
	{ " EHLO x", VERB_UNKNOWN, "", "EHLO x" },
	{ "EHLOX x", VERB_UNKNOWN, "EHLOX", "x" },
	{ "EHL", VERB_UNKNOWN, "EHL", "" },
	{ "GET / HTTP/1.1", VERB_UNKNOWN, "GET", "/ HTTP/1.1" },
};

static void test_verbs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(verb_cases) / sizeof(*verb_cases); i++) {
		const struct verb_case *c = &verb_cases[i];
		struct smtp_command command = command_read(span_of(c->line));
		assert_int_equal(command.verb, c->verb);
		assert_true(span_equal(command.name, span_of(c->name)));
		if (!span_equal(command.argument, span_of(c->argument)))
			fail_msg("\"%s\" gives \"%.*s\"", c->line, SPAN_ARGS(command.argument));
	}
}

struct mail_case {
	const char *argument;
	enum status status;
	const char *sender;
	struct mail_parameters parameters;
};

static const struct mail_case mail_cases[] = {
	{ "FROM:<a@b>", STATUS_OK, "a@b", { 0 } },
	{ "from:<a@b> size=2263", STATUS_OK, "a@b", { .has_size = true, .size = 2263 } },
	{ "FROM: <a@b>", STATUS_OK, "a@b", { 0 } },
	{ "FROM:a@b", STATUS_OK, "a@b", { 0 } },
	{ "From: a@b SIZE=7", STATUS_OK, "a@b", { .has_size = true, .size = 7 } },
	{ "FROM:<>", STATUS_OK, "", { 0 } },
	{ "FROM:<> AUTH=<>", STATUS_OK, "", { .has_auth = true } },
	{ "FROM:<a@b> AUTH=user", STATUS_OK, "a@b", { .has_auth = true } },
	{ "FROM:<a@b> BODY=8bitmime", STATUS_OK, "a@b", { .has_body = true, .eight_bit = true } },
	{ "FROM:<a@b> body=7BIT", STATUS_OK, "a@b", { .has_body = true } },
	{ "FROM:<a@b>  BODY=8BITMIME\tSIZE=0 ",
	  STATUS_OK,
	  "a@b",
	  { .has_size = true, .has_body = true, .eight_bit = true } },
	{ "FROM:<a@b> SIZE=18446744073709551615", STATUS_OK, "a@b", { .has_size = true, .size = UINT64_MAX } },
	{ "FROM:<a@b> SIZE=99999999999999999999", STATUS_OK, "a@b", { .has_size = true, .size = UINT64_MAX } },
	{ "FROM:<@r.example:a@b>", STATUS_OK, "a@b", { 0 } },
	{ "FROM:<a@b> SIZE=100000000000000000000", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> SIZE=", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> SIZE", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> SIZE=-1", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> SIZE=1K", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> SIZE=1 SIZE=2", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> BODY=BINARYMIME", STATUS_NOT_FOUND, NULL, { 0 } },
	{ "FROM:<a@b> BODY=BINARYMIME SIZE=x", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> BODY=", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> X-FUTURE=1", STATUS_NOT_FOUND, NULL, { 0 } },
	{ "FROM:<a@b> AUTH=<> AUTH=<>", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> SMTPUTF8 smtputf8", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> AUTH=a+40b", STATUS_OK, "a@b", { .has_auth = true } },
	{ "FROM:\"a\"@b", STATUS_OK, "\"a\"@b", { 0 } },
	{ "FROM:\t<a@b>", STATUS_OK, "a@b", { 0 } },
	{ "FROM:<a%b@c>", STATUS_OK, "a%b@c", { 0 } },
	{ "FROM :<a@b>", STATUS_NOT_FOUND, NULL, { 0 } },
	{ "FROM:A <a@b>", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> BODY", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> BODY=7BIT BODY=8BITMIME", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> AUTH", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> AUTH=\xC3\xA9", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b>SIZE=1", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> =1", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> SI_ZE=1", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> X=1 SIZE=x", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:", STATUS_INVALID, NULL, { 0 } },
	{ "FROM", STATUS_NOT_FOUND, NULL, { 0 } },
	{ "", STATUS_NOT_FOUND, NULL, { 0 } },
	{ "TO:<a@b>", STATUS_NOT_FOUND, NULL, { 0 } },
	{ "FROM:<a>", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<postmaster>", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> <c@d>", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<j\xC3\xB6@b>", STATUS_OK, "j\xC3\xB6@b", { 0 } },
	{ "FROM:<j\xF6@b>", STATUS_INVALID, NULL, { 0 } },
	{ "FROM:<a@b> SMTPUTF8", STATUS_OK, "a@b", { .smtputf8 = true } },
	{ "FROM:<a@b> RET=HDRS ENVID=1 SIZE=5", STATUS_OK, "a@b", { .has_size = true, .size = 5 } },
	{ "FROM:<a@b> RET=BODY", STATUS_INVALID, NULL, { 0 } },
};

static enum status read_mail(struct span argument, struct mailbox *out_sender, struct mail_parameters *out_parameters)
{
	struct span text;
	TRY(command_read_sender(argument, out_sender, &text));
	return parameters_read_mail(text, out_parameters);
}

static void test_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mail_cases) / sizeof(*mail_cases); i++) {
		const struct mail_case *c = &mail_cases[i];
		struct mailbox sender;
		struct mail_parameters p;
		memset(&p, 0, sizeof(p));
		enum status status = read_mail(span_of(c->argument), &sender, &p);
		if (status != c->status)
			fail_msg("\"%s\": %s", c->argument, status_text(status));
		if (status == STATUS_OK)
			assert_true(span_equal(sender.whole, span_of(c->sender)));
		if (p.has_size != c->parameters.has_size || p.size != c->parameters.size ||
		    p.has_body != c->parameters.has_body || p.eight_bit != c->parameters.eight_bit ||
		    p.has_auth != c->parameters.has_auth || p.smtputf8 != c->parameters.smtputf8)
			fail_msg("\"%s\": wrong parameters", c->argument);
	}
}

struct rcpt_case {
	const char *argument;
	enum status status;
	const char *recipient;
};

static const struct rcpt_case rcpt_cases[] = {
	{ "TO:<a@b>", STATUS_OK, "a@b" },
	{ "to: a@b", STATUS_OK, "a@b" },
	{ "TO:<Postmaster>", STATUS_OK, "Postmaster" },
	{ "TO:<\"a b\"@c>", STATUS_OK, "\"a b\"@c" },
	{ "TO:<>", STATUS_INVALID, NULL },
	{ "TO:", STATUS_INVALID, NULL },
	{ "TO:<a>", STATUS_INVALID, NULL },
	{ "TO:<a@b>,<c@d>", STATUS_INVALID, NULL },
	{ "TO:<a@b> <c@d>", STATUS_INVALID, NULL },
	{ "FROM:<a@b>", STATUS_NOT_FOUND, NULL },
	{ "TO:<b!c!a>", STATUS_INVALID, NULL },
	{ "TO:<b!a%c@d>", STATUS_OK, "b!a%c@d" },
	{ "TO:<postmaster> NOTIFY=NEVER", STATUS_OK, "postmaster" },
	{ "TO:<@x:postmaster>", STATUS_OK, "postmaster" },
	{ "TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", STATUS_INVALID, NULL },
	{ "TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a@b", STATUS_OK, "a@b" },
	{ "TO:<a@b> NOTIFY=MAYBE", STATUS_INVALID, NULL },
	{ "TO:<a@b> SIZE=1", STATUS_NOT_FOUND, NULL },
};

static enum status read_rcpt(struct span argument, struct mailbox *out_recipient,
			     struct rcpt_parameters *out_parameters)
{
	struct span text;
	TRY(command_read_recipient(argument, out_recipient, &text));
	return parameters_read_rcpt(text, out_parameters);
}

static void test_rcpt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rcpt_cases) / sizeof(*rcpt_cases); i++) {
		const struct rcpt_case *c = &rcpt_cases[i];
		struct mailbox recipient;
		struct rcpt_parameters parameters;
		enum status status = read_rcpt(span_of(c->argument), &recipient, &parameters);
		if (status != c->status)
			fail_msg("\"%s\": %s", c->argument, status_text(status));
		if (status == STATUS_OK)
			assert_true(span_equal(recipient.whole, span_of(c->recipient)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_a_line_byte_by_byte),
		cmocka_unit_test(test_verbs), cmocka_unit_test(test_mail),
		cmocka_unit_test(test_rcpt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
