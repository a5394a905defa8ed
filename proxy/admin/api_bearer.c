/*
 * Requests with a token of the API's (RFC 6750): whose it is, what wrong ones cost, and what the audit hears of right
 * ones. A right token is never refused for what others at its address guess: nobody guesses 256 bits, and so the limit
 * for wrong ones is there for the audit, the disk and the log.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api_private.h"
#include "base/clock.h"
#include "base/fnv.h"
#include "base/log.h"

/* Requests of one token: as of a session. */
static const struct pace_limit token_limit = { .burst = 100, .a_second = 20 };
/* Records of wrong tokens, of all addresses together. */
static const struct pace_limit wrong_records_limit = { .burst = 100, .a_second = 1 };
/* Between two records, and two changes of the file, about what one token reads. */
#define TELL_MS 60000

#define WRONG_BEARER "the token is unknown, over, or not for this address"

/* What is known of one token's requests. Invariant: in api->uses until its token is gone. */
struct token_use {
	struct token_use *next;
	char id[TOKEN_ID_SIZE];
	struct pace asks;
	uint64_t told_ms;
	unsigned untold; /* requests since */
	uint64_t used_s;
	char address[NETWORK_TEXT_SIZE];
};

/* ---- whose it is */

/* NULL: it is nobody's, and *out_reason says so. Else *out_reason is why it may not be used, or NULL. */
static const struct token *judge_token(const struct api *api, const struct door_console_asked *asked,
				       const char **out_reason)
{
	struct span id = token_id_of(asked->bearer);
	const struct token *token = id.size && api->tokens ? token_table_find(token_store_all(api->tokens), id) : NULL;
	*out_reason = NULL;
	if (token == NULL || !token_is_right(token, asked->bearer)) {
		*out_reason = "unknown token";
		return NULL;
	}
	if (token_is_over(token, clock_wall_us() / 1000000))
		*out_reason = "the token is over";
	else if (!token_allows_address(token, api_address_of(asked)))
		*out_reason = "the token is not for this address";
	return token;
}

bool api_bearer_is_valid(const struct api *api, const struct door_console_asked *asked)
{
	const char *reason;
	return judge_token(api, asked, &reason) && reason == NULL;
}

/* ---- wrong ones */

static void record_token(const struct api *api, const struct token *token, const char *command, const char *address,
			 const char *options, const char *reason)
{
	const struct door_command_record message = {
		.uid = CALLER_NO_UID,
		.name = span_of(token ? token->label : NULL),
		.token = span_of(token ? token->id : NULL),
		.command = span_of(command),
		.object = span_of(address),
		.options = span_of(options),
		.result = reason ? SPAN("refused") : SPAN("done"),
		.reason = span_of(reason),
	};
	if (api->handler->record(api->context, &message) != STATUS_OK)
		log_warning("%s of an API token: the audit misses that", reason ? "wrong use" : "use");
}

/* As many as wrong logins of an address, within the same time. */
static bool takes_wrong_token(struct api *api, struct span address)
{
	char network[NETWORK_TEXT_SIZE];
	const struct config_auth *auth = &api->config->auth;
	uint64_t seconds = auth->failure_window / 1000 ? auth->failure_window / 1000 : 1;
	const struct pace_limit limit = { .burst = auth->failures_per_address * seconds,
					  .a_second = auth->failures_per_address };
	network_of_client(address, network);
	return pace_take(&api->wrong[fnv_hash(span_of(network)) % STRANGERS_PLACES], &limit, seconds, api_now_ms(api));
}

static void refuse_bearer(struct api *api, const struct door_console_asked *asked, const struct token *token,
			  const char *reason)
{
	char address[NETWORK_TEXT_SIZE];
	struct span told = api_address_of(asked);
	snprintf(address, sizeof(address), "%.*s", SPAN_ARGS(told));
	if (!takes_wrong_token(api, told)) {
		api_answer_error(api, asked->request, 429, "too many wrong tokens; try again later");
		return;
	}
	if (pace_take(&api->wrong_records, &wrong_records_limit, 1, api_now_ms(api)))
		record_token(api, token, "api-token use", address, NULL, reason);
	api_answer_error(api, asked->request, 401, WRONG_BEARER);
}

/* ---- right ones */

static struct token_use *find_use(struct api *api, const struct token *token)
{
	struct token_use *use = api->uses;
	while (use && strcmp(use->id, token->id) != 0)
		use = use->next;
	if (use)
		return use;
	use = calloc(1, sizeof(*use));
	if (use == NULL)
		return NULL;
	memcpy(use->id, token->id, sizeof(use->id));
	use->next = api->uses;
	api->uses = use;
	return use;
}

static void tell_use(struct api *api, const struct token *token, struct token_use *use)
{
	struct token used = { .used_s = use->used_s };
	char requests[32];
	snprintf(requests, sizeof(requests), "%u requests", use->untold);
	record_token(api, token, "api-token use", use->address, use->untold > 1 ? requests : NULL, NULL);
	memcpy(used.id, use->id, sizeof(used.id));
	memcpy(used.used_from, use->address, sizeof(used.used_from));
	if (token_store_change(api->tokens, TOKEN_USED, &used, NULL, NULL) != STATUS_OK)
		log_warning("when API token %s was last used is not kept: the disk is busy", use->id);
	use->untold = 0;
	use->told_ms = api_now_ms(api);
}

void api_tell_uses(void *context)
{
	struct api *api = context;
	struct token_use **at = &api->uses;
	while (*at) {
		struct token_use *use = *at;
		const struct token *token = token_table_find(token_store_all(api->tokens), span_of(use->id));
		if (use->untold && token)
			tell_use(api, token, use);
		if (token) {
			at = &use->next;
			continue;
		}
		*at = use->next;
		free(use);
	}
}

void api_drop_uses(struct api *api)
{
	while (api->uses) {
		struct token_use *use = api->uses;
		api->uses = use->next;
		free(use);
	}
}

/* Its first use, or the first after a while, is told at once; the others by the timer. */
static void note_use(struct api *api, const struct token *token, struct token_use *use, struct span address)
{
	snprintf(use->address, sizeof(use->address), "%.*s", SPAN_ARGS(address));
	use->used_s = clock_wall_us() / 1000000;
	use->untold++;
	if (use->told_ms == 0 || api_now_ms(api) - use->told_ms >= TELL_MS)
		tell_use(api, token, use);
	else if (use->untold == 1)
		timer_set(api->telling, TELL_MS);
}

const struct token *api_find_token(struct api *api, const struct door_console_asked *asked)
{
	const char *reason;
	const struct token *token = judge_token(api, asked, &reason);
	if (reason) {
		refuse_bearer(api, asked, token, reason);
		return NULL;
	}
	struct token_use *use = find_use(api, token);
	if (use == NULL) {
		api_answer_error(api, asked->request, 503, "out of memory");
		return NULL;
	}
	if (!pace_take(&use->asks, &token_limit, 1, api_now_ms(api))) {
		api_answer_error(api, asked->request, 429, "too many requests; try again in a moment");
		return NULL;
	}
	note_use(api, token, use, api_address_of(asked));
	return token;
}
