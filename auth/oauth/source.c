/*
 * The token there is, the fetch under way, and the logins that wait for it.
 * Everything here runs on the loop; the fetch itself is a job that touches its
 * own copy and the client, which is constant.
 */
#include "auth/oauth/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "smtp/address.h"

#define ASKED_MAXIMUM 256        /* logins waiting for one fetch: as many as the relay role asks for at once */
#define JOB_SLACK_MS 2000        /* a request bounds itself; one that doesn't is given up */
#define MARGIN_MAXIMUM_MS 300000 /* renewed so long before the end, or at a fifth of short lives */
#define SLACK_MAXIMUM_MS 10000   /* not given so close to its end: a login takes a moment */
#define FETCH_LEAST_MS 1000      /* between two fetches, however short tokens live */
#define FAILED_REST_MS 1000      /* first rest after an endpoint did not answer */
#define FAILED_REST_MAXIMUM_MS 60000
#define REFUSED_REST_MS 15000 /* first rest after a refusal: only people can mend it */
#define REFUSED_REST_MAXIMUM_MS 900000

struct asked {
	uint64_t request;
	size_t relay;
	char mailbox[ADDRESS_MAXIMUM + 1]; /* "": the relay's `user` */
};

/* Invariants: `asked_count` is 0 unless `fetch` runs; ends_ms counts only with a token. */
struct source {
	struct oauth_shared *shared;
	const struct oauth_client *client;
	char *subject;
	bool is_personal;
	bool is_wanted; /* asked for since the last fetch began */
	uint64_t asked_ms;
	struct secret token;
	uint64_t serial, ends_ms, renew_ms;
	struct secret unsaved; /* a refresh token that is not on disk yet */
	struct fetch *fetch;   /* under way, or NULL */
	unsigned failures;     /* since the last token */
	uint64_t rest_until_ms;
	char reason[ANSWER_REASON_SIZE]; /* of the last failure */
	struct asked *asked;             /* up to ASKED_MAXIMUM */
	size_t asked_count, asked_capacity;
	struct timer *timer; /* for the next fetch */
	bool draining;
};

struct fetch {
	struct job job; /* first */
	const struct oauth_client *client;
	char *subject;
	struct secret unsaved;
	struct token_answer answer;
	uint64_t begun_ms;
};

static uint64_t now_ms(const struct source *source)
{
	return loop_now_ms(source->shared->role->loop);
}

static bool has_token(const struct source *source)
{
	return !secret_is_empty(&source->token) && now_ms(source) < source->ends_ms;
}

static const char *name_of(const struct source *source)
{
	return source->client->config->name;
}

static void count_fetch(const struct source *source, enum stats_result result)
{
	stats_add(source->shared->role->stats, COUNTER_TOKEN_FETCHES,
		  oauth_shared_label(source->shared, source->client) + result, 1);
}

/* ---- answers */

static void give_token(const struct source *source, const struct asked *asked)
{
	const struct config_relay *relay = &source->shared->role->config->relay.items[asked->relay];
	const struct door_credential_reply reply = {
		.request = asked->request,
		.available = 1,
		.mechanism = relay->auth == RELAY_AUTH_XOAUTH2 ? SPAN("xoauth2") : SPAN("oauthbearer"),
		.serial = source->serial,
		.user = span_of(asked->mailbox[0] ? asked->mailbox : relay->user),
		.secret = secret_reveal(&source->token),
	};
	oauth_shared_answer(source->shared, &reply);
}

static void deny_token(const struct source *source, const struct asked *asked)
{
	char reason[ANSWER_REASON_SIZE + 80];
	snprintf(reason, sizeof(reason), "oauth %s: %s", name_of(source), source->reason);
	const struct door_credential_reply reply = { .request = asked->request, .reason = span_of(reason) };
	oauth_shared_answer(source->shared, &reply);
}

static void answer_all(struct source *source)
{
	size_t asked = source->asked_count;
	source->asked_count = 0; /* an answer may break the door, which forgets whoever asked */
	for (size_t i = 0; i < asked; i++) {
		if (has_token(source))
			give_token(source, &source->asked[i]);
		else
			deny_token(source, &source->asked[i]);
	}
}

/* ---- the end of a fetch */

static void set_timer(struct source *source, uint64_t at_ms)
{
	uint64_t now = now_ms(source);
	if (!source->draining)
		timer_set(source->timer, at_ms > now ? at_ms - now : 0);
}

