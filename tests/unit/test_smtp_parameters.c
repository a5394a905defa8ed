/* The parameters of MAIL and RCPT that ask for delivery status notifications, read strictly and written again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/parameters.h"

#define HUNDRED "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"

struct text_case {
	const char *text;
	enum status status;
	const char *written; /* NULL: as it was read */
};

static const struct text_case mail_cases[] = {
	{ "", STATUS_OK, NULL },
	{ "RET=FULL", STATUS_OK, NULL },
	{ "ret=hdrs", STATUS_OK, "RET=hdrs" },
	{ "ENVID=QQ314159", STATUS_OK, NULL },
	{ "ENVID=a+2Bb+3Dc+20d", STATUS_OK, NULL },
	{ "ENVID=" HUNDRED, STATUS_OK, NULL },
	{ "ENVID=x\tRET=FULL  SIZE=5 BODY=8bitmime AUTH=<>", STATUS_OK, "BODY=8BITMIME SIZE=5 RET=FULL ENVID=x" },
	{ "smtputf8 BODY=8BITMIME", STATUS_OK, "BODY=8BITMIME SMTPUTF8" },
	{ "SMTPUTF8", STATUS_OK, "SMTPUTF8" },
	{ "SMTPUTF8=", STATUS_INVALID, NULL },
	{ "SMTPUTF8 SMTPUTF8", STATUS_INVALID, NULL },
	{ "BODY=7BIT SIZE=18446744073709551615 RET=HDRS ENVID=" HUNDRED, STATUS_OK, NULL },
	{ "RET", STATUS_INVALID, NULL },
	{ "RET=", STATUS_INVALID, NULL },
	{ "RET=FULL,HDRS", STATUS_INVALID, NULL },
	{ "RET=FULL RET=FULL", STATUS_INVALID, NULL },
	{ "ENVID", STATUS_INVALID, NULL },
	{ "ENVID=", STATUS_INVALID, NULL },
	{ "ENVID=a=b", STATUS_INVALID, NULL },
	{ "ENVID=a+2b", STATUS_INVALID, NULL },
	{ "ENVID=a+2", STATUS_INVALID, NULL },
	{ "ENVID=a+", STATUS_INVALID, NULL },
	{ "ENVID=a+GG", STATUS_INVALID, NULL },
	{ "ENVID=a+0D+0AQUIT", STATUS_INVALID, NULL },
	{ "ENVID=a+7F", STATUS_INVALID, NULL },
	{ "ENVID=a+C3+BC", STATUS_INVALID, NULL },
	{ "ENVID=\xc3\xbc", STATUS_INVALID, NULL },
	{ "ENVID=a\r\nQUIT", STATUS_INVALID, NULL },
	{ "ENVID=" HUNDRED "1", STATUS_INVALID, NULL },
	{ "ENVID=1 ENVID=2", STATUS_INVALID, NULL },
	{ "NOTIFY=NEVER", STATUS_NOT_FOUND, NULL },
	{ "X-RET=FULL", STATUS_NOT_FOUND, NULL },
};

