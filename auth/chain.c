/* Walking along the back ends, and the throttle around them. */
#include "auth/chain.h"

#include "auth/backend.h"

static const struct backend *const backends[] = { &backend_app_password, &backend_ldap };
_Static_assert(sizeof(backends) / sizeof(backends[0]) == CHAIN_BACKENDS, "CHAIN_BACKENDS counts these rows");

static enum status add_backend(struct chain *chain, const char *name)
{
	for (size_t i = 0; i < CHAIN_BACKENDS; i++) {
		if (!span_equal(span_of(backends[i]->name), span_of(name)))
			continue;
		for (size_t j = 0; j < chain->backend_count; j++)
			if (chain->backends[j] == backends[i])
				return STATUS_INVALID;
		chain->backends[chain->backend_count++] = backends[i];
		return STATUS_OK;
	}
	return STATUS_INVALID;
}

enum status chain_init(struct chain *chain, const struct chain_parts *parts)
{
	const struct config_list *names = &parts->config->auth.backends;
	*chain = (struct chain){ .parts = *parts };
	for (size_t i = 0; i < names->count; i++)
		TRY(add_backend(chain, names->items[i]));
	return STATUS_OK;
}

/* ---- the verdict */

/* False: it can't be counted. Guesses would be unbounded, so the client does not hear whether this one was right. */
static bool count_failure(struct chain_ask *ask)
{
	const struct credentials *credentials = ask->credentials;
	struct chain_parts *parts = &ask->chain->parts;
	return throttle_fail(parts->throttle, credentials->gate, span_of(credentials->address), span_of(ask->user),
			     secret_reveal(&credentials->password), loop_now_ms(parts->loop)) == STATUS_OK;
}

void chain_answer(struct chain_ask *ask, enum verdict verdict, enum stats_method method, const char *reason)
{
	struct decision *decision = &ask->decision;
	decision->verdict = verdict;
	decision->method = method;
	decision->reason = reason;
	if (verdict == VERDICT_WRONG) {
		if (!count_failure(ask)) {
			decision->verdict = VERDICT_THROTTLED;
			decision->reason = "more failures than can be counted";
		}
		if (ask->address_blocked) { /* every other answer would go on telling right guesses from wrong ones */
			decision->verdict = VERDICT_THROTTLED;
			decision->reason = "address throttled";
		}
	}
	ask->on_decided(ask->context);
}

void chain_pass(struct chain_ask *ask, const char *reason)
{
	ask->decision.reason = reason;
	ask->backend++;
	if (ask->backend < ask->chain->backend_count)
		ask->chain->backends[ask->backend]->begin(ask);
	else
		chain_answer(ask, VERDICT_WRONG, STATS_METHOD_NONE, ask->decision.reason);
}

void chain_begin(struct chain *chain, struct chain_ask *ask, const struct credentials *credentials,
		 void (*on_decided)(void *context), void *context)
{
	*ask = (struct chain_ask){
		.chain = chain,
		.credentials = credentials,
		.on_decided = on_decided,
		.context = context,
	};
	identity_init(&ask->decision.identity);
	snprintf(ask->user, sizeof(ask->user), "%s", credentials->name);
	ask->address_blocked = throttle_blocks(chain->parts.throttle, credentials->gate, THROTTLE_ADDRESS,
					       span_of(credentials->address), loop_now_ms(chain->parts.loop));
	if (secret_is_empty(
		    &credentials->password)) /* a directory may take it for an anonymous bind: RFC 4513, 5.1.2 */
		chain_answer(ask, VERDICT_WRONG, STATS_METHOD_NONE, "empty password");
	else if (chain->backend_count == 0)
		chain_answer(ask, VERDICT_WRONG, STATS_METHOD_NONE, "no back end");
	else
		chain->backends[0]->begin(ask);
}

void chain_end(struct chain_ask *ask)
{
	if (ask->chain == NULL)
		return;
	directory_forget(&ask->waiting);
	identity_free(&ask->decision.identity);
	ask->chain = NULL;
}
