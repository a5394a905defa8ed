/* Whom readers may take for the authors and senders of a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "smtp/header.h"

struct author_case {
	const char *what;
	const char *header;
	const char *addresses; /* separated by spaces; NULL: refused */
};

static const struct author_case author_cases[] = {
	{ "a bare address", "From: me@d\r\n", "me@d" },
	{ "without a space", "From:me@d\r\n", "me@d" },
	{ "in brackets", "From: <me@d>\r\n", "me@d" },
	{ "blanks in brackets", "From: < me@d >\r\n", "me@d" },
	{ "with a name", "FROM: Me <me@d>\r\n", "me@d" },
	{ "glued", "From: Me<me@d>\r\n", "me@d" },
	{ "a name with a dot", "From: John Q. Public <me@d>\r\n", "me@d" },
	{ "a quoted name", "From: \"Doe, John (x) <y>\" <me@d>\r\n", "me@d" },
	{ "a quoted name with escapes", "From: \"a \\\" b\" <me@d>\r\n", "me@d" },
	{ "an 8-bit name", "From: J\xF6rg <me@d>\r\n", "me@d" },
	{ "an encoded name", "From: =?utf-8?Q?M=C3=BCller=2C_Hans?= <me@d>\r\n", "me@d" },
	{ "an address as quoted name", "From: \"me@d\" <me@d>\r\n", "me@d" },
	{ "someone else's as quoted name, as ticket systems do", "From: \"you@e via Desk\" <me@d>\r\n", "me@d" },
	{ "a quoted name with brackets", "From: \"[ops@web1] alert\" <me@d>\r\n", "me@d" },
	{ "a comment after it", "From: me@d (Me)\r\n", "me@d" },
	{ "a comment before it", "From: (Me) me@d\r\n", "me@d" },
	{ "a comment between", "From: John (Sales) Doe <me@d> (x)\r\n", "me@d" },
	{ "folded", "From:\r\n Me\r\n\t<me@d>\r\n", "me@d" },
	{ "folded with a stuffed dot", "From: Me\r\n. <me@d>\r\n", "me@d" },
	{ "obsolete spacing", "From : me@d\r\n", "me@d" },
	{ "a tab before the colon", "From\t: me@d\r\n", "me@d" },
	{ "several", "From: a@d, B <b@d>,c@d\r\n", "a@d b@d c@d" },
	{ "several, as some clients separate them", "From: a@d; b@d\r\n", NULL },
	{ "a semicolon at the end", "From: Me <me@d>; \r\n", "me@d" },
	{ "a comment within a quoted address", "From: \"Doe, Jane (@jane)@e.x\" <me@d>\r\n", "me@d Jane@e.x" },
	{ "a comment in a comment that does not end", "From: \"( Doe, Jane (@jane)@e.x\" <me@d>\r\n", "me@d Jane@e.x" },
	{ "blanks within a quoted address", "From: \"you @ e.x\" <me@d>\r\n", "me@d you@e.x" },
	{ "a quoted name and one's own address", "From: \"Jane me@d.x\" <me@d.x>\r\n", "me@d.x" },
	{ "empty elements", "From: , me@d ,,\r\n", "me@d" },
	{ "a group", "From: Team: a@d, B <b@d>;\r\n", "a@d b@d" },
	{ "a group and more", "From: Team: a@d;, b@d\r\n", "a@d b@d" },
	{ "two fields", "From: a@d\r\nX: y\r\nfrom: b@d\r\n", "a@d b@d" },
	{ "a field after a stuffed dot", "From: a@d\r\n.From: b@d\r\n", "a@d b@d" },
	{ "a field after a byte order mark",
	  "\xEF\xBB\xBF"
	  "From: b@d\r\nFrom: a@d\r\n",
	  "b@d a@d" },
	{ "a field with a hard space", "From\xC2\xA0: b@d\r\nFrom: a@d\r\n", "b@d a@d" },
	{ "an unquoted address as name", "From: me@d <me@d>\r\n", "me@d me@d" },
	{ "someone else's address as unquoted name", "From: you@e <me@d>\r\n", "you@e me@d" },
	{ "the same, glued", "From: you@e<me@d>\r\n", "you@e me@d" },
	{ "an address as group name", "From: you@e: me@d;\r\n", "you@e me@d" },
	{ "a quoted local part", "From: \"me\"@d\r\n", "\"me\"@d" },
	{ "a quoted local part in brackets", "From: <\"me\"@d>\r\n", "\"me\"@d" },
	{ "a literal", "From: me@[192.0.2.1], <me@[IPv6:::1]>\r\n", "me@[192.0.2.1] me@[IPv6:::1]" },
	{ "a literal without brackets around", "From: me@[IPv6:::1] (x)\r\n", "me@[IPv6:::1]" },
	{ "a name of UNIX", "From: root\r\n", "root" },
	{ "and with its comment", "From: root (Cron Daemon)\r\n", "root" },
	{ "and in brackets", "From: root <root>\r\n", "root" },
	{ "an unquoted comma makes two", "From: Doe, John <me@d>\r\n", "Doe me@d" },
	{ "a UTF-8 address", "From: <j\xC3\xB6rg@d>\r\n", "j\xC3\xB6rg@d" },
	{ "no From at all", "Subject: me@d\r\nX-From: a@b\r\nFrom-X: a@b\r\nFro: a@b\r\n", "" },
	{ "an empty one", "From:\r\n", NULL },
	{ "commas alone", "From: ,,\r\n", NULL },
	{ "a comment alone", "From: (me)\r\n", NULL },
	{ "an empty group", "From: undisclosed:;\r\n", NULL },
	{ "a name alone", "From: Scanner Bob\r\n", NULL },
	{ "a quoted name alone", "From: \"Bob\"\r\n", NULL },
	{ "empty brackets", "From: Me <>\r\n", NULL },
	{ "nested brackets", "From: <<me@d>>\r\n", NULL },
	{ "brackets within", "From: <you@e <me@d>>\r\n", NULL },
	{ "two pairs of brackets", "From: <me@d> <you@e>\r\n", NULL },
	{ "two pairs, glued", "From: <me@d><you@e>\r\n", NULL },
	{ "an address after brackets", "From: <me@d> you@e\r\n", NULL },
	{ "a word after brackets", "From: <me@d> Me\r\n", NULL },
	{ "a word and an address before brackets", "From: Me you@e <me@d>\r\n", NULL },
	{ "two addresses before brackets", "From: you@e me@d <me@d>\r\n", NULL },
	{ "a quoted word and an address before brackets", "From: \"you\" @e <me@d>\r\n", NULL },
	{ "an address and a word as group name", "From: Me you@e: me@d;\r\n", NULL },
	{ "a square bracket after a quoted address", "From: \"you@e\"[ <me@d>\r\n", NULL },
	{ "a bracket not closed", "From: Me <me@d\r\n", NULL },
	{ "a bracket not opened", "From: me@d>\r\n", NULL },
	{ "two addresses without a comma", "From: me@d you@e\r\n", NULL },
	{ "a word after an address", "From: me@d Me\r\n", NULL },
	{ "a word before an address", "From: Me me@d\r\n", NULL },
	{ "a quote not closed", "From: \"Me <me@d>\r\n", NULL },
	{ "a quote not opened", "From: Me\" <me@d>\r\n", NULL },
	{ "a quote closed by an escape", "From: \"Me\\\" <me@d>\r\n", NULL },
	{ "a comment not closed", "From: me@d (Me\r\n", NULL },
	{ "a comment not opened", "From: me@d Me)\r\n", NULL },
	{ "nested comments", "From: me@d (a (b) c)\r\n", NULL },
	{ "an address in a comment", "From: (you@e) me@d\r\n", NULL },
	{ "brackets in a comment", "From: (<you@e>) <me@d>\r\n", NULL },
	{ "an escape in a comment", "From: me@d (a\\) <you@e>)\r\n", NULL },
	{ "a quote in a comment", "From: (\") you@e (\") <me@d>\r\n", NULL },
	{ "a comment within an address", "From: me@(x)d\r\n", NULL },
	{ "a comment within brackets", "From: <me@d(x)>\r\n", NULL },
	{ "blanks within an address", "From: <me @d>\r\n", NULL },
	{ "blanks around an at", "From: me @ d\r\n", NULL },
	{ "brackets in a quoted name", "From: \"<root@web1>\" <me@d>\r\n", "me@d" },
	{ "a comma in a quoted name", "From: \"you@e, \" <me@d>\r\n", "me@d" },
	{ "a list in an encoded name", "From: =?utf-8?Q?you=40e=2C?= <me@d>\r\n", NULL },
	{ "a list in base64", "From: =?utf-8?B?eW91QGUsIA==?= <me@d>\r\n", NULL },
	{ "a list in two encoded words", "From: =?utf-8?Q?you=40e?= =?utf-8?Q?=2C?= <me@d>\r\n", NULL },
	{ "a list in a quoted encoded word", "From: \"=?utf-8?Q?you=40e=2C?=\" <me@d>\r\n", NULL },
	{ "two quoted encoded words", "From: \"x =?utf-8?q?you=40e?= =?utf-8?q?=2C?=\" <me@d>\r\n", NULL },
	{ "an encoded word stuck to others", "From: x=?utf-8?q?=22?==?utf-8?q?you=40e=2C?= <me@d>\r\n", NULL },
	{ "an encoded word not closed", "From: \"=?utf-8?q?you=40e=2C \" <me@d>\r\n", NULL },
	{ "what begins alike", "From: What =? =?x <me@d>\r\n", "me@d" },
	{ "a quoted word with an atom", "From: \"Me\".x <me@d>\r\n", NULL },
	{ "two quoted words, glued", "From: \"Me\"\"x\" <me@d>\r\n", NULL },
	{ "an encoded address and a word", "From: =?utf-8?q?me=40d.x?= y <me@d.x>\r\n", "me@d.x me@d.xy" },
	{ "an encoded address, a comment and a word", "From: =?utf-8?q?me=40d.x.?= (x) y <me@d.x>\r\n",
	  "me@d.x me@d.x.y" },
	{ "an encoded address as name", "From: =?utf-8?q?me=40d?= <me@d>\r\n", "me@d" },
	{ "someone else's", "From: =?utf-8?b?eW91QGU=?= <me@d>\r\n", "me@d you@e" },
	{ "someone else's in two words", "From: =?utf-8?q?you=40?= =?utf-8?q?e?= <me@d>\r\n", "me@d you@e" },
	{ "someone else's among words", "From: =?utf-8?q?J=C3=B6rg_you=40e_x?= <me@d>\r\n", "me@d you@e" },
	{ "someone else's half encoded", "From: you=?utf-8?q?=40?=e <me@d>\r\n", "me@d you@e" },
	{ "an encoded name with an at", "From: =?utf-8?q?J=C3=B6rg_=40_Work?= <me@d>\r\n", "me@d" },
	{ "an encoded address in a quoted name", "From: \"=?utf-8?q?you=40e?= via Desk\" <me@d>\r\n", "me@d" },
	{ "a handle in a quoted name", "From: \"Doe, Jane (@jane)\" <me@d>\r\n", "me@d" },
	{ "a host in a quoted name", "From: \"monitor: root@web1\" <me@d>\r\n", "me@d" },
	{ "a host in a quoted name, among words", "From: \"root@web1\" alert <me@d>\r\n", NULL },
	{ "a host in a quoted name of a group", "From: \"root@web1\": me@d;\r\n", NULL },
	{ "a handle in a quoted name, among words", "From: \"Jane (@jane)\" via Desk <me@d>\r\n", "me@d" },
	{ "a whole address in a quoted name", "From: \"you@e.x via Desk\" <me@d>\r\n", "me@d you@e.x" },
	{ "one after a comma", "From: \"Boss, you@e.x\" <me@d>\r\n", "me@d you@e.x" },
	{ "one in brackets", "From: \"<you@e.x>.\" <me@d>\r\n", "me@d you@e.x" },
	{ "one's own", "From: \"'me@d.x'\" <me@d.x>\r\n", "me@d.x" },
	{ "one with a backslash", "From: \"\\you@e.x\" <me@d>\r\n", "me@d you@e.x" },
	{ "one with a wide at",
	  "From: \"you\xEF\xBC\xA0"
	  "e.x\" <me@d>\r\n",
	  "me@d you@e.x" },
	{ "one with a wide dot",
	  "From: you\xEF\xB9\xAB"
	  "e\xE3\x80\x82x <me@d>\r\n",
	  "me@d you@e.x" },
	{ "a wide at in a name", "From: you \xEF\xBC\xA0 e <me@d>\r\n", "me@d" },
	{ "one that a backslash cuts", "From: \"a\\you@e.x\" <me@d>\r\n", "me@d you@e.x ayou@e.x" },
	{ "one encoded in a quoted name", "From: \"=?utf-8?q?you=40e.x?=\" <me@d>\r\n", "me@d you@e.x" },
	{ "an encoded address beside a word", "From: =?utf-8?q?you=40e.x?= =?utf-8?q?Boss?= <me@d>\r\n",
	  "me@d you@e.x you@e.xBoss you@e.xBoss" },
	{ "the same, glued", "From: =?utf-8?q?you=40e.x?==?utf-8?q?Boss?= <me@d>\r\n",
	  "me@d you@e.x you@e.xBoss you@e.xBoss" },
	{ "one in pieces", "From: =?utf-8?q?yo?= =?utf-8?b?dUA=?=\r\n =?utf-8?q?e.x?= <me@d>\r\n",
	  "me@d you@e.x you@e.x" },
	{ "one with a question mark", "From: =?utf-8?q?a?you=40e.x?= <me@d>\r\n", "me@d a?you@e.x" },
	{ "one with a blank", "From: =?utf-8?q?a you=40e.x?= <me@d>\r\n", "me@d you@e.x ayou@e.x" },
	{ "one in an encoded comment", "From: me@d (=?utf-8?q?you=40e.x?=)\r\n", "me@d you@e.x" },
	{ "an encoded end of a comment", "From: me@d (=?utf-8?q?x=29_=3Cyou=40e.x=3E?=)\r\n", NULL },
	{ "an encoded end and a beginning", "From: me@d (=?utf-8?q?x=29.x=28?=)\r\n", NULL },
	{ "an encoded comma in a comment", "From: me@d (=?utf-8?q?M=C3=BCller=2C_Hans?=)\r\n", "me@d" },
	{ "an encoded handle", "From: =?utf-8?q?Doe=2C_J=C3=BCrgen_(=40jane)?= <me@d>\r\n", "me@d" },
	{ "an encoded address with a comment", "From: =?utf-8?q?you=40=28x=29e.x?= <me@d>\r\n", NULL },
	{ "one that ends in an encoded handle", "From: =?utf-8?q?you_=28=40e.x=29?= <me@d>\r\n", NULL },
	{ "encoded blanks around an at", "From: =?utf-8?q?you_=40_e_.x?= <me@d>\r\n", "me@d you@e.x" },
	{ "an encoded at among plain words", "From: you =?utf-8?q?=40?= e.x <me@d>\r\n", "me@d you@e.x" },
	{ "an encoded quote", "From: \"=?utf-8?q?x=22?= you@e\" <me@d>\r\n", NULL },
	{ "a comma and no at", "From: =?utf-8?q?M=C3=BCller=2C_Hans?= \"x\" <me@d>\r\n", "me@d" },
	{ "encoded twice", "From: =?utf-8?q?=3D=3Futf-8=3Fq=3Fyou=3D40e.x=3F=3D?= <me@d>\r\n", NULL },
	{ "UTF-7", "From: =?utf-7?q?you+AEA-e.x?= <me@d>\r\n", NULL },
	{ "UTF-7 in a quoted name", "From: \"=?UTF-7?q?you+AEA-e.x?=\" <me@d>\r\n", NULL },
	{ "UTF-16", "From: =?utf-16be?b?AHkAQABl?= <me@d>\r\n", NULL },
	{ "EBCDIC", "From: =?cp037?q?=A8=7C=85?= <me@d>\r\n", NULL },
	{ "UTF-16 by another name", "From: =?windows-1200?q?y?= <me@d>\r\n", NULL },
	{ "a charset that nobody knows", "From: =?x-martian?q?y?= <me@d>\r\n", NULL },
	{ "no charset", "From: =??q?y?= <me@d>\r\n", NULL },
	{ "a charset with a language", "From: =?UTF-8*de?Q?J=C3=B6rg?= <me@d>\r\n", "me@d" },
	{ "overlong UTF-8", "From: =?utf-8?q?you=C1=80e.x?= <me@d>\r\n", NULL },
	{ "faulty UTF-8, as some printers write", "From: =?utf-8?q?J=F6rg?= <me@d>\r\n", "me@d" },
	{ "ISO 2022 with an at in a kana", "From: =?iso-2022-jp?b?GyRCJEAbKEI=?= <me@d>\r\n", "me@d" },
	{ "an address in ISO 2022", "From: =?iso-2022-jp?q?yo=1B=28Bu=40e.x?= <me@d>\r\n", "me@d you@e.x" },
	{ "padding within base64", "From: =?utf-8?b?eW8=dUBlLng=?= <me@d>\r\n", NULL },
	{ "an unknown encoding", "From: =?utf-8?x?you?= <me@d>\r\n", NULL },
	{ "a square bracket at the end of a name", "From: ceo[ <me@d>\r\n", NULL },
	{ "a closing one, glued", "From: ceo]<me@d>\r\n", NULL },
	{ "a name in square brackets", "From: [Desk] Me <me@d>\r\n", NULL },
	{ "a dot alone", "From: . Ceo <me@d>\r\n", NULL },
	{ "a dot alone, between words", "From: The . Ceo <me@d>\r\n", NULL },
	{ "dots alone", "From: ... <me@d>\r\n", NULL },
	{ "a dot before the only word", "From: .ceo <me@d>\r\n", NULL },
	{ "the same with a comment", "From: .ceo (x) Me <me@d>\r\n", NULL },
	{ "a dot before a word, and a quoted one", "From: .ceo \"Me\" <me@d>\r\n", NULL },
	{ "a dot before a name", "From: .NET Team <me@d>\r\n", "me@d" },
	{ "a dot before a word within", "From: \"The\" .NET <me@d>\r\n", "me@d" },
	{ "a blank in a quoted local part", "From: \"me+ you\"@d\r\n", NULL },
	{ "an at in an encoded name, not encoded", "From: =?utf-8?Q?you@e?= <me@d>\r\n", NULL },
	{ "an encoded address", "From: =?utf-8?Q?you=40e?=\r\n", NULL },
	{ "an encoded address in brackets", "From: <=?utf-8?Q?you=40e?=>\r\n", NULL },
	{ "an encoded local part", "From: <=?utf-8?Q?you?=@d>\r\n", NULL },
	{ "a route", "From: <@you.e:me@d>\r\n", NULL },
	{ "a route without brackets", "From: @you.e:me@d\r\n", NULL },
	{ "a group not closed", "From: Team: me@d\r\n", NULL },
	{ "a group in a group", "From: A: B: me@d;;\r\n", NULL },
	{ "a group without a name", "From: : me@d;\r\n", NULL },
	{ "a quoted local part that hides an address", "From: \"you@e,\"@d\r\n", NULL },
	{ "a quoted local part with brackets", "From: <\"<you@e>\"@d>\r\n", NULL },
	{ "a local part half quoted", "From: you\"@e,\"@d\r\n", NULL },
	{ "two ats", "From: you@e@d\r\n", NULL },
	{ "an escape outside quotes", "From: \\\"you@e\\\" <me@d>\r\n", NULL },
	{ "a vertical tab", "From: you@e\v<me@d>\r\n", NULL },
	{ "an address in Latin-1", "From: <j\xF6rg@d>\r\n", NULL },
	{ "a good field and a bad one", "From: me@d\r\nFrom: <<you@e>\r\n", NULL },
	{ "a bad field and a good one", "From: <<you@e>\r\nFrom: me@d\r\n", NULL },
	{ "a line that is no field", "From: me@d\r\nhello\r\nFrom: you@e\r\n", NULL },
	{ "an empty line within", "From: me@d\r\n\r\nFrom: you@e\r\n", NULL },
	{ "a bare CR", "Subject: x\rFrom: you@e\r\nFrom: me@d\r\n", NULL },
	{ "a bare LF", "Subject: x\nFrom: you@e\r\nFrom: me@d\r\n", NULL },
	{ "no line end", "From: me@d", NULL },
};

