/* Texts of OAuth 2: forms, addresses, endpoints' answers, signed assertions, and what an administrator pastes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "auth/form.h"
#include "auth/oauth/answer.h"
#include "auth/oauth/consent.h"

#define TEXT 8192

/* ---- forms */

static void a_form_holds_any_bytes(void **state)
{
	struct buf form BUF_AUTO;
	struct buf value BUF_AUTO;
	char bytes[256];
	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	buf_init(&form, TEXT);
	buf_init(&value, TEXT);
	assert_int_equal(form_add(&form, "a", SPAN("x y&z=+%")), STATUS_OK);
	assert_true(span_equal(buf_span(&form), SPAN("a=x%20y%26z%3D%2B%25")));
	assert_int_equal(form_add(&form, "all", (struct span){ bytes, sizeof(bytes) }), STATUS_OK);
	assert_int_equal(form_find(buf_span(&form), "all", &value), STATUS_OK);
	assert_int_equal(buf_size(&value), sizeof(bytes));
	assert_memory_equal(buf_span(&value).data, bytes, sizeof(bytes));
}

static void forms_are_read_strictly(void **state)
{
	static const struct {
		const char *form, *value;
		enum status status;
	} rows[] = {
		{ "code=x", "x", STATUS_OK },
		{ "a=b&code=x+y%2F&code=z", "x y/", STATUS_OK },
		{ "code", "", STATUS_OK },
		{ "", "", STATUS_NOT_FOUND },
		{ "xcode=1&cod=2", "", STATUS_NOT_FOUND },
		{ "code=%", "", STATUS_INVALID },
		{ "code=%4", "", STATUS_INVALID },
		{ "code=%4g", "", STATUS_INVALID },
		{ "code=%41", "A", STATUS_OK },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf value BUF_AUTO;
		buf_init(&value, TEXT);
		assert_int_equal(form_find(span_of(rows[i].form), "code", &value), rows[i].status);
		if (rows[i].status == STATUS_OK)
			assert_true(span_equal(buf_span(&value), span_of(rows[i].value)));
	}
}

/* ---- providers */

static struct config_oauth make_config(enum config_oauth_provider provider, enum config_oauth_grant grant)
{
	static char empty[] = "", name[] = "o", tenant[] = "example.com", id[] = "the client";
	return (struct config_oauth){ .name = name,
				      .provider = provider,
				      .grant = grant,
				      .client_id = id,
				      .client_secret_file = empty,
				      .service_account_file = empty,
				      .refresh_token_file = empty,
				      .tenant = tenant,
				      .scope = empty,
				      .token_url = empty,
				      .device_url = empty,
				      .authorize_url = empty,
				      .ca_file = empty };
}

static void each_provider_has_its_addresses(void **state)
{
	struct oauth_provider p;
	char own[] = "https://127.0.0.1:1/token", scope[] = "mail";
	(void)state;
	struct config_oauth config = make_config(OAUTH_GOOGLE, OAUTH_REFRESH_TOKEN);
	oauth_provider_fill(&config, &p);
	assert_string_equal(p.token_url, "https://oauth2.googleapis.com/token");
	assert_string_equal(p.device_url, "");
	assert_string_equal(p.scope, "https://mail.google.com/");
	config = make_config(OAUTH_MICROSOFT, OAUTH_CLIENT_CREDENTIALS);
	oauth_provider_fill(&config, &p);
	assert_string_equal(p.token_url, "https://login.microsoftonline.com/example.com/oauth2/v2.0/token");
	assert_string_equal(p.device_url, "https://login.microsoftonline.com/example.com/oauth2/v2.0/devicecode");
	assert_string_equal(p.scope, "https://outlook.office365.com/.default");
	config = make_config(OAUTH_MICROSOFT, OAUTH_REFRESH_TOKEN);
	config.token_url = own;
	oauth_provider_fill(&config, &p);
	assert_string_equal(p.token_url, own);
	assert_string_equal(p.scope, "https://outlook.office.com/SMTP.Send offline_access");
	config.scope = scope;
	oauth_provider_fill(&config, &p);
	assert_string_equal(p.scope, "mail");
}

/* ---- answers */

