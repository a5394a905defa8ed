/* The feed as the loop sees it: short calls under a mutex that the thread never holds while it reads. */
#include "export/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/condition.h"
#include "base/thread.h"
#include "export/feed_private.h"

#define STACK_SIZE (256U << 10) /* bytes */

bool feed_cut_message(struct span *messages, struct span *out_message)
{
	uint32_t size;
	if (messages->size == 0)
		return false;
	memcpy(&size, messages->data, sizeof(size));
	*out_message = span_slice(*messages, sizeof(size), sizeof(size) + size);
	*messages = span_slice(*messages, sizeof(size) + size, messages->size);
	return true;
}

static void free_feed(struct feed **feed_at)
{
	struct feed *feed = *feed_at;
	trail_free(&feed->options.trail);
	for (size_t i = 0; i < feed->added_count; i++)
		close(feed->added[i]);
	buf_free(&feed->batch.messages);
	close(feed->options.state_fd);
	pthread_mutex_destroy(&feed->mutex);
	pthread_cond_destroy(&feed->changed);
	free(feed);
	*feed_at = NULL;
}

enum status feed_start(const struct feed_options *options, struct feed **out_feed)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	if (feed == NULL) {
		struct trail *trail = options->trail;
		trail_free(&trail);
		close(options->state_fd);
		return STATUS_NO_MEMORY;
	}
	feed->options = *options;
	feed->file.fd = options->state_fd;
	pthread_mutex_init(&feed->mutex, NULL);
	condition_init(&feed->changed);
	enum status status = thread_start("export", STACK_SIZE, feed_run, feed, &feed->thread);
	if (status != STATUS_OK) {
		free_feed(&feed);
		return status;
	}
	*out_feed = feed;
	return STATUS_OK;
}

void feed_stop(struct feed **feed)
{
	if (*feed == NULL)
		return;
	pthread_mutex_lock(&(*feed)->mutex);
	(*feed)->stop = true;
	pthread_cond_signal(&(*feed)->changed);
	pthread_mutex_unlock(&(*feed)->mutex);
	pthread_join((*feed)->thread, NULL);
	free_feed(feed);
}

const struct feed_batch *feed_take(struct feed *feed)
{
	pthread_mutex_lock(&feed->mutex);
	bool is_ready = feed->stage == FEED_READY && !feed->must_go_back && !feed->is_released;
	if (is_ready)
		feed->stage = FEED_TAKEN;
	pthread_mutex_unlock(&feed->mutex);
	return is_ready ? &feed->batch : NULL;
}

void feed_add_file(struct feed *feed, int fd)
{
	pthread_mutex_lock(&feed->mutex);
	bool has_room = feed->added_count < FEED_FILES;
	if (has_room)
		feed->added[feed->added_count++] = fd;
	else
		feed->news.has_lost = true;
	pthread_cond_signal(&feed->changed);
	pthread_mutex_unlock(&feed->mutex);
	if (!has_room)
		close(fd);
}

void feed_settle(struct feed *feed, bool has_arrived)
{
	pthread_mutex_lock(&feed->mutex);
	assert(feed->stage == FEED_TAKEN);
	feed->stage = has_arrived ? FEED_ARRIVED : FEED_LOST;
	if (has_arrived)
		feed->exported = feed->batch.after;
	else
		feed->must_go_back = true;
	pthread_cond_signal(&feed->changed);
	pthread_mutex_unlock(&feed->mutex);
}

void feed_go_back(struct feed *feed)
{
	pthread_mutex_lock(&feed->mutex);
	feed->must_go_back = true;
	pthread_cond_signal(&feed->changed);
	pthread_mutex_unlock(&feed->mutex);
}

void feed_release(struct feed *feed)
{
	pthread_mutex_lock(&feed->mutex);
	feed->is_released = true;
	pthread_cond_signal(&feed->changed);
	pthread_mutex_unlock(&feed->mutex);
}

void feed_hurry(struct feed *feed, bool is_wanted)
{
	pthread_mutex_lock(&feed->mutex);
	feed->is_wanted = is_wanted;
	if (is_wanted)
		pthread_cond_signal(&feed->changed);
	pthread_mutex_unlock(&feed->mutex);
}

uint64_t feed_find_exported(struct feed *feed, struct span chain_id)
{
	pthread_mutex_lock(&feed->mutex);
	uint64_t seq = cursor_find_chain(&feed->exported, chain_id);
	pthread_mutex_unlock(&feed->mutex);
	return seq;
}

struct feed_news feed_take_news(struct feed *feed)
{
	pthread_mutex_lock(&feed->mutex);
	struct feed_news news = feed->news;
	feed->news.has_lost = false;
	feed->news.exported = 0;
	bool is_waiting = feed->stage == FEED_READY || feed->stage == FEED_TAKEN;
	uint64_t now = clock_wall_us();
	if (is_waiting && feed->batch.oldest_us && now > feed->batch.oldest_us)
		news.pending_us = now - feed->batch.oldest_us;
	pthread_mutex_unlock(&feed->mutex);
	return news;
}
