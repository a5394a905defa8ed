/*
 * Issuers. A token whose key is unknown waits for the keys to be fetched anew, once; a new one comes with the first
 * token that is signed with it.
 */
#include "auth/bearer/issuer.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "auth/bearer/claims.h"
#include "auth/bearer/fetch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pace.h"

#define KEYS_LIFETIME_MS 86400000 /* without a word of the issuer's, its keys are good for so long */
#define RETRY_MS 30000            /* after a failure */
#define JOB_SLACK_MS 2000
/* Fetches for keys that are not known; introspections. */
#define FETCH_COST 30 /* so one in 30 s in the long run */
static const struct pace_limit fetch_limit = { .burst = 4 * FETCH_COST, .a_second = 1 };
static const struct pace_limit question_limit = { .burst = 100, .a_second = 20 }; /* of one gate */
#define ASKERS_KEPT 64 /* gates whose pace is known: more than live at once */

struct asker {
	uint64_t owner;
	struct pace pace;
};

struct bearer_ask {
	TAILQ_ENTRY(bearer_ask) in_issuer;
	struct issuer *issuer;
	struct secret token;
	bearer_answered answered;
	void *context;
	struct question *question; /* at the introspection_url; NULL: it waits for keys */
};

TAILQ_HEAD(ask_list, bearer_ask);

struct issuer {
	struct loop *loop;
	struct jobs *jobs;
	const struct bearer_client *client;
	struct bearer_keys *keys; /* NULL: none yet, or too old */
	uint64_t fetched_ms;      /* when they came */
	struct key_fetch *fetch;  /* under way */
	struct ask_list waiting;  /* for the keys, or for a question */
	struct timer *timer;      /* until the keys are fetched anew */
	struct pace fetches;
	struct asker askers[ASKERS_KEPT];
	bool is_away; /* said in the log */
};

struct key_fetch {
	struct job job;
	const struct bearer_client *client;
	struct bearer_keys *keys;
	char reason[HTTPS_REASON_SIZE];
};

struct question {
	struct job job;
	const struct bearer_client *client;
	struct secret token;
	json_t *claims;
	char reason[HTTPS_REASON_SIZE];
};

const struct config_bearer *issuer_config(const struct issuer *issuer)
{
	return issuer->client->config;
}

static uint64_t now_ms(const struct issuer *issuer)
{
	return loop_now_ms(issuer->loop);
}

/* ---- the log */

static void note_reached(struct issuer *issuer, const char *fault)
{
	const char *kind = issuer->client->kind, *name = issuer_config(issuer)->name;
	if (fault && !issuer->is_away)
		log_warning("%s%s: the issuer can't be asked: %s", kind, name, fault);
	else if (!fault && issuer->is_away)
		log_info("%s%s: the issuer can be asked again", kind, name);
	issuer->is_away = fault != NULL;
}

/* ---- answers */

static void free_ask(struct bearer_ask *ask)
{
	secret_wipe(&ask->token);
	free(ask);
}

static void end_ask(struct bearer_ask *ask)
{
	TAILQ_REMOVE(&ask->issuer->waiting, ask, in_issuer);
	free_ask(ask);
}

void bearer_forget(struct bearer_ask **ask)
{
	struct bearer_ask *ending = *ask;
	*ask = NULL;
	if (ending == NULL)
		return;
	if (ending->question)
		jobs_forget(ending->issuer->jobs, &ending->question->job);
	end_ask(ending);
}

static void answer_inactive(bearer_answered answered, void *context)
{
	const struct bearer_answer answer = { VERDICT_WRONG, "token not active", .introspected = true };
	answered(context, &answer);
}

static void answer_with(bearer_answered answered, void *context, enum verdict verdict, const char *reason)
{
	const struct bearer_answer answer = { .verdict = verdict, .reason = reason };
	answered(context, &answer);
}

