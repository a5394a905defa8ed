/*
 * Logins by OpenID Connect: where a browser goes, and what it brings back. The ticket that goes with the browser binds
 * both together (tickets.h); whom a code names is the auth role's to find out.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/api_private.h"
#include "base/base64.h"
#include "base/json_text.h"
#include "base/log.h"

/* Bytes of a provider's answer: a code, and what else there is. */
#define CODE_MAXIMUM 4096
#define ISSUER_MAXIMUM 2048
/* The same of all that auth is told, and of that in base64. */
#define REQUEST_MAXIMUM 8192
#define INITIAL_MAXIMUM 12288

static struct span text_member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return (struct span){ json_string_value(value), json_string_length(value) };
}

/* `reason` is a word for programs, and the pages. */
static void refuse_login(struct api *api, uint64_t request, unsigned code, const char *reason, const char *error)
{
	api_answer_json(api, request, code, json_pack("{s:b, s:s, s:s}", "ok", 0, "error", error, "reason", reason));
}

static bool is_offered(struct api *api, const struct door_console_asked *asked)
{
	if (config_console_has_login(api->config, "oidc"))
		return true;
	api_answer_error(api, asked->request, 404, NOT_HERE);
	return false;
}

/* ---- on the way */

/* RFC 7636, 4.2: of the verifier. */
static enum status write_challenge(const struct tickets *tickets, struct span ticket, struct buf *challenge)
{
	unsigned char digest[HASH_SHA256_SIZE];
	char verifier[TICKET_PART_SIZE + 1];
	TRY(tickets_derive(tickets, ticket, "verifier", verifier));
	TRY(hash_sha256(span_of(verifier), digest));
	return base64url_encode((struct span){ (const char *)digest, sizeof(digest) }, challenge);
}

static enum status ask_provider(struct api *api, struct api_call *call)
{
	char ticket[TICKET_SIZE + 1], state[TICKET_PART_SIZE + 1], nonce[TICKET_PART_SIZE + 1];
	struct buf challenge BUF_AUTO;
	buf_init(&challenge, TICKET_PART_SIZE + 1);
	TRY(tickets_make(&api->tickets, api_now_ms(api), ticket));
	TRY(tickets_derive(&api->tickets, span_of(ticket), "state", state));
	TRY(tickets_derive(&api->tickets, span_of(ticket), "nonce", nonce));
	TRY(write_challenge(&api->tickets, span_of(ticket), &challenge));
	TRY(buf_append_text(&call->arguments, ticket));
	const struct door_provider_asked message = {
		.request = call->number,
		.state = span_of(state),
		.nonce = span_of(nonce),
		.challenge = buf_span(&challenge),
	};
	return api->handler->find_provider(api->context, &message);
}

void api_begin_login(struct api *api, const struct door_console_asked *asked)
{
	if (!is_offered(api, asked))
		return;
	struct api_call *call = api_begin_call(api, asked, API_LEAVES, NULL);
	if (call && ask_provider(api, call) != STATUS_OK)
		api_fail_call(api, api_find_call(api, call->number), 503, "nobody can log in now");
}

void api_take_provider(struct api *api, const struct door_provider_told *told)
{
	struct api_call **at = api_find_call(api, told->request);
	if (*at == NULL || (*at)->state != API_LEAVES)
		return;
	uint64_t request = (*at)->request;
	struct span ticket = buf_span(&(*at)->arguments);
	json_t *fields = json_pack("{s:b, s:s%, s:s%}", "ok", 1, "location", told->url.data ? told->url.data : "",
				   told->url.size, "ticket", ticket.data, ticket.size);
	api_drop_call(api, at);
	if (told->url.size > 0) {
		api_answer_json(api, request, 200, fields);
		return;
	}
	json_decref(fields);
	refuse_login(api, request, 503, "away", "the provider can't be asked now");
}

/* ---- back */

static void log_stray(struct api *api, const struct door_console_asked *asked, const char *what)
{
	char more[LOG_PACE_TEXT];
	if (log_pace_take(&api->strays, api_now_ms(api), more))
		log_info("oidc: %s, at %.*s%s", what, SPAN_ARGS(api_address_of(asked)), more);
}

