/* Two bounded tables of counters, one of addresses and one of users, keyed by digests that no outsider can aim at. */
#include "auth/throttle.h"

#include <stdlib.h>
#include <string.h>

#include "auth/cache.h"
#include "base/map.h"
#include "base/pace.h"

#define GUESSES_KEPT 16 /* recent wrong guesses an entry remembers, to count each once */
#define GATES_KEPT 16   /* that an entry tells apart; the others are one */
#define GATE_OTHERS UINT32_MAX
#define MAKERS_KEPT 64 /* gates whose pace is known: more than live at once */

/* Entries that one gate makes: a botnet's, and a fraction of the table in a window. */
static const struct pace_limit making = { .burst = THROTTLE_MAXIMUM / 4, .a_second = 50 };

struct gate_failures {
	uint32_t gate;
	uint32_t count; /* 0: a free place */
};

struct maker {
	uint32_t gate;
	struct pace pace;
};

struct entry {
	struct map_link link;
	struct entry *older, *newer;
	char subject[NAME_SIZE];
	uint64_t limit; /* at so many failures it is refused */
	uint64_t began_ms;
	uint64_t failures;
	struct gate_failures by_gate[GATES_KEPT];
	uint64_t guesses[GUESSES_KEPT]; /* truncated digests, a ring */
};

/* Invariant: every entry stands in the table and in the list oldest..newest, which is in the order of began_ms. */
struct counters {
	struct map table;
	struct entry *oldest, *newest;
	uint64_t limit; /* 0: none */
};

struct throttle {
	struct counters by_kind[2];
	uint64_t window_ms;
	struct secret key;
	struct maker makers[MAKERS_KEPT];
};

enum status throttle_create(const struct throttle_limits *limits, const struct secret *key,
			    struct throttle **out_throttle)
{
	struct throttle *throttle = calloc(1, sizeof(*throttle));
	if (throttle == NULL)
		return STATUS_NO_MEMORY;
	throttle->by_kind[THROTTLE_ADDRESS].limit = limits->per_address;
	throttle->by_kind[THROTTLE_USER].limit = limits->per_user;
	throttle->window_ms = limits->window_ms;
	enum status status = secret_from_span(secret_reveal(key), &throttle->key);
	if (status != STATUS_OK) {
		free(throttle);
		return status;
	}
	*out_throttle = throttle;
	return STATUS_OK;
}

static void drop_entry(struct counters *counters, struct entry *entry)
{
	*(entry->older ? &entry->older->newer : &counters->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &counters->newest) = entry->older;
	map_remove(&counters->table, &entry->link);
	explicit_bzero(entry, sizeof(*entry));
	free(entry);
}

static void drop_expired(struct throttle *throttle, struct counters *counters, uint64_t now_ms)
{
	while (counters->oldest && now_ms - counters->oldest->began_ms >= throttle->window_ms)
		drop_entry(counters, counters->oldest);
}

void throttle_free(struct throttle **throttle)
{
	if (*throttle == NULL)
		return;
	for (int kind = 0; kind < 2; kind++) {
		struct counters *counters = &(*throttle)->by_kind[kind];
		while (counters->oldest)
			drop_entry(counters, counters->oldest);
		map_free(&counters->table);
	}
	secret_wipe(&(*throttle)->key);
	free(*throttle);
	*throttle = NULL;
}

/*
 * What a subject is counted under: an address for its network, and for those of other widths around it. False: there is
 * none of this width.
 */
static bool name_subject(enum throttle_kind kind, struct span subject, unsigned width, char out_name[NAME_SIZE])
{
	if (kind == THROTTLE_ADDRESS)
		return network_of_client_in(subject, width, out_name);
	snprintf(out_name, NAME_SIZE, "%.*s", SPAN_ARGS(span_slice(subject, 0, NAME_MAXIMUM)));
	return width == 0;
}

static enum status digest_parts(const struct throttle *throttle, const struct span *parts, size_t count,
				uint64_t *out_digest)
{
	struct cache_key key;
	TRY(cache_make_key(&throttle->key, parts, count, &key));
	memcpy(out_digest, key.mac, sizeof(*out_digest));
	return STATUS_OK;
}

