/*
 * What was seen lately of each user: counts, for an early refusal, and the tokens
 * that Redis may forget. A table of rows of four; a full row loses its oldest
 * entry, which costs an early refusal or some bytes in Redis, never a wrong count.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "quota/quota_private.h"

#define ROWS 1024 /* a power of two; with four entries each enough for 4,096 active users */
#define ROW_ENTRIES 4
#define FRESH_MS 5000                        /* a count older than this refuses nobody */
#define SETTLED_TOGETHER (QUOTA_SETTLED / 2) /* fewer wait for more, or for the end of the day */

struct recent_entry {
	char *user; /* NULL: free */
	struct quota_state state;
	uint64_t seen_ms; /* 0: the counts are not known */
	uint64_t used_ms; /* when the entry was last touched */
	char settled[QUOTA_SETTLED][QUOTA_TOKEN_MAXIMUM];
	unsigned settled_count;
};

struct quota_recent {
	struct recent_entry *rows[ROWS]; /* each ROW_ENTRIES long, or NULL */
	uint64_t turn;                   /* counts touches: the age of entries */
};

enum status quota_recent_create(struct quota_recent **out_recent)
{
	*out_recent = calloc(1, sizeof(**out_recent));
	return *out_recent ? STATUS_OK : STATUS_NO_MEMORY;
}

void quota_recent_free(struct quota_recent **recent)
{
	if (*recent == NULL)
		return;
	for (size_t i = 0; i < ROWS; i++) {
		for (size_t j = 0; (*recent)->rows[i] && j < ROW_ENTRIES; j++)
			free((*recent)->rows[i][j].user);
		free((*recent)->rows[i]);
	}
	free(*recent);
	*recent = NULL;
}

/* Spreads names over rows; a crowded row is harmless. */
static size_t row_of(struct span user)
{
	uint64_t hash = fnv_hash(user);
	return (hash ^ (hash >> 32)) & (ROWS - 1);
}

static struct recent_entry *find_entry(const struct quota_recent *recent, struct span user)
{
	struct recent_entry *row = recent->rows[row_of(user)];
	for (size_t i = 0; row && i < ROW_ENTRIES; i++) {
		if (row[i].user && span_equal(span_of(row[i].user), user))
			return &row[i];
	}
	return NULL;
}

static struct recent_entry *oldest_of(struct recent_entry *row)
{
	struct recent_entry *oldest = &row[0];
	for (size_t i = 0; i < ROW_ENTRIES; i++) {
		if (row[i].user == NULL)
			return &row[i];
		if (row[i].used_ms < oldest->used_ms)
			oldest = &row[i];
	}
	return oldest;
}

/* The user's entry, made where there is none; NULL out of memory. */
static struct recent_entry *touch_entry(struct quota_recent *recent, struct span user)
{
	struct recent_entry *entry = find_entry(recent, user);
	struct recent_entry **row = &recent->rows[row_of(user)];
	if (entry == NULL) {
		char *name = span_to_string(user);
		if (*row == NULL)
			*row = calloc(ROW_ENTRIES, sizeof(**row));
		if (name == NULL || *row == NULL) {
			free(name);
			return NULL;
		}
		entry = oldest_of(*row);
		free(entry->user);
		*entry = (struct recent_entry){ .user = name };
	}
	entry->used_ms = ++recent->turn;
	return entry;
}

void quota_recent_note(struct quota_recent *recent, struct span user, const struct quota_state *state, uint64_t now_ms)
{
	struct recent_entry *entry = touch_entry(recent, user);
	if (entry) {
		entry->state = *state;
		entry->seen_ms = now_ms;
	}
}

bool quota_recent_get(const struct quota_recent *recent, struct span user, uint64_t now_ms,
		      struct quota_state *out_state)
{
	const struct recent_entry *entry = find_entry(recent, user);
	if (entry == NULL || entry->seen_ms == 0 || now_ms - entry->seen_ms >= FRESH_MS)
		return false;
	*out_state = entry->state;
	return true;
}

void quota_recent_forget(struct quota_recent *recent, struct span user)
{
	struct recent_entry *entry = find_entry(recent, user);
	if (entry)
		entry->seen_ms = 0;
}

void quota_recent_settle(struct quota_recent *recent, struct span user, struct span token)
{
	struct recent_entry *entry = touch_entry(recent, user);
	if (entry == NULL || entry->settled_count == QUOTA_SETTLED || token.size >= QUOTA_TOKEN_MAXIMUM)
		return;
	char *at = entry->settled[entry->settled_count++];
	memcpy(at, token.data, token.size);
	at[token.size] = '\0';
}

size_t quota_recent_take_settled(struct quota_recent *recent, struct span user, bool at_once,
				 struct span out_tokens[QUOTA_SETTLED])
{
	struct recent_entry *entry = find_entry(recent, user);
	if (entry == NULL || (!at_once && entry->settled_count < SETTLED_TOGETHER))
		return 0;
	size_t count = entry->settled_count;
	for (size_t i = 0; i < count; i++)
		out_tokens[i] = span_of(entry->settled[i]);
	entry->settled_count = 0;
	return count;
}
