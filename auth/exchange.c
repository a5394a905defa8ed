/* The life of an exchange: its steps, and what doors and time bring. Owns the client's credentials and wipes them. */
#include "auth/exchange.h"

#include <stdlib.h>

#include "auth/credentials.h"
#include "auth/exchange_judge.h"
#include "auth/exchange_talk.h"
#include "auth/grant.h"
#include "auth/replies.h"
#include "base/base64.h"
#include "base/log.h"

#define BASE64_MAXIMUM ((SASL_RESPONSE_MAXIMUM + 2) / 3 * 4) /* bytes of one response on the wire */
#define CLIENT_TEXT_MAXIMUM 512                              /* bytes of one text about a client; longer ones are cut */
#define CLIENT_MEMORY (8 * CLIENT_TEXT_MAXIMUM)              /* bytes: all of them, and what is left of blocks */

/* ---- challenges and refusals */

/* Some mechanisms tell by a challenge that the evidence was refused; a reply to try again later is said at once. */
static void tell_refusal(struct exchange *exchange)
{
	const char *refusal = exchange->mechanism->refusal;
	struct buf text BUF_AUTO;
	buf_init(&text, SASL_CHALLENGE_MAXIMUM);
	if (refusal == NULL || exchange->reply[0] != '5' || buf_append_text(&text, refusal) != STATUS_OK) {
		exchange_finish(exchange, exchange->reply);
		return;
	}
	exchange->state = EXCHANGE_REGRETS;
	exchange_challenge(exchange, &text);
}

static void tell_salt(struct exchange *exchange)
{
	struct buf challenge BUF_AUTO = exchange->challenge;
	buf_init(&exchange->challenge, 0);
	exchange->state = EXCHANGE_STEPS;
	exchange_challenge(exchange, &challenge);
}

static void on_timer(void *context)
{
	struct exchange *exchange = context;
	switch (exchange->state) {
	case EXCHANGE_REFUSED:
		tell_refusal(exchange);
		break;
	case EXCHANGE_REGRETS:
		exchange_finish(exchange, exchange->reply);
		break;
	case EXCHANGE_GRANTING:
		auth_grant_note_unheard(exchange->gate->auth, "the relay does not answer: a login is refused for now");
		auth_grant_withdraw(exchange);
		exchange_finish(exchange, REPLY_UNAVAILABLE);
		break;
	case EXCHANGE_SALTED:
		tell_salt(exchange);
		break;
	case EXCHANGE_STEPS:
	case EXCHANGE_CHECKING:
	case EXCHANGE_PROVED:
	default:
		exchange_finish(exchange, REPLY_UNAVAILABLE);
		break;
	}
}

/* ---- steps */

/* This is no guess, so it is answered at once and not counted; but whoever probes with it shows in the audit. */
static void reject_form(struct exchange *exchange, const char *reply, const char *reason)
{
	auth_grant_report_failure(exchange, (struct span){ 0 }, reason);
	exchange_finish(exchange, reply);
}

/* May free the exchange. */
static void advance_mechanism(struct exchange *exchange, const struct span *response)
{
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, SASL_CHALLENGE_MAXIMUM);
	enum sasl_result result = exchange->mechanism->advance(&exchange->sasl, response, &bytes);
	switch (result) {
	case SASL_CHALLENGE:
		exchange_challenge(exchange, &bytes);
		break;
	case SASL_COMPLETE:
	case SASL_NAMED:
	case SASL_FORBIDDEN:
		if (result == SASL_COMPLETE && exchange->mechanism->evidence == SASL_PROOF)
			exchange_judge_proof(exchange);
		else
			exchange_judge(exchange, result);
		break;
	case SASL_MALFORMED:
		reject_form(exchange, REPLY_MALFORMED, "malformed response");
		break;
	case SASL_OUT_OF_MEMORY:
	default:
		exchange_finish(exchange, REPLY_UNAVAILABLE);
		break;
	}
}

static void take_response(struct exchange *exchange, struct span text)
{
	struct buf bytes BUF_AUTO;
	buf_init_sensitive(&bytes, BASE64_MAXIMUM);
	if (text.size > BASE64_MAXIMUM) {
		reject_form(exchange, REPLY_TOO_LONG, "response too long");
		return;
	}
	enum status status = base64_decode(text, &bytes);
	struct span response = buf_span(&bytes);
	if (status == STATUS_OK)
		advance_mechanism(exchange, &response);
	else if (status == STATUS_INVALID)
		reject_form(exchange, REPLY_BASE64, "invalid base64");
	else
		exchange_finish(exchange, REPLY_UNAVAILABLE);
}

/* ---- the beginning */

/* The console has ways of its own, whatever mail clients are offered. */
static const struct sasl_mechanism *find_of_console(const struct config *config, struct span name)
{
	bool is_code = span_equal(name, SPAN("OIDC"));
	if (!is_code && !span_equal(name, SPAN("PLAIN")))
		return NULL;
	return config_console_has_login(config, is_code ? "oidc" : "password") ? sasl_find(name) : NULL;
}

static const struct sasl_mechanism *find_offered(const struct gate_door *gate, struct span name)
{
	const struct config *config = gate->auth->role->config;
	const struct config_list *names = &config->auth.mechanisms;
	if (gate->is_console)
		return find_of_console(config, name);
	for (size_t i = 0; i < names->count; i++)
		if (span_equal_nocase(span_of(names->items[i]), name))
			return sasl_find(name);
	return NULL;
}

