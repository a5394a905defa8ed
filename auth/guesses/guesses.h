/*
 * Guesses at passwords. A guess is a distinct pair of user and password, however often and from however many addresses
 * it is tried. A place for it is taken before the directory is asked, in Redis for all nodes together, and given back
 * when it proves right; so no concurrency adds a guess.
 *
 * - At most `per_user` tries of one user reach the directory in a window, and one gate leaves half of them to the
 *   others. A pair that was wrong is refused unasked; it is asked again once a minute at most, and only while more than
 *   half of the places are free. Every try counts until it is older than the window.
 * - From each address at most `per_address` pairs, four times as many from an IPv6 /56 and sixteen times from a /48.
 *   What one gate reports weighs in full for itself, and for the others no more than half of the limit.
 * - A user who logged in from a place (the /24 or /64 of an address) in the last 30 days has further tries from there,
 *   which strangers can't use up, whatever their address may do otherwise.
 *
 * Addresses and names are a gate's word, and a gate may be an attacker's: it can't make the others refuse anybody on
 * its own. While Redis is away, this process counts by itself.
 */
#ifndef AUTH_GUESSES_GUESSES_H
#define AUTH_GUESSES_GUESSES_H

#include "auth/guesses/shared.h"

struct guesses;
struct guess; /* one try: waiting for its place, or holding it */

struct guesses_settings {
	struct loop *loop;
	const struct secret *key; /* of the digests; outlives it */
	struct redis *redis;      /* outlives it */
	const char *prefix;       /* of all keys; outlives it */
	struct guess_limits limits;
};

MUST_USE enum status guesses_create(const struct guesses_settings *settings, struct guesses **out_guesses);
/* NULL-safe; sets to NULL. After all guesses; before the Redis client, and the loop runs no more. */
void guesses_free(struct guesses **guesses);

/*
 * Asks for a place. `on_answer` is called once, maybe before this returns, unless the guess is forgotten before. With
 * GUESS_MAY_ASK the password may be tried, and the guess must be settled then; otherwise it must only be forgotten.
 * GUESS_PENDING: the same pair is being tried, and for too long to wait. STATUS_NO_MEMORY, STATUS_SYSTEM,
 * STATUS_TOO_LARGE: it can't be counted, so it must not be tried.
 */
MUST_USE enum status guesses_begin(struct guesses *guesses, const struct guess_try *try,
				   void (*on_answer)(void *context, enum guess_answer answer), void *context,
				   struct guess **out_guess);
/* How it went; sets to NULL. NULL-safe. */
void guess_settle(struct guess **guess, enum guess_outcome outcome);
/* Nothing was tried; sets to NULL. NULL-safe. */
void guess_forget(struct guess **guess);

/* A login without a guess, such as one by an app password: the place is known from now on. */
void guesses_note_login(struct guesses *guesses, const struct guess_try *try);
/* Whether this process would refuse whatever comes from the address; asks nobody else. */
bool guesses_refuse_address(struct guesses *guesses, struct span address, uint32_t gate);

/*
 * A page of those who are refused; `from` is 0 at first. Without Redis they are those that this process refuses, and
 * one page. `on_done` comes last, maybe before this returns; context must last until then.
 */
MUST_USE enum status guesses_list(struct guesses *guesses, uint64_t from, guess_visit *visit, shared_done *on_done,
				  void *context);
/*
 * Forgives one user, however they are called, one address with the networks around it, or all if both are empty.
 * `on_done` as above, with next -1.
 */
MUST_USE enum status guesses_clear(struct guesses *guesses, struct span user, struct span address, shared_done *on_done,
				   void *context);

#endif
