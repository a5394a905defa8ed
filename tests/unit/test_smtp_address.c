/* Mailboxes, paths, and who may use which address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "smtp/address.h"

struct mailbox_case {
	const char *text;
	const char *local; /* NULL: refused */
	const char *domain;
};

static const struct mailbox_case mailbox_cases[] = {
	{ "user@example.com", "user", "example.com" },
	{ "USER+tag@EXAMPLE.com", "USER+tag", "EXAMPLE.com" },
	{ "!#$%&'*+-/=?^_`{|}~@d", "!#$%&'*+-/=?^_`{|}~", "d" },
	{ "a..b.@docomo.example", "a..b.", "docomo.example" },
	{ "user@localhost", "user", "localhost" },
	{ "user@my_host", "user", "my_host" },
	{ "\"a b\"@[192.0.2.1]", "\"a b\"", "[192.0.2.1]" },
	{ "\"a@b\"@d", "\"a@b\"", "d" },
	{ "\"a\\\"b\"@d", "\"a\\\"b\"", "d" },
	{ "a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]" },
	{ "a@[ipv6:::ffff:192.0.2.1]", "a", "[ipv6:::ffff:192.0.2.1]" },
	{ "postmaster", "postmaster", "" },
	{ "Postmaster", "Postmaster", "" },
	{ "", NULL, NULL },
	{ "user", NULL, NULL },
	{ "@d", NULL, NULL },
	{ "user@", NULL, NULL },
	{ "a@b@c", NULL, NULL },
	{ "a b@c", NULL, NULL },
	{ " a@c", NULL, NULL },
	{ "a@c ", NULL, NULL },
	{ "a@c\r\nRCPT TO:<x@y>", NULL, NULL },
	{ "a\n@c", NULL, NULL },
	{ "\"a\nb\"@c", NULL, NULL },
	{ "\"a\\\nb\"@c", NULL, NULL },
	{ "a@c\n", NULL, NULL },
	{ "<a@c>", NULL, NULL },
	{ "a>@c", NULL, NULL },
	{ "a(b)@c", NULL, NULL },
	{ "a,b@c", NULL, NULL },
	{ "a\\@b@c", NULL, NULL },
	{ "\"a@c", NULL, NULL },
	{ "\"a\"b@c", NULL, NULL },
	{ "\"a\"", NULL, NULL },
	{ "\"\"@c", NULL, NULL },
	{ "\"a\\", NULL, NULL },
	{ "a@.c", NULL, NULL },
	{ "a@c.", NULL, NULL },
	{ "a@c..d", NULL, NULL },
	{ "a@[1.2.3.4", NULL, NULL },
	{ "a@[]", NULL, NULL },
	{ "a@[1]x]", NULL, NULL },
	{ "a@[", NULL, NULL },
	{ "a@]", NULL, NULL },
	{ "a@[1.2.3]", NULL, NULL },
	{ "a@[1.2.3.4.5]", NULL, NULL },
	{ "a@[1.2.3.256]", NULL, NULL },
	{ "a@[1.2.3.4 ]", NULL, NULL },
	{ "a@[2001:db8::1]", NULL, NULL },
	{ "a@[IPv6:]", NULL, NULL },
	{ "a@[IPv6:1.2.3.4]", NULL, NULL },
	{ "a@[IPv6:2001:db8::1::2]", NULL, NULL },
	{ "a@[IPv6:fe80::1%eth0]", NULL, NULL },
	{ "a@[IPv6:2001:0db8:0000:0000:0000:0000:0000:0001:0000:0000:0000]", NULL, NULL },
	{ "a@[localhost]", NULL, NULL },
	{ "a@[X-Tag:b]", NULL, NULL },
	{ "a@b c", NULL, NULL },
	{ "j\xC3\xB6rg@d", NULL, NULL },
};

static void test_mailboxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mailbox_cases) / sizeof(*mailbox_cases); i++) {
		const struct mailbox_case *c = &mailbox_cases[i];
		struct mailbox mailbox;
		enum status status = address_read(span_of(c->text), false, &mailbox);
		if ((status == STATUS_OK) != (c->local != NULL))
			fail_msg("\"%s\": %s", c->text, status_text(status));
		if (c->local == NULL)
			continue;
		assert_true(span_equal(mailbox.whole, span_of(c->text)));
		if (!span_equal(mailbox.local, span_of(c->local)) || !span_equal(mailbox.domain, span_of(c->domain)))
			fail_msg("\"%s\" falls apart wrongly", c->text);
	}
}

