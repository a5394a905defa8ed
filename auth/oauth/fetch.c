/*
 * The requests. The token file is locked from before a refresh token is read
 * until its successor is on disk, so that two processes never spend the same
 * one. Owns nothing for longer than a call.
 */
#include "auth/oauth/fetch.h"

#include <stdio.h>

#include "auth/form.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/https.h"

#define FORM_MAXIMUM 65536 /* bytes */
#define SECRETS_MAXIMUM 4

/* A request being made, and what no text about it may quote. */
struct request {
	const struct oauth_client *client;
	struct buf form;
	struct span secrets[SECRETS_MAXIMUM];
	size_t count;
};

static void begin_request(struct request *request, const struct oauth_client *client)
{
	*request = (struct request){ .client = client };
	buf_init_sensitive(&request->form, FORM_MAXIMUM);
}

static enum status add_field(struct request *request, const char *name, const char *value)
{
	return *value ? form_add(&request->form, name, span_of(value)) : STATUS_OK;
}

static enum status add_secret(struct request *request, const char *name, struct span value)
{
	if (span_is_empty(value))
		return STATUS_OK;
	request->secrets[request->count++] = value;
	return form_add(&request->form, name, value);
}

static enum status add_client(struct request *request)
{
	TRY(add_field(request, "client_id", request->client->config->client_id));
	return add_secret(request, "client_secret", secret_reveal(&request->client->secret));
}

/* The answer's body is in `body`, or why there is none in `out_reason`. */
static enum status post_form(const struct request *request, const char *url, long *out_status, struct buf *body,
			     char out_reason[HTTPS_REASON_SIZE])
{
	const struct https_request https = {
		.url = url,
		.form = buf_span(&request->form),
		.ca_pem = secret_reveal(&request->client->ca),
		.timeout_ms = request->client->config->timeout,
	};
	buf_init_sensitive(body, HTTPS_BODY_MAXIMUM);
	return https_ask(&https, out_status, body, out_reason);
}

static void ask_token(const struct request *request, struct token_answer *out_answer)
{
	struct buf body BUF_AUTO;
	char reason[HTTPS_REASON_SIZE];
	long status = 0;
	const struct answer_secrets secrets = { request->secrets, request->count };
	if (post_form(request, request->client->provider.token_url, &status, &body, reason) == STATUS_OK)
		token_answer_read(status, buf_span(&body), secrets, out_answer);
	else
		snprintf(out_answer->reason, sizeof(out_answer->reason), "%s", reason);
}

static void explain_answer(struct token_answer *answer, enum answer_result result, const char *reason)
{
	answer->result = result;
	snprintf(answer->reason, sizeof(answer->reason), "%s", reason);
}

/* ---- refresh tokens */

/* What to ask with: the newest there is. `record` holds it, and the number that its successor follows. */
static enum status choose_token(const struct oauth_client *client, struct span unsaved, struct token_record *record)
{
	if (client->state_fd >= 0) {
		enum status status = token_file_read(client->state_fd, record);
		if (status != STATUS_OK && status != STATUS_NOT_FOUND)
			return status;
	}
	bool has_configured = !secret_is_empty(&client->refresh_token);
	/* Another refresh_token_file than the one that the record comes from is an administrator's last word. */
	bool is_outdated = has_configured && !span_equal(span_of(record->origin), span_of(client->origin));
	if (span_is_empty(unsaved) && !is_outdated)
		return secret_is_empty(&record->token) ? STATUS_NOT_FOUND : STATUS_OK;
	secret_wipe(&record->token);
	return secret_from_span(span_is_empty(unsaved) ? secret_reveal(&client->refresh_token) : unsaved,
				&record->token);
}

/* A successor goes to the file, else it stays in the answer. */
static void save_successor(const struct oauth_client *client, const struct token_record *former,
			   struct token_answer *answer)
{
	if (secret_is_empty(&answer->refresh) || client->state_fd < 0)
		return;
	enum status status =
		token_file_write(client->state_fd, former, secret_reveal(&answer->refresh), client->origin);
	if (status == STATUS_OK)
		secret_wipe(&answer->refresh);
	else
		log_error("oauth %s: the new refresh token can't be written to state_dir: %s", client->config->name,
			  status_text(status));
}

