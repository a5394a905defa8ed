/* Trials of a chain, in a list. Each owns its question, and, once abandoned, its guess. */
#include "auth/trial.h"

#include <stdlib.h>

/* Invariant: exactly one of `ask` and `guess` is set. */
struct trial {
	struct chain *chain;
	struct trial *next, **link; /* in chain->trials */
	struct chain_ask *ask;      /* NULL: abandoned */
	struct guess *guess;
	struct directory_ask *waiting;
	void (*on_answer)(struct chain_ask *ask, const struct ldap_request *answer);
};

static void free_trial(struct trial *trial)
{
	*trial->link = trial->next;
	if (trial->next)
		trial->next->link = trial->link;
	free(trial);
}

static enum guess_outcome outcome_of(const struct ldap_request *answer)
{
	switch (answer->verdict) {
	case VERDICT_GRANTED:
	case VERDICT_DISABLED:
	case VERDICT_MUST_CHANGE:
	case VERDICT_APP_PASSWORD:
		return GUESS_RIGHT;
	case VERDICT_WRONG:
		return GUESS_WRONG;
	case VERDICT_NONE: /* another directory may know the user, but nobody asks it any more */
		return answer->is_other ? GUESS_UNTRIED : GUESS_WRONG;
	case VERDICT_UNAVAILABLE:
	case VERDICT_THROTTLED:
	default:
		return answer->was_tried ? GUESS_UNKNOWN : GUESS_UNTRIED;
	}
}

static void take_answer(void *context, const struct ldap_request *answer)
{
	struct trial *trial = context;
	struct chain_ask *ask = trial->ask;
	void (*on_answer)(struct chain_ask *, const struct ldap_request *) = trial->on_answer;
	if (ask == NULL)
		guess_settle(&trial->guess, outcome_of(answer));
	free_trial(trial);
	if (ask == NULL)
		return;
	ask->trial = NULL;
	on_answer(ask, answer);
}

static struct trial *make_trial(struct chain_ask *ask)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	if (trial == NULL)
		return NULL;
	trial->chain = ask->chain;
	trial->ask = ask;
	trial->next = ask->chain->trials;
	trial->link = &ask->chain->trials;
	if (trial->next)
		trial->next->link = &trial->next;
	ask->chain->trials = trial;
	return trial;
}

enum status trial_begin(struct chain_ask *ask,
			void (*on_answer)(struct chain_ask *ask, const struct ldap_request *answer))
{
	const struct credentials *credentials = ask->credentials;
	struct directory *directory = ask->chain->parts.directories[ask->directory];
	struct trial *trial = make_trial(ask);
	if (trial == NULL)
		return STATUS_NO_MEMORY;
	trial->on_answer = on_answer;
	enum status status = directory_question(directory, credentials->gate, credentials->name, ask->user,
						&credentials->password, take_answer, trial, &trial->waiting);
	if (status != STATUS_OK)
		free_trial(trial);
	else
		ask->trial = trial;
	return status;
}

void trial_abandon(struct chain_ask *ask)
{
	if (ask->trial == NULL)
		return;
	ask->trial->ask = NULL;
	ask->trial->guess = ask->guess;
	ask->trial = NULL;
	ask->guess = NULL;
}

void trials_end(struct chain *chain)
{
	while (chain->trials) {
		struct trial *trial = chain->trials;
		directory_forget(&trial->waiting);
		guess_settle(&trial->guess, GUESS_UNKNOWN);
		free_trial(trial);
	}
}