static bool takes_address(struct span text, bool utf8)
{
	struct mailbox mailbox;
	return address_read(text, utf8, &mailbox) == STATUS_OK;
}

static void test_a_nul_is_never_taken(void **state)
{
	(void)state;
	assert_false(takes_address(SPAN("a\0b@c"), true));
	assert_false(takes_address(SPAN("a@c\0"), true));
	assert_false(takes_address(SPAN("a@c\0.d"), true));
	assert_false(takes_address(SPAN("\"a\0\"@c"), true));
	assert_false(takes_address(SPAN("\"a\\\0\"@c"), true));
	assert_false(takes_address(SPAN("a@[1\0]"), true));
}

static void test_utf8_must_be_valid(void **state)
{
	(void)state;
	assert_true(takes_address(SPAN("j\xC3\xB6rg@b\xC3\xBC.example"), true));
	assert_true(takes_address(SPAN("\"\xE6\x97\xA5 \xF0\x9F\x98\x80\"@d"), true));
	assert_false(takes_address(SPAN("j\xF6rg@d"), true));
	assert_false(takes_address(SPAN("a@\xC3"), true));
	assert_false(takes_address(SPAN("\xC0\xAF@d"), true));
	assert_false(takes_address(SPAN("\xE0\x80\xAF@d"), true));
	assert_false(takes_address(SPAN("\xED\xA0\x80@d"), true));
	assert_false(takes_address(SPAN("\xF4\x90\x80\x80@d"), true));
	assert_false(takes_address(SPAN("\"\xC3\"@d"), true));
	assert_false(takes_address(SPAN("a\xC2\x9B@d"), true)); /* a control character: CSI, to a terminal */
	assert_false(takes_address(SPAN("\"a\xC2\x80\"@d"), true));
	assert_false(takes_address(SPAN("a@d\xC2\x9F"), true));
	assert_true(takes_address(SPAN("a\xC2\xA0@d"), true));
}

/* "a…a@d.d…d", of so many octets. */
static struct span of_length(char *text, size_t size, size_t local)
{
	memset(text, 'a', size);
	for (size_t i = local + 50; i < size - 1; i += 50)
		text[i] = '.';
	text[local] = '@';
	return (struct span){ text, size };
}

static void test_lengths(void **state)
{
	(void)state;
	char text[400];
	assert_true(takes_address(of_length(text, ADDRESS_MAXIMUM, 1), false));
	assert_false(takes_address(of_length(text, ADDRESS_MAXIMUM + 1, 1), false));
	assert_true(takes_address(of_length(text, ADDRESS_MAXIMUM, 200), false));
	memset(text, 'a', sizeof(text));
	text[1] = '@';
	assert_true(takes_address((struct span){ text, 2 + 63 }, false));
	assert_false(takes_address((struct span){ text, 2 + 64 }, false)); /* of one label */
}

/* However short it is cut: what is taken is all of what was given, and ends where it should. */
static void test_cut_mailboxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mailbox_cases) / sizeof(*mailbox_cases); i++) {
		struct span text = span_of(mailbox_cases[i].text);
		for (size_t size = 0; size < text.size; size++) {
			struct mailbox mailbox;
			if (address_read(span_slice(text, 0, size), false, &mailbox) != STATUS_OK)
				continue;
			assert_int_equal(mailbox.whole.size, size);
			assert_int_equal(mailbox.local.size + 1 + mailbox.domain.size, size);
			assert_int_equal(text.data[mailbox.local.size], '@');
		}
	}
}

struct path_case {
	const char *text;
	const char *whole; /* NULL: refused */
	const char *rest;
};

