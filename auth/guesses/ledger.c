/* The tables of what is counted in memory, and a pace for each gate. Owns its subjects. */
#include "auth/guesses/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/pace.h"

#define MAKERS_KEPT 64 /* gates whose pace is known: more than live at once */

/* Records that one gate makes: a botnet's, and a fraction of the table in a window. */
static const struct pace_limit making = { .burst = LEDGER_MAXIMUM / 4, .a_second = 50 };

struct maker {
	uint32_t gate;
	struct pace pace;
};

/* Invariant: every subject stands in the table and in the list oldest..newest, in the order of their last change. */
struct subjects {
	struct map table;
	struct subject *oldest, *newest;
};

struct ledger {
	struct guess_limits limits;
	struct subjects by_kind[SUBJECT_KINDS];
	struct maker makers[MAKERS_KEPT];
};

uint64_t guess_limit_of_known(const struct guess_limits *limits)
{
	return limits->per_user > 1 ? limits->per_user - 1 : limits->per_user;
}

/* 0: none, and nothing is counted. */
static uint64_t limit_of_user(const struct ledger *ledger, const struct guess_claim *claim)
{
	return claim->is_for_user ? ledger->limits.per_user : 0;
}

/* ---- subjects */

static void unlink_subject(struct subjects *subjects, struct subject *subject)
{
	*(subject->older ? &subject->older->newer : &subjects->oldest) = subject->newer;
	*(subject->newer ? &subject->newer->older : &subjects->newest) = subject->older;
}

static void append_subject(struct subjects *subjects, struct subject *subject)
{
	subject->newer = NULL;
	subject->older = subjects->newest;
	*(subjects->newest ? &subjects->newest->newer : &subjects->oldest) = subject;
	subjects->newest = subject;
}

static void free_subject(struct subject *subject)
{
	free(subject->tries);
	free(subject->name);
	free(subject->typed);
	free(subject);
}

static void drop_subject(struct subjects *subjects, struct subject *subject)
{
	unlink_subject(subjects, subject);
	map_remove(&subjects->table, &subject->link);
	free_subject(subject);
}

/* As it stands now; NULL: nothing counts. */
static struct subject *find_subject(struct ledger *ledger, enum subject_kind kind, const char *name, uint64_t now_ms)
{
	struct subjects *subjects = &ledger->by_kind[kind];
	struct map_link *link = map_first(&subjects->table, map_hash_text(&subjects->table, span_of(name)));
	for (; link; link = map_next(link)) {
		struct subject *subject = MAP_OWNER(link, struct subject, link);
		if (strcmp(subject->name, name) != 0)
			continue;
		subject_forget_old(subject, ledger->limits.window_ms, now_ms);
		return subject;
	}
	return NULL;
}

static struct subject *make_subject(struct subjects *subjects, const char *name)
{
	struct subject *subject = calloc(1, sizeof(*subject));
	if (subject == NULL)
		return NULL;
	subject->name = strdup(name);
	if (subject->name == NULL ||
	    map_add(&subjects->table, &subject->link, map_hash_text(&subjects->table, span_of(name))) != STATUS_OK) {
		free_subject(subject);
		return NULL;
	}
	append_subject(subjects, subject);
	return subject;
}

/* To be changed; NULL: out of memory. */
static struct subject *touch_subject(struct ledger *ledger, enum subject_kind kind, const char *name, uint64_t now_ms)
{
	struct subjects *subjects = &ledger->by_kind[kind];
	struct subject *subject = find_subject(ledger, kind, name, now_ms);
	if (subject) {
		unlink_subject(subjects, subject);
		append_subject(subjects, subject);
		return subject;
	}
	for (unsigned i = 0; i < 2 && subjects->oldest; i++) { /* more than one, so that the table shrinks again */
		subject_forget_old(subjects->oldest, ledger->limits.window_ms, now_ms);
		if (subjects->table.count >= LEDGER_MAXIMUM || subject_is_empty(subjects->oldest))
			drop_subject(subjects, subjects->oldest);
	}
	return make_subject(subjects, name);
}

static void drop_if_empty(struct ledger *ledger, enum subject_kind kind, struct subject *subject)
{
	if (subject && subject_is_empty(subject))
		drop_subject(&ledger->by_kind[kind], subject);
}

