/* A header with another author: what is written, what goes to Reply-To, and that all else stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "smtp/header.h"

#define ACCOUNT SPAN("relay@example.com")

static const struct {
	const char *what, *in, *out;
} cases[] = {
	{ "the address alone", "From: ann@example.com\r\n",
	  "From: <relay@example.com>\r\nReply-To: ann@example.com\r\n" },
	{ "the name is kept", "From: Ann <ann@example.com>\r\n",
	  "From: Ann <relay@example.com>\r\nReply-To: Ann <ann@example.com>\r\n" },
	{ "a quoted name, with what looks like an address's border", "From: \"Ann <x\" <ann@example.com>\r\n",
	  "From: \"Ann <x\" <relay@example.com>\r\nReply-To: \"Ann <x\" <ann@example.com>\r\n" },
	{ "an encoded name", "From: =?utf-8?Q?J=C3=B6rg?= <j@example.com>\r\n",
	  "From: =?utf-8?Q?J=C3=B6rg?= <relay@example.com>\r\nReply-To: =?utf-8?Q?J=C3=B6rg?= <j@example.com>\r\n" },
	{ "a folded field", "From: Ann\r\n\t<ann@example.com>\r\nTo: b@x\r\n",
	  "From: Ann <relay@example.com>\r\nReply-To: Ann\r\n\t<ann@example.com>\r\nTo: b@x\r\n" },
	{ "there is a Reply-To already", "Reply-To: other@example.com\r\nFrom: Ann <ann@example.com>\r\n",
	  "Reply-To: other@example.com\r\nFrom: Ann <relay@example.com>\r\n" },
	{ "or after it", "From: Ann <ann@example.com>\r\nreply-to : other@example.com\r\n",
	  "From: Ann <relay@example.com>\r\nreply-to : other@example.com\r\n" },
	{ "several authors", "From: Ann <ann@example.com>, bob@example.com\r\n",
	  "From: <relay@example.com>\r\nReply-To: Ann <ann@example.com>, bob@example.com\r\n" },
	{ "a group is no name", "From: Team: Ann <ann@example.com>;\r\n",
	  "From: <relay@example.com>\r\nReply-To: Team: Ann <ann@example.com>;\r\n" },
	{ "Sender goes away", "Sender: ann@example.com\r\nFrom: ann@example.com\r\nSubject: x\r\n",
	  "From: <relay@example.com>\r\nReply-To: ann@example.com\r\nSubject: x\r\n" },
	{ "the account itself", "Sender: x@y\r\nFrom: Relay <Relay@Example.com>\r\nTo: b@x\r\n",
	  "Sender: x@y\r\nFrom: Relay <Relay@Example.com>\r\nTo: b@x\r\n" },
	{ "no author", "To: b@x\r\n", "To: b@x\r\nFrom: <relay@example.com>\r\n" },
	{ "two author fields", "From: ann@example.com\r\nSubject: x\r\nFrom: eve@example.com\r\n",
	  "From: <relay@example.com>\r\nReply-To: ann@example.com\r\nSubject: x\r\n" },
	{ "two, one of them the account", "From: relay@example.com\r\nFrom: eve@example.com\r\n",
	  "From: <relay@example.com>\r\nReply-To: relay@example.com\r\n" },
	{ "an author nobody can read goes nowhere", "From: <ann@example.com\r\nTo: b@x\r\n",
	  "From: <relay@example.com>\r\nTo: b@x\r\n" },
	{ "after a stuffed dot", "To: b@x\r\n.From: ann@example.com\r\n",
	  "To: b@x\r\nFrom: <relay@example.com>\r\nReply-To: ann@example.com\r\n" },
	{ "odd fields stay byte by byte", "Received: by x;\r\n  now\r\nX-\xc3\xa4: \xff\r\nFrom: ann@example.com\r\n",
	  "Received: by x;\r\n  now\r\nX-\xc3\xa4: \xff\r\nFrom: <relay@example.com>\r\nReply-To: "
	  "ann@example.com\r\n" },
	{ "a name that readers would dispute about in front of an address", "From: \"0 =?utf-8?q?\" x ?= <ann>\r\n",
	  "From: <relay@example.com>\r\nReply-To: \"0 =?utf-8?q?\" x ?= <ann>\r\n" },
	{ "a long name is folded",
	  "From: \"A name that is so long that no line would hold both of them well\" <ann@example.com>\r\n",
	  "From: \"A name that is so long that no line would hold both of them well\"\r\n <relay@example.com>\r\n"
	  "Reply-To: \"A name that is so long that no line would hold both of them well\" <ann@example.com>\r\n" },
};

static void each_header_is_rewritten_as_it_must(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out BUF_AUTO;
		char text[2000];
		print_message("  %s\n", cases[i].what);
		buf_init(&out, HEADER_MAXIMUM);
		assert_int_equal(header_rewrite_sender(span_of(cases[i].in), ACCOUNT, &out), STATUS_OK);
		snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(buf_span(&out)));
		assert_string_equal(text, cases[i].out);
	}
}

/* As Outlook writes: the recipient still sees who it was. */
static void an_address_as_name_is_kept(void **state)
{
	struct buf out BUF_AUTO;
	(void)state;
	buf_init(&out, HEADER_MAXIMUM);
	assert_int_equal(
		header_rewrite_sender(SPAN("From: \"'ann@example.com'\" <Ann@example.com>\r\n"), ACCOUNT, &out),
		STATUS_OK);
	assert_true(span_starts_with(buf_span(&out), SPAN("From: \"'ann@example.com'\" <relay@example.com>\r\n")));
}

static void what_was_rewritten_has_one_author_and_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf once BUF_AUTO;
		struct buf twice BUF_AUTO;
		struct buf addresses BUF_AUTO;
		struct header_facts facts;
		buf_init(&once, HEADER_MAXIMUM);
		buf_init(&twice, HEADER_MAXIMUM);
		buf_init(&addresses, HEADER_MAXIMUM);
		assert_int_equal(header_rewrite_sender(span_of(cases[i].in), ACCOUNT, &once), STATUS_OK);
		assert_int_equal(header_rewrite_sender(buf_span(&once), ACCOUNT, &twice), STATUS_OK);
		assert_true(span_equal(buf_span(&once), buf_span(&twice)));
		assert_int_equal(header_read(buf_span(&once), &facts, &addresses), STATUS_OK);
		assert_int_equal(facts.from_count, 1);
		assert_true(span_equal_nocase(buf_span(&addresses), ACCOUNT));
	}
}

static void what_has_no_room_says_so(void **state)
{
	struct buf out BUF_AUTO;
	(void)state;
	buf_init(&out, 20);
	assert_int_equal(header_rewrite_sender(SPAN("From: ann@example.com\r\n"), ACCOUNT, &out), STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_header_is_rewritten_as_it_must),
		cmocka_unit_test(an_address_as_name_is_kept),
		cmocka_unit_test(what_was_rewritten_has_one_author_and_stays),
		cmocka_unit_test(what_has_no_room_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
