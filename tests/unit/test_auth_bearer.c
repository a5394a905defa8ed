/* Users' tokens: what is read of them, whose signature counts, and what their claims must say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjose/jwk.h>
#include <cjose/jws.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/bearer/claims.h"
#include "auth/bearer/json.h"
#include "auth/bearer/keys.h"

#define NOW_S 1800000000ULL
#define CLAIMS "{\"iss\":\"https://login.example\",\"aud\":\"mail\",\"exp\":1800000600}"

/* ---- keys and tokens, made with cjose */

static cjose_jwk_t *make_rsa(size_t bits, const char *kid)
{
	cjose_jwk_t *key = cjose_jwk_create_RSA_random(bits, (const uint8_t *)"\x01\x00\x01", 3, NULL);
	assert_non_null(key);
	assert_true(cjose_jwk_set_kid(key, kid, strlen(kid), NULL));
	return key;
}

static cjose_jwk_t *make_ec(cjose_jwk_ec_curve curve, const char *kid)
{
	cjose_jwk_t *key = cjose_jwk_create_EC_random(curve, NULL);
	assert_non_null(key);
	assert_true(cjose_jwk_set_kid(key, kid, strlen(kid), NULL));
	return key;
}

/* On the heap. */
static char *sign(const cjose_jwk_t *key, const char *algorithm, const char *kid, const char *claims)
{
	const char *text = NULL;
	cjose_header_t *header = cjose_header_new(NULL);
	assert_true(cjose_header_set(header, CJOSE_HDR_ALG, algorithm, NULL));
	if (kid)
		assert_true(cjose_header_set(header, CJOSE_HDR_KID, kid, NULL));
	cjose_jws_t *jws = cjose_jws_sign(key, header, (const uint8_t *)claims, strlen(claims), NULL);
	assert_non_null(jws);
	assert_true(cjose_jws_export(jws, &text, NULL));
	char *copy = strdup(text);
	cjose_jws_release(jws);
	cjose_header_release(header);
	return copy;
}

/* The set {key} with more members of the key's. */
static struct bearer_keys *read_set(const cjose_jwk_t *key, const char *more)
{
	char text[4096];
	struct bearer_keys *keys = NULL;
	char *json = cjose_jwk_to_json(key, false, NULL);
	snprintf(text, sizeof(text), "{\"keys\":[{%s%s%s]}", more, *more ? "," : "", json + 1);
	free(json);
	return bearer_keys_read(span_of(text), &keys) == STATUS_OK ? keys : NULL;
}

static enum status verify(const struct bearer_keys *keys, const char *text)
{
	struct bearer_token token BEARER_TOKEN_AUTO = { 0 };
	TRY(bearer_token_read(span_of(text), &token));
	return bearer_keys_verify(keys, &token);
}

static const struct {
	const char *algorithm;
	bool is_rsa;
	cjose_jwk_ec_curve curve;
} taken[] = {
	{ "RS256", true, CJOSE_JWK_EC_INVALID }, { "RS512", true, CJOSE_JWK_EC_INVALID },
	{ "PS256", true, CJOSE_JWK_EC_INVALID }, { "ES256", false, CJOSE_JWK_EC_P_256 },
	{ "ES384", false, CJOSE_JWK_EC_P_384 },  { "ES512", false, CJOSE_JWK_EC_P_521 },
};

static void signatures_of_the_issuers_key_are_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		cjose_jwk_t *key = taken[i].is_rsa ? make_rsa(2048, "k") : make_ec(taken[i].curve, "k");
		cjose_jwk_t *other = taken[i].is_rsa ? make_rsa(2048, "k") : make_ec(taken[i].curve, "k");
		struct bearer_keys *keys = read_set(key, "");
		char *named = sign(key, taken[i].algorithm, "k", CLAIMS);
		char *nameless = sign(key, taken[i].algorithm, NULL, CLAIMS);
		char *elsewhere = sign(key, taken[i].algorithm, "x", CLAIMS);
		char *forged = sign(other, taken[i].algorithm, "k", CLAIMS);
		assert_int_equal(verify(keys, named), STATUS_OK);
		assert_int_equal(verify(keys, nameless), STATUS_OK);
		assert_int_equal(verify(keys, elsewhere), STATUS_NOT_FOUND);
		assert_int_equal(verify(keys, forged), STATUS_INVALID);
		free(named), free(nameless), free(elsewhere), free(forged);
		bearer_keys_free(&keys);
		cjose_jwk_release(key);
		cjose_jwk_release(other);
	}
}

