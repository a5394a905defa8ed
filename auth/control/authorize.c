/*
 * "relay authorize": a first refresh token, by the device flow where the
 * provider has one for mail (RFC 8628), else by its consent page. The first
 * request begins, and is answered with an id; the ones after it show the id
 * and poll, or bring the code. A job's thread does the fetching.
 */
#include <stdlib.h>

#include "auth/control/control.h"
#include "auth/oauth/consent.h"
#include "base/log.h"

#define PAGE_LIFETIME_MS 600000 /* for an administrator to find the right account */
#define JOB_MS 9000             /* less than the admin role waits for an answer */

/* One request to the endpoint. */
struct step {
	struct job job; /* first */
	const struct oauth_client *client;
	struct control_call call;
	enum { STEP_BEGIN_DEVICE, STEP_POLL_DEVICE, STEP_REDEEM } kind;
	struct secret id; /* of the consent that it is for */
	struct secret code, verifier;
	char redirect_uri[64];
	struct token_answer tokens;
	struct device_answer device;
};

static uint64_t now_ms(const struct auth *auth)
{
	return loop_now_ms(auth->role->loop);
}

static bool is_of(const struct consent *consent, struct span id)
{
	return consent->client && secret_equal(secret_reveal(&consent->id), id);
}

/* ---- the thread */

static void run_step(struct job *job, void *local)
{
	struct step *step = (struct step *)job;
	const struct oauth_consent consent = { secret_reveal(&step->code), secret_reveal(&step->verifier),
					       step->redirect_uri };
	(void)local;
	switch (step->kind) {
	case STEP_BEGIN_DEVICE:
		oauth_begin_device(step->client, &step->device);
		break;
	case STEP_POLL_DEVICE:
		oauth_poll_device(step->client, secret_reveal(&step->code), &step->tokens);
		break;
	case STEP_REDEEM:
		oauth_redeem_code(step->client, &consent, &step->tokens);
		break;
	}
}

static void destroy_step(struct job *job)
{
	struct step *step = (struct step *)job;
	secret_wipe(&step->id);
	secret_wipe(&step->code);
	secret_wipe(&step->verifier);
	token_answer_wipe(&step->tokens);
	device_answer_wipe(&step->device);
	free(step);
}

/* ---- what came of it */

static void take_device(struct auth *auth, struct step *step)
{
	struct consent *consent = &auth->consent;
	const struct device_answer *device = &step->device;
	if (device->result != ANSWER_GIVEN) {
		auth_control_refuse(&step->call, device->reason);
		consent_end(consent);
		return;
	}
	consent->device_code = device->device_code;
	step->device.device_code = (struct secret){ 0 };
	consent->ends_ms = now_ms(auth) + device->lifetime_s * 1000;
	auth_control_answer(&step->call, json_pack("{ss ss ss ss sI}", "flow", "device", "id",
						   secret_reveal(&consent->id).data, "uri", device->uri, "user_code",
						   device->user_code, "interval", (json_int_t)device->interval_s));
}

static void take_tokens(struct auth *auth, struct step *step)
{
	const struct token_answer *answer = &step->tokens;
	if (answer->result == ANSWER_GIVEN) {
		log_info("oauth %s: authorized by an administrator", step->client->config->name);
		tokens_install(auth->tokens, step->client, answer);
		auth_control_answer(&step->call, json_pack("{ss}", "state", "done"));
		consent_end(&auth->consent);
	} else if (span_equal(span_of(answer->error), SPAN("authorization_pending")) ||
		   span_equal(span_of(answer->error), SPAN("slow_down"))) {
		auth_control_answer(&step->call, json_pack("{ss}", "state", answer->error));
	} else {
		log_warning("oauth %s: not authorized: %s", step->client->config->name, answer->reason);
		auth_control_refuse(&step->call, answer->reason);
		consent_end(&auth->consent);
	}
}

static void on_step_done(void *context, struct job *job, enum status status)
{
	struct auth *auth = context;
	struct step *step = (struct step *)job;
	const struct oauth_client *client = step->client;
	if (status != STATUS_OK)
		auth_control_refuse(&step->call, "the token endpoint does not answer in time");
	else if (!is_of(&auth->consent, secret_reveal(&step->id)))
		auth_control_refuse(&step->call, "another consent has begun meanwhile");
	else if (step->kind == STEP_BEGIN_DEVICE)
		take_device(auth, step);
	else
		take_tokens(auth, step);
	auth->consent.is_busy = false;
	tokens_job_ended(auth->tokens, client);
}

/* ---- requests */

