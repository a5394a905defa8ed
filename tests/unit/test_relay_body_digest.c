/* The digest of a message as it leaves: stuffed dots don't count, however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "relay/upstream/body_digest.h"

/* The digest of `stuffed`, in pieces of `piece` bytes. */
static void digest_of(struct span stuffed, size_t piece, char out_hex[HASH_SHA256_HEX_SIZE])
{
	struct body_digest body = { 0 };
	assert_int_equal(body_digest_begin(&body), STATUS_OK);
	for (size_t at = 0; at < stuffed.size; at += piece)
		assert_int_equal(body_digest_add(&body, span_slice(stuffed, at, at + piece)), STATUS_OK);
	assert_int_equal(body_digest_end(&body, out_hex), STATUS_OK);
	body_digest_free(&body);
}

static void a_stuffed_dot_does_not_count_however_the_bytes_are_cut(void **state)
{
	static const struct {
		const char *what, *stuffed, *message;
	} cases[] = {
		{ "no dots", "Subject: x\r\n\r\nHello\r\n", "Subject: x\r\n\r\nHello\r\n" },
		{ "a line with a dot first", "a\r\n..b\r\n", "a\r\n.b\r\n" },
		{ "the first line", "..a\r\n", ".a\r\n" },
		{ "a line of a dot alone", "a\r\n..\r\nb\r\n", "a\r\n.\r\nb\r\n" },
		{ "two dots", "a\r\n...\r\n", "a\r\n..\r\n" },
		{ "dots within a line", "a.b..c\r\n", "a.b..c\r\n" },
		{ "dots on lines in a row", "..\r\n..\r\n..\r\n", ".\r\n.\r\n.\r\n" },
		{ "nothing", "", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span stuffed = span_of(cases[i].stuffed);
		unsigned char whole[HASH_SHA256_SIZE];
		char expected[HASH_SHA256_HEX_SIZE], hex[HASH_SHA256_HEX_SIZE];
		assert_int_equal(hash_sha256(span_of(cases[i].message), whole), STATUS_OK);
		hash_to_hex(whole, sizeof(whole), expected);
		for (size_t piece = 1; piece <= stuffed.size + 1; piece++) {
			digest_of(stuffed, piece, hex);
			if (strcmp(hex, expected) != 0)
				fail_msg("%s, in pieces of %zu", cases[i].what, piece);
		}
	}
}

static void it_can_be_begun_anew_amid_a_message(void **state)
{
	struct body_digest body = { 0 };
	char once[HASH_SHA256_HEX_SIZE], again[HASH_SHA256_HEX_SIZE];
	(void)state;
	digest_of(SPAN("..b\r\n"), 100, once);
	assert_int_equal(body_digest_begin(&body), STATUS_OK);
	assert_int_equal(body_digest_add(&body, SPAN("something else")), STATUS_OK);
	assert_int_equal(body_digest_begin(&body), STATUS_OK);
	assert_int_equal(body_digest_add(&body, SPAN("..b\r\n")), STATUS_OK);
	assert_int_equal(body_digest_end(&body, again), STATUS_OK);
	body_digest_free(&body);
	assert_string_equal(once, again);
}

static void where_none_is_wanted_there_is_none(void **state)
{
	struct body_digest body = { 0 };
	char hex[HASH_SHA256_HEX_SIZE] = "";
	(void)state;
	assert_int_equal(body_digest_add(&body, SPAN("a\r\n")), STATUS_OK);
	assert_int_equal(body_digest_end(&body, hex), STATUS_OK);
	assert_string_equal(hex, "");
	body_digest_free(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stuffed_dot_does_not_count_however_the_bytes_are_cut),
		cmocka_unit_test(it_can_be_begun_anew_amid_a_message),
		cmocka_unit_test(where_none_is_wanted_there_is_none),
	};
	return cmocka_run_group_tests_name("relay body digest", tests, NULL, NULL);
}