static enum status write_refresh(struct request *request, struct span token)
{
	TRY(form_add(&request->form, "grant_type", SPAN("refresh_token")));
	TRY(add_client(request));
	TRY(add_field(request, "scope", request->client->config->scope)); /* by default all that was consented to */
	return add_secret(request, "refresh_token", token);
}

/* What was used and what came: the newest refresh token ends up in the file. */
static void settle_token(const struct oauth_client *client, struct span unsaved, const struct token_record *used,
			 struct token_answer *answer)
{
	struct span came = secret_reveal(&answer->refresh);
	if (answer->result != ANSWER_GIVEN)
		return;
	if (span_is_empty(unsaved) && secret_equal(came, secret_reveal(&used->token)))
		secret_wipe(&answer->refresh);
	if (span_is_empty(came) && !span_is_empty(unsaved) &&
	    secret_from_span(unsaved, &answer->refresh) != STATUS_OK) {
		token_answer_wipe(answer);
		explain_answer(answer, ANSWER_FAILED, "out of memory");
	}
	save_successor(client, used, answer);
}

static void renew_token(const struct oauth_client *client, struct span unsaved, struct token_answer *out_answer)
{
	struct token_record record = { 0 };
	struct request request;
	begin_request(&request, client);
	enum status status = choose_token(client, unsaved, &record);
	if (status == STATUS_OK)
		status = write_refresh(&request, secret_reveal(&record.token));
	if (status == STATUS_OK) {
		ask_token(&request, out_answer);
		settle_token(client, unsaved, &record, out_answer);
	} else if (status == STATUS_NOT_FOUND) {
		explain_answer(out_answer, ANSWER_REFUSED, "there is no refresh token yet: subgatectl relay authorize");
	} else {
		explain_answer(out_answer, ANSWER_FAILED, "the refresh token can't be read");
	}
	buf_free(&request.form);
	secret_wipe(&record.token);
}

/* ---- grants without one */

static enum status write_credentials(struct request *request)
{
	TRY(form_add(&request->form, "grant_type", SPAN("client_credentials")));
	TRY(add_client(request));
	return add_field(request, "scope", request->client->provider.scope);
}

static enum status write_assertion(struct request *request, const char *subject, struct buf *jwt)
{
	const struct oauth_client *client = request->client;
	const struct assertion_claims claims = {
		.subject = subject,
		.scope = client->provider.scope,
		.audience = client->provider.token_url,
		.now_s = clock_wall_us() / 1000000,
	};
	TRY(service_account_assert(&client->account, &claims, jwt));
	TRY(form_add(&request->form, "grant_type", SPAN("urn:ietf:params:oauth:grant-type:jwt-bearer")));
	return add_secret(request, "assertion", buf_span(jwt));
}

static void ask_by_itself(const struct oauth_client *client, const char *subject, struct token_answer *out_answer)
{
	struct request request;
	struct buf jwt BUF_AUTO;
	buf_init_sensitive(&jwt, FORM_MAXIMUM);
	begin_request(&request, client);
	enum status status = client->config->grant == OAUTH_SERVICE_ACCOUNT ? write_assertion(&request, subject, &jwt)
									    : write_credentials(&request);
	if (status == STATUS_OK)
		ask_token(&request, out_answer);
	else
		explain_answer(out_answer, ANSWER_FAILED, "the request can't be made");
	secret_wipe(&out_answer->refresh); /* there should be none */
	buf_free(&request.form);
}

/* ---- all of them */

/* False, and answered: another process has the file for too long. */
static bool lock_tokens(const struct oauth_client *client, struct token_answer *answer)
{
	if (client->state_fd < 0 || token_file_lock(client->state_fd, client->config->timeout) == STATUS_OK)
		return true;
	explain_answer(answer, ANSWER_FAILED, "the refresh token is in use by another process");
	return false;
}