static const struct span secrets[] = { { "the refresh token", 17 }, { "sesame", 6 } };
static const struct answer_secrets all_secrets = { secrets, 2 };

static const struct {
	const char *what;
	long status;
	const char *body;
	enum answer_result result;
	uint64_t lifetime_s;
	const char *reason; /* how it begins */
} answers[] = {
	{ "a token", 200, "{\"access_token\":\"a.b-c\",\"token_type\":\"Bearer\",\"expires_in\":3599}", ANSWER_GIVEN,
	  3599, "" },
	{ "a type in lower case, a life as text", 200,
	  "{\"access_token\":\"t\",\"token_type\":\"bearer\",\"expires_in\":\"60\"}", ANSWER_GIVEN, 60, "" },
	{ "no life told", 200, "{\"access_token\":\"t\",\"token_type\":\"Bearer\"}", ANSWER_GIVEN, 300, "" },
	{ "a life of years", 200, "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"expires_in\":99999999}",
	  ANSWER_GIVEN, 86400, "" },
	{ "a life that is none", 200, "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"expires_in\":-1}",
	  ANSWER_GIVEN, 300, "" },
	{ "no type", 200, "{\"access_token\":\"t\"}", ANSWER_FAILED, 0, "its token is not of the type Bearer" },
	{ "an empty token", 200, "{\"access_token\":\"\",\"token_type\":\"Bearer\"}", ANSWER_FAILED, 0,
	  "its access token can't stand" },
	{ "a token of two lines", 200, "{\"access_token\":\"a\\r\\nb\",\"token_type\":\"Bearer\"}", ANSWER_FAILED, 0,
	  "its access token can't stand" },
	{ "a token with the separator of XOAUTH2", 200, "{\"access_token\":\"a\\u0001b\",\"token_type\":\"Bearer\"}",
	  ANSWER_FAILED, 0, "its access token can't stand" },
	{ "a token that is a number", 200, "{\"access_token\":1,\"token_type\":\"Bearer\"}", ANSWER_FAILED, 0,
	  "its access token can't stand" },
	{ "a refresh token that can't be one", 200,
	  "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"refresh_token\":\"a b\"}", ANSWER_FAILED, 0,
	  "its refresh token can't be read" },
	{ "a token given twice", 200, "{\"access_token\":\"t\",\"access_token\":\"u\",\"token_type\":\"Bearer\"}",
	  ANSWER_FAILED, 0, "its answer is not one of OAuth 2 (HTTP status 200)" },
	{ "a refusal", 400, "{\"error\":\"invalid_grant\",\"error_description\":\"Bad Request\"}", ANSWER_REFUSED, 0,
	  "invalid_grant: Bad Request (HTTP status 400)" },
	{ "a refusal without words", 401, "{\"error\":\"invalid_client\"}", ANSWER_REFUSED, 0,
	  "invalid_client (HTTP status 401)" },
	{ "a refusal that quotes", 400,
	  "{\"error\":\"invalid_grant\",\"error_description\":\"the refresh token of open sesame\"}", ANSWER_REFUSED, 0,
	  "invalid_grant: *** of open *** (HTTP status 400)" },
	{ "an error that is a secret", 400, "{\"error\":\"sesame\"}", ANSWER_REFUSED, 0, "*** (HTTP status 400)" },
	{ "too much at once", 429, "{\"error\":\"slow_down\"}", ANSWER_FAILED, 0, "slow_down (HTTP status 429)" },
	{ "not now", 400, "{\"error\":\"temporarily_unavailable\"}", ANSWER_FAILED, 0, "temporarily_unavailable" },
	{ "an error of its own", 500, "{\"error\":\"invalid_grant\"}", ANSWER_FAILED, 0,
	  "invalid_grant (HTTP status 500)" },
	{ "a page", 200, "<html>", ANSWER_FAILED, 0, "its answer is not one of OAuth 2 (HTTP status 200)" },
	{ "nothing", 200, "", ANSWER_FAILED, 0, "its answer is not one of OAuth 2 (HTTP status 200)" },
	{ "a list", 400, "[\"error\"]", ANSWER_FAILED, 0, "its answer is not one of OAuth 2 (HTTP status 400)" },
	{ "a token with an error's status", 400, "{\"access_token\":\"t\",\"token_type\":\"Bearer\"}", ANSWER_FAILED, 0,
	  "its answer is not one of OAuth 2 (HTTP status 400)" },
	{ "an error that is an object", 400, "{\"error\":{\"code\":400}}", ANSWER_FAILED, 0,
	  "its answer is not one of OAuth 2 (HTTP status 400)" },
};

