/*
 * Tries waiting for their place: first here, as the same pair may be under way on this node, then at Redis. Owns the
 * ledger, the known places and the calls; a guess is owned by whoever began it.
 */
#include "auth/guesses/guesses.h"

#include <stdlib.h>
#include <string.h>

#include "auth/guesses/known.h"
#include "base/ascii.h"
#include "base/hash.h"

#define ANOTHER_LOOK_MS 250                /* at a pair that another node is trying */
#define PATIENCE_MS 10000                  /* beyond a lease: several may wait for one another */
#define PAGES_MAXIMUM 1000                 /* of one clearing, whatever Redis says */
#define CLEARED_NAMES (2 + NETWORK_WIDTHS) /* a user's, and those of networks */

struct guesses {
	struct guesses_settings settings;
	struct ledger *ledger;
	struct known_places *known;
	struct shared_guesses *shared;
	struct guess *waiting; /* a list */
	uint64_t last_token;
};

enum guess_state {
	GUESS_WAITS, /* for the same pair's end; in guesses->waiting, and its timer is set */
	GUESS_ASKS,  /* Redis; `call` is under way */
	GUESS_HAS_PLACE,
	GUESS_IS_FREE, /* the same pair has just proved right: it may be tried and holds no place */
	GUESS_IS_OVER, /* refused */
};

struct guess {
	struct guesses *guesses;
	struct guess *next, **link; /* while it waits */
	enum guess_state state;
	struct guess_claim claim;
	struct shared_call *call;
	struct timer *timer;
	uint64_t give_up_ms;
	void (*on_answer)(void *context, enum guess_answer answer);
	void *context;
};

static uint64_t now_ms(const struct guesses *guesses)
{
	return loop_now_ms(guesses->settings.loop);
}

/* ---- making and ending */

static enum status set_up(struct guesses *guesses)
{
	const struct guesses_settings *settings = &guesses->settings;
	const struct shared_settings shared = {
		.redis = settings->redis,
		.prefix = settings->prefix,
		.limits = settings->limits,
	};
	TRY(hash_random(&guesses->last_token, sizeof(guesses->last_token)));
	TRY(ledger_create(&settings->limits, &guesses->ledger));
	TRY(known_create(&guesses->known));
	return shared_create(&shared, &guesses->shared);
}

enum status guesses_create(const struct guesses_settings *settings, struct guesses **out_guesses)
{
	struct guesses *guesses = calloc(1, sizeof(*guesses));
	if (guesses == NULL)
		return STATUS_NO_MEMORY;
	guesses->settings = *settings;
	enum status status = set_up(guesses);
	if (status != STATUS_OK)
		guesses_free(&guesses);
	else
		*out_guesses = guesses;
	return status;
}

void guesses_free(struct guesses **guesses)
{
	if (*guesses == NULL)
		return;
	ledger_free(&(*guesses)->ledger);
	known_free(&(*guesses)->known);
	shared_free(&(*guesses)->shared);
	free(*guesses);
	*guesses = NULL;
}

/* ---- waiting for the same pair */

static void join_waiting(struct guess *guess, uint64_t wait_ms)
{
	struct guesses *guesses = guess->guesses;
	guess->state = GUESS_WAITS;
	guess->next = guesses->waiting;
	guess->link = &guesses->waiting;
	if (guess->next)
		guess->next->link = &guess->next;
	guesses->waiting = guess;
	timer_set(guess->timer, wait_ms);
}

static void leave_waiting(struct guess *guess)
{
	if (guess->state != GUESS_WAITS)
		return;
	*guess->link = guess->next;
	if (guess->next)
		guess->next->link = guess->link;
	timer_clear(guess->timer);
}

static void free_guess(struct guess *guess)
{
	leave_waiting(guess);
	shared_forget(&guess->call);
	timer_free(&guess->timer);
	free(guess);
}

/* Those who wait for the pair look again at once; when it was right, none of them is a guess. */
static void wake_waiting(struct guesses *guesses, uint64_t pair, enum guess_outcome outcome)
{
	for (struct guess *guess = guesses->waiting; guess; guess = guess->next) {
		if (guess->claim.pair != pair)
			continue;
		if (outcome == GUESS_RIGHT)
			guess->claim.token = 0;
		timer_set(guess->timer, 0);
	}
}

/* ---- the answer */

static void answer_guess(struct guess *guess, enum guess_state state, enum guess_answer answer)
{
	guess->state = state;
	guess->on_answer(guess->context, answer);
}

