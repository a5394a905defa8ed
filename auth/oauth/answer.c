/* Reading answers. Owns nothing for longer than a call; jansson's memory is wiped when freed (client.c). */
#include "auth/oauth/answer.h"

#include <jansson.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mask.h"

#define LIFETIME_UNTOLD_S 300    /* RFC 6749, 5.1 only recommends to tell it */
#define LIFETIME_MAXIMUM_S 86400 /* what claims more is asked for anew after a day */
#define DEVICE_LIFETIME_MAXIMUM_S 1800
#define INTERVAL_UNTOLD_S 5 /* RFC 8628, 3.2 */
#define INTERVAL_MAXIMUM_S 60

/* ---- pieces */

/* A number, or as old endpoints have it a text of digits. */
static uint64_t read_number(const json_t *object, const char *name, uint64_t otherwise, uint64_t maximum)
{
	const json_t *value = json_object_get(object, name);
	uint64_t number = otherwise;
	if (json_is_integer(value) && json_integer_value(value) > 0)
		number = (uint64_t)json_integer_value(value);
	else if (json_is_string(value) && span_to_u64(span_of(json_string_value(value)), &number) != STATUS_OK)
		number = otherwise;
	if (number == 0)
		number = otherwise;
	return number < maximum ? number : maximum;
}

/* RFC 6750, 2.1: what may stand after "Bearer ", and nothing that could end a line or a field. */
static bool is_token(struct span text)
{
	if (text.size == 0 || text.size > ANSWER_TOKEN_MAXIMUM)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
			return false;
	}
	return true;
}

static enum status read_token(const json_t *object, const char *name, struct secret *out_token)
{
	const json_t *value = json_object_get(object, name);
	struct span text = { json_string_value(value), json_string_length(value) };
	return is_token(text) ? secret_from_span(text, out_token) : STATUS_INVALID;
}

static void copy_masked(const json_t *object, const char *name, struct answer_secrets secrets, char *out_text,
			size_t size)
{
	const json_t *value = json_object_get(object, name);
	struct span text = { json_string_value(value), json_string_length(value) };
	mask_text(text, secrets.items, secrets.count, out_text, size);
}

/* ---- errors */

/* What a later try may get past, 429 and 5xx included. */
static bool is_passing(long http_status, const char *error)
{
	return http_status == 429 || http_status >= 500 || strcmp(error, "temporarily_unavailable") == 0 ||
	       strcmp(error, "server_error") == 0;
}

static enum answer_result describe_refusal(long http_status, const json_t *object, struct answer_secrets secrets,
					   char out_error[ANSWER_WORD_SIZE], char out_reason[ANSWER_REASON_SIZE])
{
	char description[ANSWER_REASON_SIZE - ANSWER_WORD_SIZE - 32];
	copy_masked(object, "error", secrets, out_error, ANSWER_WORD_SIZE);
	copy_masked(object, "error_description", secrets, description, sizeof(description));
	if (out_error[0] == '\0') {
		snprintf(out_reason, ANSWER_REASON_SIZE, "its answer is not one of OAuth 2 (HTTP status %ld)",
			 http_status);
		return ANSWER_FAILED;
	}
	snprintf(out_reason, ANSWER_REASON_SIZE, "%s%s%s (HTTP status %ld)", out_error, *description ? ": " : "",
		 description, http_status);
	return is_passing(http_status, out_error) ? ANSWER_FAILED : ANSWER_REFUSED;
}

static json_t *load_object(struct span body)
{
	return body.size ? json_read(body) : NULL;
}

/* ---- tokens */

static bool is_bearer(const json_t *object)
{
	return span_equal_nocase(span_of(json_string_value(json_object_get(object, "token_type"))), SPAN("Bearer"));
}

static enum answer_result read_tokens(const json_t *object, struct token_answer *answer)
{
	const char *fault = NULL;
	if (!is_bearer(object))
		fault = "its token is not of the type Bearer";
	else if (read_token(object, "access_token", &answer->access) != STATUS_OK)
		fault = "its access token can't stand in a line of AUTH";
	else if (json_object_get(object, "refresh_token") &&
		 read_token(object, "refresh_token", &answer->refresh) != STATUS_OK)
		fault = "its refresh token can't be read";
	if (fault) {
		snprintf(answer->reason, sizeof(answer->reason), "%s", fault);
		return ANSWER_FAILED;
	}
	answer->lifetime_s = read_number(object, "expires_in", LIFETIME_UNTOLD_S, LIFETIME_MAXIMUM_S);
	return ANSWER_GIVEN;
}

void token_answer_read(long http_status, struct span body, struct answer_secrets secrets,
		       struct token_answer *out_answer)
{
	struct token_answer answer = { 0 };
	json_t *object = load_object(body);
	if (http_status == 200 && json_object_get(object, "access_token"))
		answer.result = read_tokens(object, &answer);
	else
		answer.result = describe_refusal(http_status, object, secrets, answer.error, answer.reason);
	json_decref(object);
	if (answer.result != ANSWER_GIVEN) {
		secret_wipe(&answer.access);
		secret_wipe(&answer.refresh);
	}
	*out_answer = answer;
}

void token_answer_wipe(struct token_answer *answer)
{
	secret_wipe(&answer->access);
	secret_wipe(&answer->refresh);
}

/* ---- devices */

static enum answer_result read_device(const json_t *object, struct device_answer *answer)
{
	/* Google calls it verification_url. */
	const char *name = json_object_get(object, "verification_uri") ? "verification_uri" : "verification_url";
	const struct answer_secrets none = { 0 };
	copy_masked(object, "user_code", none, answer->user_code, sizeof(answer->user_code));
	copy_masked(object, name, none, answer->uri, sizeof(answer->uri));
	answer->interval_s = read_number(object, "interval", INTERVAL_UNTOLD_S, INTERVAL_MAXIMUM_S);
	answer->lifetime_s = read_number(object, "expires_in", LIFETIME_UNTOLD_S, DEVICE_LIFETIME_MAXIMUM_S);
	if (answer->user_code[0] && answer->uri[0] &&
	    read_token(object, "device_code", &answer->device_code) == STATUS_OK)
		return ANSWER_GIVEN;
	snprintf(answer->reason, sizeof(answer->reason), "its answer lacks a code or an address");
	return ANSWER_FAILED;
}

void device_answer_read(long http_status, struct span body, struct answer_secrets secrets,
			struct device_answer *out_answer)
{
	struct device_answer answer = { 0 };
	char error[ANSWER_WORD_SIZE];
	json_t *object = load_object(body);
	if (http_status == 200 && json_is_object(object))
		answer.result = read_device(object, &answer);
	else
		answer.result = describe_refusal(http_status, object, secrets, error, answer.reason);
	json_decref(object);
	*out_answer = answer;
}

void device_answer_wipe(struct device_answer *answer)
{
	secret_wipe(&answer->device_code);
}