static bool same_list(struct span got, struct span wanted)
{
	if (got.size != wanted.size)
		return false;
	for (size_t i = 0; i < got.size; i++) {
		char c = got.data[i] == '\n' ? ' ' : got.data[i];
		if (c != wanted.data[i])
			return false;
	}
	return true;
}

static void test_authors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(author_cases) / sizeof(*author_cases); i++) {
		const struct author_case *c = &author_cases[i];
		struct buf addresses BUF_AUTO;
		struct header_facts facts;
		buf_init(&addresses, 1000);
		enum status status = header_read(span_of(c->header), &facts, &addresses);
		if (status != (c->addresses ? STATUS_OK : STATUS_INVALID))
			fail_msg("%s: %s, \"%.*s\"", c->what, status_text(status), SPAN_ARGS(buf_span(&addresses)));
		if (!same_list(buf_span(&addresses), span_of(c->addresses)))
			fail_msg("%s: \"%.*s\"", c->what, SPAN_ARGS(buf_span(&addresses)));
	}
}

static void test_a_nul_is_refused(void **state)
{
	(void)state;
	static const struct span headers[] = {
		SPAN("From: me@d\0 <you@e>\r\n"),        SPAN("From: \"\0\" <me@d>\r\n"), SPAN("From: (\0) me@d\r\n"),
		SPAN("From\0: you@e\r\nFrom: me@d\r\n"), SPAN("X: \0\r\nFrom: me@d\r\n"),
	};
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		struct buf addresses BUF_AUTO;
		struct header_facts facts;
		buf_init(&addresses, 1000);
		assert_int_equal(header_read(headers[i], &facts, &addresses), STATUS_INVALID);
		assert_int_equal(buf_size(&addresses), 0);
	}
}