static void take_answer(struct guess *guess, enum guess_answer answer, uint64_t wait_ms)
{
	uint64_t now = now_ms(guess->guesses);
	if (answer == GUESS_PENDING && now < guess->give_up_ms)
		join_waiting(guess, wait_ms < ANOTHER_LOOK_MS ? wait_ms : ANOTHER_LOOK_MS);
	else
		answer_guess(guess, answer == GUESS_MAY_ASK ? GUESS_HAS_PLACE : GUESS_IS_OVER, answer);
}

/* Redis can't tell: this process counts by itself. */
static void ask_ledger(struct guess *guess)
{
	struct guesses *guesses = guess->guesses;
	const struct guess_claim *claim = &guess->claim;
	uint64_t now = now_ms(guesses), wait_ms = 0;
	bool from_known = known_has(guesses->known, claim->user, claim->place, now);
	take_answer(guess, ledger_reserve(guesses->ledger, claim, from_known, now, &wait_ms), wait_ms);
}

static void on_reserved(void *context, bool has_answered, enum guess_answer answer, uint64_t wait_ms)
{
	struct guess *guess = context;
	guess->call = NULL;
	if (!has_answered) {
		ask_ledger(guess);
		return;
	}
	if (answer == GUESS_MAY_ASK)
		ledger_follow(guess->guesses->ledger, &guess->claim, now_ms(guess->guesses));
	else if (answer == GUESS_USER_REFUSED || answer == GUESS_ADDRESS_REFUSED)
		ledger_note_refused(guess->guesses->ledger, &guess->claim, now_ms(guess->guesses));
	take_answer(guess, answer, wait_ms);
}

static void ask_place(struct guess *guess)
{
	struct guesses *guesses = guess->guesses;
	uint64_t wait_ms = 0;
	if (ledger_is_trying(guesses->ledger, &guess->claim, now_ms(guesses), &wait_ms)) {
		if (now_ms(guesses) < guess->give_up_ms)
			join_waiting(guess, wait_ms);
		else
			answer_guess(guess, GUESS_IS_OVER, GUESS_PENDING);
		return;
	}
	guess->state = GUESS_ASKS;
	if (shared_reserve(guesses->shared, &guess->claim, on_reserved, guess, &guess->call) != STATUS_OK)
		ask_ledger(guess);
}

static void look_again(void *context)
{
	struct guess *guess = context;
	leave_waiting(guess);
	if (guess->claim.token == 0)
		answer_guess(guess, GUESS_IS_FREE, GUESS_MAY_ASK);
	else
		ask_place(guess);
}

static enum status make_guess(struct guesses *guesses, const struct guess_try *try, struct guess **out_guess)
{
	struct guess *guess = calloc(1, sizeof(*guess));
	if (guess == NULL)
		return STATUS_NO_MEMORY;
	guess->guesses = guesses;
	enum status status = guess_claim_make(guesses->settings.key, try, &guess->claim);
	if (status == STATUS_OK)
		status = timer_make(guesses->settings.loop, look_again, guess, &guess->timer);
	if (status != STATUS_OK) {
		free(guess);
		return status;
	}
	while (guess->claim.token == 0)
		guess->claim.token = ++guesses->last_token;
	*out_guess = guess;
	return STATUS_OK;
}

enum status guesses_begin(struct guesses *guesses, const struct guess_try *try,
			  void (*on_answer)(void *context, enum guess_answer answer), void *context,
			  struct guess **out_guess)
{
	struct guess *guess = NULL;
	TRY(make_guess(guesses, try, &guess));
	guess->on_answer = on_answer;
	guess->context = context;
	guess->give_up_ms = now_ms(guesses) + guesses->settings.limits.lease_ms + PATIENCE_MS;
	guess->state = GUESS_IS_OVER;
	*out_guess = guess;
	if (ledger_admit(guesses->ledger, &guess->claim, now_ms(guesses)))
		ask_place(guess);
	else
		answer_guess(guess, GUESS_IS_OVER, GUESS_UNCOUNTED);
	return STATUS_OK;
}

/* ---- how it went */

/* Redis hears of a place that was told it long ago, or never as it was away. */
static void tell_place(struct guesses *guesses, const struct guess_claim *claim)
{
	uint64_t now = now_ms(guesses);
	if (known_note(guesses->known, claim->user, claim->place, now) &&
	    shared_settle(guesses->shared, claim, GUESS_RIGHT))
		known_tell(guesses->known, claim->user, claim->place, now);
}

static void settle_place(struct guess *guess, enum guess_outcome outcome)
{
	struct guesses *guesses = guess->guesses;
	const struct guess_claim *claim = &guess->claim;
	ledger_settle(guesses->ledger, claim, outcome, now_ms(guesses));
	bool was_told = shared_settle(guesses->shared, claim, outcome);
	if (outcome == GUESS_RIGHT)
		(void)known_note(guesses->known, claim->user, claim->place, now_ms(guesses));
	if (outcome == GUESS_RIGHT && was_told)
		known_tell(guesses->known, claim->user, claim->place, now_ms(guesses));
	wake_waiting(guesses, claim->pair, outcome);
}