/* From three quarters of it to the whole: nodes that failed together do not come back together. */
static uint64_t add_jitter(uint64_t ms)
{
	unsigned char random = 0;
	if (hash_random(&random, sizeof(random)) != STATUS_OK)
		random = 255;
	return ms - ms / 4 * random / 255;
}

static void keep_token(struct source *source, const struct token_answer *answer, uint64_t begun_ms)
{
	uint64_t life_ms = answer->lifetime_s * 1000;
	uint64_t slack_ms = life_ms / 10 < SLACK_MAXIMUM_MS ? life_ms / 10 : SLACK_MAXIMUM_MS;
	uint64_t margin_ms = life_ms / 5 < MARGIN_MAXIMUM_MS ? life_ms / 5 : MARGIN_MAXIMUM_MS;
	struct secret token = { 0 };
	if (secret_from_span(secret_reveal(&answer->access), &token) != STATUS_OK)
		return; /* asked for again when it is needed */
	secret_wipe(&source->token);
	source->token = token;
	source->serial = oauth_shared_next_serial(source->shared);
	source->ends_ms = begun_ms + life_ms - slack_ms;
	source->renew_ms = begun_ms + life_ms - add_jitter(margin_ms) - slack_ms;
	source->failures = 0;
	source->rest_until_ms = now_ms(source) + FETCH_LEAST_MS;
	snprintf(source->reason, sizeof(source->reason), "its tokens end too soon");
	log_info("oauth %s: a new token%s%s, good for %llu s", name_of(source), *source->subject ? " for " : "",
		 source->subject, (unsigned long long)answer->lifetime_s);
}

static void keep_refresh(struct source *source, const struct token_answer *answer)
{
	secret_wipe(&source->unsaved);
	if (!secret_is_empty(&answer->refresh) &&
	    secret_from_span(secret_reveal(&answer->refresh), &source->unsaved) != STATUS_OK)
		log_error("oauth %s: out of memory for its new refresh token", name_of(source));
}

static void fail_fetch(struct source *source, const char *reason, bool is_refusal)
{
	uint64_t rest_ms = is_refusal ? REFUSED_REST_MS : FAILED_REST_MS;
	uint64_t maximum_ms = is_refusal ? REFUSED_REST_MAXIMUM_MS : FAILED_REST_MAXIMUM_MS;
	for (unsigned i = 0; i < source->failures && rest_ms < maximum_ms; i++)
		rest_ms *= 2;
	rest_ms = add_jitter(rest_ms < maximum_ms ? rest_ms : maximum_ms);
	source->failures++;
	source->rest_until_ms = now_ms(source) + rest_ms;
	snprintf(source->reason, sizeof(source->reason), "%s", reason);
	count_fetch(source, is_refusal ? STATS_RESULT_REFUSED : STATS_RESULT_FAILED);
	log_warning("oauth %s: no token%s%s: %s; asked again in %llu s%s", name_of(source),
		    *source->subject ? " for " : "", source->subject, reason,
		    (unsigned long long)(rest_ms + 999) / 1000,
		    has_token(source) ? ", until then the one there is may do" : "");
	set_timer(source, source->rest_until_ms);
}

static void take_answer(struct source *source, const struct fetch *fetch)
{
	const struct token_answer *answer = &fetch->answer;
	if (answer->result != ANSWER_GIVEN) {
		fail_fetch(source, answer->reason, answer->result == ANSWER_REFUSED);
		return;
	}
	count_fetch(source, STATS_RESULT_OK);
	keep_refresh(source, answer);
	keep_token(source, answer, fetch->begun_ms);
	set_timer(source, source->renew_ms > source->rest_until_ms ? source->renew_ms : source->rest_until_ms);
}

static void on_fetched(void *context, struct job *job, enum status status)
{
	struct source *source = context;
	source->fetch = NULL;
	if (status == STATUS_OK)
		take_answer(source, (const struct fetch *)job);
	else
		fail_fetch(source, "no answer in time", false);
	answer_all(source);
	oauth_shared_job_ended(source->shared, source->client);
}

/* ---- its beginning */

static void run_fetch(struct job *job, void *local)
{
	struct fetch *fetch = (struct fetch *)job;
	(void)local;
	oauth_fetch(fetch->client, fetch->subject, secret_reveal(&fetch->unsaved), &fetch->answer);
}

static void free_fetch(struct fetch *fetch)
{
	token_answer_wipe(&fetch->answer);
	secret_wipe(&fetch->unsaved);
	free(fetch->subject);
	free(fetch);
}

static void destroy_fetch(struct job *job)
{
	free_fetch((struct fetch *)job);
}

