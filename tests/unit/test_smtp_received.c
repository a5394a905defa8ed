/* The header fields that we add. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "smtp/header.h"
#include "smtp/received.h"

#define NOON 1795435200000000 /* 2026-11-23T12:00:00Z in microseconds */

static struct received a_session(void)
{
	return (struct received){
		.by = SPAN("mail.example.com"),
		.id = SPAN("4f2a"),
		.wall_us = NOON,
		.helo = SPAN("client.example"),
		.client = SPAN("192.0.2.7"),
		.tls_version = SPAN("TLSv1.3"),
		.tls_cipher = SPAN("TLS_AES_256_GCM_SHA384"),
		.recipient = SPAN("you@example.org"),
	};
}

static void expect_field(const struct received *received, const char *wanted)
{
	struct buf b BUF_AUTO;
	buf_init(&b, 4096);
	assert_int_equal(received_write(&b, received), STATUS_OK);
	if (!span_equal(buf_span(&b), span_of(wanted)))
		fail_msg("got\n%.*s", SPAN_ARGS(buf_span(&b)));
}

static void test_private_shows_nothing_of_the_client(void **state)
{
	(void)state;
	struct received received = a_session();
	expect_field(&received, "Received: by mail.example.com (Subgate) with ESMTPSA id 4f2a;\r\n"
				"\tMon, 23 Nov 2026 12:00:00 +0000\r\n");
}

static void test_full_shows_the_client(void **state)
{
	(void)state;
	struct received received = a_session();
	received.full = true;
	expect_field(&received, "Received: from client.example ([192.0.2.7]) by mail.example.com (Subgate)\r\n"
				"\twith ESMTPSA id 4f2a (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
				"\tfor <you@example.org>;\r\n"
				"\tMon, 23 Nov 2026 12:00:00 +0000\r\n");
}

static void test_full_with_little_known(void **state)
{
	(void)state;
	struct received received = { .full = true, .by = SPAN("h"), .id = SPAN("1"), .wall_us = NOON };
	expect_field(&received, "Received: from unknown by h (Subgate) with ESMTPSA id 1;\r\n"
				"\tMon, 23 Nov 2026 12:00:00 +0000\r\n");
	received.client = SPAN("2001:db8::1");
	expect_field(&received, "Received: from unknown ([IPv6:2001:db8::1]) by h (Subgate) with ESMTPSA id 1;\r\n"
				"\tMon, 23 Nov 2026 12:00:00 +0000\r\n");
}

/* Of a line and its CR; the tab in front takes eight. */
static size_t count_columns(struct span line)
{
	return line.size && line.data[0] == '\t' ? line.size + 6 : line.size ? line.size - 1 : 0;
}

/* What a client may choose: its name and its recipient. */
static void test_nothing_breaks_out(void **state)
{
	(void)state;
	static const struct span hostile[] = {
		SPAN("a\r\nFrom: you@e\r\n\r\n"),
		SPAN("a\n.\r\n"),
		SPAN("a (b; c) <d>"),
		SPAN("\0\xFF\"\\"),
		SPAN(""),
		SPAN("[127.0.0.1]"),
		SPAN("'\";--"),
		SPAN("a-name-that-is-much-longer-than-any-line-may-be-and-goes-on-and-on-and-on-and-on-and-on-and-on"),
	};
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		struct received received = a_session();
		struct buf b BUF_AUTO, addresses BUF_AUTO;
		struct header_facts facts;
		buf_init(&b, 4096);
		buf_init(&addresses, 100);
		received.full = true;
		received.helo = received.recipient = hostile[i];
		assert_int_equal(received_write(&b, &received), STATUS_OK);
		assert_int_equal(header_read(buf_span(&b), &facts, &addresses), STATUS_OK);
		assert_int_equal(facts.received_count, 1);
		assert_int_equal(facts.from_count, 0);
		assert_false(facts.is_8bit);
		struct span rest = buf_span(&b), line;
		while (span_cut(&rest, '\n', &line))
			assert_true(count_columns(line) < 78);
	}
}

static void test_recipients_that_are_not_shown(void **state)
{
	(void)state;
	static const struct span recipients[] = { SPAN("\"a b\"@d"), SPAN("\"a>b\"@d"), SPAN("j\xC3\xB6rg@d"),
						  SPAN("x") };
	for (size_t i = 0; i < sizeof(recipients) / sizeof(*recipients); i++) {
		struct received received = a_session();
		struct buf b BUF_AUTO;
		buf_init(&b, 4096);
		received.full = true;
		received.recipient = recipients[i];
		assert_int_equal(received_write(&b, &received), STATUS_OK);
		assert_false(span_contains_byte(buf_span(&b), '<'));
	}
}

static void test_the_other_fields(void **state)
{
	(void)state;
	struct buf b BUF_AUTO;
	buf_init(&b, 4096);
	assert_int_equal(received_write_date(&b, NOON), STATUS_OK);
	assert_int_equal(received_write_message_id(&b, SPAN("4f2a"), SPAN("mail.example.com")), STATUS_OK);
	assert_int_equal(received_write_from(&b, SPAN("me@example.com")), STATUS_OK);
	assert_true(span_equal(buf_span(&b), SPAN("Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
						  "Message-ID: <4f2a@mail.example.com>\r\n"
						  "From: <me@example.com>\r\n")));
}

static void test_a_from_that_is_no_address_is_not_written(void **state)
{
	(void)state;
	struct buf b BUF_AUTO;
	buf_init(&b, 4096);
	assert_int_equal(received_write_from(&b, SPAN("me")), STATUS_INVALID);
	assert_int_equal(received_write_from(&b, SPAN("postmaster")), STATUS_INVALID);
	assert_int_equal(received_write_from(&b, SPAN("me@d>\r\nX: y")), STATUS_INVALID);
	assert_int_equal(buf_size(&b), 0);
}

static void test_a_full_buffer_gets_nothing(void **state)
{
	(void)state;
	struct received received = a_session();
	struct buf b BUF_AUTO;
	buf_init(&b, 20);
	assert_int_equal(received_write(&b, &received), STATUS_TOO_LARGE);
	assert_int_equal(received_write_date(&b, NOON), STATUS_TOO_LARGE);
	assert_int_equal(received_write_message_id(&b, SPAN("1"), SPAN("mail.example.com")), STATUS_TOO_LARGE);
	assert_int_equal(received_write_from(&b, SPAN("someone@example.com")), STATUS_TOO_LARGE);
	assert_int_equal(buf_size(&b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_shows_nothing_of_the_client),
		cmocka_unit_test(test_full_shows_the_client),
		cmocka_unit_test(test_full_with_little_known),
		cmocka_unit_test(test_nothing_breaks_out),
		cmocka_unit_test(test_recipients_that_are_not_shown),
		cmocka_unit_test(test_the_other_fields),
		cmocka_unit_test(test_a_from_that_is_no_address_is_not_written),
		cmocka_unit_test(test_a_full_buffer_gets_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
