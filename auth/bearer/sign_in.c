/*
 * One provider: that of the section oidc. Its keys, and all that an ID token has in common with other tokens, are an
 * issuer's matter (issuer.h). A code is redeemed once, and only if the answer that it came in is this provider's.
 */
#include "auth/bearer/sign_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/bearer/fetch.h"
#include "auth/bearer/id_token.h"
#include "auth/bearer/json.h"
#include "auth/bearer/redeem.h"
#include "auth/form.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_pace.h"
#include "base/pace.h"

#define THREADS 5 /* one more than wait for codes at a provider that is slow */
#define QUEUE_MAXIMUM 512
#define REFRESH_MS 3600000
#define RETRY_MS 30000
#define METADATA_LIFETIME_MS 86400000
#define JOB_SLACK_MS 2000
#define CALLBACK "/login/callback"
#define NONCE_SIZE 64          /* bytes, the NUL included */
#define REDIRECT_URI_SIZE 2064 /* the same: console.url, which is shorter than 2048 bytes, and CALLBACK */
/* Codes, of all browsers: each costs a request. */
static const struct pace_limit redeem_limit = { .burst = 100, .a_second = 20 };

struct metadata_fetch;

struct sign_in {
	struct loop *loop;
	struct jobs *jobs;
	const struct config_oidc *config;
	struct config_bearer as_bearer; /* the same section, as an issuer has it; its texts are the section's */
	struct bearer_client client;
	struct issuer *issuer;
	char redirect_uri[REDIRECT_URI_SIZE];
	struct metadata metadata;
	uint64_t fetched_ms; /* when it came; 0: not yet */
	struct metadata_fetch *fetch;
	struct timer *timer; /* until it is fetched anew */
	struct pace redeemed;
	struct log_pace quarrels;
	bool is_away; /* said in the log */
};

struct metadata_fetch {
	struct job job;
	const struct bearer_client *client;
	struct metadata metadata;
	enum status status;
	char reason[HTTPS_REASON_SIZE];
};

struct redemption {
	struct job job;
	const struct bearer_client *client;
	const char *redirect_uri;
	struct metadata metadata;
	struct secret code, verifier, id_token;
	enum status status;
	char reason[HTTPS_REASON_SIZE];
};

struct sign_in_ask {
	struct sign_in *sign_in;
	uint64_t owner;
	char nonce[NONCE_SIZE];
	bearer_answered answered;
	void *context;
	struct redemption *redemption; /* at the provider; NULL after it */
	struct bearer_ask *verifying;  /* the token waits for the issuer's keys */
};

static uint64_t now_ms(const struct sign_in *sign_in)
{
	return loop_now_ms(sign_in->loop);
}

/* ---- what the provider says of itself */

static void note_reached(struct sign_in *sign_in, const char *fault)
{
	if (fault && !sign_in->is_away)
		log_warning("oidc: nobody can log in at %s: %s", sign_in->config->issuer, fault);
	else if (!fault && sign_in->is_away)
		log_info("oidc: people can log in at %s again", sign_in->config->issuer);
	sign_in->is_away = fault != NULL;
}

static bool has_metadata(const struct sign_in *sign_in)
{
	return sign_in->fetched_ms && now_ms(sign_in) - sign_in->fetched_ms < METADATA_LIFETIME_MS;
}

static void run_fetch(struct job *job, void *local)
{
	struct metadata_fetch *fetch = (struct metadata_fetch *)job;
	const char *fault = NULL;
	json_t *document = NULL;
	(void)local;
	fetch->status = bearer_fetch_metadata(fetch->client, &document, fetch->reason);
	if (fetch->status == STATUS_OK)
		fetch->status = metadata_read(document, &fetch->metadata, &fault);
	json_decref(document);
	if (fault)
		snprintf(fetch->reason, sizeof(fetch->reason), "%s", fault);
}

static void destroy_fetch(struct job *job)
{
	free(job);
}

static void on_fetched(void *context, struct job *job, enum status status)
{
	struct sign_in *sign_in = context;
	const struct metadata_fetch *fetch = (const struct metadata_fetch *)job;
	sign_in->fetch = NULL;
	if (status == STATUS_OK && fetch->status == STATUS_OK) {
		sign_in->metadata = fetch->metadata;
		sign_in->fetched_ms = now_ms(sign_in);
		note_reached(sign_in, NULL);
	} else {
		note_reached(sign_in, status == STATUS_OK ? fetch->reason : "it takes too long");
	}
	timer_set(sign_in->timer, sign_in->is_away ? RETRY_MS : REFRESH_MS);
}