static void judge_claims(const struct issuer *issuer, const json_t *claims, bool introspected, bearer_answered answered,
			 void *context)
{
	struct identity holder IDENTITY_AUTO;
	struct bearer_answer answer = { .verdict = VERDICT_GRANTED, .reason = "", .introspected = introspected };
	identity_init(&holder);
	answer.holder = &holder;
	enum status status = bearer_claims_read(claims, issuer_config(issuer), introspected, clock_wall_us() / 1000000,
						&holder, &answer.expires_s, &answer.reason);
	if (status == STATUS_INVALID) {
		answer.verdict = VERDICT_WRONG;
	} else if (status != STATUS_OK) {
		answer.verdict = VERDICT_UNAVAILABLE;
		answer.reason = status == STATUS_TOO_LARGE ? "too many groups in the token" : "out of memory";
		log_warning("%s%s: a token of %s: %s", issuer->client->kind, issuer_config(issuer)->name, holder.user,
			    answer.reason);
	}
	answered(context, &answer);
}

static bool has_keys(const struct issuer *issuer)
{
	return issuer->keys && now_ms(issuer) - issuer->fetched_ms < KEYS_LIFETIME_MS;
}

/* STATUS_NOT_FOUND: its key is not known; nothing was answered. */
static enum status judge_signature(struct issuer *issuer, const struct bearer_token *token, bearer_answered answered,
				   void *context)
{
	enum status status = has_keys(issuer) ? bearer_keys_verify(issuer->keys, token) : STATUS_NOT_FOUND;
	if (status == STATUS_OK)
		judge_claims(issuer, token->claims, false, answered, context);
	else if (status != STATUS_NOT_FOUND)
		answer_with(answered, context, VERDICT_WRONG, "token with a wrong signature");
	return status;
}

/* ---- keys */

static void run_fetch(struct job *job, void *local)
{
	struct key_fetch *fetch = (struct key_fetch *)job;
	(void)local;
	if (bearer_fetch_keys(fetch->client, &fetch->keys, fetch->reason) != STATUS_OK)
		fetch->keys = NULL;
}

static void destroy_fetch(struct job *job)
{
	struct key_fetch *fetch = (struct key_fetch *)job;
	bearer_keys_free(&fetch->keys);
	free(fetch);
}

/* One that is still unknown is nobody's, unless the keys could not be had. */
static void judge_again(struct bearer_ask *ask)
{
	struct bearer_token token BEARER_TOKEN_AUTO = { 0 };
	struct issuer *issuer = ask->issuer;
	bearer_answered answered = ask->answered;
	void *context = ask->context;
	bool is_known = !issuer->is_away && has_keys(issuer);
	enum status status = bearer_token_read(secret_reveal(&ask->token), &token);
	if (status == STATUS_OK)
		status = judge_signature(issuer, &token, answered, context);
	bearer_token_free(&token);
	if (status == STATUS_NOT_FOUND && is_known)
		answer_with(answered, context, VERDICT_WRONG, "token signed with an unknown key");
	else if (status == STATUS_NOT_FOUND || status == STATUS_NO_MEMORY)
		answer_with(answered, context, VERDICT_UNAVAILABLE, "no keys of the issuer");
}

static struct bearer_ask *find_waiting(const struct issuer *issuer)
{
	struct bearer_ask *ask = TAILQ_FIRST(&issuer->waiting);
	while (ask && ask->question)
		ask = TAILQ_NEXT(ask, in_issuer);
	return ask;
}

/* Answering one may drop others that wait. */
static void answer_waiting(struct issuer *issuer)
{
	for (struct bearer_ask *ask; (ask = find_waiting(issuer)) != NULL;) {
		TAILQ_REMOVE(&issuer->waiting, ask, in_issuer);
		judge_again(ask);
		free_ask(ask);
	}
}

