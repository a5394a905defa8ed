/* The life of an exchange. Owns the client's credentials and wipes them. */
#include "auth/exchange.h"

#include <stdlib.h>

#include "auth/grant.h"
#include "base/base64.h"
#include "base/log.h"

#define BASE64_MAXIMUM ((SASL_RESPONSE_MAXIMUM + 2) / 3 * 4) /* bytes of one response on the wire */
#define CLIENT_TEXT_MAXIMUM 512                              /* bytes of one text about a client; longer ones are cut */
#define CLIENT_MEMORY (8 * CLIENT_TEXT_MAXIMUM)              /* bytes: all of them, and what is left of blocks */

/* The replies, of RFC 4954, 6 and RFC 3463. Clients show the text to people. */
#define REPLY_GRANTED "235 2.7.0 Authentication successful"
#define REPLY_WRONG "535 5.7.8 Username or password not accepted"
#define REPLY_DISABLED "525 5.7.13 This account is disabled"
#define REPLY_UNAVAILABLE "454 4.7.0 Temporary authentication failure, try again later"
#define REPLY_THROTTLED "454 4.7.0 Too many failed logins, try again later"
#define REPLY_BASE64 "501 5.5.2 Invalid base64 in the authentication response"
#define REPLY_MALFORMED "501 5.5.2 Invalid authentication response"
#define REPLY_TOO_LONG "500 5.5.6 Authentication response too long"
#define REPLY_MECHANISM "504 5.5.4 Unrecognized authentication mechanism"

static struct auth *auth_of(const struct exchange *exchange)
{
	return exchange->gate->auth;
}

static uint64_t now_ms(const struct exchange *exchange)
{
	return loop_now_ms(auth_of(exchange)->role->loop);
}

/* ---- the end */

/* Drops it without a word to the gate. NULL-safe; sets to NULL. */
static void exchange_free(struct exchange **exchange)
{
	struct exchange *ending = *exchange;
	*exchange = NULL;
	if (ending == NULL)
		return;
	if (ending->state == EXCHANGE_GRANTING)
		map_remove(&auth_of(ending)->granting, &ending->by_grant);
	map_remove(&ending->gate->exchanges, &ending->by_request);
	chain_end(&ending->ask);
	timer_free(&ending->timer);
	sasl_state_wipe(&ending->sasl);
	secret_wipe(&ending->credentials.password);
	arena_reset(&ending->texts);
	free(ending);
}

static void finish_exchange(struct exchange *exchange, const char *reply)
{
	auth_gate_refuse(exchange->gate, exchange->request, reply);
	exchange_free(&exchange);
}

/* The reply is sent at the next whole FAILURE_STEP_MS. */
static void refuse_login(struct exchange *exchange, const char *reply)
{
	uint64_t elapsed_ms = now_ms(exchange) - exchange->checked_from_ms;
	if (exchange->state == EXCHANGE_GRANTING)
		map_remove(&auth_of(exchange)->granting, &exchange->by_grant);
	exchange->state = EXCHANGE_REFUSED;
	exchange->reply = reply;
	timer_set(exchange->timer, FAILURE_STEP_MS - elapsed_ms % FAILURE_STEP_MS);
}

static void on_timer(void *context)
{
	struct exchange *exchange = context;
	switch (exchange->state) {
	case EXCHANGE_REFUSED:
		finish_exchange(exchange, exchange->reply);
		break;
	case EXCHANGE_GRANTING:
		log_warning("the relay does not answer: a login is refused for now");
		auth_grant_withdraw(exchange);
		finish_exchange(exchange, REPLY_UNAVAILABLE);
		break;
	case EXCHANGE_STEPS:
	case EXCHANGE_CHECKING:
	default:
		finish_exchange(exchange, REPLY_UNAVAILABLE);
		break;
	}
}

/* ---- the verdict */

static enum stats_result result_of(enum verdict verdict)
{
	if (verdict == VERDICT_GRANTED)
		return STATS_RESULT_OK;
	return verdict == VERDICT_UNAVAILABLE ? STATS_RESULT_FAILED : STATS_RESULT_REFUSED;
}

static void count_login(const struct exchange *exchange, const struct decision *decision)
{
	struct stats *stats = auth_of(exchange)->role->stats;
	stats_add(stats, COUNTER_AUTH, (unsigned)decision->method * 8 + (unsigned)result_of(decision->verdict), 1);
	stats_observe_ms(stats, COUNTER_AUTH_TIME, (unsigned)decision->method,
			 now_ms(exchange) - exchange->checked_from_ms);
}

static const char *reply_of(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_WRONG:
		return REPLY_WRONG;
	case VERDICT_DISABLED:
		return REPLY_DISABLED;
	case VERDICT_THROTTLED:
		return REPLY_THROTTLED;
	case VERDICT_NONE:
	case VERDICT_GRANTED:
	case VERDICT_UNAVAILABLE:
	default:
		return REPLY_UNAVAILABLE;
	}
}

static void ask_relay(struct exchange *exchange)
{
	if (auth_grant_ask(exchange) == STATUS_OK) {
		exchange->state = EXCHANGE_GRANTING;
		timer_set(exchange->timer, GRANT_TIMEOUT_MS);
		return;
	}
	log_warning("there is no relay to grant a session to: a login is refused for now");
	refuse_login(exchange, REPLY_UNAVAILABLE);
}

