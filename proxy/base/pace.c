/* The token bucket, as a debt that time pays off. */
#include "base/pace.h"

#define UNIT 1000U /* of the debt: one a second is one thousandth a millisecond */

static uint64_t debt_at(const struct pace *pace, const struct pace_limit *limit, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms > pace->at_ms ? now_ms - pace->at_ms : 0;
	if (limit->a_second == 0)
		return pace->debt;
	if (passed_ms >= pace->debt / limit->a_second + 1)
		return 0;
	return pace->debt - passed_ms * limit->a_second;
}

void pace_charge(struct pace *pace, const struct pace_limit *limit, uint64_t units, uint64_t now_ms)
{
	pace->debt = debt_at(pace, limit, now_ms) + units * UNIT;
	pace->at_ms = now_ms;
}

bool pace_take(struct pace *pace, const struct pace_limit *limit, uint64_t units, uint64_t now_ms)
{
	if (units > limit->burst || debt_at(pace, limit, now_ms) > (limit->burst - units) * UNIT)
		return false;
	pace_charge(pace, limit, units, now_ms);
	return true;
}

void pace_give_back(struct pace *pace, uint64_t units)
{
	uint64_t debt = units * UNIT;
	pace->debt = pace->debt > debt ? pace->debt - debt : 0;
}

uint64_t pace_wait_ms(const struct pace *pace, const struct pace_limit *limit, uint64_t now_ms)
{
	uint64_t room = limit->burst ? (limit->burst - 1) * UNIT : 0;
	uint64_t debt = debt_at(pace, limit, now_ms);
	if (debt <= room)
		return 0;
	return limit->a_second ? (debt - room + limit->a_second - 1) / limit->a_second : UINT64_MAX;
}