static const struct path_case path_cases[] = {
	{ "<a@b>", "a@b", "" },
	{ "<a@b> SIZE=1", "a@b", " SIZE=1" },
	{ "<>", "", "" },
	{ "<> BODY=7BIT", "", " BODY=7BIT" },
	{ "<@relay.example:a@b>", "a@b", "" },
	{ "<@r.example,@s.example:a@b> X", "a@b", " X" },
	{ "<@[192.0.2.1]:a@b>", "a@b", "" },
	{ "<@r:@s:a@b>", NULL, NULL },
	{ "a@b", "a@b", "" },
	{ "a@b SIZE=1", "a@b", " SIZE=1" },
	{ "\"a b\"@c SIZE=1", "\"a b\"@c", " SIZE=1" },
	{ "<\"a>b\"@c>", "\"a>b\"@c", "" },
	{ "<\"a\\\">b\"@c>x", "\"a\\\">b\"@c", "x" },
	{ "<postmaster>", "postmaster", "" },
	{ "<a@b>>", "a@b", ">" },
	{ "", NULL, NULL },
	{ " <a@b>", NULL, NULL },
	{ "<a@b", NULL, NULL },
	{ "<<a@b>>", NULL, NULL },
	{ "< a@b>", NULL, NULL },
	{ "<a@b >", NULL, NULL },
	{ "< >", NULL, NULL },
	{ "<@relay.example:>", NULL, NULL },
	{ "<@relay.example>", NULL, NULL },
	{ "<@:a@b>", NULL, NULL },
	{ "<@x,y:a@b>", NULL, NULL },
	{ "<@x,:a@b>", NULL, NULL },
	{ "@relay.example:a@b", NULL, NULL },
	{ "a@b>", NULL, NULL },
	{ "<\"a@b>", NULL, NULL },
	{ "SIZE=1", NULL, NULL },
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(path_cases) / sizeof(*path_cases); i++) {
		const struct path_case *c = &path_cases[i];
		struct mailbox mailbox;
		struct span rest;
		enum status status = address_read_path(span_of(c->text), false, &mailbox, &rest);
		if ((status == STATUS_OK) != (c->whole != NULL))
			fail_msg("\"%s\": %s", c->text, status_text(status));
		if (c->whole && !(span_equal(mailbox.whole, span_of(c->whole)) && span_equal(rest, span_of(c->rest))))
			fail_msg("\"%s\" gives \"%.*s\" and \"%.*s\"", c->text, SPAN_ARGS(mailbox.whole),
				 SPAN_ARGS(rest));
	}
}

/* A path without its end is none; without brackets it may be a shorter one. */
static void test_cut_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(path_cases) / sizeof(*path_cases); i++) {
		struct span text = span_of(path_cases[i].text);
		for (size_t size = 0; size < text.size; size++) {
			struct mailbox mailbox;
			struct span rest;
			if (address_read_path(span_slice(text, 0, size), false, &mailbox, &rest) != STATUS_OK)
				continue;
			assert_true(rest.size < size);
			assert_true(text.data[0] != '<' || text.data[size - rest.size - 1] == '>');
		}
	}
}

struct match_case {
	const char *address, *pattern;
	bool matches;
};

static const struct match_case match_cases[] = {
	{ "user@d.example", "user@d.example", true },
	{ "User@D.Example", "user@d.example", true },
	{ "user+x@d.example", "user@d.example", true },
	{ "user+@d.example", "user@d.example", true },
	{ "user+a+b@d.example", "user+a@d.example", true },
	{ "\"user\"@d.example", "user@d.example", true },
	{ "\"us\\er\"@d.example", "user@d.example", true },
	{ "user@d.example", "\"user\"@d.example", true },
	{ "\"user+x\"@d.example", "user@d.example", true },
	{ "user%x@d.example", "user@d.example", false },
	{ "x!user@d.example", "user@d.example", false },
	{ "\"user\"x@d.example", "user@d.example", false },
	{ "\" user\"@d.example", "user@d.example", false },
	{ "\"user\\+x\"@d.example", "user@d.example", true },
	{ "user@[192.0.2.1]", "@[192.0.2.1]", true },
	{ "user@[192.0.2.1]", "@d.example", false },
	{ "j\xC3\xB6rg@D.example", "J\xC3\xB6RG@d.example", true },
	{ "j\xC3\x96rg@d.example", "j\xC3\xB6rg@d.example", false },
	{ "jo\xCC\x88rg@d.example", "j\xC3\xB6rg@d.example", false },
	{ "a@b\xC3\xBC.example", "a@xn--b-xga.example", false },
	{ "user@d.example", "*", true },
	{ "", "*", true },
	{ "any@d.example", "@d.example", true },
	{ "any@D.EXAMPLE", "@d.example", true },
	{ "scanner", "Scanner", true },
	{ "a@b\xc3\xbc"
	  "cher.test",
	  "a@xn--bcher-kva.test", true },
	{ "a@xn--bcher-kva.test",
	  "a@B\xc3\x9c"
	  "CHER.test",
	  true },
	{ "a@b\xc3\xbc"
	  "cher.test",
	  "@XN--BCHER-KVA.test", true },
	{ "a@bu\xcc\x88"
	  "cher.test",
	  "a@b\xc3\xbc"
	  "cher.test",
	  true },
	{ "a@bucher.test",
	  "a@b\xc3\xbc"
	  "cher.test",
	  false },
	{ "use@d.example", "user@d.example", false },
	{ "userx@d.example", "user@d.example", false },
	{ "user-x@d.example", "user@d.example", false },
	{ "user@d.example", "user+x@d.example", false },
	{ "+user@d.example", "user@d.example", false },
	{ "x+user@d.example", "user@d.example", false },
	{ "user+@evil.example", "user@d.example", false },
	{ "user@d.example.evil", "user@d.example", false },
	{ "user@xd.example", "user@d.example", false },
	{ "user@d.example@evil", "user@d.example", false },
	{ "user+x@d.example@d.example", "user@d.example", false },
	{ "any@sub.d.example", "@d.example", false },
	{ "any@d.example.evil", "@d.example", false },
	{ "any@xd.example", "@d.example", false },
	{ "any@evil@d.example", "@d.example", false },
	{ "\"any@evil\"@d.example", "user@d.example", false },
	{ "evil@evil,any@d.example", "@d.example", false },
	{ "@d.example", "@d.example", false },
	{ "d.example", "@d.example", false },
	{ "any@d.example", "@", false },
	{ "postmaster", "@", false },
	{ "postmaster", "@d.example", false },
	{ "", "", false },
	{ "", "@d.example", false },
	{ "", "user@d.example", false },
	{ "user@d.example", "", false },
	{ "user@d.example", "user", false },
	{ "user", "user@d.example", false },
	{ "+x@d.example", "\"\"@d.example", false },
	{ "user@d.example", "*@d.example", false },
	{ "user@d.example", "**", false },
};

