/* Names of users, domains and groups: each has one spelling, and others have another. */
#include "failing_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/dn.h"
#include "base/domain.h"
#include "base/name.h"

#define BYTES(literal) ((struct span){ literal, sizeof(literal) - 1 })
#define EACH(i, table) for (size_t i = 0; i < sizeof(table) / sizeof((table)[0]); i++)

struct row {
	const char *what;
	struct span given;
	const char *canonical; /* NULL: refused */
};

/* ---- users */

static const struct row users[] = {
	{ "as it is", BYTES("anna@example.com"), "anna@example.com" },
	{ "in any case", BYTES("Anna@Example.COM"), "anna@example.com" },
	{ "blanks at the ends", BYTES(" \tanna "), "anna" },
	{ "blanks within count as one", BYTES("anna  maria"), "anna maria" },
	{ "letters outside ASCII in any case", BYTES("J\xc3\x9cRGEN"), "j\xc3\xbcrgen" },
	{ "composed and not", BYTES("ju\xcc\x88rgen"), "j\xc3\xbcrgen" },
	{ "full width", BYTES("\xef\xbc\xa1nna"), "anna" },
	{ "a domain in its A-labels",
	  BYTES("anna@B\xc3\x9c"
		"cher.test"),
	  "anna@xn--bcher-kva.test" },
	{ "A-labels in any case", BYTES("anna@XN--BCHER-KVA.test"), "anna@xn--bcher-kva.test" },
	{ "the last @ counts", BYTES("a@b@Example.com"), "a@b@example.com" },
	{ "a Windows name", BYTES("CORP\\Anna"), "corp\\anna" },
	{ "Greek ends with its final letter", BYTES("\xce\xa3\xce\x91\xce\xa3"), "\xcf\x83\xce\xb1\xcf\x82" },
	{ "a middle dot between two l", BYTES("col\xc2\xb7la"), "col\xc2\xb7la" },
	{ "a middle dot elsewhere", BYTES("co\xc2\xb7la"), NULL },
	{ "from right to left", BYTES("\xd7\x90\xd7\x91"), "\xd7\x90\xd7\x91" },
	{ "both directions in one", BYTES("a\xd7\x90"), NULL },
	{ "a full-width @", BYTES("anna\xef\xbc\xa0x"), NULL },
	{ "a ligature", BYTES("\xef\xac\x81t"), NULL },
	{ "a symbol", BYTES("anna\xe2\x98\x83"), NULL },
	{ "a soft hyphen", BYTES("an\xc2\xadna"), NULL },
	{ "a zero-width space", BYTES("an\xe2\x80\x8bna"), NULL },
	{ "a no-break space", BYTES("an\xc2\xa0na"), NULL },
	{ "no UTF-8", BYTES("ann\xe9"), NULL },
	{ "nothing", BYTES(""), NULL },
	{ "blanks only", BYTES("   "), NULL },
	{ "nothing before the @", BYTES("@example.com"), NULL },
	{ "nothing after the @", BYTES("anna@"), NULL },
	{ "a NUL", BYTES("anna\0x"), NULL },
	{ "a line end", BYTES("anna\nx"), NULL },
	{ "a line end in the domain", BYTES("anna@x\n"), NULL },
	{ "DEL", BYTES("anna\x7f"), NULL },
};

static void a_user_has_one_name(void **state)
{
	(void)state;
	EACH(i, users)
	{
		char name[NAME_SIZE] = "untouched", again[NAME_SIZE];
		enum status status = name_canonical(users[i].given, name);
		if (users[i].canonical == NULL) {
			if (status != STATUS_INVALID || strcmp(name, "untouched") != 0)
				fail_msg("%s: %s", users[i].what, name);
			continue;
		}
		if (status != STATUS_OK || strcmp(name, users[i].canonical) != 0)
			fail_msg("%s: %s, %s", users[i].what, status_text(status), name);
		if (name_canonical(span_of(name), again) != STATUS_OK || strcmp(name, again) != 0)
			fail_msg("%s changes a second time", users[i].what);
	}
}

static void a_name_has_255_bytes_at_most(void **state)
{
	char given[NAME_MAXIMUM + 1];
	char name[NAME_SIZE];
	(void)state;
	memset(given, 'a', sizeof(given));
	assert_int_equal(name_canonical((struct span){ given, NAME_MAXIMUM }, name), STATUS_OK);
	assert_int_equal(strlen(name), NAME_MAXIMUM);
	assert_int_equal(name_canonical((struct span){ given, NAME_MAXIMUM + 1 }, name), STATUS_TOO_LARGE);
	for (size_t i = 0; i + 1 < NAME_MAXIMUM; i += 2)
		memcpy(given + i, "\xc8\xba", 2); /* two bytes that are three in lower case */
	assert_int_equal(name_canonical((struct span){ given, NAME_MAXIMUM - 1 }, name), STATUS_TOO_LARGE);
}

/* ---- domains */