static enum status fill_step(struct step *step, const struct consent *consent, struct span code)
{
	TRY(secret_from_span(secret_reveal(&consent->id), &step->id));
	TRY(secret_from_span(code, &step->code));
	snprintf(step->redirect_uri, sizeof(step->redirect_uri), "%s", consent->redirect_uri);
	return secret_from_span(secret_reveal(&consent->verifier), &step->verifier);
}

static void submit_step(const struct control_call *call, int kind, struct span code)
{
	struct consent *consent = &call->auth->consent;
	struct step *step = calloc(1, sizeof(*step));
	if (step && fill_step(step, consent, code) == STATUS_OK) {
		step->job = (struct job){
			.run = run_step, .destroy = destroy_step, .on_done = on_step_done, .context = call->auth
		};
		step->client = consent->client;
		step->call = *call;
		step->kind = kind;
		if (tokens_submit(call->auth->tokens, step->client, &step->job, JOB_MS) == STATUS_OK) {
			consent->is_busy = true;
			return;
		}
	}
	if (step)
		destroy_step(&step->job);
	auth_control_refuse(call, "too much is under way; try again");
}

static void begin_page(const struct control_call *call, const json_t *arguments)
{
	struct consent *consent = &call->auth->consent;
	json_int_t port = json_integer_value(json_object_get(arguments, "port"));
	struct buf url BUF_AUTO;
	buf_init(&url, CONSENT_URL_MAXIMUM);
	consent->ends_ms = now_ms(call->auth) + PAGE_LIFETIME_MS;
	if (port < 1 || port > 65535 || consent_begin_page(consent, (unsigned)port, &url) != STATUS_OK ||
	    buf_append_byte(&url, '\0') != STATUS_OK) {
		consent_end(consent);
		auth_control_refuse(call, port < 1 || port > 65535 ? "port must be one of TCP" : "out of memory");
		return;
	}
	auth_control_answer(call, json_pack("{ss ss ss}", "flow", "page", "id", secret_reveal(&consent->id).data, "url",
					    buf_span(&url).data));
}

static void begin_consent(const struct control_call *call, const json_t *arguments)
{
	struct auth *auth = call->auth;
	struct consent *consent = &auth->consent;
	const struct oauth_client *client = tokens_client(auth->tokens, auth_control_text(arguments, "relay"));
	if (client == NULL || client->config->grant != OAUTH_REFRESH_TOKEN || client->state_fd < 0) {
		auth_control_refuse(call, "this relay needs no consent: it has no oauth section with refresh tokens");
		return;
	}
	if (client->provider.device_url[0] == '\0' && client->provider.authorize_url[0] == '\0') {
		auth_control_refuse(call, "its oauth section has neither device_url nor authorize_url");
		return;
	}
	if (consent->is_busy) {
		auth_control_refuse(call, "another consent is under way; try again");
		return;
	}
	consent_end(consent);
	consent->client = client;
	if (secret_random_hex(CONSENT_ID_ENTROPY, &consent->id) != STATUS_OK)
		auth_control_refuse(call, "out of memory");
	else if (client->provider.device_url[0])
		submit_step(call, STEP_BEGIN_DEVICE, SPAN(""));
	else
		begin_page(call, arguments);
}

static void redeem_consent(const struct control_call *call, const json_t *arguments)
{
	struct consent *consent = &call->auth->consent;
	struct buf code BUF_AUTO;
	buf_init_sensitive(&code, CONSENT_URL_MAXIMUM);
	enum status status = consent_read_answer(consent, span_of(auth_control_text(arguments, "answer")), &code);
	if (status == STATUS_OK)
		submit_step(call, STEP_REDEEM, buf_span(&code));
	else
		auth_control_refuse(call,
				    status == STATUS_REFUSED
					    ? "the consent page said no"
					    : "no code of this consent in it; expected the whole address that the "
					      "browser was sent to");
}

void auth_control_authorize_relay(const struct control_call *call, const json_t *arguments)
{
	struct consent *consent = &call->auth->consent;
	const char *id = auth_control_text(arguments, "id");
	if (id == NULL) {
		begin_consent(call, arguments);
	} else if (!is_of(consent, span_of(id)) || consent->is_busy) {
		auth_control_refuse(call, "no such consent is under way");
	} else if (now_ms(call->auth) >= consent->ends_ms) {
		consent_end(consent);
		auth_control_refuse(call, "its time is over; begin anew");
	} else if (secret_is_empty(&consent->device_code)) {
		redeem_consent(call, arguments);
	} else {
		submit_step(call, STEP_POLL_DEVICE, secret_reveal(&consent->device_code));
	}
}