static void test_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(match_cases) / sizeof(*match_cases); i++) {
		const struct match_case *c = &match_cases[i];
		if (address_matches(span_of(c->address), span_of(c->pattern), SPAN("+")) != c->matches)
			fail_msg("\"%s\" against \"%s\"", c->address, c->pattern);
	}
}

static void test_delimiters_are_those_configured(void **state)
{
	(void)state;
	assert_false(address_matches(SPAN("user+x@d"), SPAN("user@d"), SPAN("")));
	assert_false(address_matches(SPAN("user+x@d"), SPAN("user@d"), SPAN("-")));
	assert_true(address_matches(SPAN("user-x@d"), SPAN("user@d"), SPAN("+-")));
	assert_true(address_matches(SPAN("user@d"), SPAN("user@d"), SPAN("")));
}

static void test_equal(void **state)
{
	(void)state;
	assert_true(address_equal(SPAN("A@B"), SPAN("a@b")));
	assert_true(address_equal(SPAN("\"a\"@b"), SPAN("a@b")));
	assert_true(address_equal(SPAN("a@b"), SPAN("\"\\a\"@b")));
	assert_true(address_equal(SPAN("alice"), SPAN("Alice")));
	assert_false(address_equal(SPAN("a+x@b"), SPAN("a@b")));
	assert_false(address_equal(SPAN("a@b"), SPAN("a+x@b")));
	assert_false(address_equal(SPAN("a@b"), SPAN("a")));
	assert_false(address_equal(SPAN("a"), SPAN("a@b")));
	assert_false(address_equal(SPAN(""), SPAN("")));
	assert_false(address_equal(SPAN("a@b"), SPAN("a@b.c")));
}

static void one_login_serves_the_mailboxes_of_its_domain(void **state)
{
	static const struct {
		const char *address, *account;
		bool shares;
	} cases[] = {
		{ "ann@example.com", "relay@example.com", true },
		{ "ann@Example.COM", "relay@example.com", true },
		{ "ann@mail.example.com", "relay@example.com", false },
		{ "ann@example.com", "relay@mail.example.com", false },
		{ "ann@example.org", "relay@example.com", false },
		{ "\"ann\"@example.com", "relay@example.com", false },
		{ "\xc3\xa4nn@example.com", "relay@example.com", false },
		{ "ann", "relay@example.com", false },
		{ "", "relay@example.com", false },
		{ "ann@example.com", "relay", false },
		{ "ann@example.com", "", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (address_shares_domain(span_of(cases[i].address), span_of(cases[i].account)) != cases[i].shares)
			fail_msg("\"%s\" by the login of \"%s\"", cases[i].address, cases[i].account);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_cut_mailboxes),
		cmocka_unit_test(test_a_nul_is_never_taken),
		cmocka_unit_test(test_utf8_must_be_valid),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_cut_paths),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_delimiters_are_those_configured),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(one_login_serves_the_mailboxes_of_its_domain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
