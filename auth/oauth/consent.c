/* The installed-app flow: a page to open (RFC 8252), bound to us by PKCE (RFC 7636) and a state. Pure, chance aside. */
#include "auth/oauth/consent.h"

#include "auth/form.h"
#include "base/base64.h"

#define VERIFIER_ENTROPY 32 /* bytes: 64 letters, RFC 7636, 4.1 wants 43 to 128 */
#define STATE_ENTROPY 16    /* bytes */

void consent_end(struct consent *consent)
{
	secret_wipe(&consent->id);
	secret_wipe(&consent->device_code);
	secret_wipe(&consent->verifier);
	secret_wipe(&consent->state);
	*consent = (struct consent){ 0 };
}

static enum status make_challenge(const struct secret *verifier, struct buf *challenge)
{
	unsigned char digest[HASH_SHA256_SIZE];
	TRY(hash_sha256(secret_reveal(verifier), digest));
	return base64url_encode((struct span){ (const char *)digest, sizeof(digest) }, challenge);
}

static enum status add_all(const struct consent *consent, struct buf *query)
{
	struct buf challenge BUF_AUTO;
	buf_init(&challenge, 64);
	TRY(make_challenge(&consent->verifier, &challenge));
	TRY(form_add(query, "response_type", SPAN("code")));
	TRY(form_add(query, "client_id", span_of(consent->client->config->client_id)));
	TRY(form_add(query, "redirect_uri", span_of(consent->redirect_uri)));
	if (consent->client->provider.scope[0])
		TRY(form_add(query, "scope", span_of(consent->client->provider.scope)));
	TRY(form_add(query, "state", secret_reveal(&consent->state)));
	TRY(form_add(query, "code_challenge", buf_span(&challenge)));
	TRY(form_add(query, "code_challenge_method", SPAN("S256")));
	if (consent->client->config->provider != OAUTH_GOOGLE)
		return STATUS_OK;
	/* Without these Google gives a refresh token at the first consent only. */
	TRY(form_add(query, "access_type", SPAN("offline")));
	return form_add(query, "prompt", SPAN("consent"));
}

enum status consent_begin_page(struct consent *consent, unsigned port, struct buf *out_url)
{
	const char *page = consent->client->provider.authorize_url;
	struct buf query BUF_AUTO;
	buf_init(&query, CONSENT_URL_MAXIMUM);
	snprintf(consent->redirect_uri, sizeof(consent->redirect_uri), "http://127.0.0.1:%u/", port);
	TRY(secret_random_hex(VERIFIER_ENTROPY, &consent->verifier));
	TRY(secret_random_hex(STATE_ENTROPY, &consent->state));
	TRY(add_all(consent, &query));
	TRY(buf_append_text(out_url, page));
	TRY(buf_append_byte(out_url, span_contains_byte(span_of(page), '?') ? '&' : '?'));
	return buf_append(out_url, buf_span(&query));
}

/* From "…?code=…&state=…", or from the query alone. */
static enum status read_query(const struct consent *consent, struct span query, struct buf *out_code)
{
	struct buf state BUF_AUTO;
	struct buf error BUF_AUTO;
	buf_init_sensitive(&state, CONSENT_URL_MAXIMUM);
	buf_init(&error, CONSENT_URL_MAXIMUM);
	if (form_find(query, "state", &state) != STATUS_OK ||
	    !secret_equal(buf_span(&state), secret_reveal(&consent->state)))
		return STATUS_INVALID;
	if (form_find(query, "error", &error) == STATUS_OK)
		return STATUS_REFUSED;
	return form_find(query, "code", out_code) == STATUS_OK ? STATUS_OK : STATUS_INVALID;
}

enum status consent_read_answer(const struct consent *consent, struct span answer, struct buf *out_code)
{
	answer = span_trim(answer);
	size_t question = span_find_byte(answer, '?');
	if (question < answer.size)
		return read_query(consent, span_slice(answer, question + 1, span_find_byte(answer, '#')), out_code);
	if (span_contains_byte(answer, '='))
		return read_query(consent, answer, out_code);
	if (span_is_empty(answer) || span_contains_byte(answer, ' '))
		return STATUS_INVALID;
	return buf_append(out_code, answer);
}
