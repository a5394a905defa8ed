/* The parts that watch over Redis's memory of counts, put together. Owns receipts, replay and rebuild. */
#include "quota/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "quota/quota_private.h"
#include "quota/rebuild.h"
#include "quota/receipts.h"
#include "quota/replay.h"

#define ROLLING_DAY_S 86400U

struct memory {
	struct loop *loop;
	struct redis *redis;
	struct marker_waiter waiter; /* of a new connection */
	struct marker *marker;
	char *prefix;
	struct receipts receipts;
	struct replay replay;
	struct rebuild rebuild;
	void (*on_old)(void *context, struct span name, struct span token);
	void *context;
	bool is_rolling;
	char why[MARKER_WAITING_SIZE];
};

static void tell_old(void *context, struct span name, struct span token)
{
	struct memory *memory = context;
	if (memory->on_old)
		memory->on_old(memory->context, name, token);
}

static void on_refused(void *context)
{
	struct memory *memory = context;
	marker_report_loss(memory->marker, "it would not take the last charges once more");
}

static enum status set_up_memory(struct memory *memory, struct redis *redis)
{
	memory->replay = (struct replay){
		.loop = memory->loop,
		.redis = redis,
		.prefix = memory->prefix,
		.receipts = &memory->receipts,
		.on_refused = on_refused,
		.context = memory,
	};
	memory->rebuild = (struct rebuild){
		.loop = memory->loop, .redis = redis, .prefix = memory->prefix, .receipts = &memory->receipts
	};
	TRY(receipts_init(&memory->receipts, tell_old, memory));
	TRY(replay_init(&memory->replay));
	return rebuild_init(&memory->rebuild);
}

enum status memory_create(struct loop *loop, struct redis *redis, const char *prefix, struct marker *marker,
			  struct memory **out_memory)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	if (memory == NULL)
		return STATUS_NO_MEMORY;
	memory->loop = loop;
	memory->redis = redis;
	memory->marker = marker;
	memory->prefix = strdup(prefix);
	enum status status = memory->prefix ? set_up_memory(memory, redis) : STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		memory_free(&memory);
		return status;
	}
	*out_memory = memory;
	return STATUS_OK;
}

void memory_free(struct memory **memory)
{
	if (*memory == NULL)
		return;
	(*memory)->on_old = NULL;
	loop_forget_turn_end((*memory)->loop, &(*memory)->rebuild.start);
	replay_close(&(*memory)->replay);
	receipts_clear(&(*memory)->receipts);
	free((*memory)->prefix);
	free(*memory);
	*memory = NULL;
}

void memory_roll_days(struct memory *memory)
{
	memory->is_rolling = true;
}

/* Of a memory that lacks this node's counts nothing is repeated: the last charges are brought with all others. */
static void on_looked(void *context, enum marker_verdict verdict)
{
	struct memory *memory = context;
	bool is_gone = verdict == MARKER_UNKNOWN && !redis_is_up(memory->redis);
	memory->replay.is_under_way = false;
	if (!is_gone && !marker_wants_counts(memory->marker))
		replay_begin(&memory->replay);
}

void memory_lose_connection(struct memory *memory)
{
	receipts_keep_old(&memory->receipts, true);
}

void memory_take_connection(struct memory *memory)
{
	if (memory->waiter.waits)
		return;
	memory->replay.is_under_way = true;
	if (marker_confirm(memory->marker, &memory->waiter, on_looked, memory) != STATUS_OK)
		replay_begin(&memory->replay);
}

enum status memory_do_without(struct memory *memory, struct span node)
{
	return marker_do_without(memory->marker, node);
}

/* ---- charges */

bool memory_may_charge(struct memory *memory, struct span *out_why)
{
	if (memory->replay.is_under_way) {
		*out_why = memory->replay.put_off[0] ? span_of(memory->replay.put_off)
						     : SPAN("the last charges are being repeated");
		return false;
	}
	if (marker_is_sound(memory->marker))
		return true;
	marker_explain(memory->marker, memory->why);
	*out_why = span_of(memory->why);
	return false;
}

void memory_follow(struct memory *memory)
{
	marker_check(memory->marker);
}

enum status memory_confirm(struct memory *memory, struct marker_waiter *waiter,
			   void (*callback)(void *context, enum marker_verdict verdict), void *context)
{
	return marker_confirm(memory->marker, waiter, callback, context);
}

/* Without memory for it the charge would not be repeated: a loss of just that charge goes unseen. */
void memory_note(struct memory *memory, const struct quota_order *order, struct span name, const char *app_password,
		 uint64_t ends_s)
{
	struct receipts_entry charge = {
		.ends_s = ends_s,
		.recipients = order->recipients,
		.bytes = order->bytes,
		.name = name,
		.token = order->token,
	};
	snprintf(charge.app_password, sizeof(charge.app_password), "%s", app_password);
	if (!receipts_add(&memory->receipts, &charge, loop_now_ms(memory->loop)))
		return;
}

void memory_settle(struct memory *memory, struct span name, struct span token)
{
	if (marker_wants_counts(memory->marker)) /* the audit may be read from before its record to after its time */
		receipts_keep_old(&memory->receipts, true);
	receipts_settle(&memory->receipts, name, token, loop_now_ms(memory->loop));
}

void memory_drop(struct memory *memory, struct span name, struct span token)
{
	receipts_drop(&memory->receipts, name, token);
}

void memory_tell_old(struct memory *memory, void (*on_old)(void *context, struct span name, struct span token),
		     void *context)
{
	memory->on_old = on_old;
	memory->context = context;
}

/* ---- bringing counts */

uint64_t memory_counts_since(const struct memory *memory)
{
	uint64_t numbers[QUOTA_DAY_NUMBERS];
	uint64_t now_s = clock_wall_us() / 1000000;
	if (memory->is_rolling)
		return now_s - ROLLING_DAY_S;
	quota_day_numbers(now_s, numbers);
	return numbers[QUOTA_DAY_TODAY];
}

bool memory_has_days(const struct memory *memory)
{
	return !memory->is_rolling;
}

void memory_bring(struct memory *memory, const struct memory_bringing *bringing)
{
	rebuild_begin(&memory->rebuild, bringing);
}

static struct span message_of(struct span token)
{
	size_t size = token.size;
	while (size > 0 && token.data[size - 1] != '-')
		size--;
	return span_slice(token, 0, size ? size - 1 : 0);
}

void memory_visit_charges(struct memory *memory,
			  bool (*visit)(void *context, const struct receipts_entry *charge, struct span message),
			  void *context)
{
	struct receipts_entry *entry = TAILQ_FIRST(&memory->receipts.entries);
	for (; entry; entry = TAILQ_NEXT(entry, in_order))
		entry->is_recorded = visit(context, entry, message_of(entry->token));
}
