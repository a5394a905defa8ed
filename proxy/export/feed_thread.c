/*
 * What the thread does, in rounds: it takes note of what became of the last batch, saves the cursor, and fills the next
 * batch. Nothing to read: it waits, for a kick or for a while. A disk that fails is tried again each second.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/condition.h"
#include "export/feed_private.h"
#include "stats/life.h"

#define BATCH_SIZE (128U << 10)   /* bytes, after which a batch is full */
#define BATCH_MAXIMUM (64U << 20) /* bytes: and one record more, in any format */
#define BATCH_RECORDS 512         /* in a turn of the loop */
#define REST_MS 200               /* between two looks for records */
#define WANTED_REST_MS 10         /* the same while somebody waits for a record */
#define LOCK_REST_MS 500          /* between two tries to be the one that exports */
#define TROUBLE_REST_MS 1000
#define SAVE_MS 1000
#define DISK_LIMIT_MS 30000 /* for one round: a disk that takes longer is shown as hanging */

/* ---- the cursor */

static void note_trouble(struct feed *feed, int trouble)
{
	pthread_mutex_lock(&feed->mutex);
	bool has_changed = (feed->news.trouble == 0) != (trouble == 0);
	feed->news.trouble = trouble;
	pthread_mutex_unlock(&feed->mutex);
	if (has_changed)
		wakeup_send(feed->options.wakeup);
}

static void note_loss(struct feed *feed)
{
	pthread_mutex_lock(&feed->mutex);
	feed->news.has_lost = true;
	pthread_mutex_unlock(&feed->mutex);
	wakeup_send(feed->options.wakeup);
}

static struct cursor copy_exported(struct feed *feed)
{
	pthread_mutex_lock(&feed->mutex);
	struct cursor cursor = feed->exported;
	pthread_mutex_unlock(&feed->mutex);
	return cursor;
}

static enum status save_cursor(struct feed *feed)
{
	struct cursor cursor = copy_exported(feed);
	cursor.position = feed->settled;
	feed->saved_ms = clock_monotonic_ms();
	TRY(cursor_file_write(&feed->file, &cursor));
	feed->is_unsaved = false;
	return STATUS_OK;
}

/* Confirmations that are old enough are certain. */
static void settle_marks(struct feed *feed, uint64_t now)
{
	size_t count = 0;
	while (count < feed->mark_count && now - feed->marks[count].at_ms >= feed->options.settle_ms)
		count++;
	if (count == 0)
		return;
	feed->settled = feed->marks[count - 1].position;
	feed->is_unsaved = true;
	feed->mark_count -= count;
	memmove(feed->marks, feed->marks + count, feed->mark_count * sizeof(feed->marks[0]));
	trail_forget_before(feed->options.trail, &feed->settled);
}

static void add_mark(struct feed *feed, const struct cursor_position *position, uint64_t now)
{
	/* The last two become one: what is between them settles a little later. */
	if (feed->mark_count == FEED_MARKS)
		feed->mark_count--;
	feed->marks[feed->mark_count++] = (struct feed_mark){ now, *position };
}

/* ---- being the one that exports */

/* NULL: after all that is there. */
static enum status seek_place(struct feed *feed, const struct cursor_position *to)
{
	bool is_lost;
	TRY(trail_seek(feed->options.trail, to, &is_lost));
	feed->is_reading = true;
	if (is_lost)
		note_loss(feed);
	return STATUS_OK;
}

static void take_files(struct feed *feed)
{
	int files[FEED_FILES];
	pthread_mutex_lock(&feed->mutex);
	size_t count = feed->added_count;
	memcpy(files, feed->added, count * sizeof(files[0]));
	feed->added_count = 0;
	pthread_mutex_unlock(&feed->mutex);
	for (size_t i = 0; i < count; i++)
		if (trail_add(feed->options.trail, files[i], false) != STATUS_OK)
			note_loss(feed);
}

static void publish_cursor(struct feed *feed, const struct cursor *cursor)
{
	pthread_mutex_lock(&feed->mutex);
	bool has_changed = feed->exported.records != cursor->records;
	feed->exported = *cursor;
	pthread_mutex_unlock(&feed->mutex);
	if (has_changed)
		wakeup_send(feed->options.wakeup);
}

static void begin_at(struct feed *feed, const struct cursor *cursor)
{
	publish_cursor(feed, cursor);
	feed->reading = *cursor;
	feed->settled = cursor->position;
	feed->mark_count = 0;
	feed->has_begun = true;
}

/* The first start begins with what comes from now on, and that is remembered before anything comes. */
static enum status begin_anew(struct feed *feed)
{
	struct cursor cursor = { 0 };
	TRY(seek_place(feed, NULL));
	cursor.position = trail_position(feed->options.trail);
	begin_at(feed, &cursor);
	return save_cursor(feed);
}

