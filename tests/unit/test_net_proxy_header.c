/* The PROXY header: each case is read whole, with more after it, and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/proxy_header.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_ADDRESSES "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x02\x4b" /* 192.0.2.7:12345 to 10.0.0.1:587 */
#define V6_ADDRESSES                                 \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02" \
	"\x30\x39\x02\x4b"
#define FILL "                                                                                "

/* Parses from a block of exactly that size, so that a sanitizer sees a byte too far. */
static enum status parse_header(struct span bytes, struct proxy_header *out_header, size_t *out_used)
{
	char *copy = malloc(bytes.size ? bytes.size : 1);
	assert_non_null(copy);
	memcpy(copy, bytes.data, bytes.size);
	enum status status = proxy_header_parse((struct span){ copy, bytes.size }, out_header, out_used);
	free(copy);
	return status;
}

static const struct {
	const char *what;
	struct span header;
	const char *address; /* NULL: none is told */
	uint16_t port;
} headers[] = {
	{ "v1, IPv4", SPAN("PROXY TCP4 192.0.2.7 10.0.0.1 12345 587\r\n"), "192.0.2.7", 12345 },
	{ "v1, IPv6", SPAN("PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n"), "2001:db8::1", 65535 },
	{ "v1, IPv4 in IPv6", SPAN("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), "192.0.2.7", 1 },
	{ "v1, unknown, alone", SPAN("PROXY UNKNOWN\r\n"), NULL, 0 },
	{ "v1, unknown, the longest line there is",
	  SPAN("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	       "65535\r\n"),
	  NULL, 0 },
	{ "v2, IPv4", SPAN(SIGNATURE "\x21\x11\x00\x0c" V4_ADDRESSES), "192.0.2.7", 12345 },
	{ "v2, IPv6", SPAN(SIGNATURE "\x21\x21\x00\x24" V6_ADDRESSES), "2001:db8::1", 12345 },
	{ "v2, IPv4 with TLVs", SPAN(SIGNATURE "\x21\x11\x00\x11" V4_ADDRESSES "\x04\x00\x02\x41\x42"), "192.0.2.7",
	  12345 },
	{ "v2, local", SPAN(SIGNATURE "\x20\x00\x00\x00"), NULL, 0 },
	{ "v2, local with addresses that don't count", SPAN(SIGNATURE "\x20\x11\x00\x0c" V4_ADDRESSES), NULL, 0 },
	{ "v2, local with a TLV", SPAN(SIGNATURE "\x20\x00\x00\x03\x04\x00\x00"), NULL, 0 },
	{ "v2, of no family", SPAN(SIGNATURE "\x21\x00\x00\x00"), NULL, 0 },
};

static void expect_client(const struct proxy_header *header, const char *address, uint16_t port)
{
	char text[ENDPOINT_TEXT_SIZE];
	assert_int_equal(header->has_client, address != NULL);
	if (address == NULL)
		return;
	endpoint_format(&header->client, text);
	assert_string_equal(text, address);
	assert_int_equal(endpoint_port(&header->client), port);
}

static void headers_tell_the_client(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct proxy_header header;
		size_t used = 0;
		if (parse_header(headers[i].header, &header, &used) != STATUS_OK)
			fail_msg("refused: %s", headers[i].what);
		assert_int_equal(used, headers[i].header.size);
		expect_client(&header, headers[i].address, headers[i].port);
	}
}

static void what_follows_a_header_is_left_to_the_client(void **state)
{
	static const char more[] = "\x16\x03\x01 EHLO pc\r\nPROXY TCP4 198.51.100.1 10.0.0.1 1 2\r\n";
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		char both[512];
		struct proxy_header header;
		size_t used = 0;
		size_t size = headers[i].header.size;
		memcpy(both, headers[i].header.data, size);
		memcpy(both + size, more, sizeof(more));
		assert_int_equal(parse_header((struct span){ both, size + sizeof(more) }, &header, &used), STATUS_OK);
		assert_int_equal(used, size);
		expect_client(&header, headers[i].address, headers[i].port);
	}
}

static void a_part_of_a_header_wants_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		for (size_t size = 0; size < headers[i].header.size; size++) {
			struct proxy_header header;
			size_t used = 4711;
			if (parse_header(span_slice(headers[i].header, 0, size), &header, &used) != STATUS_AGAIN)
				fail_msg("%s: after %zu bytes", headers[i].what, size);
			assert_int_equal(used, 4711);
		}
	}
}

