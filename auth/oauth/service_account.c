/* Reading the key file and making assertions. jansson's memory is wiped when freed (client.c). */
#include "auth/oauth/service_account.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json_text.h"
#include "base/sign.h"

#define LIFETIME_S 3600 /* the longest that Google takes */
#define SKEW_S 30       /* our clock may be ahead of Google's, which takes no assertion from the future */

/* ---- the file */

static enum status copy_text(const json_t *object, const char *name, char out_text[ACCOUNT_TEXT_SIZE])
{
	const char *text = json_string_value(json_object_get(object, name));
	if (text == NULL || *text == '\0')
		return STATUS_NOT_FOUND;
	int size = snprintf(out_text, ACCOUNT_TEXT_SIZE, "%s", text);
	return size < ACCOUNT_TEXT_SIZE ? STATUS_OK : STATUS_TOO_LARGE;
}

static enum status try_key(const struct service_account *account)
{
	struct buf signature BUF_AUTO;
	buf_init(&signature, SECRET_MAXIMUM);
	return sign_rs256(&account->key, SPAN("try"), &signature);
}

static const char *read_object(const json_t *object, struct service_account *account)
{
	const char *type = json_string_value(json_object_get(object, "type"));
	const char *key = json_string_value(json_object_get(object, "private_key"));
	if (!json_is_object(object))
		return "not a JSON object; expected the file as Google gives it";
	if (type == NULL || strcmp(type, "service_account") != 0)
		return "its type is not \"service_account\"; expected the key of a service account";
	if (copy_text(object, "client_email", account->email) != STATUS_OK)
		return "no client_email in it; expected the file as Google gives it";
	if (copy_text(object, "private_key_id", account->key_id) != STATUS_OK)
		account->key_id[0] = '\0';
	if (key == NULL || secret_from_span(span_of(key), &account->key) != STATUS_OK || try_key(account) != STATUS_OK)
		return "no private_key in it that signs; expected an RSA key of 2048 bits or more in PEM form";
	return NULL;
}

enum status service_account_read(struct span json, struct service_account *out_account, const char **out_fault)
{
	struct service_account account = { 0 };
	json_t *object = json_read(json);
	const char *fault = read_object(object, &account);
	json_decref(object);
	if (fault) {
		service_account_wipe(&account);
		*out_fault = fault;
		return STATUS_INVALID;
	}
	*out_account = account;
	return STATUS_OK;
}

void service_account_wipe(struct service_account *account)
{
	secret_wipe(&account->key);
	*account = (struct service_account){ 0 };
}

/* ---- assertions */

static enum status append_object(json_t *object, struct buf *jwt)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	enum status status = text ? base64url_encode(span_of(text), jwt) : STATUS_NO_MEMORY;
	free(text);
	json_decref(object);
	return status;
}

static json_t *make_header(const struct service_account *account)
{
	json_t *header = json_pack("{ss ss}", "alg", "RS256", "typ", "JWT");
	if (header && account->key_id[0])
		json_object_set_new(header, "kid", json_string(account->key_id));
	return header;
}

static json_t *make_claims(const struct service_account *account, const struct assertion_claims *claims)
{
	json_int_t issued_s = (json_int_t)claims->now_s - SKEW_S;
	json_t *object = json_pack("{ss ss ss sI sI}", "iss", account->email, "scope", claims->scope, "aud",
				   claims->audience, "iat", issued_s, "exp", issued_s + LIFETIME_S);
	if (object && claims->subject[0])
		json_object_set_new(object, "sub", json_string(claims->subject));
	return object;
}

enum status service_account_assert(const struct service_account *account, const struct assertion_claims *claims,
				   struct buf *out_jwt)
{
	struct buf signature BUF_AUTO;
	buf_init(&signature, SECRET_MAXIMUM);
	TRY(append_object(make_header(account), out_jwt));
	TRY(buf_append_byte(out_jwt, '.'));
	TRY(append_object(make_claims(account, claims), out_jwt));
	TRY(sign_rs256(&account->key, buf_span(out_jwt), &signature));
	TRY(buf_append_byte(out_jwt, '.'));
	return base64url_encode(buf_span(&signature), out_jwt);
}
