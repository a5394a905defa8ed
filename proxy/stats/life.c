/*
 * Life signs. Relaxed atomics suffice, as a sign seen a moment later is a sign. Giving one never fails and never waits.
 */
#include "stats/life.h"

#include <string.h>

#include "base/clock.h"
#include "stats/slab.h"

#define GET(word) atomic_load_explicit(&(word), memory_order_relaxed)
#define SET(word, value) atomic_store_explicit(&(word), (value), memory_order_relaxed)

const char *life_kind_text(enum life_kind kind)
{
	static const char *const texts[LIFE_KIND_COUNT] = {
#define LIFE_KIND(NUMBER, text) text,
		LIFE_KINDS(LIFE_KIND)
#undef LIFE_KIND
	};
	return kind < LIFE_KIND_COUNT ? texts[kind] : "unknown";
}

/* ---- giving signs */

#define LIFE_LEFT UINT64_MAX /* as a kind: nobody's place any more */

static struct life *own; /* one process, one slab */

struct life *stats_life(struct stats *stats)
{
	return &stats->life;
}

void life_clear(struct life *life)
{
	SET(life->beats, 0);
	SET(life->ending, 0);
	SET(life->thread_count, 0);
	for (unsigned i = 0; i < LIFE_THREADS; i++) {
		SET(life->threads[i].kind, 0);
		SET(life->threads[i].until_ms, 0);
	}
}

void life_beat(struct life *life)
{
	atomic_fetch_add_explicit(&life->beats, 1, memory_order_relaxed);
}

void life_end(struct life *life)
{
	SET(life->ending, 1);
}

void life_use(struct life *life)
{
	own = life;
}

/* Of a thread that has ended; NULL: there is none. */
static struct life_thread *take_left_place(uint64_t kind)
{
	uint64_t count = GET(own->thread_count);
	for (uint64_t i = 0; i < count && i < LIFE_THREADS; i++) {
		uint64_t left = LIFE_LEFT;
		if (atomic_compare_exchange_strong_explicit(&own->threads[i].kind, &left, kind, memory_order_relaxed,
							    memory_order_relaxed))
			return &own->threads[i];
	}
	return NULL;
}

struct life_thread *life_join(enum life_kind kind)
{
	struct life_thread *left = own ? take_left_place(kind) : NULL;
	if (left)
		return left;
	uint64_t number = own ? atomic_fetch_add_explicit(&own->thread_count, 1, memory_order_relaxed) : LIFE_THREADS;
	if (number >= LIFE_THREADS)
		return NULL;
	SET(own->threads[number].kind, kind);
	return &own->threads[number];
}

void life_begin(struct life_thread *thread, uint64_t limit_ms)
{
	if (thread)
		SET(thread->until_ms, clock_monotonic_ms() + limit_ms);
}

void life_rest(struct life_thread *thread)
{
	if (thread)
		SET(thread->until_ms, 0);
}

void life_leave(struct life_thread *thread)
{
	if (thread == NULL)
		return;
	SET(thread->until_ms, 0);
	SET(thread->kind, LIFE_LEFT);
}

/* ---- looking at them */

const struct life *stats_life_at(const struct stats *first, unsigned seat)
{
	return &stats_at(first, seat)->life;
}

void life_watch_begin(struct life_watch *watch, uint64_t now_ms)
{
	*watch = (struct life_watch){ .looked_ms = now_ms };
}

/* It is late from the first look that finds it so. */
static void look_at_call(struct life_call *call, uint64_t until_ms, uint64_t now_ms, uint64_t elapsed_ms)
{
	bool same = until_ms == call->until_ms && until_ms != 0;
	call->late_ms = same && now_ms >= until_ms ? call->late_ms + elapsed_ms : 0;
	call->until_ms = until_ms;
}

static void look_at_threads(struct life_watch *watch, const struct life *life, uint64_t now_ms, uint64_t elapsed_ms)
{
	uint64_t count = GET(life->thread_count);
	memset(watch->threads, 0, sizeof(watch->threads));
	memset(watch->stuck, 0, sizeof(watch->stuck));
	watch->latest_ms = 0;
	for (uint64_t i = 0; i < count && i < LIFE_THREADS; i++) {
		uint64_t kind = GET(life->threads[i].kind);
		struct life_call *call = &watch->calls[i];
		look_at_call(call, GET(life->threads[i].until_ms), now_ms, elapsed_ms);
		if (kind >= LIFE_KIND_COUNT)
			continue;
		watch->threads[kind]++;
		watch->stuck[kind] += call->late_ms >= LIFE_STUCK_MS;
		if (call->late_ms > watch->latest_ms)
			watch->latest_ms = call->late_ms;
	}
}

void life_watch_look(struct life_watch *watch, const struct life *life, uint64_t now_ms)
{
	uint64_t elapsed_ms = now_ms - watch->looked_ms;
	uint64_t beats = GET(life->beats);
	if (elapsed_ms > LIFE_LOOK_MOST_MS)
		elapsed_ms = LIFE_LOOK_MOST_MS;
	watch->silent_ms = beats == watch->beats ? watch->silent_ms + elapsed_ms : 0;
	watch->beats = beats;
	watch->ending = GET(life->ending) != 0;
	look_at_threads(watch, life, now_ms, elapsed_ms);
	watch->looked_ms = now_ms;
}

enum life_kind life_watch_lost_kind(const struct life_watch *watch)
{
	for (enum life_kind kind = 0; kind < LIFE_KIND_COUNT; kind++)
		if (watch->threads[kind] && watch->stuck[kind] == watch->threads[kind])
			return kind;
	return LIFE_KIND_COUNT;
}
