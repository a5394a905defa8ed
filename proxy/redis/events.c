/*
 * Reading the stream of events, one call at a time, and writing to it, one event at a time. Owns the events that wait
 * for Redis.
 */
#include "redis/events.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/log.h"

#define CALL_MS 3000
#define RETRY_FIRST_MS 5      /* while Redis is away; twice as long each time */
#define KEY_MAXIMUM 512       /* bytes */
#define STREAM_LENGTH "10000" /* events kept, and some more */
#define PAGE "100"            /* events a call */
#define PAGE_COUNT 100
#define ENTRY_ID_SIZE 48 /* bytes: two 64-bit numbers, "-" and a NUL */
#define VERSION "1"

static const char *const kinds[] = {
	[EVENT_LOCK] = "lock",     [EVENT_UNLOCK] = "unlock", [EVENT_REVOKE] = "revoke",
	[EVENT_FORGET] = "forget", [EVENT_COUNT] = "count",   [EVENT_KICK] = "kick",
};

/* One that waits for Redis. */
struct unsent {
	TAILQ_ENTRY(unsent) in_queue;
	struct event event; /* views into `bytes` */
	char bytes[];
};

/* Invariants: at most one call reads, and one writes; `last` is "" until the stream's end was found. */
struct events {
	struct loop *loop;
	struct redis *redis;
	const struct events_handler *handler;
	void *context;
	struct buf key;
	struct timer *look;
	uint64_t retry_ms;
	char last[ENTRY_ID_SIZE]; /* the entry that was read last */
	bool is_current;          /* nothing was missed since on_resumed */
	uint64_t times_up;        /* of the connection then */
	bool is_reading, is_writing, is_troubled;
	TAILQ_HEAD(unsent_queue, unsent) unsent;
	size_t unsent_count;
};

/* ---- entries */

/* "MS-NUMBER", as Redis writes them; false for anything else. */
static bool read_entry_id(struct span text, uint64_t out_numbers[2])
{
	struct span rest = text, first;
	return text.size < ENTRY_ID_SIZE && span_cut(&rest, '-', &first) &&
	       span_to_u64(first, &out_numbers[0]) == STATUS_OK && span_to_u64(rest, &out_numbers[1]) == STATUS_OK;
}

static bool is_before(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] < b[0] || (a[0] == b[0] && a[1] < b[1]);
}

static bool read_kind(struct span name, enum event_kind *out_kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (span_equal(name, span_of(kinds[i]))) {
			*out_kind = (enum event_kind)i;
			return true;
		}
	}
	return false;
}

/* The value of a field; empty where it is not there. */
static struct span find_field(const struct redis_value *fields, struct span name)
{
	for (size_t i = 0; i + 1 < redis_value_count(fields); i += 2)
		if (span_equal(redis_value_text(redis_value_at(fields, i)), name))
			return redis_value_text(redis_value_at(fields, i + 1));
	return (struct span){ 0 };
}

/* Of another version, of a kind that we don't know, or not ours at all: no event. */
static bool read_event(const struct redis_value *fields, struct event *out_event)
{
	out_event->user_id = find_field(fields, SPAN("user_id"));
	out_event->object = find_field(fields, SPAN("object"));
	out_event->node = find_field(fields, SPAN("node"));
	return span_equal(find_field(fields, SPAN("v")), SPAN(VERSION)) &&
	       read_kind(find_field(fields, SPAN("kind")), &out_event->kind) &&
	       out_event->user_id.size <= EVENTS_ID_MAXIMUM && out_event->object.size <= EVENTS_ID_MAXIMUM &&
	       out_event->node.size <= EVENTS_ID_MAXIMUM;
}

/* ---- reading */

static void look_again(struct events *events, uint64_t delay_ms)
{
	events->is_reading = false;
	timer_set(events->look, delay_ms);
}

/* There may be a gap: the sooner reading goes on, the less falls into it. */
static void look_soon(struct events *events)
{
	events->is_current = false;
	look_again(events, events->retry_ms);
	events->retry_ms = events->retry_ms * 2 > EVENTS_LOOK_MS ? EVENTS_LOOK_MS : events->retry_ms * 2;
}