static void test_a_thousand_authors_are_all_given(void **state)
{
	(void)state;
	struct buf header BUF_AUTO, addresses BUF_AUTO;
	struct header_facts facts;
	buf_init(&header, HEADER_MAXIMUM);
	buf_init(&addresses, HEADER_MAXIMUM);
	assert_int_equal(buf_append_text(&header, "From: a0@d"), STATUS_OK);
	for (unsigned i = 1; i < 1000; i++)
		assert_int_equal(buf_printf(&header, ",\r\n a%u@d", i), STATUS_OK);
	assert_int_equal(buf_append_text(&header, "\r\n"), STATUS_OK);
	assert_int_equal(header_read(buf_span(&header), &facts, &addresses), STATUS_OK);
	size_t count = 0;
	struct span rest = buf_span(&addresses), address;
	while (span_cut(&rest, '\n', &address))
		count++;
	assert_int_equal(count, 1000);
	assert_true(span_equal(address, SPAN("a999@d")));
}

static void test_other_senders(void **state)
{
	static const struct {
		const char *what, *header;
		enum status status;
		const char *addresses;
	} cases[] = {
		{ "none", "From: me@d\r\nX-Sender: you@e\r\n", STATUS_OK, "" },
		{ "Sender", "From: me@d\r\nsender : you@e\r\n", STATUS_OK, "you@e" },
		{ "resent fields, more than once", "Resent-From: a@d\r\nResent-Sender: b@d\r\nResent-From:\r\n c@d\r\n",
		  STATUS_OK, "a@d\nb@d\nc@d" },
		{ "after a byte order mark and a stuffed dot", ".\xef\xbb\xbfSender: you@e\r\n", STATUS_OK, "you@e" },
		{ "one that readers would split differently", "Sender: you@e <me@d>, <b@d> <c@d>\r\n", STATUS_INVALID,
		  "" },
		{ "nobody", "Sender:\r\n", STATUS_INVALID, "" },
		{ "what is no header", "not a field\r\n", STATUS_INVALID, "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf addresses BUF_AUTO;
		buf_init(&addresses, HEADER_MAXIMUM);
		print_message("  %s\n", cases[i].what);
		assert_int_equal(header_read_senders(span_of(cases[i].header), &addresses), cases[i].status);
		assert_true(span_equal(buf_span(&addresses), span_of(cases[i].addresses)));
	}
}

static void test_addresses_that_do_not_fit_are_an_error(void **state)
{
	(void)state;
	struct buf addresses BUF_AUTO;
	struct header_facts facts;
	buf_init(&addresses, 3);
	assert_int_equal(header_read(SPAN("From: me@d\r\n"), &facts, &addresses), STATUS_TOO_LARGE);
	assert_int_equal(buf_size(&addresses), 0);
}

/* Every prefix of every case is read without a fault of ours, and what is refused gives no address. */
static void test_cut_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(author_cases) / sizeof(*author_cases); i++) {
		struct span header = span_of(author_cases[i].header);
		for (size_t size = 0; size < header.size; size++) {
			struct buf addresses BUF_AUTO;
			struct header_facts facts;
			buf_init(&addresses, 1000);
			enum status status = header_read(span_slice(header, 0, size), &facts, &addresses);
			assert_true(status == STATUS_OK || buf_size(&addresses) == 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_authors),
		cmocka_unit_test(test_a_nul_is_refused),
		cmocka_unit_test(test_a_thousand_authors_are_all_given),
		cmocka_unit_test(test_other_senders),
		cmocka_unit_test(test_addresses_that_do_not_fit_are_an_error),
		cmocka_unit_test(test_cut_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