static struct fetch *make_fetch(struct source *source)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	if (fetch == NULL)
		return NULL;
	fetch->job =
		(struct job){ .run = run_fetch, .destroy = destroy_fetch, .on_done = on_fetched, .context = source };
	fetch->client = source->client;
	fetch->begun_ms = now_ms(source);
	fetch->subject = strdup(source->subject);
	if (fetch->subject == NULL || secret_from_span(secret_reveal(&source->unsaved), &fetch->unsaved) != STATUS_OK) {
		free_fetch(fetch);
		return NULL;
	}
	return fetch;
}

void source_begin(struct source *source)
{
	if (source->fetch)
		return;
	source->is_wanted = false;
	struct fetch *fetch = make_fetch(source);
	/* The lock of the token file may take as long as the request itself. */
	uint64_t limit_ms = 2 * source->client->config->timeout + JOB_SLACK_MS;
	if (fetch && oauth_shared_submit(source->shared, source->client, &fetch->job, limit_ms) == STATUS_OK) {
		source->fetch = fetch;
		timer_clear(source->timer);
		return;
	}
	if (fetch)
		free_fetch(fetch);
	fail_fetch(source, fetch ? "too many requests wait" : "out of memory", false);
}

static void on_timer(void *context)
{
	struct source *source = context;
	if (!source->is_personal || source->is_wanted)
		source_begin(source);
}

/* ---- calls */

static bool put_down(struct source *source, const struct asked *asked)
{
	if (source->asked_count == source->asked_capacity) {
		size_t capacity = source->asked_capacity ? 2 * source->asked_capacity : 4;
		struct asked *list =
			capacity <= ASKED_MAXIMUM ? reallocarray(source->asked, capacity, sizeof(*list)) : NULL;
		if (list == NULL)
			return false;
		source->asked = list;
		source->asked_capacity = capacity;
	}
	source->asked[source->asked_count++] = *asked;
	return true;
}

void source_ask(struct source *source, size_t relay, struct span mailbox, uint64_t request)
{
	struct asked asked = { .request = request, .relay = relay };
	snprintf(asked.mailbox, sizeof(asked.mailbox), "%.*s", SPAN_ARGS(mailbox));
	source->is_wanted = true;
	source->asked_ms = now_ms(source);
	if (has_token(source)) {
		give_token(source, &asked);
		return;
	}
	if (source->fetch == NULL && now_ms(source) >= source->rest_until_ms)
		source_begin(source);
	if (source->fetch == NULL || !put_down(source, &asked))
		deny_token(source, &asked);
}

uint64_t source_asked_ms(const struct source *source)
{
	return source->fetch || source->asked_count ? UINT64_MAX : source->asked_ms;
}

void source_refuse(struct source *source, uint64_t serial)
{
	if (serial != source->serial || secret_is_empty(&source->token))
		return;
	log_warning("oauth %s: the relay refused its token, which is dropped", name_of(source));
	secret_wipe(&source->token);
	/* Asked for again at once, unless the endpoint itself is the trouble. */
	if (source->failures == 0)
		source->rest_until_ms = 0;
}

void source_forget_asked(struct source *source)
{
	source->asked_count = 0;
}

void source_install(struct source *source, const struct token_answer *answer)
{
	secret_wipe(&source->unsaved);
	keep_token(source, answer, now_ms(source));
	set_timer(source, source->renew_ms);
}

void source_drain(struct source *source)
{
	source->draining = true;
	timer_clear(source->timer);
}

/* ---- life */

enum status source_create(struct oauth_shared *shared, const struct oauth_client *client, const char *subject,
			  bool personal, struct source **out_source)
{
	struct source *source = calloc(1, sizeof(*source));
	if (source == NULL)
		return STATUS_NO_MEMORY;
	*source = (struct source){
		.shared = shared, .client = client, .subject = strdup(subject), .is_personal = personal
	};
	enum status status =
		source->subject ? timer_make(shared->role->loop, on_timer, source, &source->timer) : STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		free(source->subject);
		free(source);
		return status;
	}
	*out_source = source;
	return STATUS_OK;
}

void source_free(struct source **source)
{
	struct source *ending = *source;
	*source = NULL;
	if (ending == NULL)
		return;
	secret_wipe(&ending->token);
	secret_wipe(&ending->unsaved);
	timer_free(&ending->timer);
	free(ending->subject);
	free(ending->asked);
	free(ending);
}

const struct oauth_client *source_client(const struct source *source)
{
	return source->client;
}

bool source_is_for(const struct source *source, const struct oauth_client *client, const char *subject)
{
	return source->client == client && strcmp(source->subject, subject) == 0;
}
