/* Rations of records, and the records that count what is left out. Owns a timer. */
#include "relay/rations.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"

/* 25 KB a second and gate in the long run, and 5 a user: a disk of 100 GB lasts weeks, and alarms are heard before. */
static const struct pace_limit gate_limit = { .burst = 3000, .a_second = 50 };
static const struct pace_limit user_limit = { .burst = 1000, .a_second = 10 };

static enum status record_left_out(struct rations *rations, const struct ration *ration, enum audit_type type)
{
	char gate[32] = "";
	if (ration->gate)
		snprintf(gate, sizeof(gate), "gate %" PRIu32, ration->gate);
	const struct audit_event event = {
		.type = type,
		.user = ration->user,
		.reason = SPAN(RATIONS_REASON),
		.count = ration->left_out[type],
		.detail = span_of(gate),
	};
	return audit_submit(rations->audit, &event, NULL, NULL);
}

/* True when it owes nothing any more. */
static bool pay_debt(struct rations *rations, struct ration *ration)
{
	for (unsigned type = 0; type < AUDIT_TYPE_COUNT; type++) {
		if (ration->left_out[type] == 0)
			continue;
		if (record_left_out(rations, ration, (enum audit_type)type) != STATUS_OK)
			return false;
		ration->left_out[type] = 0;
	}
	return true;
}

static void leave_debtors(struct rations *rations, struct ration *ration)
{
	TAILQ_REMOVE(&rations->owing, ration, in_owing);
	ration->owes = false;
}

static void on_minute_over(void *context)
{
	struct rations *rations = context;
	struct ration *next;
	for (struct ration *ration = TAILQ_FIRST(&rations->owing); ration; ration = next) {
		next = TAILQ_NEXT(ration, in_owing);
		if (pay_debt(rations, ration))
			leave_debtors(rations, ration);
	}
	if (!TAILQ_EMPTY(&rations->owing))
		timer_set(rations->timer, RATIONS_MINUTE);
}

enum status rations_begin(struct rations *rations, struct loop *loop, struct audit *audit)
{
	*rations = (struct rations){ .loop = loop, .audit = audit };
	TAILQ_INIT(&rations->owing);
	return timer_make(loop, on_minute_over, rations, &rations->timer);
}

void rations_end(struct rations *rations)
{
	while (rations->timer && !TAILQ_EMPTY(&rations->owing))
		rations_settle(rations, TAILQ_FIRST(&rations->owing));
	timer_free(&rations->timer);
}

static void note_left_out(struct rations *rations, struct ration *ration, enum audit_type type, uint64_t count)
{
	ration->left_out[type] += count < RATIONS_COUNT_MAXIMUM ? count : RATIONS_COUNT_MAXIMUM;
	if (ration->owes)
		return;
	if (TAILQ_EMPTY(&rations->owing))
		timer_set(rations->timer, RATIONS_MINUTE);
	TAILQ_INSERT_TAIL(&rations->owing, ration, in_owing);
	ration->owes = true;
}

bool rations_take(struct rations *rations, struct ration *ration, enum audit_type type, size_t size, uint64_t count)
{
	const struct pace_limit *limit = ration->gate ? &gate_limit : &user_limit;
	if (pace_take(&ration->pace, limit, 1 + size / RATIONS_UNIT, loop_now_ms(rations->loop)))
		return true;
	note_left_out(rations, ration, type, count);
	return false;
}

void rations_settle(struct rations *rations, struct ration *ration)
{
	if (!ration->owes)
		return;
	if (!pay_debt(rations, ration))
		log_error("what %s%.*s caused beyond its ration of records is not recorded",
			  ration->gate ? "a gate" : "", SPAN_ARGS(ration->user));
	leave_debtors(rations, ration);
}