/* Once for each trouble. */
static void note_trouble(struct events *events, struct span reason)
{
	if (!events->is_troubled)
		log_warning("events of other nodes can't be read: %.*s", SPAN_ARGS(reason));
	events->is_troubled = true;
}

/* False: there is no answer to read from, and what comes now may come after a gap. */
static bool has_answer(struct events *events, enum status status, const struct redis_value *value)
{
	if (status == STATUS_OK && redis_value_type(value) != REDIS_ERROR)
		return true;
	if (status == STATUS_OK)
		note_trouble(events, redis_value_text(value));
	look_soon(events);
	return false;
}

static void set_last(struct events *events, struct span id)
{
	snprintf(events->last, sizeof(events->last), "%.*s", SPAN_ARGS(id));
}

/* Empty for what is no entry. */
static struct span entry_id_of(const struct redis_value *entry)
{
	return entry && redis_value_count(entry) == 2 ? redis_value_text(redis_value_at(entry, 0)) : (struct span){ 0 };
}

/* False: not an entry that comes after the last one. */
static bool take_entry(struct events *events, const struct redis_value *entry)
{
	struct span id = entry_id_of(entry);
	uint64_t numbers[2], last[2];
	struct event event;
	if (!read_entry_id(id, numbers) || !read_entry_id(span_of(events->last), last) || !is_before(last, numbers))
		return false;
	set_last(events, id);
	if (read_event(redis_value_at(entry, 1), &event))
		events->handler->on_event(events->context, &event);
	return true;
}

static const struct redis_value *entries_of(const struct redis_value *value)
{
	const struct redis_value *stream = redis_value_at(value, 0);
	return stream ? redis_value_at(stream, 1) : NULL;
}

static void on_page(void *context, enum status status, const struct redis_value *value)
{
	struct events *events = context;
	if (!has_answer(events, status, value))
		return;
	const struct redis_value *entries = entries_of(value);
	size_t count = entries ? redis_value_count(entries) : 0, taken = 0;
	while (taken < count && take_entry(events, redis_value_at(entries, taken)))
		taken++;
	if (taken < count)
		note_trouble(events, SPAN("not entries of a stream"));
	else
		events->is_troubled = false;
	look_again(events, taken == count && count >= PAGE_COUNT ? 0 : EVENTS_LOOK_MS);
}

/* A stream that ends before what was read was made anew: all of it is new. */
static void on_end(void *context, enum status status, const struct redis_value *value)
{
	struct events *events = context;
	uint64_t numbers[2] = { 0 }, last[2] = { 0 };
	if (!has_answer(events, status, value))
		return;
	struct span id = entry_id_of(redis_value_at(value, 0));
	if (!read_entry_id(id, numbers))
		id = SPAN("0-0");
	if (events->last[0] == '\0')
		set_last(events, id);
	else if (read_entry_id(span_of(events->last), last) && is_before(numbers, last))
		set_last(events, SPAN("0-0"));
	events->is_current = true;
	events->retry_ms = RETRY_FIRST_MS;
	events->times_up = redis_times_up(events->redis);
	events->handler->on_resumed(events->context);
	look_again(events, 0);
}

static enum status find_end(struct events *events)
{
	const struct span arguments[] = { SPAN("XREVRANGE"), buf_span(&events->key), SPAN("+"),
					  SPAN("-"),         SPAN("COUNT"),          SPAN("1") };
	return redis_call(events->redis, arguments, 6, CALL_MS, on_end, events);
}

static enum status read_page(struct events *events)
{
	const struct span arguments[] = { SPAN("XREAD"),   SPAN("COUNT"),          SPAN(PAGE),
					  SPAN("STREAMS"), buf_span(&events->key), span_of(events->last) };
	return redis_call(events->redis, arguments, 6, CALL_MS, on_page, events);
}

/* ---- writing */

static void drop_unsent(struct events *events, struct unsent *unsent)
{
	TAILQ_REMOVE(&events->unsent, unsent, in_queue);
	events->unsent_count--;
	free(unsent);
}

static void send_next(struct events *events);