static void no_character_of_a_token_can_be_changed(void **state)
{
	(void)state;
	cjose_jwk_t *key = make_ec(CJOSE_JWK_EC_P_256, "k");
	struct bearer_keys *keys = read_set(key, "");
	char *text = sign(key, "ES256", "k", CLAIMS);
	size_t size = strlen(text);
	for (size_t i = 0; i + 1 < size; i++) {
		char right = text[i];
		text[i] = right == 'A' ? 'B' : 'A';
		if (verify(keys, text) == STATUS_OK)
			fail_msg("character %zu does not count", i);
		text[i] = right;
	}
	assert_int_equal(verify(keys, text), STATUS_OK);
	free(text);
	bearer_keys_free(&keys);
	cjose_jwk_release(key);
}

static void a_key_is_used_for_what_it_is_for(void **state)
{
	(void)state;
	cjose_jwk_t *key = make_rsa(2048, "k");
	struct bearer_keys *keys = read_set(key, "\"alg\":\"RS256\",\"use\":\"sig\",\"key_ops\":[\"verify\"]");
	char *same = sign(key, "RS256", "k", CLAIMS), *other = sign(key, "PS256", "k", CLAIMS);
	assert_int_equal(verify(keys, same), STATUS_OK);
	assert_int_equal(verify(keys, other), STATUS_NOT_FOUND);
	free(same), free(other);
	assert_null(read_set(key, "\"use\":\"enc\""));
	assert_null(read_set(key, "\"key_ops\":[\"encrypt\"]"));
	bearer_keys_free(&keys);
	cjose_jwk_release(key);
	key = make_rsa(1024, "k");
	assert_null(read_set(key, ""));
	cjose_jwk_release(key);
}

static const char *const no_sets[] = {
	"",
	"[]",
	"{}",
	"{\"keys\":{}}",
	"{\"keys\":[]}",
	"{\"keys\":[1,\"a\",null,{}]}",
	"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
	"{\"keys\":[],\"keys\":[]}",
	"{\"keys\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
};

static void what_is_no_set_of_keys_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(no_sets) / sizeof(no_sets[0]); i++) {
		struct bearer_keys *keys = NULL;
		if (bearer_keys_read(span_of(no_sets[i]), &keys) != STATUS_INVALID)
			fail_msg("%s", no_sets[i]);
	}
}

static const char *const no_tokens[] = {
	"",
	".",
	"..",
	"a.b",
	"a.b.c.d",
	"e30.e30.",
	"e30.e30.YQ.",
	".e30.YQ",
	"e30.W10.YQ",
	"e30=.e30.YQ",
	"e3+.e30.YQ",
	"e30.e31.YQ" /* spare bits */,
	"e30.e30.YQ=YQ4YQ",
	"e30.e30.YQYQY",
};

/* A parser that calls itself must not be led deeper by brackets that texts seem to close. */
static void depth_is_bounded_whatever_texts_hold(void **state)
{
	char text[40 * 6 + 1] = "";
	(void)state;
	for (size_t i = 0; i < 40; i++)
		memcpy(text + 6 * i, "[\"\\\"]\"", 6);
	assert_null(bearer_json_read(span_of(text)));
	for (size_t depth = 1; depth <= 2 * BEARER_JSON_DEPTH; depth++) {
		char nested[4 * BEARER_JSON_DEPTH + 1] = "";
		memset(nested, '[', depth);
		memset(nested + depth, ']', depth);
		json_t *value = bearer_json_read((struct span){ nested, 2 * depth });
		assert_int_equal(value != NULL, depth <= BEARER_JSON_DEPTH);
		json_decref(value);
	}
	json_t *texts = bearer_json_read(SPAN("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]"));
	assert_non_null(texts);
	json_decref(texts);
}