/* ---- making and ending */

enum status ledger_create(const struct guess_limits *limits, struct ledger **out_ledger)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	if (ledger == NULL)
		return STATUS_NO_MEMORY;
	ledger->limits = *limits;
	for (size_t i = 0; i < SUBJECT_KINDS; i++) {
		enum status status = map_init(&ledger->by_kind[i].table);
		if (status != STATUS_OK) {
			free(ledger);
			return status;
		}
	}
	*out_ledger = ledger;
	return STATUS_OK;
}

void ledger_free(struct ledger **ledger)
{
	if (*ledger == NULL)
		return;
	for (size_t i = 0; i < SUBJECT_KINDS; i++) {
		struct subjects *subjects = &(*ledger)->by_kind[i];
		while (subjects->oldest)
			drop_subject(subjects, subjects->oldest);
		map_free(&subjects->table);
	}
	free(*ledger);
	*ledger = NULL;
}

/* ---- what gates cause */

/* Its place, or that of whoever has been still for longest. */
static struct maker *find_maker(struct ledger *ledger, uint32_t gate)
{
	struct maker *oldest = &ledger->makers[0];
	for (size_t i = 0; i < MAKERS_KEPT; i++) {
		struct maker *maker = &ledger->makers[i];
		if (maker->gate == gate)
			return maker;
		if (maker->pace.at_ms < oldest->pace.at_ms)
			oldest = maker;
	}
	*oldest = (struct maker){ .gate = gate };
	return oldest;
}

bool ledger_admit(struct ledger *ledger, struct guess_claim *claim, uint64_t now_ms)
{
	const struct guess_limits *limits = &ledger->limits;
	bool has_user = limit_of_user(ledger, claim) == 0 || find_subject(ledger, SUBJECT_USER, claim->user, now_ms);
	bool has_network =
		limits->per_address == 0 || find_subject(ledger, SUBJECT_NETWORK, claim->networks[0], now_ms);
	if (has_user && has_network)
		return true;
	claim->is_charged = pace_take(&find_maker(ledger, claim->gate)->pace, &making, 1, now_ms);
	return claim->is_charged;
}

/* ---- taking a place */

/* NULL: nothing counts. */
static struct subject *find_user(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms)
{
	return limit_of_user(ledger, claim) ? find_subject(ledger, SUBJECT_USER, claim->user, now_ms) : NULL;
}

/* Of this width; NULL: nothing counts. */
static struct subject *find_network(struct ledger *ledger, const struct guess_claim *claim, unsigned width,
				    uint64_t now_ms)
{
	return claim->networks[width][0] ? find_subject(ledger, SUBJECT_NETWORK, claim->networks[width], now_ms) : NULL;
}

bool ledger_refuses_address(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms)
{
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++) {
		const struct subject *network = find_network(ledger, claim, width, now_ms);
		uint64_t limit = ledger->limits.per_address * network_shares(width);
		if (network && subject_is_full_for(network, limit, claim->gate))
			return true;
	}
	return false;
}

static bool count_at_network(struct ledger *ledger, const struct guess_claim *claim, unsigned width,
			     const struct subject_try *try)
{
	struct subject *network = touch_subject(ledger, SUBJECT_NETWORK, claim->networks[width], try->at_ms);
	if (network == NULL)
		return false;
	network->limit = ledger->limits.per_address * network_shares(width);
	if (width == 0)
		return subject_add_try(network, try) == STATUS_OK;
	if (subject_is_empty(network))
		network->began_ms = try->at_ms;
	network->is_wide = true;
	subject_count_gate(network, claim->gate);
	return true;
}

/* For each network once, whoever tried it; what is old to the narrowest one is old to those around it. */
static bool count_at_networks(struct ledger *ledger, const struct guess_claim *claim, const struct subject_try *try)
{
	if (ledger->limits.per_address == 0 || ledger_refuses_address(ledger, claim, try->at_ms))
		return true;
	struct subject *narrowest = find_network(ledger, claim, 0, try->at_ms);
	if (narrowest && subject_find_pair(narrowest, claim->pair))
		return true;
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
		if (claim->networks[width][0] && !count_at_network(ledger, claim, width, try))
			return false;
	return true;
}