/* A provider's words: RFC 6749, 4.1.2.1. All that are not here are about the person, or nobody's. */
static const struct {
	const char *error, *reason, *logged; /* NULL: it is not */
} errors[] = {
	{ "access_denied", "denied", NULL },
	{ "server_error", "away", NULL },
	{ "temporarily_unavailable", "away", NULL },
	{ "invalid_request", "provider", "the provider does not take our request (invalid_request)" },
	{ "invalid_scope", "provider", "the provider does not take our request (invalid_scope)" },
	{ "unauthorized_client", "provider", "the provider does not take our request (unauthorized_client)" },
	{ "unsupported_response_type", "provider",
	  "the provider does not take our request (unsupported_response_type)" },
};

static void take_error(struct api *api, const struct door_console_asked *asked, struct span error)
{
	const char *reason = "refused";
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (!span_equal(error, span_of(errors[i].error)))
			continue;
		reason = errors[i].reason;
		if (errors[i].logged)
			log_stray(api, asked, errors[i].logged);
	}
	bool is_later = strcmp(reason, "away") == 0;
	refuse_login(api, asked->request, is_later ? 503 : 403, reason,
		     is_later ? "the provider can't log anybody in now" : "the provider did not log you in");
}

static enum status write_request(const struct tickets *tickets, struct span ticket, const json_t *body,
				 struct buf *out_initial)
{
	char verifier[TICKET_PART_SIZE + 1], nonce[TICKET_PART_SIZE + 1];
	struct span code = text_member(body, "code"), issuer = text_member(body, "iss");
	TRY(tickets_derive(tickets, ticket, "verifier", verifier));
	TRY(tickets_derive(tickets, ticket, "nonce", nonce));
	json_t *object = json_pack("{s:s%, s:s, s:s, s:s%}", "code", code.data, code.size, "verifier", verifier,
				   "nonce", nonce, "issuer", issuer.data ? issuer.data : "", issuer.size);
	char *text = object ? json_write(object) : NULL;
	json_decref(object);
	enum status status = text ? base64_encode(span_of(text), out_initial) : STATUS_NO_MEMORY;
	free(text);
	return status;
}

static void pass_code(struct api *api, const struct door_console_asked *asked, struct span ticket, const json_t *body)
{
	struct buf initial BUF_AUTO;
	buf_init_sensitive(&initial, INITIAL_MAXIMUM);
	if (write_request(&api->tickets, ticket, body, &initial) == STATUS_OK)
		api_pass_login(api, asked, "OIDC", buf_span(&initial));
	else
		api_answer_error(api, asked->request, 503, "nobody can log in now");
}

/* What is no answer at all. A browser that has begun no login has an empty ticket. */
static const char *find_fault(const json_t *body)
{
	struct span code = text_member(body, "code");
	bool has_error = !span_is_empty(text_member(body, "error"));
	if (!json_is_string(json_object_get(body, "ticket")) || !json_is_string(json_object_get(body, "state")) ||
	    span_is_empty(code) != has_error)
		return "expected {\"ticket\": …, \"state\": …, and \"code\" or \"error\": …}";
	return code.size > CODE_MAXIMUM || text_member(body, "iss").size > ISSUER_MAXIMUM ? "the answer is too long"
											  : NULL;
}

static void refuse_stale(struct api *api, const struct door_console_asked *asked)
{
	log_stray(api, asked, "an answer of the provider's is none of a login that is under way there");
	refuse_login(api, asked->request, 400, "stale",
		     "this login was begun elsewhere, or too long ago, or is over already");
}

static void take_back(struct api *api, const struct door_console_asked *asked, const json_t *body)
{
	struct span ticket = text_member(body, "ticket"), error = text_member(body, "error");
	enum status status = tickets_take(&api->tickets, ticket, text_member(body, "state"), api_now_ms(api));
	if (status == STATUS_INVALID)
		refuse_stale(api, asked);
	else if (status != STATUS_OK)
		api_answer_error(api, asked->request, 503, "nobody can log in now");
	else if (!span_is_empty(error))
		take_error(api, asked, error);
	else
		pass_code(api, asked, ticket, body);
}

void api_finish_login(struct api *api, const struct door_console_asked *asked)
{
	if (!is_offered(api, asked))
		return;
	json_t *body = json_read(asked->body);
	const char *fault = find_fault(body);
	if (fault)
		refuse_login(api, asked->request, 400, "malformed", fault);
	else
		take_back(api, asked, body);
	json_decref(body);
}