static void what_is_no_token_is_refused(void **state)
{
	struct bearer_token token BEARER_TOKEN_AUTO = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(no_tokens) / sizeof(no_tokens[0]); i++)
		if (bearer_token_read(span_of(no_tokens[i]), &token) != STATUS_INVALID)
			fail_msg("%s", no_tokens[i]);
	assert_int_equal(bearer_token_read(SPAN("e30.e30.YQ"), &token), STATUS_OK);
	assert_true(bearer_token_is_jwt(SPAN("e30.e30.YQ")));
	assert_false(bearer_token_is_jwt(SPAN("ya29.opaque")));
	assert_false(bearer_token_is_jwt(SPAN("opaque")));
}

/* ---- claims */

static char issuer_text[] = "https://login.example", audience_text[] = "mail", other_audience[] = "mail2";
static char scope_text[] = "smtp.send", empty_text[] = "", section_name[] = "company";
static char email_text[] = "email", groups_text[] = "groups", senders_text[] = "aliases";
static char *audience_list[] = { audience_text, other_audience };
static char *scope_list[] = { scope_text };

static const struct config_bearer section = {
	.name = section_name,
	.issuer = issuer_text,
	.audiences = { audience_list, 2 },
	.scopes = { scope_list, 1 },
	.user_claim = email_text,
	.groups_claim = groups_text,
	.senders_claim = senders_text,
	.introspection_url = empty_text,
};

#define GOOD_BUT(more) "\"iss\":\"https://login.example\",\"email\":\"A@example.com\",\"email_verified\":true" more "}"
#define AUD ",\"aud\":\"mail\""
#define EXP ",\"exp\":1800000600"
#define SCOPE ",\"scope\":\"openid smtp.send\""

static const struct {
	const char *what;
	bool introspected;
	const char *claims;
	const char *reason; /* NULL: good */
} judged[] = {
	{ "all that is needed", false, "{" GOOD_BUT(AUD EXP SCOPE), NULL },
	{ "one of several audiences", false, "{\"aud\":[\"x\",\"mail2\"]," GOOD_BUT(EXP SCOPE), NULL },
	{ "an end with a fraction", false, "{\"exp\":1800000000.5," GOOD_BUT(AUD SCOPE), "token expired" },
	{ "scopes as a list", false, "{\"scp\":[\"smtp.send\"]," GOOD_BUT(AUD EXP), NULL },
	{ "a part of a scope", false, "{\"scp\":\"smtp.sender\"," GOOD_BUT(AUD EXP), "token without the scope" },
	{ "a part of an audience", false, "{\"aud\":\"mai\"," GOOD_BUT(EXP SCOPE), "token for another audience" },
	{ "an empty audience", false, "{\"aud\":\"\"," GOOD_BUT(EXP SCOPE), "token for another audience" },
	{ "an audience of another kind", false, "{\"aud\":{\"mail\":1}," GOOD_BUT(EXP SCOPE),
	  "token for another audience" },
	{ "client_id is no audience of a token", false, "{\"client_id\":\"mail\"," GOOD_BUT(EXP SCOPE),
	  "token for another audience" },
	{ "but it is one of an answer", true, "{\"client_id\":\"mail\"," GOOD_BUT(SCOPE), NULL },
	{ "unless that names another", true, "{\"client_id\":\"mail\",\"aud\":\"x\"," GOOD_BUT(SCOPE),
	  "token for another audience" },
	{ "an answer about a token that a key's holder alone may use", true,
	  "{\"cnf\":{\"jkt\":\"x\"}," GOOD_BUT(AUD SCOPE), "token that needs another proof" },
	{ "an answer about a token of that type", true, "{\"token_type\":\"dpop\"," GOOD_BUT(AUD SCOPE),
	  "token that needs another proof" },
	{ "an answer about a plain one", true, "{\"token_type\":\"Bearer\"," GOOD_BUT(AUD SCOPE), NULL },
	{ "an end that is a text", false, "{\"exp\":\"1800000600\"," GOOD_BUT(AUD SCOPE), "token without an end" },
	{ "an end before all time", false, "{\"exp\":-1," GOOD_BUT(AUD SCOPE), "token without an end" },
	{ "an end beyond all time", false, "{\"exp\":1e300," GOOD_BUT(AUD SCOPE), "token without an end" },
	{ "the end is now", false, "{\"exp\":1800000000," GOOD_BUT(AUD SCOPE), "token expired" },
	{ "it begins in a minute", false, "{\"nbf\":1800000060," GOOD_BUT(AUD EXP SCOPE), NULL },
	{ "it begins later", false, "{\"nbf\":1800000061," GOOD_BUT(AUD EXP SCOPE), "token not valid yet" },
	{ "an issuer's address with more", false,
	  "{\"iss\":\"https://login.example/\",\"email\":\"a@b.example\",\"email_verified\":true" AUD EXP SCOPE "}",
	  "token of another issuer" },
	{ "verified as a text", false,
	  "{\"iss\":\"https://login.example\",\"email\":\"a@b.example\",\"email_verified\":\"true\"" AUD EXP SCOPE "}",
	  "token whose e-mail address is not verified" },
	{ "no name", false,
	  "{\"iss\":\"https://login.example\",\"email\":\" \",\"email_verified\":true" AUD EXP SCOPE "}",
	  "token that names nobody" },
	{ "a list of names", false,
	  "{\"iss\":\"https://login.example\",\"email\":[\"a@b.example\"],\"email_verified\":true" AUD EXP SCOPE "}",
	  "token that names nobody" },
};