static const struct text_case rcpt_cases[] = {
	{ "", STATUS_OK, NULL },
	{ "NOTIFY=NEVER", STATUS_OK, NULL },
	{ "notify=success", STATUS_OK, "NOTIFY=success" },
	{ "NOTIFY=SUCCESS,FAILURE,DELAY", STATUS_OK, NULL },
	{ "ORCPT=rfc822;Bob@example.net", STATUS_OK, NULL },
	{ "ORCPT=rfc822;a+2Bb@example.net NOTIFY=DELAY,FAILURE", STATUS_OK,
	  "NOTIFY=DELAY,FAILURE ORCPT=rfc822;a+2Bb@example.net" },
	{ "ORCPT=utf-8;b\\x{FC}b@example.net", STATUS_OK, NULL },
	{ "ORCPT=rfc822;b+C3+B6b@ex+C3+A4mple.net", STATUS_OK, NULL },
	{ "ORCPT=rfc822;b+F6b@example.net", STATUS_INVALID, NULL },
	{ "ORCPT=rfc822;b+C2+9Bb@example.net", STATUS_INVALID, NULL },
	{ "ORCPT=rfc822;b+C3", STATUS_INVALID, NULL },
	{ "ORCPT=rfc822;b+7Fb@example.net", STATUS_INVALID, NULL },
	{ "ORCPT=rfc822;b+00", STATUS_INVALID, NULL },
	{ "ORCPT=utf-8;b\xC3\xB6"
	  "b@example.net",
	  STATUS_INVALID, NULL },
	{ "ORCPT=rfc822;" HUNDRED HUNDRED HUNDRED HUNDRED "12345678901234567890123456789012345678901234567890"
	  "1234567890123456789012345678901234567890123",
	  STATUS_OK, NULL },
	{ "ORCPT=rfc822;" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED, STATUS_INVALID, NULL },
	{ "NOTIFY", STATUS_INVALID, NULL },
	{ "NOTIFY=", STATUS_INVALID, NULL },
	{ "NOTIFY=NEVER,FAILURE", STATUS_INVALID, NULL },
	{ "NOTIFY=FAILURE,NEVER", STATUS_INVALID, NULL },
	{ "NOTIFY=FAILURE,FAILURE", STATUS_INVALID, NULL },
	{ "NOTIFY=FAILURE,", STATUS_INVALID, NULL },
	{ "NOTIFY=,FAILURE", STATUS_INVALID, NULL },
	{ "NOTIFY=FAILURE,,DELAY", STATUS_INVALID, NULL },
	{ "NOTIFY=ALWAYS", STATUS_INVALID, NULL },
	{ "NOTIFY=NEVER NOTIFY=NEVER", STATUS_INVALID, NULL },
	{ "ORCPT", STATUS_INVALID, NULL },
	{ "ORCPT=bob@example.net", STATUS_INVALID, NULL },
	{ "ORCPT=;bob@example.net", STATUS_INVALID, NULL },
	{ "ORCPT=rfc822;", STATUS_INVALID, NULL },
	{ "ORCPT=rfc822;a=b", STATUS_INVALID, NULL },
	{ "ORCPT=rf 822;a", STATUS_INVALID, NULL },
	{ "ORCPT=rfc822;a+0Ab", STATUS_INVALID, NULL },
	{ "RET=FULL", STATUS_NOT_FOUND, NULL },
	{ "SIZE=1", STATUS_NOT_FOUND, NULL },
};

static void expect_written(const struct text_case *c, enum status status, const struct buf *written)
{
	if (status != c->status)
		fail_msg("\"%s\": %s", c->text, status_text(status));
	if (status == STATUS_OK && !span_equal(buf_span(written), span_of(c->written ? c->written : c->text)))
		fail_msg("\"%s\" is written as \"%.*s\"", c->text, SPAN_ARGS(buf_span(written)));
}

static void those_of_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mail_cases) / sizeof(*mail_cases); i++) {
		struct mail_parameters parameters;
		struct buf text BUF_AUTO;
		buf_init(&text, PARAMETERS_MAIL_TEXT_MAXIMUM);
		enum status status = parameters_read_mail(span_of(mail_cases[i].text), &parameters);
		if (status == STATUS_OK)
			assert_int_equal(parameters_write_mail(&text, &parameters), STATUS_OK);
		expect_written(&mail_cases[i], status, &text);
	}
}

static void those_of_rcpt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rcpt_cases) / sizeof(*rcpt_cases); i++) {
		struct rcpt_parameters parameters;
		struct buf text BUF_AUTO;
		buf_init(&text, PARAMETERS_RCPT_TEXT_MAXIMUM);
		enum status status = parameters_read_rcpt(span_of(rcpt_cases[i].text), &parameters);
		if (status == STATUS_OK)
			assert_int_equal(parameters_write_rcpt(&text, &parameters), STATUS_OK);
		expect_written(&rcpt_cases[i], status, &text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(those_of_mail), cmocka_unit_test(those_of_rcpt) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