static void unlock_tokens(const struct oauth_client *client)
{
	if (client->state_fd >= 0)
		token_file_unlock(client->state_fd);
}

void oauth_fetch(const struct oauth_client *client, const char *subject, struct span unsaved,
		 struct token_answer *out_answer)
{
	*out_answer = (struct token_answer){ 0 };
	if (client->config->grant != OAUTH_REFRESH_TOKEN) {
		ask_by_itself(client, subject, out_answer);
	} else if (lock_tokens(client, out_answer)) {
		renew_token(client, unsaved, out_answer);
		unlock_tokens(client);
	}
}

/* ---- consent */

/* The first refresh token: it counts only once it is on disk. */
static void keep_first(const struct oauth_client *client, struct token_answer *answer)
{
	struct token_record former = { 0 };
	if (answer->result != ANSWER_GIVEN)
		return;
	if (secret_is_empty(&answer->refresh)) {
		token_answer_wipe(answer);
		explain_answer(answer, ANSWER_REFUSED, "no refresh token came with the consent");
		return;
	}
	if (!lock_tokens(client, answer)) {
		token_answer_wipe(answer);
		return;
	}
	enum status status = token_file_read(client->state_fd, &former);
	secret_wipe(&former.token);
	if (status == STATUS_OK || status == STATUS_NOT_FOUND)
		save_successor(client, &former, answer);
	unlock_tokens(client);
	if (!secret_is_empty(&answer->refresh)) {
		token_answer_wipe(answer);
		explain_answer(answer, ANSWER_FAILED, "the refresh token can't be written to state_dir");
	}
}

static void ask_first(struct request *request, enum status written, struct token_answer *out_answer)
{
	if (written == STATUS_OK)
		ask_token(request, out_answer);
	else
		explain_answer(out_answer, ANSWER_FAILED, "the request can't be made");
	keep_first(request->client, out_answer);
	buf_free(&request->form);
}

static enum status write_device(struct request *request)
{
	TRY(add_client(request));
	return add_field(request, "scope", request->client->provider.scope);
}

void oauth_begin_device(const struct oauth_client *client, struct device_answer *out_answer)
{
	struct request request;
	struct buf body BUF_AUTO;
	char reason[HTTPS_REASON_SIZE] = "the request can't be made";
	long status = 0;
	*out_answer = (struct device_answer){ 0 };
	buf_init(&body, 0);
	begin_request(&request, client);
	const struct answer_secrets secrets = { request.secrets, SECRETS_MAXIMUM };
	if (write_device(&request) == STATUS_OK &&
	    post_form(&request, client->provider.device_url, &status, &body, reason) == STATUS_OK)
		device_answer_read(status, buf_span(&body), secrets, out_answer);
	else
		snprintf(out_answer->reason, sizeof(out_answer->reason), "%s", reason);
	buf_free(&request.form);
}

static enum status write_poll(struct request *request, struct span device_code)
{
	TRY(form_add(&request->form, "grant_type", SPAN("urn:ietf:params:oauth:grant-type:device_code")));
	TRY(add_client(request));
	return add_secret(request, "device_code", device_code);
}

void oauth_poll_device(const struct oauth_client *client, struct span device_code, struct token_answer *out_answer)
{
	struct request request;
	*out_answer = (struct token_answer){ 0 };
	begin_request(&request, client);
	ask_first(&request, write_poll(&request, device_code), out_answer);
}

static enum status write_code(struct request *request, const struct oauth_consent *consent)
{
	TRY(form_add(&request->form, "grant_type", SPAN("authorization_code")));
	TRY(add_client(request));
	TRY(add_secret(request, "code", consent->code));
	TRY(add_secret(request, "code_verifier", consent->verifier));
	return add_field(request, "redirect_uri", consent->redirect_uri);
}

void oauth_redeem_code(const struct oauth_client *client, const struct oauth_consent *consent,
		       struct token_answer *out_answer)
{
	struct request request;
	*out_answer = (struct token_answer){ 0 };
	begin_request(&request, client);
	ask_first(&request, write_code(&request, consent), out_answer);
}