/* After a late answer it may be written twice, and nobody minds. */
static void on_written(void *context, enum status status, const struct redis_value *value)
{
	struct events *events = context;
	events->is_writing = false;
	if (status != STATUS_OK)
		return; /* at the next look */
	if (redis_value_type(value) == REDIS_ERROR)
		log_warning("other nodes can't be told of an event: %.*s", SPAN_ARGS(redis_value_text(value)));
	drop_unsent(events, TAILQ_FIRST(&events->unsent));
	send_next(events);
}

static void send_next(struct events *events)
{
	const struct unsent *unsent = TAILQ_FIRST(&events->unsent);
	if (unsent == NULL || events->is_writing || !redis_is_up(events->redis))
		return;
	const struct event *event = &unsent->event;
	const struct span arguments[] = {
		SPAN("XADD"),        buf_span(&events->key),
		SPAN("MAXLEN"),      SPAN("~"),
		SPAN(STREAM_LENGTH), SPAN("*"),
		SPAN("v"),           SPAN(VERSION),
		SPAN("kind"),        span_of(kinds[event->kind]),
		SPAN("user_id"),     event->user_id,
		SPAN("object"),      event->object,
		SPAN("node"),        event->node,
	};
	events->is_writing = redis_call(events->redis, arguments, sizeof(arguments) / sizeof(arguments[0]), CALL_MS,
					on_written, events) == STATUS_OK;
}

static struct span keep_value(char **at, struct span value)
{
	struct span kept = { *at, value.size };
	if (value.size)
		memcpy(*at, value.data, value.size);
	*at += value.size;
	return kept;
}

enum status events_publish(struct events *events, const struct event *event)
{
	if (events->unsent_count >= EVENTS_UNSENT_MAXIMUM || event->user_id.size > EVENTS_ID_MAXIMUM ||
	    event->object.size > EVENTS_ID_MAXIMUM || event->node.size > EVENTS_ID_MAXIMUM)
		return STATUS_TOO_LARGE;
	struct unsent *unsent =
		calloc(1, sizeof(*unsent) + event->user_id.size + event->object.size + event->node.size);
	if (unsent == NULL)
		return STATUS_NO_MEMORY;
	char *at = unsent->bytes;
	unsent->event.kind = event->kind;
	unsent->event.user_id = keep_value(&at, event->user_id);
	unsent->event.object = keep_value(&at, event->object);
	unsent->event.node = keep_value(&at, event->node);
	TAILQ_INSERT_TAIL(&events->unsent, unsent, in_queue);
	events->unsent_count++;
	send_next(events);
	return STATUS_OK;
}

/* ---- life */

static void look_for_events(void *context)
{
	struct events *events = context;
	if (events->times_up != redis_times_up(events->redis))
		events->is_current = false;
	send_next(events);
	events->is_reading = (events->is_current ? read_page(events) : find_end(events)) == STATUS_OK;
	if (!events->is_reading)
		look_soon(events);
}

enum status events_create(struct loop *loop, struct redis *redis, const char *prefix,
			  const struct events_handler *handler, void *context, struct events **out_events)
{
	struct events *events = calloc(1, sizeof(*events));
	if (events == NULL)
		return STATUS_NO_MEMORY;
	*events = (struct events){
		.loop = loop, .redis = redis, .handler = handler, .context = context, .retry_ms = RETRY_FIRST_MS
	};
	TAILQ_INIT(&events->unsent);
	buf_init(&events->key, KEY_MAXIMUM);
	enum status status = buf_printf(&events->key, "%sevents:1", prefix);
	if (status == STATUS_OK)
		status = timer_make(loop, look_for_events, events, &events->look);
	if (status != STATUS_OK) {
		events_free(&events);
		return status;
	}
	timer_set(events->look, 0);
	*out_events = events;
	return STATUS_OK;
}

void events_free(struct events **events)
{
	if (*events == NULL)
		return;
	while (!TAILQ_EMPTY(&(*events)->unsent))
		drop_unsent(*events, TAILQ_FIRST(&(*events)->unsent));
	timer_free(&(*events)->look);
	buf_free(&(*events)->key);
	free(*events);
	*events = NULL;
}
