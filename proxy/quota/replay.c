/* The replay: some receipts at once, so that no turn of the loop gets long. Borrows all but its script. */
#include "quota/replay.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "quota/quota_private.h"
#include "redis/script.h"

#define CALLS 64                                /* at once */
#define ARGUMENTS (1 + QUOTA_DAY_NUMBERS + OWN) /* of the script, its key included */
#define OWN 5                                   /* of each charge */
#define AGAIN_MS 1000                           /* until Redis may take what it could not */

static const char source[] =
#include "quota/day.lua.h"

#include "quota/past.lua.h"

#include "quota/replay.lua.h"
	;

static void send_more(struct replay *replay);

static void begin_again(void *context)
{
	replay_begin(context);
}

enum status replay_init(struct replay *replay)
{
	TRY(redis_script_init(&replay->script, source));
	return timer_make(replay->loop, begin_again, replay, &replay->retry);
}

void replay_close(struct replay *replay)
{
	timer_free(&replay->retry);
}

static void take_refusal(struct replay *replay, const struct redis_value *value)
{
	if (redis_value_changed_nothing(value))
		snprintf(replay->put_off, sizeof(replay->put_off), "the last charges can't be repeated yet: %.*s",
			 SPAN_ARGS(redis_value_error(value)));
	else
		replay->on_refused(replay->context);
}

static void on_replayed(void *context, enum status status, const struct redis_value *value)
{
	struct replay *replay = context;
	replay->pending--;
	if (status == STATUS_OK && redis_value_type(value) == REDIS_INTEGER) {
		replay->missing += (uint64_t)redis_value_integer(value);
	} else {
		replay->has_failed = true;
		if (status == STATUS_OK)
			take_refusal(replay, value);
	}
	if (replay->pending == 0)
		send_more(replay);
}

static enum status send_entry(struct replay *replay, const struct receipts_entry *entry)
{
	uint64_t numbers[QUOTA_DAY_NUMBERS];
	char days[QUOTA_DAY_NUMBERS][SCRIPT_NUMBER_SIZE], texts[3][SCRIPT_NUMBER_SIZE];
	struct span arguments[ARGUMENTS];
	struct buf key BUF_AUTO;
	size_t count = 1;
	buf_init(&key, QUOTA_KEY_MAXIMUM);
	TRY(quota_write_key(&key, replay->prefix, "quota", entry->name));
	arguments[0] = buf_span(&key);
	quota_day_numbers(clock_wall_us() / 1000000, numbers);
	for (size_t i = 0; i < QUOTA_DAY_NUMBERS; i++)
		arguments[count++] = script_write_number(numbers[i], days[i]);
	arguments[count++] = entry->token;
	arguments[count++] = script_write_number(entry->recipients, texts[0]);
	arguments[count++] = script_write_number(entry->bytes, texts[1]);
	arguments[count++] = script_write_number(entry->ends_s, texts[2]);
	arguments[count++] = entry->app_password[0] ? span_of(entry->app_password) : SPAN("-");
	return redis_run_script(replay->redis, &replay->script, arguments, count, 1, QUOTA_CALL_MS, on_replayed,
				replay);
}

/* What Redis can't take now stays to be told, and nothing is charged before that. */
static void end_replay(struct replay *replay)
{
	if (replay->put_off[0]) {
		timer_set(replay->retry, AGAIN_MS);
		return;
	}
	replay->is_under_way = false;
	receipts_keep_old(replay->receipts, replay->has_failed);
	if (replay->missing)
		log_warning("Redis had lost %" PRIu64 " charges of the last seconds: they were charged again",
			    replay->missing);
}

static void send_more(struct replay *replay)
{
	while (replay->pending < CALLS && !replay->has_failed) {
		const struct receipts_entry *entry = receipts_next(replay->receipts);
		if (entry == NULL)
			break;
		if (entry->is_brought)
			continue; /* it is in what was brought, though its token may not be in Redis */
		replay->has_failed = send_entry(replay, entry) != STATUS_OK;
		replay->pending += !replay->has_failed;
	}
	if (replay->pending == 0)
		end_replay(replay);
}

void replay_begin(struct replay *replay)
{
	replay->is_under_way = true;
	replay->has_failed = false;
	replay->missing = 0;
	replay->put_off[0] = '\0';
	timer_clear(replay->retry);
	receipts_keep_old(replay->receipts, true);
	receipts_rewind(replay->receipts);
	send_more(replay);
}
