/* Drawing times of replies. Owns nothing; can't fail. */
#include "auth/reply_time.h"

#define COST_AT_FIRST_MS 100 /* a slow hash, before any is known */
#define COST_LEAST_MS 50     /* a busy machine is seldom faster, whatever it was a moment ago */
#define COST_MOST_MS 1000    /* one that waited for something else is no measure */
#define COST_FADES_MS 20000  /* to half */
#define MARGIN 2             /* times what is expected */
#define SPREAD_MS 500        /* nobody sees where it was cut off */

static uint64_t cost_now(const struct reply_time *times, uint64_t now_ms)
{
	uint64_t halvings = (now_ms - times->at_ms) / COST_FADES_MS;
	uint64_t cost_ms = times->cost_ms == 0 ? COST_AT_FIRST_MS : halvings < 32 ? times->cost_ms >> halvings : 0;
	return cost_ms > COST_LEAST_MS ? cost_ms : COST_LEAST_MS;
}

/* How many checks one lane does until this one is done. */
static uint64_t rounds_of(size_t before, size_t lanes)
{
	return before / (lanes ? lanes : 1) + 1;
}

void reply_time_begin(struct reply_time *times, size_t lanes, uint64_t random, uint64_t now_ms,
		      struct reply_draw *out_draw)
{
	uint64_t needed_ms = MARGIN * cost_now(times, now_ms) * rounds_of(times->checking, lanes);
	uint64_t delay_ms = needed_ms > REPLY_LEAST_MS ? needed_ms : REPLY_LEAST_MS;
	*out_draw = (struct reply_draw){
		.from_ms = now_ms,
		.delay_ms = (delay_ms < REPLY_MOST_MS ? delay_ms : REPLY_MOST_MS) + random % SPREAD_MS,
		.before = times->checking++,
	};
}

static void note_cost(struct reply_time *times, uint64_t took_ms, uint64_t now_ms)
{
	uint64_t cost_ms = took_ms < COST_MOST_MS ? took_ms : COST_MOST_MS;
	uint64_t known_ms = cost_now(times, now_ms);
	if (cost_ms <= known_ms)
		return;
	times->cost_ms = known_ms + (cost_ms - known_ms + 1) / 2;
	times->at_ms = now_ms;
}

void reply_time_end(struct reply_time *times, size_t lanes, const struct reply_draw *draw, bool is_usual,
		    uint64_t now_ms)
{
	times->checking--;
	if (is_usual)
		note_cost(times, (now_ms - draw->from_ms) / rounds_of(draw->before, lanes), now_ms);
}

uint64_t reply_time_left_ms(const struct reply_draw *draw, uint64_t now_ms)
{
	return draw->delay_ms - (now_ms - draw->from_ms) % draw->delay_ms;
}

uint64_t reply_time_next_step_ms(struct reply_time *times, uint64_t took_ms, bool is_usual, uint64_t now_ms)
{
	if (is_usual)
		note_cost(times, took_ms, now_ms);
	uint64_t steps = (MARGIN * cost_now(times, now_ms) + REPLY_STEP_MS - 1) / REPLY_STEP_MS;
	uint64_t step_ms = steps * REPLY_STEP_MS;
	return step_ms - took_ms % step_ms;
}
