/* Base64, user names, and the mechanisms' steps, as transcripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/sasl/mechanism.h"
#include "base/base64.h"

#define BYTES(literal) ((struct span){ literal, sizeof(literal) - 1 })

/* ---- base64 */

static const struct {
	const char *what;
	struct span text, bytes;
} canonical[] = {
	{ "nothing is nothing", BYTES(""), BYTES("") },
	{ "one byte takes two '='", BYTES("Zg=="), BYTES("f") },
	{ "two bytes take one '='", BYTES("Zm8="), BYTES("fo") },
	{ "three bytes take none", BYTES("Zm9v"), BYTES("foo") },
	{ "RFC 4648, 10", BYTES("Zm9vYmFy"), BYTES("foobar") },
	{ "all bits set", BYTES("////"), BYTES("\xff\xff\xff") },
	{ "NUL bytes stay", BYTES("AGFubmEAc2VjcmV0"), BYTES("\0anna\0secret") },
	{ "what LOGIN asks", BYTES("VXNlcm5hbWU6"), BYTES("Username:") },
};

static void test_canonical_texts_go_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(canonical) / sizeof(canonical[0]); i++) {
		struct buf decoded BUF_AUTO, encoded BUF_AUTO;
		buf_init(&decoded, 100);
		buf_init(&encoded, 100);
		assert_int_equal(base64_decode(canonical[i].text, &decoded), STATUS_OK);
		assert_int_equal(base64_encode(canonical[i].bytes, &encoded), STATUS_OK);
		if (!span_equal(buf_span(&decoded), canonical[i].bytes) ||
		    !span_equal(buf_span(&encoded), canonical[i].text))
			fail_msg("%s", canonical[i].what);
	}
}

static const struct {
	const char *what;
	struct span text;
} refused[] = {
	{ "an incomplete quantum", BYTES("Zm9") },
	{ "padding left out", BYTES("Zg") },
	{ "too much padding", BYTES("Z===") },
	{ "nothing but padding", BYTES("====") },
	{ "padding in the middle", BYTES("Zg==Zg==") },
	{ "a digit after padding", BYTES("Zg=v") },
	{ "spare bits that are not zero", BYTES("Zh==") },
	{ "spare bits that are not zero, of two bytes", BYTES("Zm9=") },
	{ "a space", BYTES("Zm 9") },
	{ "a line end", BYTES("Zm9v\r\n\r\n") },
	{ "the alphabet of URLs", BYTES("-_-_") },
	{ "a NUL", BYTES("Zm9\0") },
	{ "a byte outside ASCII", BYTES("Zm9\xe9") },
};

static void test_what_is_not_canonical_is_refused_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct buf out BUF_AUTO;
		buf_init(&out, 100);
		if (base64_decode(refused[i].text, &out) != STATUS_INVALID || buf_size(&out) != 0)
			fail_msg("%s", refused[i].what);
	}
}

static void test_every_size_and_byte_comes_back(void **state)
{
	(void)state;
	char bytes[256];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		struct buf text BUF_AUTO, back BUF_AUTO;
		buf_init(&text, 400);
		buf_init(&back, 400);
		assert_int_equal(base64_encode((struct span){ bytes, size }, &text), STATUS_OK);
		assert_int_equal(base64_decode(buf_span(&text), &back), STATUS_OK);
		assert_true(span_equal(buf_span(&back), (struct span){ bytes, size }));
	}
}

static void test_a_full_buffer_is_told(void **state)
{
	(void)state;
	struct buf out BUF_AUTO;
	buf_init(&out, 2);
	assert_int_equal(base64_decode(BYTES("Zm9v"), &out), STATUS_TOO_LARGE);
}

/* ---- mechanisms */

#define STEPS 3

struct transcript {
	const char *what;
	const char *mechanism;
	bool initial; /* the first response came with AUTH */
	struct span responses[STEPS];
	size_t response_count;
	struct span challenges[STEPS];
	enum sasl_result end;
	struct span name, password;
};

#define NO_BEARER(what, text)                                                                                     \
	{                                                                                                         \
		"OAUTHBEARER " what, "OAUTHBEARER", true, { BYTES(text) }, 1, { { 0 } }, SASL_MALFORMED, ANY, ANY \
	}
#define ANY             \
	{               \
		NULL, 1 \
	} /* nobody looks */