static enum status begin_fetch(struct sign_in *sign_in)
{
	struct metadata_fetch *fetch = sign_in->fetch ? NULL : calloc(1, sizeof(*fetch));
	if (fetch == NULL)
		return sign_in->fetch ? STATUS_OK : STATUS_NO_MEMORY;
	fetch->job =
		(struct job){ .run = run_fetch, .destroy = destroy_fetch, .on_done = on_fetched, .context = sign_in };
	fetch->client = &sign_in->client;
	enum status status = jobs_submit(sign_in->jobs, &fetch->job, sign_in->config->timeout + JOB_SLACK_MS);
	if (status == STATUS_OK)
		sign_in->fetch = fetch;
	else
		free(fetch);
	return status;
}

static void on_timer(void *context)
{
	struct sign_in *sign_in = context;
	if (begin_fetch(sign_in) != STATUS_OK)
		timer_set(sign_in->timer, RETRY_MS);
}

/* ---- where a browser goes */

static enum status write_scope(const struct config_oidc *config, struct buf *scope)
{
	for (size_t i = 0; i < config->scopes.count; i++) {
		if (i > 0)
			TRY(buf_append_byte(scope, ' '));
		TRY(buf_append_text(scope, config->scopes.items[i]));
	}
	return STATUS_OK;
}

static enum status write_query(const struct sign_in *sign_in, struct span state, struct span nonce,
			       struct span challenge, struct buf *query)
{
	struct buf scope BUF_AUTO;
	buf_init(&scope, SIGN_IN_URL_MAXIMUM);
	TRY(write_scope(sign_in->config, &scope));
	TRY(form_add(query, "response_type", SPAN("code")));
	TRY(form_add(query, "client_id", span_of(sign_in->config->client_id)));
	TRY(form_add(query, "redirect_uri", span_of(sign_in->redirect_uri)));
	TRY(form_add(query, "scope", buf_span(&scope)));
	TRY(form_add(query, "state", state));
	TRY(form_add(query, "nonce", nonce));
	TRY(form_add(query, "code_challenge", challenge));
	return form_add(query, "code_challenge_method", SPAN("S256"));
}

enum status sign_in_write_url(struct sign_in *sign_in, struct span state, struct span nonce, struct span challenge,
			      struct buf *out_url)
{
	struct buf query BUF_AUTO;
	buf_init(&query, SIGN_IN_URL_MAXIMUM);
	if (!has_metadata(sign_in))
		return STATUS_UNAVAILABLE;
	TRY(write_query(sign_in, state, nonce, challenge, &query));
	TRY(buf_append_text(out_url, sign_in->metadata.authorize_url));
	TRY(buf_append_byte(out_url, strchr(sign_in->metadata.authorize_url, '?') ? '&' : '?'));
	return buf_append(out_url, buf_span(&query));
}

/* ---- answers */

static void end_ask(struct sign_in_ask *ask)
{
	if (ask->redemption)
		jobs_forget(ask->sign_in->jobs, &ask->redemption->job);
	bearer_forget(&ask->verifying);
	free(ask);
}

void sign_in_forget(struct sign_in_ask **ask)
{
	if (*ask)
		end_ask(*ask);
	*ask = NULL;
}

static void answer_ask(struct sign_in_ask *ask, const struct bearer_answer *answer)
{
	struct bearer_answer whole = *answer;
	bearer_answered answered = ask->answered;
	void *context = ask->context;
	whole.introspected = true;
	end_ask(ask);
	answered(context, &whole);
}

static void answer_with(struct sign_in_ask *ask, enum verdict verdict, const char *reason)
{
	const struct bearer_answer answer = { .verdict = verdict, .reason = reason };
	answer_ask(ask, &answer);
}

/* ---- the ID token */

static void on_verified(void *context, const struct bearer_answer *answer)
{
	struct sign_in_ask *ask = context;
	ask->verifying = NULL;
	answer_ask(ask, answer);
}

