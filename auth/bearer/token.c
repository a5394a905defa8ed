/* Reading tokens. jansson's memory is wiped when freed (tokens_create). */
#include "auth/bearer/token.h"

#include "auth/bearer/json.h"
#include "base/base64.h"

void bearer_token_free(struct bearer_token *token)
{
	json_decref(token->header);
	json_decref(token->claims);
	*token = (struct bearer_token){ 0 };
}

/* Its three parts, without their dots. */
static bool split_token(struct span text, struct span out_parts[3])
{
	for (size_t i = 0; i < 2; i++)
		if (!span_cut(&text, '.', &out_parts[i]) || span_is_empty(out_parts[i]))
			return false;
	out_parts[2] = text;
	return !span_is_empty(text) && !span_contains_byte(text, '.');
}

bool bearer_token_is_jwt(struct span text)
{
	struct span parts[3];
	return text.size <= BEARER_TOKEN_MAXIMUM && split_token(text, parts);
}

/* NULL: no object. */
static json_t *read_object(struct span part)
{
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, BEARER_TOKEN_MAXIMUM);
	if (base64url_decode(part, &text) != STATUS_OK)
		return NULL;
	json_t *value = bearer_json_read(buf_span(&text));
	if (json_is_object(value))
		return value;
	json_decref(value);
	return NULL;
}

/* RFC 8725, 3.11: a token made for something else, such as a logout, is none. */
static bool is_login_type(const json_t *type)
{
	struct span text = span_of(json_string_value(type));
	if (span_starts_with_nocase(text, SPAN("application/")))
		text = span_slice(text, sizeof("application/") - 1, text.size);
	return type == NULL || span_equal_nocase(text, SPAN("JWT")) || span_equal_nocase(text, SPAN("at+jwt"));
}

/* Not what only some other proof makes good: RFC 7515, 4.1.11; RFC 7800; RFC 9449. */
static bool is_plain_bearer(const struct bearer_token *token)
{
	return json_object_get(token->header, "crit") == NULL && json_object_get(token->claims, "cnf") == NULL &&
	       is_login_type(json_object_get(token->header, "typ"));
}

enum status bearer_token_read(struct span text, struct bearer_token *out_token)
{
	struct bearer_token token BEARER_TOKEN_AUTO = { .text = text };
	struct span parts[3];
	if (text.size > BEARER_TOKEN_MAXIMUM || !split_token(text, parts))
		return STATUS_INVALID;
	token.header = read_object(parts[0]);
	token.claims = token.header ? read_object(parts[1]) : NULL;
	if (token.claims == NULL || !is_plain_bearer(&token) || !bearer_json_is_base64url(parts[2]))
		return STATUS_INVALID;
	token.algorithm = json_string_value(json_object_get(token.header, "alg"));
	token.key_id = json_string_value(json_object_get(token.header, "kid"));
	token.issuer = json_string_value(json_object_get(token.claims, "iss"));
	*out_token = token;
	token = (struct bearer_token){ 0 };
	return STATUS_OK;
}