static void answers_are_read_with_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct token_answer answer;
		token_answer_read(answers[i].status, span_of(answers[i].body), all_secrets, &answer);
		if (answer.result != answers[i].result || answer.lifetime_s != answers[i].lifetime_s ||
		    strncmp(answer.reason, answers[i].reason, strlen(answers[i].reason)) != 0)
			fail_msg("%s: %d, %s", answers[i].what, answer.result, answer.reason);
		assert_true(answer.result == ANSWER_GIVEN || secret_is_empty(&answer.access));
		token_answer_wipe(&answer);
	}
}

static void a_cut_answer_gives_nothing(void **state)
{
	static const char whole[] = "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"refresh_token\":\"r\"}";
	(void)state;
	for (size_t size = 0; size < sizeof(whole) - 1; size++) {
		struct token_answer answer;
		token_answer_read(200, (struct span){ whole, size }, all_secrets, &answer);
		assert_int_equal(answer.result, ANSWER_FAILED);
		assert_true(secret_is_empty(&answer.access) && secret_is_empty(&answer.refresh));
	}
}

static void devices_are_shown_a_code(void **state)
{
	struct device_answer answer;
	(void)state;
	device_answer_read(
		200,
		SPAN("{\"device_code\":\"d\",\"user_code\":\"AB-\\u001b[2J\",\"verification_url\":\"https://x\","
		     "\"interval\":0,\"expires_in\":999999}"),
		all_secrets, &answer);
	assert_int_equal(answer.result, ANSWER_GIVEN);
	assert_string_equal(answer.user_code, "AB-?[2J");
	assert_string_equal(answer.uri, "https://x");
	assert_int_equal(answer.interval_s, 5);
	assert_int_equal(answer.lifetime_s, 1800);
	device_answer_wipe(&answer);
	device_answer_read(200, SPAN("{\"user_code\":\"A\",\"verification_uri\":\"https://x\"}"), all_secrets, &answer);
	assert_int_equal(answer.result, ANSWER_FAILED);
	device_answer_read(400, SPAN("{\"error\":\"invalid_scope\"}"), all_secrets, &answer);
	assert_int_equal(answer.result, ANSWER_REFUSED);
	assert_string_equal(answer.reason, "invalid_scope (HTTP status 400)");
}

/* ---- service accounts */

static char *make_key(void)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	long size = BIO_get_mem_data(bio, &text);
	char *copy = strndup(text, (size_t)size);
	BIO_free(bio);
	EVP_PKEY_free(key);
	return copy;
}

static char *make_file(const char *type, const char *email, const char *key)
{
	json_t *object = json_pack("{ss ss}", "type", type, "private_key_id", "k1");
	if (email)
		json_object_set_new(object, "client_email", json_string(email));
	if (key)
		json_object_set_new(object, "private_key", json_string(key));
	char *text = json_dumps(object, 0);
	json_decref(object);
	return text;
}

static void a_service_account_asserts(void **state)
{
	struct service_account account;
	const char *fault = NULL;
	struct buf jwt BUF_AUTO;
	(void)state;
	char *key = make_key();
	char *file = make_file("service_account", "bot@p.example", key);
	buf_init(&jwt, TEXT);
	assert_int_equal(service_account_read(span_of(file), &account, &fault), STATUS_OK);
	const struct assertion_claims claims = { "anna@example.com", "mail", "https://x/token", 1000 };
	assert_int_equal(service_account_assert(&account, &claims, &jwt), STATUS_OK);
	/* {"alg":"RS256","typ":"JWT","kid":"k1"} and {"iss":…,"iat":970,"exp":4570,"sub":…} */
	assert_true(span_starts_with(buf_span(&jwt),
				     SPAN("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0."
					  "eyJpc3MiOiJib3RAcC5leGFtcGxlIiwic2NvcGUiOiJtYWlsIiwiYXVkIjoiaHR0cHM6Ly94L3Rv"
					  "a2VuIiwiaWF0Ijo5NzAsImV4cCI6NDU3MCwic3ViIjoiYW5uYUBleGFtcGxlLmNvbSJ9.")));
	service_account_wipe(&account);
	free(file);
	free(key);
}

