/* What an exchange says and when, and its end. */
#include "auth/exchange_talk.h"

#include <stdlib.h>

#include "auth/replies.h"
#include "base/base64.h"
#include "base/hash.h"
#include "base/log.h"

static struct auth *auth_of(const struct exchange *exchange)
{
	return exchange->gate->auth;
}

static uint64_t now_ms(const struct exchange *exchange)
{
	return loop_now_ms(auth_of(exchange)->role->loop);
}

/* ---- the check, as it is timed */

/* Directories check so many passwords at a time; where there is none, a check takes no time. */
static size_t count_lanes(const struct exchange *exchange)
{
	const struct config *config = auth_of(exchange)->role->config;
	size_t lanes = 0;
	for (size_t i = 0; i < config->ldap.count; i++)
		lanes += config->ldap.items[i].connections;
	return lanes ? lanes : SIZE_MAX;
}

void exchange_begin_check(struct exchange *exchange)
{
	uint64_t random = 0;
	if (hash_random(&random, sizeof(random)) != STATUS_OK)
		random = exchange->request; /* the draw hides less, and is still the same for all */
	reply_time_begin(&auth_of(exchange)->reply_time, count_lanes(exchange), random, now_ms(exchange),
			 &exchange->draw);
	exchange->state = EXCHANGE_CHECKING;
	timer_clear(exchange->timer);
}

void exchange_end_check(const struct exchange *exchange, bool is_usual)
{
	if (exchange->state == EXCHANGE_CHECKING)
		reply_time_end(&auth_of(exchange)->reply_time, count_lanes(exchange), &exchange->draw, is_usual,
			       now_ms(exchange));
}

/* ---- the end */

void exchange_free(struct exchange **exchange)
{
	struct exchange *ending = *exchange;
	*exchange = NULL;
	if (ending == NULL)
		return;
	exchange_end_check(ending, false);
	if (ending->state == EXCHANGE_GRANTING)
		map_remove(&auth_of(ending)->granting, &ending->by_grant);
	map_remove(&ending->gate->exchanges, &ending->by_request);
	chain_end(&ending->ask);
	timer_free(&ending->timer);
	sasl_state_wipe(&ending->sasl);
	free(ending->holder);
	buf_free(&ending->challenge);
	secret_wipe(&ending->credentials.password);
	arena_reset(&ending->texts);
	free(ending);
}

void exchange_finish(struct exchange *exchange, const char *reply)
{
	auth_gate_refuse(exchange->gate, exchange->request, reply);
	exchange_free(&exchange);
}

void exchange_refuse(struct exchange *exchange, const char *reply)
{
	if (exchange->state == EXCHANGE_GRANTING)
		map_remove(&auth_of(exchange)->granting, &exchange->by_grant);
	exchange->state = EXCHANGE_REFUSED;
	exchange->reply = reply;
	timer_set(exchange->timer, reply_time_left_ms(&exchange->draw, now_ms(exchange)));
}

void exchange_challenge(struct exchange *exchange, const struct buf *bytes)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 2 * SASL_CHALLENGE_MAXIMUM);
	struct door_sasl_challenge message = { .request = exchange->request };
	if (base64_encode(buf_span(bytes), &text) != STATUS_OK) {
		exchange_finish(exchange, REPLY_UNAVAILABLE);
		return;
	}
	message.challenge = buf_span(&text);
	if (door_send_sasl_challenge(exchange->gate->door, &message) != STATUS_OK)
		log_debug("a gate is gone in the middle of a login");
	timer_set(exchange->timer, auth_of(exchange)->role->config->limits.auth_timeout);
}
