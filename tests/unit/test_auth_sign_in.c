/* Logins at an OpenID provider: what it says of itself, and which ID tokens answer a login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "auth/bearer/id_token.h"
#include "auth/bearer/json.h"
#include "auth/bearer/metadata.h"

#define NOW_S 1800000000ULL
#define NONCE "n-0S6_WzA2Mj"

/* ---- metadata */

#define AUTHORIZE "\"authorization_endpoint\":\"https://login.example/authorize\""
#define TOKEN "\"token_endpoint\":\"https://login.example/token\""

static const struct {
	const char *what, *document, *reason; /* NULL: it will do */
} described[] = {
	{ "the least", "{" AUTHORIZE "," TOKEN "}", NULL },
	{ "with S256", "{" AUTHORIZE "," TOKEN ",\"code_challenge_methods_supported\":[\"plain\",\"S256\"]}", NULL },
	{ "with a query", "{\"authorization_endpoint\":\"https://login.example/a?p=company\"," TOKEN "}", NULL },
	{ "no PKCE", "{" AUTHORIZE "," TOKEN ",\"code_challenge_methods_supported\":[\"plain\"]}",
	  "its openid-configuration has no PKCE by S256" },
	{ "an empty list", "{" AUTHORIZE "," TOKEN ",\"code_challenge_methods_supported\":[]}",
	  "its openid-configuration has no PKCE by S256" },
	{ "no authorization", "{" TOKEN "}", "its openid-configuration names no authorization_endpoint with https://" },
	{ "no text", "{\"authorization_endpoint\":1," TOKEN "}",
	  "its openid-configuration names no authorization_endpoint with https://" },
	{ "in the clear", "{" AUTHORIZE ",\"token_endpoint\":\"http://login.example/token\"}",
	  "its openid-configuration names no token_endpoint with https://" },
	{ "no token endpoint", "{" AUTHORIZE "}", "its openid-configuration names no token_endpoint with https://" },
	{ "no object", "[]", "its openid-configuration names no authorization_endpoint with https://" },
};

static void a_provider_says_where_people_log_in_or_nobody_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(described) / sizeof(described[0]); i++) {
		struct metadata metadata = { 0 };
		const char *reason = NULL;
		json_t *document = bearer_json_read(span_of(described[i].document));
		assert_non_null(document);
		enum status status = metadata_read(document, &metadata, &reason);
		json_decref(document);
		if (described[i].reason == NULL && status != STATUS_OK)
			fail_msg("%s: %s", described[i].what, reason);
		if (described[i].reason && (status != STATUS_INVALID || strcmp(reason, described[i].reason) != 0))
			fail_msg("%s: %s", described[i].what, reason ? reason : "taken");
	}
}

static void what_a_provider_can_do_is_read(void **state)
{
	(void)state;
	struct metadata metadata = { 0 };
	const char *reason = NULL;
	json_t *document = bearer_json_read(
		SPAN("{" AUTHORIZE "," TOKEN ",\"authorization_response_iss_parameter_supported\":true,"
		     "\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\",\"client_secret_post\"]}"));
	assert_int_equal(metadata_read(document, &metadata, &reason), STATUS_OK);
	assert_true(metadata.names_issuer && metadata.takes_posted_secret && !metadata.takes_basic_secret);
	assert_string_equal(metadata.authorize_url, "https://login.example/authorize");
	assert_string_equal(metadata.token_url, "https://login.example/token");
	json_decref(document);
}

static void no_browser_is_sent_to_what_is_no_address(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		"https://",
		"https:///a",
		"https://:1/",
		"https://?a",
		"http://a.example/",
		"HTTPS://a.example/",
		"javascript:alert(1)",
		"//a.example/",
		"https://a.example/ b",
		"https://a.example/\r\nSet-Cookie: a=b",
		"https://a.example/#a",
		"https://user@a.example/",
		"https://a.example/\"",
		"https://a.example/<b>",
		"https://a.example/\xc3\xa4",
	};
	static char longest[METADATA_URL_SIZE + 1] = "https://a.example/";
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (metadata_is_url(wrong[i]))
			fail_msg("%s", wrong[i]);
	assert_false(metadata_is_url(NULL));
	for (size_t i = strlen(longest); i < METADATA_URL_SIZE; i++)
		longest[i] = 'a';
	assert_false(metadata_is_url(longest));
	longest[METADATA_URL_SIZE - 1] = '\0';
	assert_true(metadata_is_url(longest));
}

/* ---- ID tokens */

#define IAT "\"iat\":1800000000"
#define SUB "\"sub\":\"1\""
#define AUD "\"aud\":\"us\""
#define ECHO "\"nonce\":\"" NONCE "\""
#define ALL IAT "," SUB "," AUD "," ECHO ",\"hd\":\"example.com\",\"amr\":[\"pwd\",\"mfa\"],\"ok\":true"
#define ANOTHER_LOGIN "ID token of another login"
#define ANOTHER_TIME "ID token issued at another time"
#define ANOTHER_CLIENT "ID token for another client"
#define NO_CLAIM "ID token without a required claim"