static void on_fetched(void *context, struct job *job, enum status status)
{
	struct issuer *issuer = context;
	struct key_fetch *fetch = (struct key_fetch *)job;
	issuer->fetch = NULL;
	if (status == STATUS_OK && fetch->keys) {
		bearer_keys_free(&issuer->keys);
		issuer->keys = fetch->keys;
		fetch->keys = NULL;
		issuer->fetched_ms = now_ms(issuer);
		note_reached(issuer, NULL);
	} else {
		note_reached(issuer, status == STATUS_OK ? fetch->reason : "it takes too long");
	}
	timer_set(issuer->timer, issuer->is_away ? RETRY_MS : issuer_config(issuer)->refresh);
	answer_waiting(issuer);
}

static uint64_t job_limit(const struct issuer *issuer)
{
	return BEARER_REQUESTS * issuer_config(issuer)->timeout + JOB_SLACK_MS;
}

static enum status begin_fetch(struct issuer *issuer)
{
	if (issuer->fetch)
		return STATUS_OK;
	struct key_fetch *fetch = calloc(1, sizeof(*fetch));
	if (fetch == NULL)
		return STATUS_NO_MEMORY;
	fetch->job =
		(struct job){ .run = run_fetch, .destroy = destroy_fetch, .on_done = on_fetched, .context = issuer };
	fetch->client = issuer->client;
	enum status status = jobs_submit(issuer->jobs, &fetch->job, job_limit(issuer));
	if (status == STATUS_OK)
		issuer->fetch = fetch;
	else
		free(fetch);
	return status;
}

static void on_timer(void *context)
{
	struct issuer *issuer = context;
	if (begin_fetch(issuer) != STATUS_OK)
		timer_set(issuer->timer, RETRY_MS);
}

/* ---- questions */

static enum status make_ask(struct issuer *issuer, struct span token, bearer_answered answered, void *context,
			    struct bearer_ask **out_ask)
{
	struct bearer_ask *ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return STATUS_NO_MEMORY;
	ask->issuer = issuer;
	ask->answered = answered;
	ask->context = context;
	enum status status = secret_from_span(token, &ask->token);
	if (status != STATUS_OK) {
		free(ask);
		return status;
	}
	TAILQ_INSERT_TAIL(&issuer->waiting, ask, in_issuer);
	*out_ask = ask;
	return STATUS_OK;
}

static void run_question(struct job *job, void *local)
{
	struct question *question = (struct question *)job;
	(void)local;
	if (bearer_fetch_claims(question->client, secret_reveal(&question->token), &question->claims,
				question->reason) != STATUS_OK)
		question->claims = NULL;
}

static void destroy_question(struct job *job)
{
	struct question *question = (struct question *)job;
	json_decref(question->claims);
	secret_wipe(&question->token);
	free(question);
}

static void on_questioned(void *context, struct job *job, enum status status)
{
	struct bearer_ask *ask = context;
	struct issuer *issuer = ask->issuer;
	const struct question *question = (const struct question *)job;
	const json_t *claims = status == STATUS_OK ? question->claims : NULL;
	bearer_answered answered = ask->answered;
	void *asker = ask->context;
	note_reached(issuer, claims ? NULL : status == STATUS_OK ? question->reason : "it takes too long");
	end_ask(ask);
	if (claims == NULL)
		answer_with(answered, asker, VERDICT_UNAVAILABLE, "the issuer can't be asked");
	else if (json_is_true(json_object_get(claims, "active")))
		judge_claims(issuer, claims, true, answered, asker);
	else
		answer_inactive(answered, asker);
}

static enum status submit_question(struct bearer_ask *ask, uint64_t owner)
{
	struct question *question = calloc(1, sizeof(*question));
	if (question == NULL)
		return STATUS_NO_MEMORY;
	question->job = (struct job){ .run = run_question,
				      .destroy = destroy_question,
				      .on_done = on_questioned,
				      .context = ask,
				      .owner = owner };
	question->client = ask->issuer->client;
	ask->question = question;
	enum status status = secret_from_span(secret_reveal(&ask->token), &question->token);
	if (status == STATUS_OK)
		status = jobs_submit(ask->issuer->jobs, &question->job, job_limit(ask->issuer));
	if (status != STATUS_OK) {
		ask->question = NULL;
		destroy_question(&question->job);
	}
	return status;
}

