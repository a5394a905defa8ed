/* Walking along the back ends, and the guesses counted around them. */
#include "auth/chain.h"

#include "auth/backend.h"
#include "auth/trial.h"

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

/* ---- guesses */

static struct guess_try describe_try(const struct chain_ask *ask, const char *user, bool is_directory_asked)
{
	const struct credentials *credentials = ask->credentials;
	return (struct guess_try){
		.user = user,
		.typed = credentials->typed[0] ? credentials->typed : credentials->name,
		.password = secret_reveal(&credentials->password),
		.address = span_of(credentials->address),
		.gate = credentials->gate,
		.is_directory_asked = is_directory_asked,
	};
}

static void answer_uncounted(struct chain_ask *ask, enum verdict verdict, const char *reason)
{
	guess_forget(&ask->guess);
	ask->was_counted = true;
	chain_answer(ask, verdict, STATS_METHOD_LDAP, reason);
}

static void on_place(void *context, enum guess_answer answer)
{
	struct chain_ask *ask = context;
	switch (answer) {
	case GUESS_MAY_ASK:
		ask->on_place(ask);
		break;
	case GUESS_WRONG_AGAIN:
		answer_uncounted(ask, VERDICT_WRONG, "wrong password, as before");
		break;
	case GUESS_USER_REFUSED:
		answer_uncounted(ask, VERDICT_THROTTLED, "user throttled");
		break;
	case GUESS_ADDRESS_REFUSED:
		answer_uncounted(ask, VERDICT_THROTTLED, "address throttled");
		break;
	case GUESS_PENDING:
		answer_uncounted(ask, VERDICT_UNAVAILABLE, "the same password is being tried");
		break;
	case GUESS_UNCOUNTED:
	default:
		answer_uncounted(ask, VERDICT_THROTTLED, "more failures than can be counted");
		break;
	}
}

void chain_take_place(struct chain_ask *ask, void (*when_taken)(struct chain_ask *ask))
{
	const struct guess_try try = describe_try(ask, ask->user, true);
	guess_forget(&ask->guess);
	ask->on_place = when_taken;
	if (guesses_begin(ask->chain->parts.guesses, &try, on_place, ask, &ask->guess) != STATUS_OK)
		on_place(ask, GUESS_UNCOUNTED);
}

static enum guess_outcome outcome_of(const struct chain_ask *ask)
{
	switch (ask->decision.verdict) {
	case VERDICT_GRANTED:
	case VERDICT_DISABLED:
	case VERDICT_MUST_CHANGE:
	case VERDICT_APP_PASSWORD:
		return GUESS_RIGHT;
	case VERDICT_WRONG:
		return GUESS_WRONG;
	case VERDICT_NONE:
	case VERDICT_UNAVAILABLE:
	case VERDICT_THROTTLED:
	default:
		return ask->was_tried ? GUESS_UNKNOWN : GUESS_UNTRIED;
	}
}

/* ---- the verdict */

static void note_place(struct chain_ask *ask, const char *name)
{
	const struct guess_try try = describe_try(ask, name, false);
	guesses_note_login(ask->chain->parts.guesses, &try);
}

/* Under the name that was typed as well: guesses count for that one until a directory says whose it is. */
static void note_places(struct chain_ask *ask)
{
	const char *typed = ask->credentials->name, *user = ask->decision.identity.user;
	if (ask->guess == NULL)
		note_place(ask, user);
	if (*typed && strcmp(typed, user) != 0)
		note_place(ask, typed);
}

static void end_ask(struct chain_ask *ask)
{
	if (ask->decision.verdict == VERDICT_GRANTED)
		note_places(ask);
	guess_settle(&ask->guess, outcome_of(ask));
	ask->on_decided(ask->context);
}

/* Guesses would be unbounded, so the client does not hear whether this one was right. */
static void refuse_uncounted(struct chain_ask *ask, const char *reason)
{
	ask->decision.verdict = VERDICT_THROTTLED;
	ask->decision.reason = reason;
}

static void on_counted(void *context, enum guess_answer answer)
{
	struct chain_ask *ask = context;
	if (answer == GUESS_ADDRESS_REFUSED)
		refuse_uncounted(ask, "address throttled");
	else if (answer == GUESS_UNCOUNTED)
		refuse_uncounted(ask, "more failures than can be counted");
	if (answer != GUESS_MAY_ASK)
		guess_forget(&ask->guess);
	end_ask(ask);
}

/* No directory was asked, so it counts for the address alone. */
static void count_failure(struct chain_ask *ask)
{
	const struct guess_try try = describe_try(ask, ask->user, false);
	ask->was_counted = true;
	if (guesses_begin(ask->chain->parts.guesses, &try, on_counted, ask, &ask->guess) != STATUS_OK)
		on_counted(ask, GUESS_UNCOUNTED);
}

void chain_answer(struct chain_ask *ask, enum verdict verdict, enum stats_method method, const char *reason)
{
	struct decision *decision = &ask->decision;
	decision->verdict = verdict;
	decision->method = method;
	decision->reason = reason;
	if (verdict == VERDICT_WRONG && ask->is_guess && ask->guess == NULL && !ask->was_counted)
		count_failure(ask);
	else
		end_ask(ask);
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

/* Nothing is guessed here, so nothing is counted. */
static void begin_proved(struct chain_ask *ask, const struct backend *backend)
{
	ask->backend = ask->chain->backend_count; /* none after it */
	backend->begin(ask);
}

static void init_ask(struct chain *chain, struct chain_ask *ask, struct credentials *credentials,
		     void (*on_decided)(void *context), void *context)
{
	*ask = (struct chain_ask){
		.chain = chain,
		.credentials = credentials,
		.on_decided = on_decided,
		.context = context,
	};
	identity_init(&ask->decision.identity);
	scope_init(&ask->decision.scope);
	identity_init(&ask->claims);
	ask->is_guess = credentials->kind == CREDENTIALS_PASSWORD;
	snprintf(ask->user, sizeof(ask->user), "%s", credentials->name);
}

void chain_begin_proof(struct chain *chain, struct chain_ask *ask, struct credentials *credentials,
		       void (*on_salt)(void *context, const unsigned char *salt, uint32_t iterations),
		       void (*on_decided)(void *context), void *context)
{
	init_ask(chain, ask, credentials, on_decided, context);
	ask->on_salt = on_salt;
	begin_proved(ask, &backend_proof);
}

static const struct backend *backend_of_proof(const struct credentials *credentials)
{
	if (credentials->kind == CREDENTIALS_CODE)
		return &backend_code;
	return credentials->kind == CREDENTIALS_TOKEN ? &backend_token : &backend_certificate;
}

void chain_begin(struct chain *chain, struct chain_ask *ask, struct credentials *credentials,
		 void (*on_decided)(void *context), void *context)
{
	init_ask(chain, ask, credentials, on_decided, context);
	if (credentials->kind != CREDENTIALS_PASSWORD) {
		begin_proved(ask, backend_of_proof(credentials));
		return;
	}
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
	store_forget_waiter(&ask->store_waiter);
	trial_abandon(ask);
	guess_forget(&ask->guess);
	last_words_forget(&ask->recalling);
	bearer_forget(&ask->bearer);
	sign_in_forget(&ask->sign_in);
	identity_free(&ask->decision.identity);
	scope_free(&ask->decision.scope);
	identity_free(&ask->claims);
	ask->chain = NULL;
}

void chain_stop(struct chain *chain)
{
	trials_end(chain);
}