static const struct {
	const char *what, *header, *claims, *required, *reason; /* NULL: it will do */
} judged[] = {
	{ "a good one", "{}", "{" ALL "}", NULL, NULL },
	{ "of a type", "{\"typ\":\"JWT\"}", "{" ALL "}", NULL, NULL },
	{ "an access token", "{\"typ\":\"at+jwt\"}", "{" ALL "}", NULL, "ID token of another kind" },
	{ "the same at length", "{\"typ\":\"application/AT+jwt\"}", "{" ALL "}", NULL, "ID token of another kind" },
	{ "no nonce", "{}", "{" IAT "," SUB "," AUD "}", NULL, ANOTHER_LOGIN },
	{ "another nonce", "{}", "{" IAT "," SUB "," AUD ",\"nonce\":\"n-0S6_WzA2Mk\"}", NULL, ANOTHER_LOGIN },
	{ "a list of nonces", "{}", "{" IAT "," SUB "," AUD ",\"nonce\":[\"" NONCE "\"]}", NULL, ANOTHER_LOGIN },
	{ "no subject", "{}", "{" IAT "," AUD "," ECHO "}", NULL, "ID token without a subject" },
	{ "an empty one", "{}", "{" IAT ",\"sub\":\"\"," AUD "," ECHO "}", NULL, "ID token without a subject" },
	{ "no time", "{}", "{" SUB "," AUD "," ECHO "}", NULL, ANOTHER_TIME },
	{ "a text for a time", "{}", "{\"iat\":\"1800000000\"," SUB "," AUD "," ECHO "}", NULL, ANOTHER_TIME },
	{ "a minute ahead", "{}", "{\"iat\":1800000060," SUB "," AUD "," ECHO "}", NULL, NULL },
	{ "more ahead", "{}", "{\"iat\":1800000061," SUB "," AUD "," ECHO "}", NULL, ANOTHER_TIME },
	{ "11 minutes old", "{}", "{\"iat\":1799999340," SUB "," AUD "," ECHO "}", NULL, NULL },
	{ "older", "{}", "{\"iat\":1799999339," SUB "," AUD "," ECHO "}", NULL, ANOTHER_TIME },
	{ "of no time at all", "{}", "{\"iat\":-1e300," SUB "," AUD "," ECHO "}", NULL, ANOTHER_TIME },
	{ "made for us", "{}", "{" ALL ",\"azp\":\"us\"}", NULL, NULL },
	{ "made for another", "{}", "{" ALL ",\"azp\":\"them\"}", NULL, ANOTHER_CLIENT },
	{ "made for a list", "{}", "{" ALL ",\"azp\":[\"us\"]}", NULL, ANOTHER_CLIENT },
	{ "a list of us", "{}", "{" IAT "," SUB ",\"aud\":[\"us\"]," ECHO "}", NULL, NULL },
	{ "for others too", "{}", "{" IAT "," SUB ",\"aud\":[\"us\",\"them\"]," ECHO "}", NULL, ANOTHER_CLIENT },
	{ "the same, made for us", "{}", "{" IAT "," SUB ",\"aud\":[\"us\",\"them\"],\"azp\":\"us\"," ECHO "}", NULL,
	  NULL },
	{ "a claim that is there", "{}", "{" ALL "}", "hd=example.com", NULL },
	{ "one that is another", "{}", "{" ALL "}", "hd=example.org", NO_CLAIM },
	{ "one that begins so", "{}", "{" ALL "}", "hd=example", NO_CLAIM },
	{ "one that is not there", "{}", "{" ALL "}", "tid=1", NO_CLAIM },
	{ "one of a list", "{}", "{" ALL "}", "amr=mfa", NULL },
	{ "none of a list", "{}", "{" ALL "}", "amr=otp", NO_CLAIM },
	{ "a truth", "{}", "{" ALL "}", "ok=true", NULL },
	{ "no truth", "{}", "{" ALL "}", "ok=false", NO_CLAIM },
	{ "one within another", "{}", "{" ALL ",\"a\":{\"b\":[\"c\"]}}", "a.b=c", NULL },
	{ "a value with =", "{}", "{" ALL ",\"dn\":\"cn=a\"}", "dn=cn=a", NULL },
	{ "an object", "{}", "{" ALL ",\"a\":{\"b\":\"c\"}}", "a=b", NO_CLAIM },
};

static const char *judge(const char *header, const char *claims, const char *required, struct span nonce)
{
	static char us[] = "us";
	char *item = (char *)(uintptr_t)required;
	const struct config_oidc config = { .client_id = us, .required_claims = { &item, required ? 1 : 0 } };
	struct bearer_token token BEARER_TOKEN_AUTO = { .header = bearer_json_read(span_of(header)),
							.claims = bearer_json_read(span_of(claims)) };
	assert_true(token.header && token.claims);
	return id_token_judge(&token, &config, nonce, NOW_S);
}

static void an_id_token_answers_its_login_or_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
		const char *reason = judge(judged[i].header, judged[i].claims, judged[i].required, SPAN(NONCE));
		bool is_right = judged[i].reason ? reason && strcmp(reason, judged[i].reason) == 0 : reason == NULL;
		if (!is_right)
			fail_msg("%s: %s", judged[i].what, reason ? reason : "taken");
	}
	/* A login without a nonce is no login. */
	assert_non_null(judge("{}", "{" IAT "," SUB "," AUD ",\"nonce\":\"\"}", NULL, SPAN("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_provider_says_where_people_log_in_or_nobody_does),
		cmocka_unit_test(what_a_provider_can_do_is_read),
		cmocka_unit_test(no_browser_is_sent_to_what_is_no_address),
		cmocka_unit_test(an_id_token_answers_its_login_or_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
