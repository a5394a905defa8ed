/* Last uses: those that wait here, and those in Redis. What Redis answers is read as hostile. */
#include "auth/uses.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"

#define WRITE_MS 60000       /* between two writes of what was used */
#define WRITTEN_AT_ONCE 500  /* passwords in one command */
#define WAITING_MAXIMUM 5000 /* passwords; beyond them a use is not kept: it is only shown to administrators */
#define CALL_MS 5000
#define VALUE_SIZE (NETWORK_TEXT_SIZE + 24) /* bytes of "SECONDS ADDRESS" */
#define KEY_MAXIMUM 1024                    /* bytes */

/* A use that is not in Redis yet. */
struct waiting {
	struct map_link link;
	char id[APP_PASSWORD_ID_SIZE];
	struct use use;
};

struct recall;

struct uses {
	struct redis *redis;
	struct recall *recalls; /* under way: a list */
	struct buf key;
	struct map waiting; /* by id */
	struct timer *timer;
};

static struct waiting *find_waiting(const struct uses *uses, const char *id)
{
	struct map_link *link = map_first(&uses->waiting, map_hash_text(&uses->waiting, span_of(id)));
	for (; link; link = map_next(link)) {
		struct waiting *waiting = MAP_OWNER(link, struct waiting, link);
		if (strcmp(waiting->id, id) == 0)
			return waiting;
	}
	return NULL;
}

static void drop_waiting(struct uses *uses, struct waiting *waiting)
{
	map_remove(&uses->waiting, &waiting->link);
	free(waiting);
}

static struct waiting *add_waiting(struct uses *uses, const char *id)
{
	struct waiting *waiting = uses->waiting.count < WAITING_MAXIMUM ? calloc(1, sizeof(*waiting)) : NULL;
	if (waiting == NULL)
		return NULL;
	snprintf(waiting->id, sizeof(waiting->id), "%s", id);
	if (map_add(&uses->waiting, &waiting->link, map_hash_text(&uses->waiting, span_of(id))) == STATUS_OK)
		return waiting;
	free(waiting);
	return NULL;
}

void uses_note(struct uses *uses, const char *id, const char *address)
{
	struct waiting *waiting = find_waiting(uses, id);
	if (waiting == NULL)
		waiting = add_waiting(uses, id);
	if (waiting == NULL)
		return;
	if (uses->waiting.count == 1)
		timer_set(uses->timer, WRITE_MS);
	waiting->use.last_s = clock_wall_us() / 1000000;
	snprintf(waiting->use.address, sizeof(waiting->use.address), "%s", address);
}

/* ---- writing */

static void on_written(void *context, enum status status, const struct redis_value *value)
{
	(void)context;
	if (status != STATUS_OK || redis_value_type(value) == REDIS_ERROR)
		log_debug("last uses of app passwords may be lost");
}

struct batch {
	struct uses *uses;
	struct span arguments[2 + 2 * WRITTEN_AT_ONCE];
	size_t count;
	char values[WRITTEN_AT_ONCE][VALUE_SIZE];
	struct waiting *taken[WRITTEN_AT_ONCE];
	size_t taken_count;
};

static void take_into_batch(void *context, struct map_link *link)
{
	struct batch *batch = context;
	struct waiting *waiting = MAP_OWNER(link, struct waiting, link);
	if (batch->taken_count == WRITTEN_AT_ONCE)
		return;
	char *value = batch->values[batch->taken_count];
	snprintf(value, VALUE_SIZE, "%llu %s", (unsigned long long)waiting->use.last_s, waiting->use.address);
	batch->arguments[batch->count++] = span_of(waiting->id);
	batch->arguments[batch->count++] = span_of(value);
	batch->taken[batch->taken_count++] = waiting;
}

/* False: nothing was written. */
static bool write_batch(struct uses *uses)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL)
		return false;
	batch->arguments[batch->count++] = SPAN("HSET");
	batch->arguments[batch->count++] = buf_span(&uses->key);
	map_visit(&uses->waiting, take_into_batch, batch);
	bool is_sent = batch->taken_count > 0 &&
		       redis_call(uses->redis, batch->arguments, batch->count, CALL_MS, on_written, NULL) == STATUS_OK;
	for (size_t i = 0; is_sent && i < batch->taken_count; i++)
		drop_waiting(uses, batch->taken[i]);
	free(batch);
	return is_sent;
}

void uses_write(struct uses *uses)
{
	while (redis_is_up(uses->redis) && uses->waiting.count > 0 && write_batch(uses))
		;
}

static void on_timer(void *context)
{
	struct uses *uses = context;
	uses_write(uses);
	if (uses->waiting.count > 0)
		timer_set(uses->timer, WRITE_MS);
}