static enum status judge(const char *claims, bool introspected, struct identity *holder, const char **out_reason)
{
	uint64_t expires_s = 0;
	json_t *object = bearer_json_read(span_of(claims));
	assert_non_null(object);
	enum status status = bearer_claims_read(object, &section, introspected, NOW_S, holder, &expires_s, out_reason);
	if (status == STATUS_OK)
		assert_true(expires_s > NOW_S);
	json_decref(object);
	return status;
}

static void claims_are_held_against_the_section(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
		struct identity holder IDENTITY_AUTO;
		const char *reason = "";
		identity_init(&holder);
		enum status status = judge(judged[i].claims, judged[i].introspected, &holder, &reason);
		if (judged[i].reason == NULL) {
			if (status != STATUS_OK)
				fail_msg("%s: %s", judged[i].what, reason);
			assert_string_equal(holder.user, "a@example.com");
		} else if (status != STATUS_INVALID || strcmp(reason, judged[i].reason) != 0) {
			fail_msg("%s: \"%s\"", judged[i].what, reason);
		}
	}
}

static void groups_and_senders_are_taken_whole_or_the_token_is_put_off(void **state)
{
	struct identity holder IDENTITY_AUTO;
	const char *reason = "";
	static char many[1 << 20] = "{\"groups\":[\"first\"";
	(void)state;
	identity_init(&holder);
	assert_int_equal(judge("{\"groups\":[\"a\",1,\"b\"],\"aliases\":[\"x@example.com\",\"@example.com\",\"*\","
			       "\"y\"]," GOOD_BUT(AUD EXP SCOPE),
			       false, &holder, &reason),
			 STATUS_OK);
	assert_int_equal(codec_list_count(codec_list_of(&holder.groups)), 2);
	assert_int_equal(codec_list_count(codec_list_of(&holder.senders)), 1);
	for (size_t i = 0, at = strlen(many); i < 6000; i++)
		at += (size_t)snprintf(many + at, sizeof(many) - at, ",\"%0100zu\"", i);
	size_t size = strlen(many);
	snprintf(many + size, sizeof(many) - size, "]," GOOD_BUT(AUD EXP SCOPE));
	identity_free(&holder);
	assert_int_equal(judge(many, false, &holder, &reason), STATUS_TOO_LARGE);
	identity_free(&holder);
	assert_int_equal(
		judge("{\"_claim_names\":{\"groups\":\"src1\"}," GOOD_BUT(AUD EXP SCOPE), false, &holder, &reason),
		STATUS_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_of_the_issuers_key_are_right),
		cmocka_unit_test(no_character_of_a_token_can_be_changed),
		cmocka_unit_test(a_key_is_used_for_what_it_is_for),
		cmocka_unit_test(what_is_no_set_of_keys_is_refused),
		cmocka_unit_test(what_is_no_token_is_refused),
		cmocka_unit_test(depth_is_bounded_whatever_texts_hold),
		cmocka_unit_test(claims_are_held_against_the_section),
		cmocka_unit_test(groups_and_senders_are_taken_whole_or_the_token_is_put_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