static const struct transcript transcripts[] = {
	{ "PLAIN with initial response",
	  "PLAIN",
	  true,
	  { BYTES("\0anna\0secret") },
	  1,
	  { { 0 } },
	  SASL_COMPLETE,
	  BYTES("anna"),
	  BYTES("secret") },
	{ "PLAIN after an empty challenge",
	  "plain",
	  false,
	  { BYTES("\0anna\0secret") },
	  1,
	  { BYTES("") },
	  SASL_COMPLETE,
	  BYTES("anna"),
	  BYTES("secret") },
	{ "PLAIN for themselves",
	  "PLAIN",
	  true,
	  { BYTES("Anna\0anna\0secret") },
	  1,
	  { { 0 } },
	  SASL_COMPLETE,
	  BYTES("anna"),
	  BYTES("secret") },
	{ "PLAIN for another",
	  "PLAIN",
	  true,
	  { BYTES("boss\0anna\0secret") },
	  1,
	  { { 0 } },
	  SASL_COMPLETE,
	  BYTES("anna"),
	  BYTES("secret") },
	{ "PLAIN with an empty password",
	  "PLAIN",
	  true,
	  { BYTES("\0anna\0") },
	  1,
	  { { 0 } },
	  SASL_COMPLETE,
	  BYTES("anna"),
	  BYTES("") },
	{ "PLAIN with nothing", "PLAIN", true, { BYTES("") }, 1, { { 0 } }, SASL_MALFORMED, BYTES(""), BYTES("") },
	{ "PLAIN with one NUL",
	  "PLAIN",
	  true,
	  { BYTES("anna\0secret") },
	  1,
	  { { 0 } },
	  SASL_MALFORMED,
	  BYTES(""),
	  BYTES("") },
	{ "PLAIN with three NULs",
	  "PLAIN",
	  true,
	  { BYTES("\0anna\0sec\0ret") },
	  1,
	  { { 0 } },
	  SASL_MALFORMED,
	  BYTES(""),
	  BYTES("") },
	{ "LOGIN asked for both",
	  "LOGIN",
	  false,
	  { BYTES("anna"), BYTES("secret") },
	  2,
	  { BYTES("Username:"), BYTES("Password:") },
	  SASL_COMPLETE,
	  BYTES("anna"),
	  BYTES("secret") },
	{ "LOGIN with the name as initial response",
	  "Login",
	  true,
	  { BYTES("anna"), BYTES("secret") },
	  2,
	  { BYTES("Password:") },
	  SASL_COMPLETE,
	  BYTES("anna"),
	  BYTES("secret") },
	{ "OAUTHBEARER, RFC 7628, 4.1",
	  "OAUTHBEARER",
	  true,
	  { BYTES("n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer vF9dft4qmT\1\1") },
	  1,
	  { { 0 } },
	  SASL_COMPLETE,
	  BYTES("user@example.com"),
	  BYTES("vF9dft4qmT") },
	{ "OAUTHBEARER for whom the token names, asked",
	  "OAUTHBEARER",
	  false,
	  { BYTES("n,,\1auth=bearer  t\1\1") },
	  1,
	  { BYTES("") },
	  SASL_COMPLETE,
	  BYTES(""),
	  BYTES("t") },
	{ "OAUTHBEARER with an escaped name",
	  "OAUTHBEARER",
	  true,
	  { BYTES("n,a=a=2Cb=3Dc,\1auth=Bearer t\1\1") },
	  1,
	  { { 0 } },
	  SASL_COMPLETE,
	  BYTES("a,b=c"),
	  BYTES("t") },
	NO_BEARER("without a token", "n,,\1host=x\1\1"),
	NO_BEARER("with two tokens", "n,,\1auth=Bearer t\1auth=Bearer u\1\1"),
	NO_BEARER("with another scheme", "n,,\1auth=Basic t\1\1"),
	NO_BEARER("with a token of two words", "n,,\1auth=Bearer t u\1\1"),
	NO_BEARER("with channel binding", "p=tls-unique,,\1auth=Bearer t\1\1"),
	NO_BEARER("without an end", "n,,\1auth=Bearer t\1"),
	NO_BEARER("with something after the end", "n,,\1auth=Bearer t\1\1x"),
	NO_BEARER("with an unknown escape", "n,a=x=41,\1auth=Bearer t\1\1"),
	NO_BEARER("with an empty name", "n,a=,\1auth=Bearer t\1\1"),
	NO_BEARER("with nothing", ""),
	NO_BEARER("with what answers a refusal", "\1"),
	{ "XOAUTH2",
	  "XOAUTH2",
	  true,
	  { BYTES("user=user@example.com\1auth=Bearer ya29\1\1") },
	  1,
	  { { 0 } },
	  SASL_COMPLETE,
	  BYTES("user@example.com"),
	  BYTES("ya29") },
	{ "XOAUTH2 with two users",
	  "XOAUTH2",
	  true,
	  { BYTES("user=a\1user=b\1auth=Bearer t\1\1") },
	  1,
	  { { 0 } },
	  SASL_MALFORMED,
	  BYTES("a"),
	  BYTES("") },
	{ "EXTERNAL for its holder",
	  "EXTERNAL",
	  true,
	  { BYTES("") },
	  1,
	  { { 0 } },
	  SASL_COMPLETE,
	  BYTES(""),
	  BYTES("") },
	{ "EXTERNAL for somebody, asked",
	  "external",
	  false,
	  { BYTES("anna") },
	  1,
	  { BYTES("") },
	  SASL_COMPLETE,
	  BYTES("anna"),
	  BYTES("") },
	{ "EXTERNAL with a NUL",
	  "EXTERNAL",
	  true,
	  { BYTES("an\0na") },
	  1,
	  { { 0 } },
	  SASL_MALFORMED,
	  BYTES(""),
	  BYTES("") },
	{ "LOGIN with a NUL in the name",
	  "LOGIN",
	  true,
	  { BYTES("an\0na") },
	  1,
	  { { 0 } },
	  SASL_MALFORMED,
	  BYTES(""),
	  BYTES("") },
	{ "LOGIN with a NUL in the password",
	  "LOGIN",
	  true,
	  { BYTES("anna"), BYTES("\0") },
	  2,
	  { BYTES("Password:") },
	  SASL_MALFORMED,
	  BYTES("anna"),
	  BYTES("") },
};