static void keep_typed(struct subject *user, const char *typed)
{
	char *copy = user->typed && strcmp(user->typed, typed) == 0 ? NULL : strdup(typed);
	if (copy == NULL) /* the same, or else the last one is shown */
		return;
	free(user->typed);
	user->typed = copy;
}

static bool count_for_user(struct ledger *ledger, const struct guess_claim *claim, const struct subject_try *try)
{
	if (limit_of_user(ledger, claim) == 0)
		return true;
	struct subject *user = touch_subject(ledger, SUBJECT_USER, claim->user, try->at_ms);
	if (user == NULL)
		return false;
	user->limit = ledger->limits.per_user;
	keep_typed(user, claim->typed);
	return subject_add_try(user, try) == STATUS_OK;
}

static struct subject_try make_try(const struct ledger *ledger, const struct guess_claim *claim, bool from_known,
				   uint64_t now_ms)
{
	return (struct subject_try){
		.pair = claim->pair,
		.token = claim->token,
		.at_ms = now_ms,
		.lease_end_ms = now_ms + ledger->limits.lease_ms,
		.gate = claim->gate,
		.from_known = from_known,
	};
}

static enum guess_answer take_place(struct ledger *ledger, const struct guess_claim *claim, bool from_known,
				    uint64_t now_ms)
{
	const struct subject_try try = make_try(ledger, claim, from_known, now_ms);
	if (!count_for_user(ledger, claim, &try) || !count_at_networks(ledger, claim, &try))
		return GUESS_UNCOUNTED;
	return GUESS_MAY_ASK;
}

static void take_over_try(struct subject_try *try, const struct subject_try *anew)
{
	uint64_t lease_ms = try->lease_ms;
	bool from_known = try->from_known;
	*try = *anew;
	try->lease_ms = lease_ms;
	try->from_known = from_known;
}

void ledger_note_refused(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms)
{
	struct subject_try try = make_try(ledger, claim, false, now_ms);
	try.state = TRY_WRONG;
	(void)count_at_networks(ledger, claim, &try);
}

/* For a place that is not one of a known one's. */
static enum guess_answer judge_stranger(struct ledger *ledger, const struct guess_claim *claim,
					const struct subject *user, bool is_again, uint64_t now_ms)
{
	uint64_t limit = limit_of_user(ledger, claim);
	bool has_room = limit == 0 || user == NULL || subject_has_room(user, limit, claim->gate, false, is_again);
	if (is_again && !has_room)
		return GUESS_WRONG_AGAIN;
	if (ledger_refuses_address(ledger, claim, now_ms))
		return GUESS_ADDRESS_REFUSED;
	if (has_room)
		return GUESS_MAY_ASK;
	ledger_note_refused(ledger, claim, now_ms);
	return GUESS_USER_REFUSED;
}

enum guess_answer ledger_reserve(struct ledger *ledger, const struct guess_claim *claim, bool from_known,
				 uint64_t now_ms, uint64_t *out_wait_ms)
{
	struct subject *user = find_user(ledger, claim, now_ms);
	struct subject_try *last = user ? subject_find_pair(user, claim->pair) : NULL;
	if (last && last->state != TRY_WRONG) {
		if (now_ms < last->lease_end_ms) {
			*out_wait_ms = last->lease_end_ms - now_ms;
			return GUESS_PENDING;
		}
		const struct subject_try anew = make_try(ledger, claim, false, now_ms);
		take_over_try(last, &anew);
		return GUESS_MAY_ASK;
	}
	if (last && now_ms - last->at_ms < GUESS_AGAIN_MS)
		return GUESS_WRONG_AGAIN;
	if (from_known && user &&
	    !subject_has_room(user, guess_limit_of_known(&ledger->limits), claim->gate, true, last != NULL))
		from_known = false;
	enum guess_answer answer =
		from_known ? GUESS_MAY_ASK : judge_stranger(ledger, claim, user, last != NULL, now_ms);
	return answer == GUESS_MAY_ASK ? take_place(ledger, claim, from_known, now_ms) : answer;
}

