/* The rules that a user and a network are counted by. Owns the tries of a subject. */
#include "auth/guesses/subject.h"

#include <stdlib.h>
#include <string.h>

#define TRIES_FIRST 4 /* room for so many at first; most users have one */

static void drop_try(struct subject *subject, size_t index)
{
	memmove(&subject->tries[index], &subject->tries[index + 1],
		(subject->try_count - index - 1) * sizeof(*subject->tries));
	subject->try_count--;
}

void subject_forget_old(struct subject *subject, uint64_t window_ms, uint64_t now_ms)
{
	for (size_t i = subject->try_count; i > 0; i--)
		if (now_ms - subject->tries[i - 1].at_ms >= window_ms)
			drop_try(subject, i - 1);
	if (subject->is_wide && now_ms - subject->began_ms >= window_ms)
		memset(subject->by_gate, 0, sizeof(subject->by_gate));
}

uint64_t subject_failures(const struct subject *subject)
{
	uint64_t failures = subject->try_count;
	for (size_t i = 0; i < SUBJECT_GATES; i++)
		failures += subject->by_gate[i].count;
	return failures;
}

bool subject_is_empty(const struct subject *subject)
{
	return subject_failures(subject) == 0;
}

struct subject_try *subject_find_pair(struct subject *subject, uint64_t pair)
{
	struct subject_try *found = NULL;
	for (size_t i = 0; i < subject->try_count; i++)
		if (subject->tries[i].pair == pair && (!found || subject->tries[i].at_ms >= found->at_ms))
			found = &subject->tries[i];
	return found;
}

enum status subject_add_try(struct subject *subject, const struct subject_try *try)
{
	if (subject->try_count == subject->try_capacity) {
		size_t capacity = subject->try_capacity ? 2 * subject->try_capacity : TRIES_FIRST;
		struct subject_try *tries = reallocarray(subject->tries, capacity, sizeof(*tries));
		if (tries == NULL)
			return STATUS_NO_MEMORY;
		subject->tries = tries;
		subject->try_capacity = capacity;
	}
	subject->tries[subject->try_count++] = *try;
	return STATUS_OK;
}

/*
 * The gate's place in a wide network's count: its own, else a free one, else the last, which those share that no place
 * is left for.
 */
static struct subject_gate *find_gate(struct subject *subject, uint32_t gate)
{
	struct subject_gate *found = NULL;
	for (size_t i = 0; i < SUBJECT_GATES; i++) {
		struct subject_gate *place = &subject->by_gate[i];
		if (place->count && place->gate == gate)
			return place;
		if (!found && !place->count)
			found = place;
	}
	return found ? found : &subject->by_gate[SUBJECT_GATES - 1];
}

void subject_count_gate(struct subject *subject, uint32_t gate)
{
	struct subject_gate *place = find_gate(subject, gate);
	if (place->count == 0)
		place->gate = gate;
	place->count++;
}

void subject_give_back_gate(struct subject *subject, uint32_t gate)
{
	struct subject_gate *place = find_gate(subject, gate);
	if (place->count)
		place->count--;
}

/* ---- limits */

bool subject_has_room(const struct subject *subject, uint64_t limit, uint32_t gate, bool from_known, bool is_again)
{
	uint64_t all = 0, own = 0;
	for (size_t i = 0; i < subject->try_count; i++) {
		const struct subject_try *try = &subject->tries[i];
		all += try->from_known == from_known;
		own += try->from_known == from_known && try->gate == gate;
	}
	return all < limit && own < limit - limit / 2 && !(is_again && 2 * all >= limit);
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t count_tries_of(const struct subject *subject, uint32_t gate)
{
	uint64_t count = 0;
	for (size_t i = 0; i < subject->try_count; i++)
		count += subject->tries[i].gate == gate;
	return count;
}

static bool is_first_of_gate(const struct subject *subject, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (subject->tries[i].gate == subject->tries[index].gate)
			return false;
	return true;
}

bool subject_is_full_for(const struct subject *subject, uint64_t limit, uint32_t gate)
{
	uint64_t share = limit / 2, weight = 0;
	for (size_t i = 0; i < SUBJECT_GATES; i++) {
		const struct subject_gate *some = &subject->by_gate[i];
		weight += some->gate == gate ? some->count : min_of(some->count, share);
	}
	for (size_t i = 0; i < subject->try_count; i++) {
		uint32_t other = subject->tries[i].gate;
		if (other == gate)
			weight++;
		else if (is_first_of_gate(subject, i))
			weight += min_of(count_tries_of(subject, other), share);
	}
	return limit > 0 && weight >= limit;
}

bool subject_is_refused(const struct subject *subject, enum subject_kind kind)
{
	uint64_t limit = subject->limit;
	for (size_t i = 0; i < subject->try_count; i++) {
		uint32_t gate = subject->tries[i].gate;
		if (kind == SUBJECT_USER ? !subject_has_room(subject, limit, gate, false, false)
					 : subject_is_full_for(subject, limit, gate))
			return true;
	}
	for (size_t i = 0; i < SUBJECT_GATES; i++)
		if (subject->by_gate[i].count && subject_is_full_for(subject, limit, subject->by_gate[i].gate))
			return true;
	return false;
}

uint64_t subject_left_ms(const struct subject *subject, uint64_t window_ms, uint64_t now_ms)
{
	uint64_t last_ms = subject->is_wide ? subject->began_ms : 0;
	for (size_t i = 0; i < subject->try_count; i++)
		if (subject->tries[i].at_ms > last_ms)
			last_ms = subject->tries[i].at_ms;
	return last_ms + window_ms > now_ms ? last_ms + window_ms - now_ms : 0;
}

/* ---- how a try went */

/* What is right is no guess, and whatever was thought of it before was too early. */
static bool is_given_back(const struct subject_try *try, const struct guess_claim *claim, enum guess_outcome outcome)
{
	if (outcome == GUESS_RIGHT)
		return try->pair == claim->pair;
	return outcome == GUESS_UNTRIED && try->token == claim->token;
}

static void settle_try(struct subject_try *try, const struct guess_claim *claim, enum guess_outcome outcome,
		       uint64_t now_ms)
{
	if (try->token != claim->token || try->state != TRY_PENDING)
		return;
	if (outcome == GUESS_WRONG) {
		try->state = TRY_WRONG;
		try->at_ms = now_ms;
	} else if (outcome == GUESS_UNKNOWN) {
		try->state = TRY_UNKNOWN;
		try->lease_ms =
			try->lease_ms ? min_of(2 * try->lease_ms, GUESS_UNKNOWN_LAST_MS) : GUESS_UNKNOWN_FIRST_MS;
		try->lease_end_ms = now_ms + try->lease_ms;
	}
}

bool subject_settle(struct subject *subject, const struct guess_claim *claim, enum guess_outcome outcome,
		    uint64_t now_ms, uint32_t *out_gate)
{
	bool given_back = false;
	for (size_t i = subject->try_count; i > 0; i--) {
		struct subject_try *try = &subject->tries[i - 1];
		if (!is_given_back(try, claim, outcome)) {
			settle_try(try, claim, outcome, now_ms);
			continue;
		}
		*out_gate = try->gate;
		given_back = true;
		drop_try(subject, i - 1);
	}
	return given_back;
}