/* A list too long is cut: the user may use less than the configuration says, and hears so when they try. */
static void lend_senders(struct exchange *exchange)
{
	const struct config *config = auth_of(exchange)->role->config;
	enum status status = identity_lend_senders(config, &exchange->ask.decision.identity);
	if (status != STATUS_OK)
		log_warning("senders of %s are left out: %s", exchange->credentials.name, status_text(status));
}

static void on_decided(void *context)
{
	struct exchange *exchange = context;
	const struct decision *decision = &exchange->ask.decision;
	count_login(exchange, decision);
	if (decision->verdict == VERDICT_GRANTED) {
		lend_senders(exchange);
		ask_relay(exchange);
		return;
	}
	auth_grant_report_failure(exchange, span_of(exchange->credentials.name), decision->reason);
	refuse_login(exchange, reply_of(decision->verdict));
}

static void confirm_grant(struct exchange *exchange)
{
	const struct identity *identity = &exchange->ask.decision.identity;
	struct door_sasl_done done = {
		.request = exchange->request,
		.granted = 1,
		.reply = SPAN(REPLY_GRANTED),
		.user = span_of(identity->user),
		.senders = codec_list_of(&identity->senders),
	};
	if (door_send_sasl_done(exchange->gate->door, &done) != STATUS_OK)
		log_debug("a gate is gone before its client heard of its login");
	exchange_free(&exchange);
}

/* ---- credentials */

/* An impossible name is treated as an unknown user. */
static void reject_credentials(struct exchange *exchange, const char *reason)
{
	struct span given = span_slice(secret_reveal(&exchange->sasl.name), 0, NAME_MAXIMUM);
	const struct decision decision = { .verdict = VERDICT_WRONG, .method = STATS_METHOD_NONE };
	count_login(exchange, &decision);
	auth_grant_report_failure(exchange, given, reason);
	refuse_login(exchange, REPLY_WRONG);
}

static void check_credentials(struct exchange *exchange, enum sasl_result result)
{
	struct credentials *credentials = &exchange->credentials;
	exchange->checked_from_ms = now_ms(exchange);
	exchange->state = EXCHANGE_CHECKING;
	timer_clear(exchange->timer);
	if (result == SASL_FORBIDDEN) {
		reject_credentials(exchange, "acting for another user");
		return;
	}
	if (name_canonical(secret_reveal(&exchange->sasl.name), credentials->name) != STATUS_OK) {
		reject_credentials(exchange, "not a user name");
		return;
	}
	credentials->gate = exchange->gate->instance;
	credentials->password = exchange->sasl.password;
	exchange->sasl.password = (struct secret){ 0 };
	snprintf(credentials->address, sizeof(credentials->address), "%.*s",
		 SPAN_ARGS(span_slice(exchange->client.address, 0, sizeof(credentials->address) - 1)));
	chain_begin(&auth_of(exchange)->chain, &exchange->ask, credentials, on_decided, exchange);
}

/* ---- steps */

/* This is no guess, so it is answered at once and not counted; but whoever probes with it shows in the audit. */
static void reject_form(struct exchange *exchange, const char *reply, const char *reason)
{
	auth_grant_report_failure(exchange, (struct span){ 0 }, reason);
	finish_exchange(exchange, reply);
}

static void send_challenge(struct exchange *exchange, const struct buf *bytes)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 2 * SASL_CHALLENGE_MAXIMUM);
	struct door_sasl_challenge message = { .request = exchange->request };
	if (base64_encode(buf_span(bytes), &text) != STATUS_OK) {
		finish_exchange(exchange, REPLY_UNAVAILABLE);
		return;
	}
	message.challenge = buf_span(&text);
	if (door_send_sasl_challenge(exchange->gate->door, &message) != STATUS_OK)
		log_debug("a gate is gone in the middle of a login");
	timer_set(exchange->timer, auth_of(exchange)->role->config->limits.auth_timeout);
}

/* May free the exchange. */
static void advance_mechanism(struct exchange *exchange, const struct span *response)
{
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, SASL_CHALLENGE_MAXIMUM);
	enum sasl_result result = exchange->mechanism->advance(&exchange->sasl, response, &bytes);
	switch (result) {
	case SASL_CHALLENGE:
		send_challenge(exchange, &bytes);
		break;
	case SASL_COMPLETE:
	case SASL_FORBIDDEN:
		check_credentials(exchange, result);
		break;
	case SASL_MALFORMED:
		reject_form(exchange, REPLY_MALFORMED, "malformed response");
		break;
	case SASL_OUT_OF_MEMORY:
	default:
		finish_exchange(exchange, REPLY_UNAVAILABLE);
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
		finish_exchange(exchange, REPLY_UNAVAILABLE);
}

/* ---- the beginning */

static const struct sasl_mechanism *offered(const struct auth *auth, struct span name)
{
	const struct config_list *names = &auth->role->config->auth.mechanisms;
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
	const struct sasl_mechanism *mechanism = offered(gate->auth, message->mechanism);
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
	if (!message->has_initial)
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
		confirm_grant(exchange);
		break;
	}
}

static void refuse_unconfirmed(void *context, struct map_link *link)
{
	(void)context;
	refuse_login(MAP_OWNER(link, struct exchange, by_grant), REPLY_UNAVAILABLE);
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
