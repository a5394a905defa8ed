/* An exchange's evidence goes to the chain, and its verdict to the relay or to the client. */
#include "auth/exchange_judge.h"

#include "auth/credentials.h"
#include "auth/exchange_talk.h"
#include "auth/grant.h"
#include "auth/replies.h"
#include "base/log.h"

static struct auth *auth_of(const struct exchange *exchange)
{
	return exchange->gate->auth;
}

static uint64_t now_ms(const struct exchange *exchange)
{
	return loop_now_ms(auth_of(exchange)->role->loop);
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
			 now_ms(exchange) - exchange->draw.from_ms);
}

static void ask_relay(struct exchange *exchange)
{
	if (auth_grant_ask(exchange) == STATUS_OK) {
		exchange->state = EXCHANGE_GRANTING;
		timer_set(exchange->timer, GRANT_TIMEOUT_MS);
		return;
	}
	auth_grant_note_unheard(auth_of(exchange),
				"there is no relay to grant a session to: a login is refused for now");
	exchange_refuse(exchange, REPLY_UNAVAILABLE);
}

static void obey_lock(struct exchange *exchange)
{
	struct decision *decision = &exchange->ask.decision;
	const struct identity *identity = &decision->identity;
	if (!locks_hold(auth_of(exchange)->locks, span_of(identity->id), span_of(identity->user)))
		return;
	decision->verdict = VERDICT_DISABLED;
	decision->reason = "locked by an administrator";
}

/* Nobody may act for another user. The password was right, so that this is no guess. */
static void check_authority(struct exchange *exchange)
{
	struct decision *decision = &exchange->ask.decision;
	struct span wanted = span_of(exchange->credentials.authority);
	if (span_is_empty(wanted) || span_equal(wanted, span_of(exchange->credentials.name)) ||
	    identity_answers_to(&decision->identity, wanted))
		return;
	decision->verdict = VERDICT_WRONG;
	decision->reason = "acting for another user";
}

/* Our own proof goes to a client that proved a password, and its answer, which is empty, lets it in. */
static void tell_proof(struct exchange *exchange)
{
	struct buf text BUF_AUTO;
	buf_init(&text, SASL_CHALLENGE_MAXIMUM);
	if (scram_write_final(exchange->sasl.scram, exchange->ask.decision.server_key, &text) != STATUS_OK) {
		exchange_refuse(exchange, REPLY_UNAVAILABLE);
		return;
	}
	exchange->state = EXCHANGE_PROVED;
	exchange_challenge(exchange, &text);
}

static bool is_revoked(const struct exchange *exchange)
{
	const char *id = exchange->ask.decision.app_password_id;
	const struct app_password *password = store_find(auth_of(exchange)->store, span_of(id));
	return password == NULL || password->is_revoked;
}

/* The client took its time to answer: its right may be gone. */
void exchange_take_proof_answer(struct exchange *exchange)
{
	struct decision *decision = &exchange->ask.decision;
	obey_lock(exchange);
	if (decision->verdict == VERDICT_GRANTED && is_revoked(exchange)) {
		decision->verdict = VERDICT_WRONG;
		decision->reason = "app password revoked";
	}
	if (decision->verdict == VERDICT_GRANTED) {
		ask_relay(exchange);
		return;
	}
	auth_grant_report_failure(exchange, span_of(exchange->credentials.name), decision->reason);
	exchange_refuse(exchange, auth_reply_of(decision->verdict));
}

/* The console's client gets a session of the admin role, and no grant to send mail. */
static void tell_person(struct exchange *exchange)
{
	const struct decision *decision = &exchange->ask.decision;
	struct door_person person = {
		.request = exchange->request,
		.user = span_of(decision->identity.user),
		.user_id = span_of(decision->identity.id),
		.login = span_of(exchange->credentials.name),
		.rights = exchange->rights,
		.app_password_id = span_of(decision->app_password_id),
		.groups = codec_list_of(&decision->identity.groups),
	};
	if (door_send_person(exchange->gate->door, &person) != STATUS_OK)
		log_debug("admin is gone before it heard of a login");
	exchange_free(&exchange);
}

