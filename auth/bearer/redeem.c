/* One request to a provider's token endpoint. Of its answer the ID token alone is kept. */
#include "auth/bearer/redeem.h"

#include <ctype.h>
#include <stdio.h>

#include "auth/bearer/json.h"
#include "auth/form.h"

#define FORM_MAXIMUM 32768     /* bytes: a code of 4 KiB, each byte as %XX, and the rest */
#define CLIENT_ID_MAXIMUM 1024 /* bytes, encoded */
#define ERROR_MAXIMUM 40       /* bytes of what a provider calls its reason: RFC 6749, 5.2 */

static enum status write_form(const struct redeem_request *request, bool posts_secret, struct buf *form)
{
	const struct bearer_client *client = request->client;
	bool is_public = secret_is_empty(&client->secret);
	TRY(form_add(form, "grant_type", SPAN("authorization_code")));
	TRY(form_add(form, "code", request->code));
	TRY(form_add(form, "redirect_uri", span_of(request->redirect_uri)));
	TRY(form_add(form, "code_verifier", request->verifier));
	if (is_public || posts_secret)
		TRY(form_add(form, "client_id", span_of(client->config->client_id)));
	if (posts_secret)
		TRY(form_add(form, "client_secret", secret_reveal(&client->secret)));
	return STATUS_OK;
}

/* RFC 6749, 2.3.1: both are encoded as in a form before they go into the header. */
static enum status write_basic(const struct bearer_client *client, struct buf *user, struct secret *out_password)
{
	struct buf password BUF_AUTO;
	buf_init_sensitive(&password, FORM_MAXIMUM);
	TRY(form_encode(user, span_of(client->config->client_id)));
	TRY(buf_append_byte(user, '\0'));
	TRY(form_encode(&password, secret_reveal(&client->secret)));
	return secret_from_span(buf_span(&password), out_password);
}

/* Servers don't agree on whether to decode what Basic carries: only what encoding leaves as it is means one thing. */
static bool is_same_encoded(struct span text)
{
	struct buf encoded BUF_AUTO;
	buf_init_sensitive(&encoded, FORM_MAXIMUM);
	return form_encode(&encoded, text) == STATUS_OK && span_equal(buf_span(&encoded), text);
}

/* A client is registered for HTTP Basic unless somebody chose otherwise (OpenID Connect Registration 1.0, 2). */
static bool posts_its_secret(const struct redeem_request *request)
{
	const struct bearer_client *client = request->client;
	if (secret_is_empty(&client->secret) || !request->metadata->takes_posted_secret)
		return false;
	return !request->metadata->takes_basic_secret || !is_same_encoded(span_of(client->config->client_id)) ||
	       !is_same_encoded(secret_reveal(&client->secret));
}

static enum status send_request(const struct redeem_request *request, long *out_code, struct buf *body,
				char out_reason[HTTPS_REASON_SIZE])
{
	const struct bearer_client *client = request->client;
	bool has_secret = !secret_is_empty(&client->secret);
	bool posts_secret = posts_its_secret(request);
	struct buf form BUF_AUTO;
	struct buf user BUF_AUTO;
	struct secret password SECRET_AUTO = { 0 };
	struct https_request https = {
		.url = request->metadata->token_url,
		.headers = { "Accept: application/json" },
		.ca_pem = secret_reveal(&client->ca),
		.timeout_ms = client->config->timeout,
	};
	buf_init_sensitive(&form, FORM_MAXIMUM);
	buf_init(&user, CLIENT_ID_MAXIMUM);
	snprintf(out_reason, HTTPS_REASON_SIZE, "the request can't be made");
	TRY(write_form(request, posts_secret, &form));
	if (has_secret && !posts_secret) {
		TRY(write_basic(client, &user, &password));
		https.user = buf_span(&user).data;
		https.password = &password;
	}
	https.form = buf_span(&form);
	return https_ask(&https, out_code, body, out_reason);
}

/* Its word goes into the log as a word or not at all. */
static void tell_quarrel(const json_t *answer, long code, char out_reason[HTTPS_REASON_SIZE])
{
	struct span word = span_of(json_string_value(json_object_get(answer, "error")));
	bool is_word = word.size > 0 && word.size <= ERROR_MAXIMUM;
	for (size_t i = 0; i < word.size && is_word; i++)
		is_word = islower((unsigned char)word.data[i]) || word.data[i] == '_';
	snprintf(out_reason, HTTPS_REASON_SIZE, "its token endpoint gives no ID token (HTTP status %ld%s%.*s)", code,
		 is_word ? ", " : "", is_word ? (int)word.size : 0, is_word ? word.data : "");
}

static enum status read_answer(long code, const json_t *answer, struct secret *out_id_token,
			       char out_reason[HTTPS_REASON_SIZE])
{
	const json_t *token = json_object_get(answer, "id_token");
	struct span text = { json_string_value(token), json_string_length(token) };
	struct span error = span_of(json_string_value(json_object_get(answer, "error")));
	if (code == 200 && text.size > 0)
		return secret_from_span(text, out_id_token) == STATUS_OK ? STATUS_OK : STATUS_UNAVAILABLE;
	if (code == 400 && span_equal(error, SPAN("invalid_grant")))
		return STATUS_INVALID;
	tell_quarrel(answer, code, out_reason);
	return STATUS_UNAVAILABLE;
}

enum status redeem_code(const struct redeem_request *request, struct secret *out_id_token,
			char out_reason[HTTPS_REASON_SIZE])
{
	struct buf body BUF_AUTO;
	long code = 0;
	buf_init_sensitive(&body, HTTPS_BODY_MAXIMUM);
	if (send_request(request, &code, &body, out_reason) != STATUS_OK)
		return STATUS_UNAVAILABLE;
	json_t *answer = bearer_json_read(buf_span(&body));
	enum status status = read_answer(code, answer, out_id_token, out_reason);
	json_decref(answer);
	return status;
}