static void plain_tells_whom_they_want_to_act_for(void **state)
{
	struct sasl_state sasl = { 0 };
	struct buf challenge BUF_AUTO;
	(void)state;
	buf_init(&challenge, SASL_CHALLENGE_MAXIMUM);
	assert_int_equal(sasl_plain.advance(&sasl, &BYTES("boss\0anna\0secret"), &challenge), SASL_COMPLETE);
	assert_true(span_equal(secret_reveal(&sasl.authority), SPAN("boss")));
	sasl_state_wipe(&sasl);
	assert_true(secret_is_empty(&sasl.authority));
}

static void play(const struct transcript *t)
{
	const struct sasl_mechanism *mechanism = sasl_find(span_of(t->mechanism));
	struct sasl_state sasl = { 0 };
	size_t responses = 0, challenges = 0;
	assert_non_null(mechanism);
	enum sasl_result result = SASL_CHALLENGE;
	for (bool first = true; result == SASL_CHALLENGE; first = false) {
		struct buf challenge BUF_AUTO;
		buf_init(&challenge, SASL_CHALLENGE_MAXIMUM);
		bool asks = first && !t->initial;
		assert_true(asks || responses < t->response_count);
		result = mechanism->advance(&sasl, asks ? NULL : &t->responses[responses], &challenge);
		responses += !asks;
		if (result == SASL_CHALLENGE && !span_equal(buf_span(&challenge), t->challenges[challenges++]))
			fail_msg("%s: another challenge", t->what);
	}
	bool is_told = t->name.data || t->name.size == 0;
	if (result != t->end || responses != t->response_count ||
	    (is_told && (!span_equal(secret_reveal(&sasl.name), t->name) ||
			 !span_equal(secret_reveal(&sasl.password), t->password))))
		fail_msg("%s", t->what);
	sasl_state_wipe(&sasl);
	assert_true(secret_is_empty(&sasl.password));
}

static void test_transcripts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(transcripts) / sizeof(transcripts[0]); i++)
		play(&transcripts[i]);
}

static void test_there_are_no_other_mechanisms(void **state)
{
	(void)state;
	assert_null(sasl_find(SPAN("CRAM-MD5")));
	assert_null(sasl_find(SPAN("PLAI")));
	assert_null(sasl_find(SPAN("")));
}

static void test_the_form_for_urls_has_no_padding(void **state)
{
	struct buf text BUF_AUTO;
	(void)state;
	buf_init(&text, 64);
	assert_int_equal(base64url_encode(BYTES("\xfb\xff\xfe>?"), &text), STATUS_OK);
	assert_true(span_equal(buf_span(&text), BYTES("-__-Pj8")));
	assert_int_equal(base64url_encode(BYTES("f"), &text), STATUS_OK);
	assert_true(span_equal(buf_span(&text), BYTES("-__-Pj8Zg")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_texts_go_both_ways),
		cmocka_unit_test(test_what_is_not_canonical_is_refused_whole),
		cmocka_unit_test(test_every_size_and_byte_comes_back),
		cmocka_unit_test(test_a_full_buffer_is_told),
		cmocka_unit_test(test_the_form_for_urls_has_no_padding),
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_there_are_no_other_mechanisms),
		cmocka_unit_test(plain_tells_whom_they_want_to_act_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