void ledger_follow(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms)
{
	struct subject *user = find_user(ledger, claim, now_ms);
	struct subject_try *last = user ? subject_find_pair(user, claim->pair) : NULL;
	const struct subject_try anew = make_try(ledger, claim, false, now_ms);
	if (last && last->state != TRY_WRONG)
		take_over_try(last, &anew);
	else if (user == NULL || user->try_count < 2 * ledger->limits.per_user)
		(void)count_for_user(ledger, claim, &anew);
	(void)count_at_networks(ledger, claim, &anew);
}

/* ---- how it went */

static bool settle_at(struct ledger *ledger, enum subject_kind kind, struct subject *subject,
		      const struct guess_claim *claim, enum guess_outcome outcome, uint64_t now_ms, uint32_t *out_gate)
{
	bool given_back = subject && subject_settle(subject, claim, outcome, now_ms, out_gate);
	drop_if_empty(ledger, kind, subject);
	return given_back;
}

void ledger_settle(struct ledger *ledger, const struct guess_claim *claim, enum guess_outcome outcome, uint64_t now_ms)
{
	uint32_t gate = 0;
	if (claim->is_charged && (outcome == GUESS_RIGHT || outcome == GUESS_UNTRIED))
		pace_give_back(&find_maker(ledger, claim->gate)->pace, 1);
	struct subject *user = find_subject(ledger, SUBJECT_USER, claim->user, now_ms);
	(void)settle_at(ledger, SUBJECT_USER, user, claim, outcome, now_ms, &gate);
	struct subject *narrowest = find_network(ledger, claim, 0, now_ms);
	if (!settle_at(ledger, SUBJECT_NETWORK, narrowest, claim, outcome, now_ms, &gate))
		return;
	for (unsigned width = 1; width < NETWORK_WIDTHS; width++) {
		struct subject *network = find_network(ledger, claim, width, now_ms);
		if (network)
			subject_give_back_gate(network, gate);
		drop_if_empty(ledger, SUBJECT_NETWORK, network);
	}
}

bool ledger_is_trying(struct ledger *ledger, const struct guess_claim *claim, uint64_t now_ms, uint64_t *out_wait_ms)
{
	struct subject *user = find_user(ledger, claim, now_ms);
	const struct subject_try *try = user ? subject_find_pair(user, claim->pair) : NULL;
	if (try == NULL || try->state != TRY_PENDING || now_ms >= try->lease_end_ms)
		return false;
	*out_wait_ms = try->lease_end_ms - now_ms;
	return true;
}

/* ---- lists */

void ledger_list(struct ledger *ledger, uint64_t now_ms, guess_visit *visit, void *context)
{
	for (size_t kind = 0; kind < SUBJECT_KINDS; kind++) {
		for (struct subject *s = ledger->by_kind[kind].oldest; s; s = s->newer) {
			subject_forget_old(s, ledger->limits.window_ms, now_ms);
			const struct guess_row row = {
				.is_user = kind == SUBJECT_USER,
				.name = span_of(s->name),
				.typed = span_of(s->typed ? s->typed : s->name),
				.failures = subject_failures(s),
				.left_ms = subject_left_ms(s, ledger->limits.window_ms, now_ms),
			};
			if (subject_is_refused(s, (enum subject_kind)kind))
				visit(context, &row);
		}
	}
}

static bool has_name(const struct subject *subject, const struct span *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_equal_nocase(span_of(subject->name), names[i]) ||
		    (subject->typed && span_equal_nocase(span_of(subject->typed), names[i])))
			return true;
	return count == 0;
}

size_t ledger_clear(struct ledger *ledger, const struct span *names, size_t count, uint64_t now_ms)
{
	size_t cleared = 0;
	for (size_t kind = 0; kind < SUBJECT_KINDS; kind++) {
		struct subjects *subjects = &ledger->by_kind[kind];
		struct subject *newer = NULL;
		for (struct subject *subject = subjects->oldest; subject; subject = newer) {
			newer = subject->newer;
			if (!has_name(subject, names, count))
				continue;
			subject_forget_old(subject, ledger->limits.window_ms, now_ms);
			cleared += subject_is_refused(subject, (enum subject_kind)kind);
			drop_subject(subjects, subject);
		}
	}
	return cleared;
}