/* What is read here before the signature is looked at is of the text whose signature is looked at then. */
static void judge_token(struct sign_in_ask *ask, struct span text)
{
	struct sign_in *sign_in = ask->sign_in;
	struct bearer_token token BEARER_TOKEN_AUTO = { 0 };
	struct bearer_ask *waiting = NULL;
	const char *fault = "ID token that can't be read";
	if (bearer_token_read(text, &token) == STATUS_OK)
		fault = id_token_judge(&token, sign_in->config, span_of(ask->nonce), clock_wall_us() / 1000000);
	if (fault) {
		answer_with(ask, VERDICT_WRONG, fault);
		return;
	}
	issuer_ask(sign_in->issuer, text, ask->owner, on_verified, ask, &waiting);
	if (waiting)
		ask->verifying = waiting;
}

/* ---- the code */

static void run_redemption(struct job *job, void *local)
{
	struct redemption *redemption = (struct redemption *)job;
	const struct redeem_request request = {
		.client = redemption->client,
		.metadata = &redemption->metadata,
		.redirect_uri = redemption->redirect_uri,
		.code = secret_reveal(&redemption->code),
		.verifier = secret_reveal(&redemption->verifier),
	};
	(void)local;
	redemption->status = redeem_code(&request, &redemption->id_token, redemption->reason);
}

static void destroy_redemption(struct job *job)
{
	struct redemption *redemption = (struct redemption *)job;
	secret_wipe(&redemption->code);
	secret_wipe(&redemption->verifier);
	secret_wipe(&redemption->id_token);
	free(redemption);
}

static void log_quarrel(struct sign_in *sign_in, const char *reason)
{
	char more[LOG_PACE_TEXT];
	if (log_pace_take(&sign_in->quarrels, now_ms(sign_in), more))
		log_warning("oidc: a login at %s failed: %s%s", sign_in->config->issuer, reason, more);
}

static void on_redeemed(void *context, struct job *job, enum status status)
{
	struct sign_in_ask *ask = context;
	const struct redemption *redemption = (const struct redemption *)job;
	ask->redemption = NULL;
	if (status == STATUS_OK && redemption->status == STATUS_OK) {
		judge_token(ask, secret_reveal(&redemption->id_token));
	} else if (status == STATUS_OK && redemption->status == STATUS_INVALID) {
		answer_with(ask, VERDICT_WRONG, "code not taken by the provider");
	} else {
		log_quarrel(ask->sign_in, status == STATUS_OK ? redemption->reason : "it takes too long");
		answer_with(ask, VERDICT_UNAVAILABLE, "the provider can't be asked");
	}
}

static enum status fill_redemption(struct sign_in *sign_in, struct span code, struct span verifier,
				   struct redemption *redemption)
{
	redemption->client = &sign_in->client;
	redemption->redirect_uri = sign_in->redirect_uri;
	redemption->metadata = sign_in->metadata;
	TRY(secret_from_span(code, &redemption->code));
	return secret_from_span(verifier, &redemption->verifier);
}

static enum status submit_redemption(struct sign_in_ask *ask, struct span code, struct span verifier)
{
	struct sign_in *sign_in = ask->sign_in;
	struct redemption *redemption = calloc(1, sizeof(*redemption));
	if (redemption == NULL)
		return STATUS_NO_MEMORY;
	redemption->job = (struct job){ .run = run_redemption,
					.destroy = destroy_redemption,
					.on_done = on_redeemed,
					.context = ask,
					.owner = ask->owner };
	enum status status = fill_redemption(sign_in, code, verifier, redemption);
	if (status == STATUS_OK)
		status = jobs_submit(sign_in->jobs, &redemption->job, sign_in->config->timeout + JOB_SLACK_MS);
	if (status == STATUS_OK)
		ask->redemption = redemption;
	else
		destroy_redemption(&redemption->job);
	return status;
}

static struct span member_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return (struct span){ json_string_value(value), json_string_length(value) };
}

/* RFC 9207, 2.4, before anything of the answer is shown to anybody. */
static bool is_providers(const struct sign_in *sign_in, struct span issuer)
{
	if (span_is_empty(issuer))
		return !sign_in->metadata.names_issuer;
	return span_equal(issuer, span_of(sign_in->config->issuer));
}

