/* Which numbers Redis acknowledged lately, and when: what it may lack after a new connection, and what it must not. */
#include <string.h>

#include "quota/marker_private.h"

#define APART_MS 1000 /* between two entries, at least */

static struct marker_acknowledged *entry_at(struct marker_history *history, size_t back)
{
	return &history->ring[(history->next + MARKER_HISTORY - back) % MARKER_HISTORY];
}

uint64_t marker_history_last(const struct marker_history *history)
{
	return history->ring[(history->next + MARKER_HISTORY - 1) % MARKER_HISTORY].number;
}

/* The last entry is always the newest number. */
void marker_history_note(struct marker_history *history, uint64_t number, uint64_t now_ms)
{
	struct marker_acknowledged *newest = entry_at(history, 1);
	if (newest->number && now_ms - entry_at(history, 2)->at_ms < APART_MS) {
		*newest = (struct marker_acknowledged){ number, now_ms };
		return;
	}
	history->ring[history->next] = (struct marker_acknowledged){ number, now_ms };
	history->next = (history->next + 1) % MARKER_HISTORY;
}

uint64_t marker_history_oldest_repeated(const struct marker_history *history)
{
	uint64_t last_ms = history->ring[(history->next + MARKER_HISTORY - 1) % MARKER_HISTORY].at_ms, number = 0;
	for (size_t i = 0; i < MARKER_HISTORY; i++) {
		const struct marker_acknowledged *entry = &history->ring[i];
		if (entry->at_ms + MARKER_REPLAYED_MS <= last_ms && entry->number > number)
			number = entry->number;
	}
	return number;
}

void marker_history_forget(struct marker_history *history)
{
	memset(history, 0, sizeof(*history));
}