static enum status begin_exporting(struct feed *feed)
{
	struct cursor cursor;
	enum status status = cursor_file_read(&feed->file, &cursor);
	if (status == STATUS_NOT_FOUND)
		return begin_anew(feed);
	TRY(status);
	begin_at(feed, &cursor);
	return seek_place(feed, &cursor.position);
}

/* Another process exports: what it says of itself is all that is known here. */
static void watch_other(struct feed *feed)
{
	struct cursor cursor;
	if (cursor_file_read(&feed->file, &cursor) == STATUS_OK)
		publish_cursor(feed, &cursor);
}

/* ---- batches */

static enum status add_message(struct feed *feed, const struct record_line *line)
{
	struct feed_batch *batch = &feed->batch;
	struct buf message BUF_AUTO;
	char *at;
	buf_init(&message, BATCH_MAXIMUM / 2);
	TRY(feed->options.format(feed->options.format_context, line, &message));
	uint32_t size = (uint32_t)buf_size(&message);
	TRY(buf_reserve(&batch->messages, sizeof(size) + size, &at));
	memcpy(at, &size, sizeof(size));
	memcpy(at + sizeof(size), buf_span(&message).data, size);
	buf_commit(&batch->messages, sizeof(size) + size);
	batch->count++;
	return STATUS_OK;
}

/* Seconds are enough: "2026-11-23T08:15:30.123456Z". */
static uint64_t time_of(struct span ts)
{
	char text[CLOCK_TEXT_SIZE];
	uint64_t seconds = 0;
	snprintf(text, sizeof(text), "%.*sZ", SPAN_ARGS(span_slice(ts, 0, sizeof("2026-11-23T08:15:30") - 1)));
	return clock_read_seconds(span_of(text), &seconds) == STATUS_OK ? seconds * 1000000 : 0;
}

/* What is no record is passed over. A record that can't be formatted isn't: those after it would vouch for it. */
static enum status take_line(struct feed *feed, struct span text)
{
	struct record_line line;
	if (record_line_read(text, &line) != STATUS_OK)
		return STATUS_OK;
	TRY(add_message(feed, &line));
	if (feed->batch.count == 1)
		feed->batch.oldest_us = time_of(line.ts);
	feed->reading.records++;
	cursor_note_chain(&feed->reading, line.chain_id, line.chain_seq);
	snprintf(feed->reading.position.ts, sizeof(feed->reading.position.ts), "%.*s", SPAN_ARGS(line.ts));
	return STATUS_OK;
}

static void note_position(struct feed *feed)
{
	struct cursor_position position = trail_position(feed->options.trail);
	memcpy(position.ts, feed->reading.position.ts, sizeof(position.ts));
	feed->reading.position = position;
}

static enum status read_lines(struct feed *feed)
{
	struct span text;
	const struct feed_batch *batch = &feed->batch;
	while (batch->count < BATCH_RECORDS && buf_size(&batch->messages) < BATCH_SIZE) {
		TRY(trail_next(feed->options.trail, &text));
		TRY(take_line(feed, text));
	}
	return STATUS_OK;
}

/* STATUS_END: nothing is there. What fails is begun anew, from where the last batch ended. */
static enum status fill_batch(struct feed *feed)
{
	struct feed_batch *batch = &feed->batch;
	const struct cursor start = feed->reading;
	buf_init(&batch->messages, BATCH_MAXIMUM);
	batch->count = 0;
	enum status status = read_lines(feed);
	if (status != STATUS_OK && status != STATUS_END) {
		buf_free(&batch->messages);
		feed->is_reading = false;
		feed->reading = start;
		return status;
	}
	note_position(feed);
	if (trail_has_lost(feed->options.trail))
		note_loss(feed);
	batch->after = feed->reading;
	return batch->count ? STATUS_OK : STATUS_END;
}

static void set_stage(struct feed *feed, enum feed_stage stage)
{
	pthread_mutex_lock(&feed->mutex);
	feed->stage = stage;
	pthread_mutex_unlock(&feed->mutex);
	if (stage == FEED_READY)
		wakeup_send(feed->options.wakeup);
}

/* Its records count; where it ends is certain in a while. */
static void close_arrived_batch(struct feed *feed)
{
	struct feed_batch *batch = &feed->batch;
	add_mark(feed, &batch->after.position, clock_monotonic_ms());
	feed->is_unsaved = true;
	pthread_mutex_lock(&feed->mutex);
	feed->news.exported += batch->count;
	feed->stage = FEED_EMPTY;
	pthread_mutex_unlock(&feed->mutex);
	buf_free(&batch->messages);
}