static void tell_granted(struct exchange *exchange)
{
	if (exchange->gate->is_console)
		tell_person(exchange);
	else if (exchange->mechanism->evidence == SASL_PROOF)
		tell_proof(exchange);
	else
		ask_relay(exchange);
}

static void on_decided(void *context)
{
	struct exchange *exchange = context;
	const struct decision *decision = &exchange->ask.decision;
	/* How long a directory takes to be away says nothing of how long it takes to answer; nor does a provider. */
	exchange_end_check(exchange, decision->verdict != VERDICT_UNAVAILABLE && decision->method != STATS_METHOD_OIDC);
	if (decision->verdict == VERDICT_GRANTED)
		obey_lock(exchange);
	if (decision->verdict == VERDICT_GRANTED)
		check_authority(exchange);
	count_login(exchange, decision);
	if (decision->verdict == VERDICT_GRANTED) {
		exchange->rights = decision->rights
					   ? decision->rights
					   : identity_rights(auth_of(exchange)->role->config, &decision->identity);
		if (auth_grant_prepare(exchange) == STATUS_OK)
			tell_granted(exchange);
		else
			exchange_refuse(exchange, REPLY_UNAVAILABLE);
		return;
	}
	auth_grant_report_failure(exchange, span_of(exchange->credentials.name), decision->reason);
	exchange_refuse(exchange, auth_reply_of(decision->verdict));
}

void exchange_confirm_grant(struct exchange *exchange)
{
	const struct identity *identity = &exchange->ask.decision.identity;
	struct door_sasl_done done = {
		.request = exchange->request,
		.granted = 1,
		.reply = SPAN(REPLY_GRANTED),
		.user = span_of(identity->user),
		.senders_bind = buf_size(&exchange->ask.decision.scope.senders) > 0,
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
	exchange_end_check(exchange, false);
	exchange_refuse(exchange, REPLY_WRONG);
}

/*
 * The time tells no more than the salt does: not whether a directory had to be asked for whom the name means, or was
 * asked lately.
 */
static uint64_t time_salt(struct exchange *exchange)
{
	uint64_t now = now_ms(exchange);
	bool is_usual = exchange->ask.identified != IDENTIFIED_WHILE_AWAY;
	if (auth_of(exchange)->role->config->ldap.count == 0)
		return 1;
	return reply_time_next_step_ms(&auth_of(exchange)->salt_time, now - exchange->draw.from_ms, is_usual, now);
}

static void on_salt(void *context, const unsigned char *salt, uint32_t iterations)
{
	struct exchange *exchange = context;
	exchange_end_check(exchange, false);
	buf_init(&exchange->challenge, SASL_CHALLENGE_MAXIMUM);
	exchange->state = EXCHANGE_SALTED;
	if (scram_write_first(exchange->sasl.scram, salt, iterations, &exchange->challenge) != STATUS_OK)
		exchange_refuse(exchange, REPLY_UNAVAILABLE);
	else
		timer_set(exchange->timer, time_salt(exchange));
}

void exchange_judge_proof(struct exchange *exchange)
{
	exchange_begin_check(exchange);
	chain_judge_proof(&exchange->ask);
}

static void ask_chain(struct exchange *exchange)
{
	struct chain *chain = &auth_of(exchange)->chain;
	struct credentials *credentials = &exchange->credentials;
	if (credentials->kind == CREDENTIALS_PROOF)
		chain_begin_proof(chain, &exchange->ask, credentials, on_salt, on_decided, exchange);
	else
		chain_begin(chain, &exchange->ask, credentials, on_decided, exchange);
}

void exchange_judge(struct exchange *exchange, enum sasl_result result)
{
	struct credentials *credentials = &exchange->credentials;
	exchange_begin_check(exchange);
	if (result == SASL_FORBIDDEN) {
		reject_credentials(exchange, "not bound to this connection");
		return;
	}
	const char *fault = credentials_take(exchange);
	if (fault) {
		reject_credentials(exchange, fault);
		return;
	}
	credentials->gate = exchange->gate->instance;
	credentials->for_console = exchange->gate->is_console;
	snprintf(credentials->address, sizeof(credentials->address), "%.*s",
		 SPAN_ARGS(span_slice(exchange->client.address, 0, sizeof(credentials->address) - 1)));
	ask_chain(exchange);
}