static void assert_no_account(char *file, const char *expected)
{
	struct service_account account;
	const char *fault = NULL;
	assert_int_equal(service_account_read(span_of(file), &account, &fault), STATUS_INVALID);
	if (!strstr(fault, expected))
		fail_msg("%s", fault);
	free(file);
}

static void what_is_no_service_account_says_why(void **state)
{
	(void)state;
	char *key = make_key();
	assert_no_account(strdup(""), "not a JSON object");
	assert_no_account(strdup("[]"), "not a JSON object");
	assert_no_account(make_file("authorized_user", "a@b", key), "its type is not");
	assert_no_account(make_file("service_account", NULL, key), "no client_email");
	assert_no_account(make_file("service_account", "a@b", NULL), "no private_key");
	assert_no_account(make_file("service_account", "a@b", "-----BEGIN"), "no private_key in it that signs");
	free(key);
}

/* ---- consent */

static void a_page_is_bound_to_its_consent(void **state)
{
	static const struct oauth_provider provider = { .authorize_url = "https://x/auth?hint=1", .scope = "mail" };
	struct config_oauth config = make_config(OAUTH_GOOGLE, OAUTH_REFRESH_TOKEN);
	struct oauth_client client = { .config = &config, .provider = provider };
	struct consent consent = { .client = &client };
	char pasted[256];
	struct buf url BUF_AUTO;
	(void)state;
	buf_init(&url, CONSENT_URL_MAXIMUM);
	assert_int_equal(consent_begin_page(&consent, 8080, &url), STATUS_OK);
	assert_true(span_starts_with(
		buf_span(&url), SPAN("https://x/auth?hint=1&response_type=code&client_id=the%20client&redirect_uri="
				     "http%3A%2F%2F127.0.0.1%3A8080%2F&scope=mail&state=")));
	static const struct {
		const char *format;
		enum status status;
	} rows[] = {
		{ "http://127.0.0.1:8080/?code=4%%2Fx&state=%s&scope=y", STATUS_OK },
		{ "  /?state=%s&code=4%%2Fx#frag=1 ", STATUS_OK },
		{ "state=%s&code=4%%2Fx", STATUS_OK },
		{ "http://127.0.0.1:8080/?code=4%%2Fx&state=x%s", STATUS_INVALID },
		{ "http://127.0.0.1:8080/?code=4%%2Fx", STATUS_INVALID },
		{ "/?error=access_denied&state=%s", STATUS_REFUSED },
		{ "/?error=access_denied&state=1%s", STATUS_INVALID },
		{ "/?state=%s", STATUS_INVALID },
		{ "", STATUS_INVALID },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf code BUF_AUTO;
		buf_init(&code, 100);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(pasted, sizeof(pasted), rows[i].format, secret_reveal(&consent.state).data);
#pragma GCC diagnostic pop
		assert_int_equal(consent_read_answer(&consent, span_of(pasted), &code), rows[i].status);
		if (rows[i].status == STATUS_OK)
			assert_true(span_equal(buf_span(&code), SPAN("4/x")));
	}
	struct buf bare BUF_AUTO;
	buf_init(&bare, 100);
	assert_int_equal(consent_read_answer(&consent, SPAN(" 4/x "), &bare), STATUS_OK);
	assert_true(span_equal(buf_span(&bare), SPAN("4/x")));
	consent_end(&consent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_form_holds_any_bytes),
		cmocka_unit_test(forms_are_read_strictly),
		cmocka_unit_test(each_provider_has_its_addresses),
		cmocka_unit_test(answers_are_read_with_bounds),
		cmocka_unit_test(a_cut_answer_gives_nothing),
		cmocka_unit_test(devices_are_shown_a_code),
		cmocka_unit_test(a_service_account_asserts),
		cmocka_unit_test(what_is_no_service_account_says_why),
		cmocka_unit_test(a_page_is_bound_to_its_consent),
	};
	return cmocka_run_group_tests_name("auth: texts of OAuth 2", tests, NULL, NULL);
}