/* All that is not certain is read again. */
static void go_back(struct feed *feed)
{
	struct cursor cursor = copy_exported(feed);
	settle_marks(feed, clock_monotonic_ms());
	cursor.position = feed->settled;
	feed->mark_count = 0;
	feed->reading = cursor;
	buf_free(&feed->batch.messages);
	feed->is_reading = false;
	pthread_mutex_lock(&feed->mutex);
	feed->stage = FEED_EMPTY;
	feed->must_go_back = false;
	pthread_mutex_unlock(&feed->mutex);
}

/* ---- the rounds */

struct orders {
	enum feed_stage stage;
	bool is_released, must_go_back;
};

static struct orders read_orders(struct feed *feed)
{
	pthread_mutex_lock(&feed->mutex);
	struct orders orders = { feed->stage, feed->is_released, feed->must_go_back };
	pthread_mutex_unlock(&feed->mutex);
	return orders;
}

/* Nothing is on its way: what was confirmed is certain, unless its connection was lost. */
static void end_exporting(struct feed *feed, const struct orders *orders)
{
	if (!feed->file.is_held)
		return;
	if (orders->stage == FEED_ARRIVED)
		close_arrived_batch(feed);
	if (!orders->must_go_back)
		settle_marks(feed, UINT64_MAX);
	if (feed->has_begun)
		(void)save_cursor(feed); /* or what is there already holds: some comes twice */
	go_back(feed);
	feed->has_begun = false;
	cursor_file_release(&feed->file);
}

static enum status open_where_it_ended(struct feed *feed)
{
	if (!feed->has_begun)
		return begin_exporting(feed);
	return feed->is_reading ? STATUS_OK : seek_place(feed, &feed->reading.position);
}

/* One step of the one that exports. STATUS_END: there is nothing to do for now. */
static enum status export_more(struct feed *feed, const struct orders *orders)
{
	if (orders->stage == FEED_READY || orders->stage == FEED_TAKEN)
		return STATUS_END;
	if (orders->stage == FEED_ARRIVED)
		close_arrived_batch(feed);
	TRY(open_where_it_ended(feed));
	enum status status = fill_batch(feed);
	if (status == STATUS_OK)
		set_stage(feed, FEED_READY);
	return status;
}

static enum status do_round(struct feed *feed)
{
	struct orders orders = read_orders(feed);
	take_files(feed);
	if (orders.is_released && orders.stage != FEED_TAKEN)
		end_exporting(feed, &orders);
	if ((orders.is_released && !feed->file.is_held) || !cursor_file_hold(&feed->file)) {
		watch_other(feed);
		return STATUS_END;
	}
	if (orders.must_go_back && orders.stage != FEED_TAKEN) {
		go_back(feed);
		orders.stage = FEED_EMPTY;
	}
	enum status status = export_more(feed, &orders);
	settle_marks(feed, clock_monotonic_ms());
	if (feed->is_unsaved && clock_monotonic_ms() - feed->saved_ms >= SAVE_MS) {
		enum status saved = save_cursor(feed);
		return saved == STATUS_OK ? status : saved;
	}
	return status;
}

static uint64_t rest_ms(const struct feed *feed, enum status status)
{
	if (status != STATUS_OK && status != STATUS_END)
		return TROUBLE_REST_MS;
	if (feed->is_wanted)
		return WANTED_REST_MS;
	return feed->file.is_held ? REST_MS : LOCK_REST_MS;
}

/* Until there is something to do, or it may be time for it. True: stop. */
static bool wait_for_round(struct feed *feed, enum status status)
{
	pthread_mutex_lock(&feed->mutex);
	struct timespec until = condition_limit(rest_ms(feed, status));
	bool has_orders = status == STATUS_OK || (feed->stage == FEED_ARRIVED && status == STATUS_END);
	if (!feed->stop && !has_orders)
		pthread_cond_timedwait(&feed->changed, &feed->mutex, &until);
	bool stop = feed->stop;
	pthread_mutex_unlock(&feed->mutex);
	return stop;
}

void *feed_run(void *context)
{
	struct feed *feed = context;
	struct life_thread *sign = life_join(LIFE_EXPORT);
	enum status status;
	do {
		life_begin(sign, DISK_LIMIT_MS);
		errno = 0;
		status = do_round(feed);
		bool failed = status != STATUS_OK && status != STATUS_END;
		note_trouble(feed, !failed ? 0 : status == STATUS_SYSTEM && errno ? errno : EIO);
		life_rest(sign);
	} while (!wait_for_round(feed, status));
	const struct orders orders = read_orders(feed);
	end_exporting(feed, &orders);
	return NULL;
}