static const struct row domains[] = {
	{ "as it is", BYTES("example.com"), "example.com" },
	{ "in any case", BYTES("Example.COM"), "example.com" },
	{ "an umlaut",
	  BYTES("b\xc3\xbc"
		"cher.test"),
	  "xn--bcher-kva.test" },
	{ "an umlaut in two characters",
	  BYTES("bu\xcc\x88"
		"cher.test"),
	  "xn--bcher-kva.test" },
	{ "a sharp s is one",
	  BYTES("stra\xc3\x9f"
		"e.test"),
	  "xn--strae-oqa.test" },
	{ "an ideographic full stop",
	  BYTES("b\xc3\xbc"
		"cher\xe3\x80\x82test"),
	  "xn--bcher-kva.test" },
	{ "a literal", BYTES("[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]" },
	{ "a single label", BYTES("Localhost"), "localhost" },
	{ "an underscore", BYTES("_dmarc.example.com"), "_dmarc.example.com" },
	{ "nothing", BYTES(""), NULL },
	{ "a blank", BYTES("a b"), NULL },
	{ "a blank among others", BYTES("\xc3\xbc b.test"), NULL },
	{ "a NUL", BYTES("\xc3\xbc\0.test"), NULL },
	{ "a full-width @",
	  BYTES("a\xef\xbc\xa0"
		"b.test"),
	  NULL },
	{ "a symbol", BYTES("\xe2\x98\x83.\xff"), NULL },
};

static void a_domain_has_one_spelling(void **state)
{
	(void)state;
	EACH(i, domains)
	{
		char domain[DOMAIN_SIZE] = "untouched";
		enum status status = domain_canonical(domains[i].given, domain);
		const char *wanted = domains[i].canonical ? domains[i].canonical : "untouched";
		if (status != (domains[i].canonical ? STATUS_OK : STATUS_INVALID) || strcmp(domain, wanted) != 0)
			fail_msg("%s: %s, %s", domains[i].what, status_text(status), domain);
		if (domains[i].canonical && !domain_equal(domains[i].given, span_of(wanted)))
			fail_msg("%s does not equal itself", domains[i].what);
	}
	assert_false(domain_equal(SPAN("b\xc3\xbc"
				       "cher.test"),
				  SPAN("bucher.test")));
	assert_false(domain_equal(SPAN("\xff.test"), SPAN("\xfe.test")));
	assert_true(domain_equal(SPAN("\xff.Test"), SPAN("\xff.test")));
}

/* ---- groups */

static const struct row groups[] = {
	{ "as it is", BYTES("cn=staff,dc=example,dc=com"), "cn=staff,dc=example,dc=com" },
	{ "in any case", BYTES("CN=Staff,DC=Example,DC=Com"), "cn=staff,dc=example,dc=com" },
	{ "blanks after commas", BYTES("cn=staff, dc=example , dc=com"), "cn=staff,dc=example,dc=com" },
	{ "blanks around =", BYTES("cn = staff,dc= example,dc =com"), "cn=staff,dc=example,dc=com" },
	{ "semicolons", BYTES("cn=staff;dc=example;dc=com"), "cn=staff,dc=example,dc=com" },
	{ "types by their numbers", BYTES("2.5.4.3=staff,0.9.2342.19200300.100.1.25=com"), "cn=staff,dc=com" },
	{ "types by their long names", BYTES("commonName=staff,OID.2.5.4.10=x"), "cn=staff,o=x" },
	{ "an escaped comma", BYTES("cn=a\\,b,dc=com"), "cn=a\\,b,dc=com" },
	{ "a comma in hexadecimal", BYTES("cn=a\\2Cb,dc=com"), "cn=a\\,b,dc=com" },
	{ "a comma in quotes", BYTES("cn=\"a,b\" ,dc=com"), "cn=a\\,b,dc=com" },
	{ "an escape that is not needed", BYTES("cn=\\73taff,dc=com"), "cn=staff,dc=com" },
	{ "UTF-8 in hexadecimal", BYTES("cn=J\\C3\\9Crgen"), "cn=j\xc3\xbcrgen" },
	{ "composed and not", BYTES("cn=ju\xcc\x88rgen"), "cn=j\xc3\xbcrgen" },
	{ "a value in BER", BYTES("cn=#0405 ,dc=com"), "cn=\\#0405,dc=com" },
	{ "a string in BER", BYTES("cn=#04055374616666,dc=com"), "cn=staff,dc=com" },
	{ "a long string in BER", BYTES("cn=#0c81055374616666"), "cn=staff" },
	{ "blanks within count as one", BYTES("cn=sales   team\\20 ,dc=com"), "cn=sales team,dc=com" },
	{ "parts of one RDN in order", BYTES("ou=x+cn=a,dc=com"), "cn=a+ou=x,dc=com" },
	{ "an empty value", BYTES("cn=,dc=com"), "cn=,dc=com" },
	{ "= within a value", BYTES("cn=a=b"), "cn=a\\=b" },
	{ "a number sign", BYTES("cn=\\#a#"), "cn=\\#a#" },
	{ "a sharp s in German",
	  BYTES("cn=STRA\xc3\x9f"
		"E"),
	  "cn=strasse" },
	{ "a NUL is dropped", BYTES("cn=a\\00b"), "cn=ab" },
	{ "a soft hyphen is dropped",
	  BYTES("cn=a\xc2\xad"
		"b"),
	  "cn=ab" },
	{ "bytes that are no UTF-8 stay", BYTES("cn=A\\ff\\00b"), "cn=A\xff\\00b" },
	{ "a plain name", BYTES(" Sales  Team "), "sales team" },
	{ "a plain name with a comma", BYTES("Sales, Berlin"), "sales, berlin" },
	{ "no DN: a value with a quote", BYTES("cn=a\"b"), "cn=a\"b" },
	{ "no DN: a quote that does not end", BYTES("cn=\"a"), "cn=\"a" },
	{ "no DN: an escape of nothing", BYTES("cn=a\\"), "cn=a\\" },
	{ "no DN: an unknown escape", BYTES("cn=a\\zb"), "cn=a\\zb" },
	{ "no DN: ends with a comma", BYTES("cn=a,"), "cn=a," },
	{ "no DN: half a byte", BYTES("cn=#040"), "cn=#040" },
	{ "a DN once what counts for nothing is dropped", BYTES("cn=a\0,dc=b=c"), "cn=a,dc=b\\=c" },
	{ "nothing", BYTES(""), NULL },
	{ "blanks only", BYTES("  "), NULL },
};

static void a_group_has_one_name(void **state)
{
	(void)state;
	EACH(i, groups)
	{
		struct buf name BUF_AUTO, again BUF_AUTO;
		buf_init(&name, DN_MAXIMUM);
		buf_init(&again, DN_MAXIMUM);
		enum status status = dn_canonical(groups[i].given, &name);
		if (groups[i].canonical == NULL && (status != STATUS_INVALID || buf_size(&name) != 0))
			fail_msg("%s", groups[i].what);
		if (groups[i].canonical == NULL)
			continue;
		if (status != STATUS_OK || !span_equal(buf_span(&name), span_of(groups[i].canonical)))
			fail_msg("%s: %s, %.*s", groups[i].what, status_text(status), SPAN_ARGS(buf_span(&name)));
		if (dn_canonical(buf_span(&name), &again) != STATUS_OK ||
		    !span_equal(buf_span(&name), buf_span(&again)))
			fail_msg("%s changes a second time: %.*s", groups[i].what, SPAN_ARGS(buf_span(&again)));
	}
}

static void a_group_has_2048_bytes_at_most(void **state)
{
	struct buf given BUF_AUTO, name BUF_AUTO;
	(void)state;
	buf_init(&given, DN_MAXIMUM + 1);
	buf_init(&name, DN_MAXIMUM);
	assert_int_equal(buf_append_text(&given, "cn="), STATUS_OK);
	while (buf_size(&given) < DN_MAXIMUM)
		assert_int_equal(buf_append_byte(&given, 'a'), STATUS_OK);
	assert_int_equal(dn_canonical(buf_span(&given), &name), STATUS_OK);
	assert_int_equal(buf_size(&name), DN_MAXIMUM);
	assert_int_equal(buf_append_byte(&given, 'a'), STATUS_OK);
	buf_clear(&name);
	assert_int_equal(dn_canonical(buf_span(&given), &name), STATUS_TOO_LARGE);
	buf_clear(&given);
	assert_int_equal(buf_append_text(&given, "cn="), STATUS_OK);
	while (buf_size(&given) + 3 < 1024) /* one character of three bytes that is written with eighteen */
		assert_int_equal(buf_append_text(&given, "\xef\xb7\xba"), STATUS_OK);
	assert_int_equal(dn_canonical(buf_span(&given), &name), STATUS_TOO_LARGE);
	assert_int_equal(buf_size(&name), 0);
}

/* ---- memory */

#ifndef SUBGATE_SANITIZED

static enum status canonicalize_all(void)
{
	char name[NAME_SIZE];
	struct buf group BUF_AUTO;
	buf_init(&group, DN_MAXIMUM);
	TRY(name_canonical(SPAN("J\xc3\x9cRGEN@b\xc3\xbc"
				"cher.test"),
			   name));
	return dn_canonical(SPAN("cn=J\xc3\x9crgen \xef\xac\x81+ou=\"x\",dc=#0c0178"), &group);
}

static void each_allocation_may_fail(void **state)
{
	(void)state;
	enum status status = STATUS_NO_MEMORY;
	for (unsigned long at = 1; status != STATUS_OK && at < 1000; at++) {
		long before = memory_living;
		memory_left = at;
		memory_counts = true;
		status = canonicalize_all();
		memory_counts = false;
		assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
		assert_int_equal(memory_living, before);
	}
	memory_left = 0;
	assert_int_equal(status, STATUS_OK);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_has_one_name),
		cmocka_unit_test(a_name_has_255_bytes_at_most),
		cmocka_unit_test(a_domain_has_one_spelling),
		cmocka_unit_test(a_group_has_one_name),
		cmocka_unit_test(a_group_has_2048_bytes_at_most),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(each_allocation_may_fail),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