static struct entry *find_entry(const struct counters *counters, uint64_t hash, const char *subject)
{
	struct map_link *link = map_first(&counters->table, hash);
	for (; link; link = map_next(link)) {
		struct entry *entry = MAP_OWNER(link, struct entry, link);
		if (span_equal(span_of(entry->subject), span_of(subject)))
			return entry;
	}
	return NULL;
}

static enum status add_entry(struct counters *counters, uint64_t hash, const char *subject, uint64_t now_ms,
			     struct entry **out_entry)
{
	if (counters->table.count >= THROTTLE_MAXIMUM)
		drop_entry(counters, counters->oldest);
	struct entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return STATUS_NO_MEMORY;
	enum status status = map_add(&counters->table, &entry->link, hash);
	if (status != STATUS_OK) {
		free(entry);
		return status;
	}
	snprintf(entry->subject, sizeof(entry->subject), "%s", subject);
	entry->began_ms = now_ms;
	entry->older = counters->newest;
	*(counters->newest ? &counters->newest->newer : &counters->oldest) = entry;
	counters->newest = entry;
	*out_entry = entry;
	return STATUS_OK;
}

/* ---- what each gate reports */

/* For clients of this gate; 0: of one that has reported nothing. */
static bool is_refused(const struct entry *entry, uint32_t gate)
{
	uint64_t share = entry->limit / 2, weight = 0;
	for (size_t i = 0; i < GATES_KEPT; i++) {
		const struct gate_failures *some = &entry->by_gate[i];
		weight += some->gate == gate || some->count < share ? some->count : share;
	}
	return weight >= entry->limit;
}

static bool is_refused_anywhere(const struct entry *entry)
{
	for (size_t i = 0; i < GATES_KEPT; i++)
		if (is_refused(entry, entry->by_gate[i].gate))
			return true;
	return false;
}

static void count_for_gate(struct entry *entry, uint32_t gate)
{
	size_t i = 0;
	while (i < GATES_KEPT - 1 && entry->by_gate[i].count && entry->by_gate[i].gate != gate)
		i++;
	entry->by_gate[i].gate = i < GATES_KEPT - 1 ? gate : GATE_OTHERS;
	entry->by_gate[i].count++;
}

/* Its place, or that of whoever has been still for longest. */
static struct maker *find_maker(struct throttle *throttle, uint32_t gate)
{
	struct maker *oldest = &throttle->makers[0];
	for (size_t i = 0; i < MAKERS_KEPT; i++) {
		struct maker *maker = &throttle->makers[i];
		if (maker->gate == gate)
			return maker;
		if (maker->pace.at_ms < oldest->pace.at_ms)
			oldest = maker;
	}
	*oldest = (struct maker){ .gate = gate };
	return oldest;
}

/* ---- limits */

static bool blocks_name(const struct throttle *throttle, uint32_t gate, const struct counters *counters,
			const char *name)
{
	uint64_t hash = 0;
	if (digest_parts(throttle, &(struct span){ name, strlen(name) }, 1, &hash) != STATUS_OK)
		return true; /* can't tell: refuse for now */
	const struct entry *entry = find_entry(counters, hash, name);
	return entry && is_refused(entry, gate);
}

bool throttle_blocks(struct throttle *throttle, uint32_t gate, enum throttle_kind kind, struct span subject,
		     uint64_t now_ms)
{
	struct counters *counters = &throttle->by_kind[kind];
	char name[NAME_SIZE];
	if (counters->limit == 0)
		return false;
	drop_expired(throttle, counters, now_ms);
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
		if (name_subject(kind, subject, width, name) && blocks_name(throttle, gate, counters, name))
			return true;
	return false;
}

/* False: it was counted before. */
static bool count_guess(struct entry *entry, uint32_t gate, uint64_t guess)
{
	for (size_t i = 0; i < GUESSES_KEPT && i < entry->failures; i++)
		if (entry->guesses[i] == guess)
			return false;
	entry->guesses[entry->failures++ % GUESSES_KEPT] = guess;
	count_for_gate(entry, gate);
	return true;
}

