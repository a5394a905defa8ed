/* The rebuild: parts as their owner hands them out, and with each the user's charges that may yet be given back. */
#include "quota/rebuild.h"

#include "base/clock.h"
#include "quota/quota_private.h"
#include "redis/script.h"

#define CALLS 64 /* at once */
#define TOKENS 6 /* of a user; a further one is not given back when it fails, which is never over quota */
#define NUMBERS (QUOTA_DAY_NUMBERS + 4 + 2 * TOKENS)
#define ARGUMENTS (1 + NUMBERS + 3 + TOKENS)

static const char source[] =
#include "quota/day.lua.h"

#include "quota/rebuilt.lua.h"

#include "quota/past.lua.h"

#include "quota/rebuild.lua.h"
	;

/* The script's arguments, and the numbers among them as text. */
struct writing {
	struct span arguments[ARGUMENTS];
	size_t count;
	char numbers[NUMBERS][SCRIPT_NUMBER_SIZE];
	size_t number_count;
};

static void send_more(struct rebuild *rebuild);

static void start_sending(void *context)
{
	send_more(context);
}

enum status rebuild_init(struct rebuild *rebuild)
{
	rebuild->start = (struct turn_end){ .run = start_sending, .context = rebuild };
	return redis_script_init(&rebuild->script, source);
}

/* The first reason tells. */
static void note_failure(struct rebuild *rebuild, enum status status, const struct redis_value *value)
{
	if (!rebuild->has_failed)
		script_explain(status, value, rebuild->why);
	rebuild->has_failed = true;
}

static void on_brought(void *context, enum status status, const struct redis_value *value)
{
	struct rebuild *rebuild = context;
	rebuild->pending--;
	if (status != STATUS_OK || redis_value_type(value) != REDIS_INTEGER)
		note_failure(rebuild, status, value);
	if (rebuild->pending == 0)
		send_more(rebuild);
}

static void add_number(struct writing *writing, uint64_t number)
{
	writing->arguments[writing->count++] = script_write_number(number, writing->numbers[writing->number_count++]);
}

/* What is of a day before the part's is in none of its numbers. */
static bool is_of_former_day(const struct receipts_entry *entry, const struct memory_part *part)
{
	return entry->ends_s + QUOTA_DAY_LEAST_S <= part->ends_s;
}

/* Those that the part counts. */
static void add_tokens(const struct rebuild *rebuild, const struct memory_part *part, struct writing *writing)
{
	const struct receipts_entry *entry = TAILQ_FIRST(&rebuild->receipts->entries);
	for (size_t count = 0; entry; entry = TAILQ_NEXT(entry, in_order)) {
		if (entry->is_settled || entry->is_recorded == part->is_pending ||
		    !span_equal(entry->name, part->name) || is_of_former_day(entry, part))
			continue;
		writing->arguments[writing->count++] = entry->token;
		add_number(writing, entry->recipients);
		add_number(writing, entry->bytes);
		if (++count == TOKENS)
			return;
	}
}

static enum status send_part(struct rebuild *rebuild, const struct memory_part *part)
{
	uint64_t days[QUOTA_DAY_NUMBERS];
	struct writing writing;
	struct buf key BUF_AUTO;
	buf_init(&key, QUOTA_KEY_MAXIMUM);
	TRY(quota_write_key(&key, rebuild->prefix, "quota", part->name));
	writing.count = writing.number_count = 0;
	writing.arguments[writing.count++] = buf_span(&key);
	quota_day_numbers(clock_wall_us() / 1000000, days);
	for (size_t i = 0; i < QUOTA_DAY_NUMBERS; i++)
		add_number(&writing, days[i]);
	writing.arguments[writing.count++] = span_of(rebuild->bringing.id);
	writing.arguments[writing.count++] =
		span_of(part->is_pending ? rebuild->bringing.process : rebuild->bringing.node);
	add_number(&writing, part->messages);
	add_number(&writing, part->recipients);
	add_number(&writing, part->bytes);
	writing.arguments[writing.count++] = part->passwords;
	add_number(&writing, part->ends_s);
	add_tokens(rebuild, part, &writing);
	return redis_run_script(rebuild->redis, &rebuild->script, writing.arguments, writing.count, 1, QUOTA_CALL_MS,
				on_brought, rebuild);
}

static void send_more(struct rebuild *rebuild)
{
	struct memory_part part;
	while (rebuild->pending < CALLS && !rebuild->has_failed && !rebuild->has_all) {
		enum status status = STATUS_END;
		if (rebuild->bringing.next(rebuild->bringing.context, &part))
			status = send_part(rebuild, &part);
		if (status == STATUS_OK)
			rebuild->pending++;
		else if (status == STATUS_END)
			rebuild->has_all = true;
		else
			note_failure(rebuild, status, NULL);
	}
	if (rebuild->pending)
		return;
	rebuild->is_under_way = false;
	if (!rebuild->has_failed) {
		receipts_note_brought(rebuild->receipts);
		receipts_keep_old(rebuild->receipts, false);
	}
	rebuild->bringing.on_done(rebuild->bringing.context, rebuild->has_failed ? rebuild->why : NULL);
}

void rebuild_begin(struct rebuild *rebuild, const struct memory_bringing *bringing)
{
	rebuild->bringing = *bringing;
	rebuild->is_under_way = true;
	rebuild->has_failed = rebuild->has_all = false;
	loop_at_turn_end(rebuild->loop, &rebuild->start);
}