/* Returns why it is not under way, static; NULL: it is. */
static const char *begin_redemption(struct sign_in_ask *ask, const json_t *request, enum verdict *out_verdict)
{
	struct sign_in *sign_in = ask->sign_in;
	struct span code = member_text(request, "code"), verifier = member_text(request, "verifier");
	struct span nonce = member_text(request, "nonce");
	*out_verdict = VERDICT_UNAVAILABLE;
	if (span_is_empty(code) || span_is_empty(verifier) || span_is_empty(nonce) || nonce.size >= NONCE_SIZE)
		return "malformed question about a code";
	snprintf(ask->nonce, sizeof(ask->nonce), "%.*s", SPAN_ARGS(nonce));
	if (!has_metadata(sign_in))
		return "the provider can't be asked";
	if (!is_providers(sign_in, member_text(request, "issuer"))) {
		*out_verdict = VERDICT_WRONG;
		return "answer of another provider";
	}
	if (!pace_take(&sign_in->redeemed, &redeem_limit, 1, now_ms(sign_in)) ||
	    submit_redemption(ask, code, verifier) != STATUS_OK)
		return "too many codes at once";
	return NULL;
}

static struct sign_in_ask *make_ask(struct sign_in *sign_in, uint64_t owner, bearer_answered answered, void *context)
{
	struct sign_in_ask *ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return NULL;
	ask->sign_in = sign_in;
	ask->owner = owner;
	ask->answered = answered;
	ask->context = context;
	return ask;
}

void sign_in_ask(struct sign_in *sign_in, struct span request, uint64_t owner, bearer_answered answered, void *context,
		 struct sign_in_ask **out_ask)
{
	const struct bearer_answer no_memory = { .verdict = VERDICT_UNAVAILABLE, .reason = "out of memory" };
	struct sign_in_ask *ask = make_ask(sign_in, owner, answered, context);
	enum verdict verdict;
	*out_ask = NULL;
	if (ask == NULL) {
		answered(context, &no_memory);
		return;
	}
	json_t *object = bearer_json_read(request);
	const char *fault = begin_redemption(ask, object, &verdict);
	json_decref(object);
	if (fault)
		answer_with(ask, verdict, fault);
	else
		*out_ask = ask;
}

/* ---- life */

static void describe_as_bearer(struct sign_in *sign_in)
{
	static char name[] = "oidc", nothing[] = "";
	const struct config_oidc *config = sign_in->config;
	sign_in->as_bearer = (struct config_bearer){
		.name = name,
		.issuer = config->issuer,
		.audiences = { (char **)(uintptr_t)&config->client_id, 1 },
		.jwks_url = nothing,
		.refresh = REFRESH_MS,
		.introspection_url = nothing,
		.client_id = config->client_id,
		.user_claim = config->user_claim,
		.groups_claim = config->groups_claim,
		.senders_claim = nothing,
		.timeout = config->timeout,
	};
}

static enum status set_up(const struct role_context *role, struct sign_in *sign_in)
{
	const struct jobs_settings settings = {
		.name = "oidc", .kind = LIFE_TOKEN, .threads = THREADS, .queue_maximum = QUEUE_MAXIMUM
	};
	sign_in->loop = role->loop;
	sign_in->config = &role->config->oidc;
	snprintf(sign_in->redirect_uri, sizeof(sign_in->redirect_uri), "%s" CALLBACK, role->config->console.url);
	describe_as_bearer(sign_in);
	TRY(bearer_client_open_oidc(role, &sign_in->as_bearer, &sign_in->client));
	TRY(https_open());
	TRY(timer_make(role->loop, on_timer, sign_in, &sign_in->timer));
	TRY(jobs_create(role->loop, &settings, &sign_in->jobs));
	TRY(issuer_create(role->loop, sign_in->jobs, &sign_in->client, &sign_in->issuer));
	return begin_fetch(sign_in);
}

enum status sign_in_create(const struct role_context *role, struct sign_in **out_sign_in)
{
	if (role->config->console.address.count == 0 || !config_console_has_login(role->config, "oidc"))
		return STATUS_OK;
	struct sign_in *sign_in = calloc(1, sizeof(*sign_in));
	if (sign_in == NULL)
		return STATUS_NO_MEMORY;
	enum status status = set_up(role, sign_in);
	if (status == STATUS_OK) {
		*out_sign_in = sign_in;
		return STATUS_OK;
	}
	log_error("oidc: nobody can log in: %s", status_text(status));
	sign_in_free(&sign_in);
	return status;
}

void sign_in_free(struct sign_in **sign_in)
{
	struct sign_in *ending = *sign_in;
	*sign_in = NULL;
	if (ending == NULL)
		return;
	issuer_free(&ending->issuer);
	timer_free(&ending->timer);
	if (!jobs_free(&ending->jobs))
		return; /* a thread that hangs may still read it */
	bearer_client_close(&ending->client);
	free(ending);
}