void uses_forget(struct uses *uses, const char *id)
{
	const struct span arguments[] = { SPAN("HDEL"), buf_span(&uses->key), span_of(id) };
	struct waiting *waiting = find_waiting(uses, id);
	if (waiting)
		drop_waiting(uses, waiting);
	if (redis_call(uses->redis, arguments, 3, CALL_MS, on_written, NULL) != STATUS_OK)
		log_debug("the last use of a revoked app password stays in Redis");
}

/* ---- recalling */

struct recall {
	struct uses *uses;
	struct recall *next, **at;
	uses_callback *on_known;
	void *context;
	size_t count;
	char ids[USES_ASKED_MAXIMUM][APP_PASSWORD_ID_SIZE];
	struct use known[USES_ASKED_MAXIMUM];
};

static void free_recall(struct recall *recall)
{
	*recall->at = recall->next;
	if (recall->next)
		recall->next->at = recall->at;
	free(recall);
}

static void read_value(struct span value, struct use *use)
{
	struct span seconds;
	uint64_t last_s = 0;
	if (!span_cut(&value, ' ', &seconds) || span_to_u64(seconds, &last_s) != STATUS_OK ||
	    value.size >= sizeof(use->address) || !span_is_printable(value))
		return;
	use->last_s = last_s;
	snprintf(use->address, sizeof(use->address), "%.*s", SPAN_ARGS(value));
}

static void on_values(void *context, enum status status, const struct redis_value *value)
{
	struct recall *recall = context;
	bool is_answer = status == STATUS_OK && redis_value_count(value) == recall->count;
	for (size_t i = 0; i < recall->count; i++) {
		const struct waiting *waiting = find_waiting(recall->uses, recall->ids[i]);
		if (waiting)
			recall->known[i] = waiting->use;
		else if (is_answer)
			read_value(redis_value_text(redis_value_at(value, i)), &recall->known[i]);
	}
	recall->on_known(recall->context, recall->known);
	free_recall(recall);
}

static enum status ask_redis(struct recall *recall)
{
	struct span arguments[2 + USES_ASKED_MAXIMUM] = { SPAN("HMGET"), buf_span(&recall->uses->key) };
	for (size_t i = 0; i < recall->count; i++)
		arguments[2 + i] = span_of(recall->ids[i]);
	return redis_call(recall->uses->redis, arguments, 2 + recall->count, CALL_MS, on_values, recall);
}

enum status uses_recall(struct uses *uses, const char (*ids)[APP_PASSWORD_ID_SIZE], size_t count,
			uses_callback *on_known, void *context)
{
	struct recall *recall = calloc(1, sizeof(*recall));
	if (recall == NULL)
		return STATUS_NO_MEMORY;
	recall->uses = uses;
	recall->on_known = on_known;
	recall->context = context;
	recall->count = count;
	memcpy(recall->ids, ids, count * sizeof(*ids));
	recall->next = uses->recalls;
	recall->at = &uses->recalls;
	if (recall->next)
		recall->next->at = &recall->next;
	uses->recalls = recall;
	enum status status = ask_redis(recall);
	if (status != STATUS_OK)
		free_recall(recall);
	return status;
}

/* ---- life */

static enum status set_up(struct uses *uses, struct loop *loop, const char *prefix)
{
	TRY(map_init(&uses->waiting));
	TRY(buf_printf(&uses->key, "%sauth:1:uses", prefix));
	return timer_make(loop, on_timer, uses, &uses->timer);
}

enum status uses_create(struct loop *loop, struct redis *redis, const char *prefix, struct uses **out_uses)
{
	struct uses *uses = calloc(1, sizeof(*uses));
	if (uses == NULL)
		return STATUS_NO_MEMORY;
	uses->redis = redis;
	buf_init(&uses->key, KEY_MAXIMUM);
	enum status status = set_up(uses, loop, prefix);
	if (status != STATUS_OK) {
		uses_free(&uses);
		return status;
	}
	*out_uses = uses;
	return STATUS_OK;
}

static void free_waiting(void *context, struct map_link *link)
{
	drop_waiting(context, MAP_OWNER(link, struct waiting, link));
}

void uses_free(struct uses **uses_at)
{
	struct uses *uses = *uses_at;
	*uses_at = NULL;
	if (uses == NULL)
		return;
	while (uses->recalls)
		free_recall(uses->recalls);
	map_visit(&uses->waiting, free_waiting, uses);
	map_free(&uses->waiting);
	timer_free(&uses->timer);
	buf_free(&uses->key);
	free(uses);
}
