/*
 * Sources, and which relay is answered by which. Owns the sections' secrets, the
 * threads and the sources (source.c).
 */
#include "auth/oauth/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "auth/oauth/source.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/https.h"
#include "smtp/address.h"

#define THREADS_MAXIMUM 8      /* more endpoints than that share them */
#define JOBS_QUEUE_MAXIMUM 512 /* one fetch a source, and some administrators */
/* Mailboxes of senders whose tokens are kept; more take the place of those not asked for the longest. */
#define PERSONAL_MAXIMUM 1000

struct tokens {
	struct oauth_shared shared;
	size_t client_count;
	struct source **sources; /* of relays, then those of senders */
	size_t source_count, relay_source_count;
	struct source **of_relay; /* as the config's relays; NULL: a password */
};

/* ---- jobs */

enum status tokens_submit(struct tokens *tokens, const struct oauth_client *client, struct job *job,
			  uint64_t timeout_ms)
{
	return oauth_shared_submit(&tokens->shared, client, job, timeout_ms);
}

void tokens_job_ended(struct tokens *tokens, const struct oauth_client *client)
{
	oauth_shared_job_ended(&tokens->shared, client);
}

bool tokens_are_busy(const struct tokens *tokens)
{
	return tokens->shared.busy > 0;
}

/* ---- relays */

bool tokens_serve(const struct tokens *tokens, size_t relay)
{
	return tokens->of_relay[relay] != NULL;
}

/* Mailboxes that the relay role may ask for: its word alone gets no one else's token. */
static bool is_sender_of(const struct config_relay *relay, struct span mailbox)
{
	return relay->per_sender && address_shares_domain(mailbox, span_of(relay->user));
}

/* Where the sender's token comes from; NULL: none can be had now. */
static struct source *find_personal(struct tokens *tokens, const struct oauth_client *client, const char *mailbox)
{
	struct source **oldest = NULL, **at = &tokens->sources[tokens->relay_source_count];
	for (; at < &tokens->sources[tokens->source_count]; at++) {
		if (source_is_for(*at, client, mailbox))
			return *at;
		if (oldest == NULL || source_asked_ms(*at) < source_asked_ms(*oldest))
			oldest = at;
	}
	bool is_full = tokens->source_count == tokens->relay_source_count + PERSONAL_MAXIMUM;
	struct source *source = NULL;
	if ((is_full && source_asked_ms(*oldest) == UINT64_MAX) ||
	    source_create(&tokens->shared, client, mailbox, true, &source) != STATUS_OK)
		return NULL;
	if (is_full) {
		source_free(oldest);
		*oldest = source;
	} else {
		tokens->sources[tokens->source_count++] = source;
	}
	return source;
}

static struct source *find_for(struct tokens *tokens, size_t relay, struct span mailbox)
{
	const struct config_relay *section = &tokens->shared.role->config->relay.items[relay];
	const struct oauth_client *client = tokens_client(tokens, section->name);
	char text[ADDRESS_MAXIMUM + 1];
	/* An application's own token is the same for all. */
	if (span_is_empty(mailbox) || client == NULL || client->config->grant != OAUTH_SERVICE_ACCOUNT)
		return tokens->of_relay[relay];
	snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(mailbox));
	return find_personal(tokens, client, text);
}

static void deny_request(const struct tokens *tokens, uint64_t request, struct span reason)
{
	const struct door_credential_reply reply = { .request = request, .reason = reason };
	oauth_shared_answer(&tokens->shared, &reply);
}

void tokens_ask(struct tokens *tokens, size_t relay, struct span mailbox, uint64_t request)
{
	const struct config_relay *section = &tokens->shared.role->config->relay.items[relay];
	if (!span_is_empty(mailbox) && !is_sender_of(section, mailbox)) {
		deny_request(tokens, request, SPAN("not a mailbox of this relay"));
		return;
	}
	struct source *source = find_for(tokens, relay, mailbox);
	if (source)
		source_ask(source, relay, mailbox, request);
	else
		deny_request(tokens, request, SPAN("too many mailboxes at once, or out of memory"));
}

void tokens_refuse(struct tokens *tokens, size_t relay, struct span mailbox, uint64_t serial)
{
	const struct config_relay *section = &tokens->shared.role->config->relay.items[relay];
	if (tokens->of_relay[relay] == NULL || (!span_is_empty(mailbox) && !is_sender_of(section, mailbox)))
		return;
	struct source *source = find_for(tokens, relay, mailbox);
	if (source)
		source_refuse(source, serial);
}

void tokens_forget_asked(struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->source_count; i++)
		source_forget_asked(tokens->sources[i]);
}

void tokens_drain(struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->source_count; i++)
		source_drain(tokens->sources[i]);
}

const struct oauth_client *tokens_client(const struct tokens *tokens, const char *relay)
{
	const struct config_relay *section = config_find_relay(tokens->shared.role->config, relay);
	for (size_t i = 0; section && i < tokens->client_count; i++) {
		if (config_relay_has_tokens(section) &&
		    strcmp(tokens->shared.clients[i].config->name, section->oauth) == 0)
			return &tokens->shared.clients[i];
	}
	return NULL;
}