static enum status set_up(struct exchange *exchange, const struct door_sasl_start *message)
{
	struct gate_door *gate = exchange->gate;
	const struct client_facts facts = client_facts_cut(&message->client, CLIENT_TEXT_MAXIMUM);
	TRY(client_facts_copy(&exchange->texts, &facts, &exchange->client));
	TRY(timer_make(gate->auth->role->loop, on_timer, exchange, &exchange->timer));
	return map_add(&gate->exchanges, &exchange->by_request, map_hash_number(&gate->exchanges, exchange->request));
}

static enum status make_exchange(struct gate_door *gate, const struct door_sasl_start *message,
				 struct exchange **out_exchange)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL)
		return STATUS_NO_MEMORY;
	exchange->gate = gate;
	exchange->request = message->request;
	exchange->session = message->session;
	arena_init(&exchange->texts, CLIENT_MEMORY);
	enum status status = set_up(exchange, message);
	if (status != STATUS_OK) {
		timer_free(&exchange->timer);
		arena_reset(&exchange->texts);
		free(exchange);
		return status;
	}
	*out_exchange = exchange;
	return STATUS_OK;
}

static const struct pace_limit begin_limit = { .burst = EXCHANGES_PER_GATE, .a_second = EXCHANGES_A_SECOND };

static struct exchange *find_by_request(const struct gate_door *gate, uint64_t request)
{
	struct map_link *link = map_first(&gate->exchanges, map_hash_number(&gate->exchanges, request));
	for (; link; link = map_next(link)) {
		struct exchange *exchange = MAP_OWNER(link, struct exchange, by_request);
		if (exchange->request == request)
			return exchange;
	}
	return NULL;
}

static enum status start_exchange(struct gate_door *gate, const struct door_sasl_start *message)
{
	struct exchange *exchange = NULL;
	const struct sasl_mechanism *mechanism = find_offered(gate, message->mechanism);
	if (find_by_request(gate, message->request))
		return STATUS_INVALID; /* a number used twice: no gate of ours */
	if (mechanism == NULL) {
		auth_gate_refuse(gate, message->request, REPLY_MECHANISM);
		return STATUS_OK;
	}
	if (gate->exchanges.count >= EXCHANGES_PER_GATE ||
	    !pace_take(&gate->begun, &begin_limit, 1, loop_now_ms(gate->auth->role->loop))) {
		auth_gate_refuse(gate, message->request, REPLY_UNAVAILABLE);
		return STATUS_OK;
	}
	if (make_exchange(gate, message, &exchange) != STATUS_OK) {
		auth_gate_refuse(gate, message->request, REPLY_UNAVAILABLE);
		return STATUS_OK;
	}
	exchange->mechanism = mechanism;
	if (credentials_prepare(exchange, message) != STATUS_OK)
		exchange_finish(exchange, REPLY_UNAVAILABLE);
	else if (!message->has_initial)
		advance_mechanism(exchange, NULL);
	else
		take_response(exchange,
			      span_equal(message->initial, SPAN("=")) ? (struct span){ 0 } : message->initial);
	return STATUS_OK;
}

/* ---- what the doors tell */

/* Ignored when it is not the client's turn. */
static void take_step(struct gate_door *gate, uint64_t request, struct span response)
{
	struct exchange *exchange = find_by_request(gate, request);
	if (exchange && exchange->state == EXCHANGE_STEPS)
		take_response(exchange, response);
	else if (exchange && exchange->state == EXCHANGE_PROVED)
		exchange_take_proof_answer(exchange);
	else if (exchange && exchange->state == EXCHANGE_REGRETS)
		exchange_finish(exchange, exchange->reply);
}

static void cancel_exchange(struct gate_door *gate, uint64_t request)
{
	struct exchange *exchange = find_by_request(gate, request);
	if (exchange && exchange->state == EXCHANGE_GRANTING)
		auth_grant_withdraw(exchange);
	exchange_free(&exchange);
}

static void drop_exchange(void *context, struct map_link *link)
{
	(void)context;
	struct exchange *exchange = MAP_OWNER(link, struct exchange, by_request);
	exchange_free(&exchange);
}

static void drop_exchanges(struct gate_door *gate)
{
	map_visit(&gate->exchanges, drop_exchange, NULL);
}

static void take_granted(struct auth *auth, uint64_t grant)
{
	struct map_link *link = map_first(&auth->granting, map_hash_number(&auth->granting, grant));
	for (; link; link = map_next(link)) {
		struct exchange *exchange = MAP_OWNER(link, struct exchange, by_grant);
		if (exchange->grant != grant)
			continue;
		exchange_confirm_grant(exchange);
		break;
	}
}

static void refuse_unconfirmed(void *context, struct map_link *link)
{
	(void)context;
	exchange_refuse(MAP_OWNER(link, struct exchange, by_grant), REPLY_UNAVAILABLE);
}

static void refuse_all_unconfirmed(struct auth *auth)
{
	map_visit(&auth->granting, refuse_unconfirmed, NULL);
}

const struct gate_door_handler exchange_gate_handler = {
	.on_start = start_exchange,
	.on_step = take_step,
	.on_cancel = cancel_exchange,
	.on_gone = drop_exchanges,
};

const struct relay_door_handler exchange_relay_handler = {
	.on_granted = take_granted,
	.on_gone = refuse_all_unconfirmed,
};