void guess_settle(struct guess **guess, enum guess_outcome outcome)
{
	struct guess *ending = *guess;
	*guess = NULL;
	if (ending == NULL)
		return;
	if (ending->state == GUESS_HAS_PLACE)
		settle_place(ending, outcome);
	else if (ending->state == GUESS_IS_FREE && outcome == GUESS_RIGHT)
		tell_place(ending->guesses, &ending->claim);
	free_guess(ending);
}

void guess_forget(struct guess **guess)
{
	guess_settle(guess, GUESS_UNTRIED);
}

void guesses_note_login(struct guesses *guesses, const struct guess_try *try)
{
	struct guess_claim claim;
	if (guess_claim_make(guesses->settings.key, try, &claim) == STATUS_OK)
		tell_place(guesses, &claim);
}

bool guesses_refuse_address(struct guesses *guesses, struct span address, uint32_t gate)
{
	struct guess_claim claim = { .gate = gate };
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
		if (!network_of_client_in(address, width, claim.networks[width]))
			claim.networks[width][0] = '\0';
	return ledger_refuses_address(guesses->ledger, &claim, now_ms(guesses));
}

/* ---- lists */

enum status guesses_list(struct guesses *guesses, uint64_t from, guess_visit *visit, shared_done *on_done,
			 void *context)
{
	if (redis_is_up(guesses->settings.redis))
		return shared_list(guesses->shared, from, visit, on_done, context);
	ledger_list(guesses->ledger, now_ms(guesses), visit, context);
	on_done(context, true, -1, 0);
	return STATUS_OK;
}

/* A clearing under way, page after page. */
struct clearing {
	struct guesses *guesses;
	char texts[CLEARED_NAMES][NAME_SIZE];
	struct span names[CLEARED_NAMES];
	size_t name_count;
	size_t cleared;
	unsigned pages;
	shared_done *on_done;
	void *context;
};

static void name_cleared(struct clearing *clearing, struct span name)
{
	char *text = clearing->texts[clearing->name_count];
	for (size_t i = 0; i < name.size && i < NAME_MAXIMUM; i++)
		text[i] = ascii_lower(name.data[i]);
	clearing->names[clearing->name_count++] = span_of(text);
}

static void name_all_cleared(struct clearing *clearing, struct span user, struct span address)
{
	char text[NAME_SIZE];
	if (!span_is_empty(user)) {
		name_cleared(clearing, user);
		if (name_canonical(user, text) == STATUS_OK)
			name_cleared(clearing, span_of(text));
	}
	for (unsigned width = 0; width < NETWORK_WIDTHS && !span_is_empty(address); width++)
		if (network_of_client_in(address, width, text))
			name_cleared(clearing, span_of(text));
}

static void finish_clearing(struct clearing *clearing, bool has_answered)
{
	clearing->on_done(clearing->context, has_answered, -1, clearing->cleared);
	free(clearing);
}

static void clear_page(struct clearing *clearing, uint64_t from);

static void on_page_cleared(void *context, bool has_answered, int64_t next, size_t cleared)
{
	struct clearing *clearing = context;
	clearing->cleared += cleared;
	if (has_answered && next >= 0 && ++clearing->pages < PAGES_MAXIMUM)
		clear_page(clearing, (uint64_t)next);
	else
		finish_clearing(clearing, has_answered);
}

static void clear_page(struct clearing *clearing, uint64_t from)
{
	if (shared_clear(clearing->guesses->shared, from, clearing->names, clearing->name_count, on_page_cleared,
			 clearing) != STATUS_OK)
		finish_clearing(clearing, false);
}

enum status guesses_clear(struct guesses *guesses, struct span user, struct span address, shared_done *on_done,
			  void *context)
{
	struct clearing *clearing = calloc(1, sizeof(*clearing));
	if (clearing == NULL)
		return STATUS_NO_MEMORY;
	clearing->guesses = guesses;
	clearing->on_done = on_done;
	clearing->context = context;
	name_all_cleared(clearing, user, address);
	size_t cleared = ledger_clear(guesses->ledger, clearing->names, clearing->name_count, now_ms(guesses));
	if (redis_is_up(guesses->settings.redis)) {
		clear_page(clearing, 0);
		return STATUS_OK;
	}
	clearing->cleared = cleared;
	finish_clearing(clearing, true);
	return STATUS_OK;
}