static const struct {
	const char *what;
	struct span bytes;
} faults[] = {
	{ "a client without a header", SPAN("EHLO pc.local\r\n") },
	{ "a TLS handshake without a header", SPAN("\x16\x03\x01") },
	{ "v1 in lower case", SPAN("proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n") },
	{ "v1 without anything", SPAN("PROXY \r\n") },
	{ "v1 ended by a bare LF", SPAN("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n") },
	{ "v1 that is too long", SPAN("PROXY UNKNOWN " FILL "             \r\n") },
	{ "v1 without an end", SPAN("PROXY UNKNOWN " FILL FILL) },
	{ "v1 of another protocol", SPAN("PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n") },
	{ "v1 with two spaces", SPAN("PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n") },
	{ "v1 with a space after it", SPAN("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n") },
	{ "v1 with too few parts", SPAN("PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n") },
	{ "v1 with too many parts", SPAN("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n") },
	{ "v1, IPv6 in TCP4", SPAN("PROXY TCP4 2001:db8::1 10.0.0.1 1 2\r\n") },
	{ "v1, IPv4 in TCP6", SPAN("PROXY TCP6 192.0.2.7 ::1 1 2\r\n") },
	{ "v1, no destination's address", SPAN("PROXY TCP4 192.0.2.7 example.com 1 2\r\n") },
	{ "v1, leading zeros", SPAN("PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n") },
	{ "v1, a port with leading zeros", SPAN("PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n") },
	{ "v1, a port too high", SPAN("PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n") },
	{ "v1, a port below zero", SPAN("PROXY TCP4 192.0.2.7 10.0.0.1 1 -2\r\n") },
	{ "v1, a NUL in an address", SPAN("PROXY TCP4 192.0.2.7\0 10.0.0.1 1 2\r\n") },
	{ "v2 with a broken signature", SPAN("\r\n\r\n\0\r\nQUIT\r") },
	{ "v2 of version 1", SPAN(SIGNATURE "\x11") },
	{ "v2 of version 3", SPAN(SIGNATURE "\x31") },
	{ "v2 with an unknown command", SPAN(SIGNATURE "\x22") },
	{ "v2, UDP", SPAN(SIGNATURE "\x21\x12\x00\x0c" V4_ADDRESSES) },
	{ "v2, a UNIX socket", SPAN(SIGNATURE "\x21\x31\x00\xd8") },
	{ "v2, IPv4 without room for its addresses", SPAN(SIGNATURE "\x21\x11\x00\x0b" V4_ADDRESSES) },
	{ "v2, IPv6 with IPv4's addresses", SPAN(SIGNATURE "\x21\x21\x00\x0c" V4_ADDRESSES) },
	{ "v2, larger than we take", SPAN(SIGNATURE "\x21\x11\x0f\xf1" V4_ADDRESSES) },
	{ "v2, as large as can be", SPAN(SIGNATURE "\x20\x00\xff\xff") },
};

/* Byte by byte: first it may become one, then it is refused, and no byte more makes it good. */
static void what_is_no_header_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct proxy_header header;
		size_t used = 4711;
		bool refused = false;
		for (size_t size = 1; size <= faults[i].bytes.size; size++) {
			enum status status = parse_header(span_slice(faults[i].bytes, 0, size), &header, &used);
			if (status != (refused ? STATUS_INVALID : STATUS_AGAIN) && status != STATUS_INVALID)
				fail_msg("%s: %s after %zu bytes", faults[i].what, status_text(status), size);
			refused = status == STATUS_INVALID;
		}
		if (!refused)
			fail_msg("not refused: %s", faults[i].what);
		assert_int_equal(used, 4711);
	}
}

static void the_largest_header_is_read(void **state)
{
	static char bytes[PROXY_HEADER_MAXIMUM + 1];
	struct proxy_header header;
	size_t used = 0;
	const struct span start = SPAN(SIGNATURE "\x21\x11\x0f\xf0" V4_ADDRESSES);
	(void)state;
	memcpy(bytes, start.data, start.size);
	assert_int_equal(parse_header((struct span){ bytes, PROXY_HEADER_MAXIMUM - 1 }, &header, &used), STATUS_AGAIN);
	assert_int_equal(parse_header((struct span){ bytes, sizeof(bytes) }, &header, &used), STATUS_OK);
	assert_int_equal(used, PROXY_HEADER_MAXIMUM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_tell_the_client),
		cmocka_unit_test(what_follows_a_header_is_left_to_the_client),
		cmocka_unit_test(a_part_of_a_header_wants_more),
		cmocka_unit_test(what_is_no_header_is_refused),
		cmocka_unit_test(the_largest_header_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