/* Of this gate; the place of whoever has been still for longest is taken for a new one. */
static struct pace *find_pace(struct issuer *issuer, uint64_t owner)
{
	struct asker *oldest = &issuer->askers[0];
	for (size_t i = 0; i < ASKERS_KEPT; i++) {
		struct asker *asker = &issuer->askers[i];
		if (asker->owner == owner)
			return &asker->pace;
		if (asker->pace.at_ms < oldest->pace.at_ms)
			oldest = asker;
	}
	*oldest = (struct asker){ .owner = owner };
	return &oldest->pace;
}

static void ask_about_token(struct issuer *issuer, struct span token, uint64_t owner, bearer_answered answered,
			    void *context, struct bearer_ask **out_ask)
{
	struct bearer_ask *ask = NULL;
	struct pace *pace = find_pace(issuer, owner);
	enum status status = pace_take(pace, &question_limit, 1, now_ms(issuer)) ? STATUS_OK : STATUS_UNAVAILABLE;
	if (status == STATUS_OK)
		status = make_ask(issuer, token, answered, context, &ask);
	if (status == STATUS_OK)
		status = submit_question(ask, owner);
	if (status == STATUS_OK) {
		*out_ask = ask;
		return;
	}
	if (ask)
		end_ask(ask);
	answer_with(answered, context, VERDICT_UNAVAILABLE, "too many tokens at once");
}

/* A key that is not known, or no keys at all. */
static void wait_for_keys(struct issuer *issuer, struct span token, bearer_answered answered, void *context,
			  struct bearer_ask **out_ask)
{
	bool may_fetch = issuer->fetch || pace_take(&issuer->fetches, &fetch_limit, FETCH_COST, now_ms(issuer));
	if (may_fetch && begin_fetch(issuer) == STATUS_OK &&
	    make_ask(issuer, token, answered, context, out_ask) == STATUS_OK)
		return;
	answer_with(answered, context, VERDICT_UNAVAILABLE, "no keys of the issuer");
}

void issuer_ask(struct issuer *issuer, struct span token, uint64_t owner, bearer_answered answered, void *context,
		struct bearer_ask **out_ask)
{
	struct bearer_token read BEARER_TOKEN_AUTO = { 0 };
	*out_ask = NULL;
	if (*issuer_config(issuer)->introspection_url)
		ask_about_token(issuer, token, owner, answered, context, out_ask);
	else if (bearer_token_read(token, &read) != STATUS_OK)
		answer_with(answered, context, VERDICT_WRONG, "token that can't be read");
	else if (judge_signature(issuer, &read, answered, context) == STATUS_NOT_FOUND)
		wait_for_keys(issuer, token, answered, context, out_ask);
}

/* ---- life */

enum status issuer_create(struct loop *loop, struct jobs *jobs, const struct bearer_client *client,
			  struct issuer **out_issuer)
{
	struct issuer *issuer = calloc(1, sizeof(*issuer));
	if (issuer == NULL)
		return STATUS_NO_MEMORY;
	issuer->loop = loop;
	issuer->jobs = jobs;
	issuer->client = client;
	TAILQ_INIT(&issuer->waiting);
	enum status status = timer_make(loop, on_timer, issuer, &issuer->timer);
	if (status == STATUS_OK && *client->config->introspection_url == '\0')
		status = begin_fetch(issuer);
	if (status == STATUS_OK)
		*out_issuer = issuer;
	else
		issuer_free(&issuer);
	return status;
}

void issuer_free(struct issuer **issuer)
{
	struct issuer *ending = *issuer;
	*issuer = NULL;
	if (ending == NULL)
		return;
	while (!TAILQ_EMPTY(&ending->waiting)) {
		struct bearer_ask *ask = TAILQ_FIRST(&ending->waiting);
		bearer_forget(&ask);
	}
	if (ending->fetch)
		jobs_forget(ending->jobs, &ending->fetch->job);
	bearer_keys_free(&ending->keys);
	timer_free(&ending->timer);
	free(ending);
}
