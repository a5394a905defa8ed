/* The inside of the feed: feed.c is what the loop calls, feed_thread.c the thread. */
#ifndef EXPORT_FEED_PRIVATE_H
#define EXPORT_FEED_PRIVATE_H

#include <pthread.h>

#include "export/feed.h"

#define FEED_MARKS 16 /* confirmations remembered while they settle */

/* A batch's end was confirmed then. */
struct feed_mark {
	uint64_t at_ms;
	struct cursor_position position;
};

enum feed_stage {
	FEED_EMPTY,   /* `batch` is the thread's, to be filled */
	FEED_READY,   /* it is full */
	FEED_TAKEN,   /* it is on loan to the loop */
	FEED_ARRIVED, /* the thread's again */
	FEED_LOST,
};

/* Shared, under `mutex`: from `stage` to `added_count`. */
struct feed {
	struct feed_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	enum feed_stage stage;
	bool stop, is_released, is_wanted;
	bool must_go_back;      /* what is not certain is to be read again */
	struct cursor exported; /* confirmed, or read from the file where another process exports */
	struct feed_news news;
	int added[FEED_FILES]; /* files that the trail has not got yet */
	size_t added_count;
	struct feed_batch batch; /* of whom `stage` says */
	/* The thread's own. */
	struct cursor_file file;
	bool has_begun;        /* the cursor was read since the lock is held */
	bool is_reading;       /* the trail stands where `reading` says */
	struct cursor reading; /* where the batch that is filled will end */
	struct feed_mark marks[FEED_MARKS];
	size_t mark_count;
	struct cursor_position settled; /* a lost connection loses nothing before it */
	uint64_t saved_ms;
	bool is_unsaved;
};

void *feed_run(void *context);

#endif