void tokens_install(struct tokens *tokens, const struct oauth_client *client, const struct token_answer *answer)
{
	for (size_t i = 0; i < tokens->source_count; i++) {
		if (source_client(tokens->sources[i]) == client)
			source_install(tokens->sources[i], answer);
	}
}

/* ---- life */

static enum status open_clients(struct tokens *tokens)
{
	const struct config *config = tokens->shared.role->config;
	tokens->shared.clients = calloc(config->oauth.count + 1, sizeof(*tokens->shared.clients));
	if (tokens->shared.clients == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < config->oauth.count; i++) {
		TRY(oauth_client_open(tokens->shared.role, &config->oauth.items[i], &tokens->shared.clients[i]));
		tokens->client_count++;
	}
	return STATUS_OK;
}

/* A service account's token is for one mailbox; others are for whatever was consented to. */
static const char *subject_of(const struct oauth_client *client, const struct config_relay *relay)
{
	return client->config->grant == OAUTH_SERVICE_ACCOUNT ? relay->user : "";
}

static enum status find_source(struct tokens *tokens, const struct config_relay *relay, struct source **out_source)
{
	const struct oauth_client *client = tokens_client(tokens, relay->name);
	if (client == NULL)
		return STATUS_NOT_FOUND;
	const char *subject = subject_of(client, relay);
	for (size_t i = 0; i < tokens->source_count; i++) {
		if (source_is_for(tokens->sources[i], client, subject)) {
			*out_source = tokens->sources[i];
			return STATUS_OK;
		}
	}
	TRY(source_create(&tokens->shared, client, subject, false, &tokens->sources[tokens->source_count]));
	*out_source = tokens->sources[tokens->source_count++];
	return STATUS_OK;
}

static enum status make_sources(struct tokens *tokens)
{
	const struct config *config = tokens->shared.role->config;
	tokens->of_relay = calloc(config->relay.count + 1, sizeof(struct source *));
	tokens->sources = calloc(config->relay.count + PERSONAL_MAXIMUM, sizeof(struct source *));
	if (tokens->of_relay == NULL || tokens->sources == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < config->relay.count; i++) {
		if (config_relay_has_tokens(&config->relay.items[i]))
			TRY(find_source(tokens, &config->relay.items[i], &tokens->of_relay[i]));
	}
	return STATUS_OK;
}

static bool has_personal(const struct tokens *tokens)
{
	const struct config *config = tokens->shared.role->config;
	for (size_t i = 0; i < config->relay.count; i++) {
		if (config->relay.items[i].per_sender)
			return true;
	}
	return false;
}

/* One thread more than sources, so that an administrator's consent finds one where all endpoints hang. */
static enum status start_threads(struct tokens *tokens)
{
	size_t wanted = has_personal(tokens) ? THREADS_MAXIMUM : tokens->source_count + 1;
	const struct jobs_settings settings = {
		.name = "tokens",
		.kind = LIFE_TOKEN,
		.threads = wanted < THREADS_MAXIMUM ? (unsigned)wanted : THREADS_MAXIMUM,
		.queue_maximum = JOBS_QUEUE_MAXIMUM,
	};
	return jobs_create(tokens->shared.role->loop, &settings, &tokens->shared.jobs);
}

static enum status set_up(struct tokens *tokens)
{
	oauth_client_wipe_json(); /* key files are JSON too */
	TRY(open_clients(tokens));
	TRY(make_sources(tokens));
	tokens->relay_source_count = tokens->source_count;
	if (tokens->source_count == 0)
		return STATUS_OK;
	TRY(https_open());
	TRY(start_threads(tokens));
	for (size_t i = 0; i < tokens->source_count; i++)
		source_begin(tokens->sources[i]);
	return STATUS_OK;
}

enum status tokens_create(const struct role_context *role, const struct tokens_handler *handler, void *context,
			  struct tokens **out_tokens)
{
	struct tokens *tokens = calloc(1, sizeof(*tokens));
	if (tokens == NULL)
		return STATUS_NO_MEMORY;
	tokens->shared.role = role;
	tokens->shared.handler = handler;
	tokens->shared.context = context;
	tokens->shared.last_serial = clock_wall_us(); /* no serial of a process before this one comes again */
	enum status status = set_up(tokens);
	if (status != STATUS_OK) {
		log_error("tokens can't be got: %s", status_text(status));
		tokens_free(&tokens);
		return status;
	}
	*out_tokens = tokens;
	return STATUS_OK;
}

void tokens_free(struct tokens **tokens)
{
	struct tokens *ending = *tokens;
	*tokens = NULL;
	if (ending == NULL)
		return;
	bool ended = jobs_free(&ending->shared.jobs);
	for (size_t i = 0; i < ending->source_count; i++)
		source_free(&ending->sources[i]);
	/* What a thread that was left behind may look at stays. */
	for (size_t i = 0; ended && i < ending->client_count; i++)
		oauth_client_close(&ending->shared.clients[i]);
	if (ended)
		free(ending->shared.clients);
	free(ending->sources);
	free(ending->of_relay);
	free(ending);
}