/* A wrong guess, as it is counted for each of its names. */
struct guess {
	uint32_t gate;
	uint64_t digest;
	uint64_t now_ms;
};

static enum status make_entry(struct throttle *throttle, struct counters *counters, uint64_t hash, const char *name,
			      const struct guess *guess, struct entry **out_entry)
{
	struct maker *maker = find_maker(throttle, guess->gate);
	if (!pace_take(&maker->pace, &making, 1, guess->now_ms))
		return STATUS_TOO_LARGE;
	return add_entry(counters, hash, name, guess->now_ms, out_entry);
}

static enum status fail_name(struct throttle *throttle, struct counters *counters, const char *name, uint64_t limit,
			     const struct guess *guess, bool *out_new)
{
	uint64_t hash = 0;
	TRY(digest_parts(throttle, &(struct span){ name, strlen(name) }, 1, &hash));
	struct entry *entry = find_entry(counters, hash, name);
	if (entry == NULL)
		TRY(make_entry(throttle, counters, hash, name, guess, &entry));
	entry->limit = limit;
	*out_new = count_guess(entry, guess->gate, guess->digest);
	return STATUS_OK;
}

/* The narrowest network remembers its guesses best: what is old to it is so to those around it. */
static enum status fail_one(struct throttle *throttle, enum throttle_kind kind, struct span subject,
			    const struct guess *guess)
{
	struct counters *counters = &throttle->by_kind[kind];
	char name[NAME_SIZE];
	bool is_new = counters->limit > 0;
	drop_expired(throttle, counters, guess->now_ms);
	for (unsigned width = 0; width < NETWORK_WIDTHS && is_new; width++)
		if (name_subject(kind, subject, width, name))
			TRY(fail_name(throttle, counters, name, counters->limit * network_shares(width), guess,
				      &is_new));
	return STATUS_OK;
}

enum status throttle_fail(struct throttle *throttle, uint32_t gate, struct span address, struct span user,
			  struct span password, uint64_t now_ms)
{
	const struct span parts[] = { address, user, password };
	struct guess guess = { .gate = gate, .now_ms = now_ms };
	TRY(digest_parts(throttle, parts, 3, &guess.digest));
	TRY(fail_one(throttle, THROTTLE_ADDRESS, address, &guess));
	return fail_one(throttle, THROTTLE_USER, user, &guess);
}

void throttle_list(struct throttle *throttle, uint64_t now_ms,
		   void (*visit)(void *context, const struct throttle_row *row), void *context)
{
	for (int kind = 0; kind < 2; kind++) {
		struct counters *counters = &throttle->by_kind[kind];
		drop_expired(throttle, counters, now_ms);
		for (const struct entry *entry = counters->oldest; entry; entry = entry->newer) {
			if (!is_refused_anywhere(entry))
				continue;
			struct throttle_row row = {
				.kind = (enum throttle_kind)kind,
				.subject = entry->subject,
				.failures = entry->failures,
				.left_ms = entry->began_ms + throttle->window_ms - now_ms,
			};
			visit(context, &row);
		}
	}
}

static bool is_named(const struct entry *entry, char names[NETWORK_WIDTHS][NAME_SIZE])
{
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
		if (names[width][0] && span_equal_nocase(span_of(entry->subject), span_of(names[width])))
			return true;
	return false;
}

size_t throttle_clear(struct throttle *throttle, struct span subject, uint64_t now_ms)
{
	size_t cleared = 0;
	for (int kind = 0; kind < 2; kind++) {
		struct counters *counters = &throttle->by_kind[kind];
		char names[NETWORK_WIDTHS][NAME_SIZE] = { 0 };
		for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
			if (!name_subject((enum throttle_kind)kind, subject, width, names[width]))
				names[width][0] = '\0';
		drop_expired(throttle, counters, now_ms);
		struct entry *newer = NULL;
		for (struct entry *entry = counters->oldest; entry; entry = newer) {
			newer = entry->newer;
			if (!span_is_empty(subject) && !is_named(entry, names))
				continue;
			cleared += is_refused_anywhere(entry);
			drop_entry(counters, entry);
		}
	}
	return cleared;
}
