/* Passes batches from the feed's thread to the sender, one at a time, and what became of them back. */
#include "export/exporter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/ecs.h"
#include "export/syslog_format.h"

#define PAYLOAD_MAXIMUM (16U << 20) /* bytes of one record in any format */

struct exporter {
	struct exporter_options options;
	struct sender *sender;
	struct feed *feed;
	struct wakeup *wakeup;
	bool is_sending; /* a batch is on loan to the sender */
	bool is_down;    /* the receiver, as was last told */
	bool is_unreadable;
	bool is_released;
};

/* ---- a record's shape; on the feed's thread */

static enum status shape_payload(const struct exporter_options *options, const struct record_line *line,
				 struct span payload, struct buf *out)
{
	switch (options->shape) {
	case EXPORTER_FRAME:
		return syslog_format_frame(line, payload, options->node, out);
	case EXPORTER_DATAGRAM:
		return syslog_format_datagram(line, payload, options->node, out);
	case EXPORTER_PLAIN:
	default:
		return buf_append(out, payload);
	}
}

static enum status format_record(void *context, const struct record_line *line, struct buf *out)
{
	const struct exporter *exporter = context;
	struct buf payload BUF_AUTO;
	buf_init(&payload, PAYLOAD_MAXIMUM);
	if (exporter->options.format == AUDIT_FORMAT_NATIVE)
		return shape_payload(&exporter->options, line, line->text, out);
	enum status status = ecs_write(line->text, &payload);
	if (status == STATUS_INVALID) { /* somebody changed it: it must not look as if it had never been there */
		buf_clear(&payload);
		status = ecs_write_unread(line, &payload);
	}
	TRY(status);
	return shape_payload(&exporter->options, line, buf_span(&payload), out);
}

/* ---- what is told */

static void tell_news(const struct exporter *exporter, bool is_well, const char *what)
{
	exporter->options.on_news(exporter->options.context, exporter->options.target, is_well, what);
}

static void take_trouble(struct exporter *exporter, int trouble)
{
	bool was_unreadable = exporter->is_unreadable;
	exporter->is_unreadable = trouble != 0;
	if (was_unreadable == exporter->is_unreadable)
		return;
	char what[160] = "the audit can be read again";
	if (trouble)
		snprintf(what, sizeof(what), "the audit can't be read, or the place in it can't be kept: %s",
			 strerror(trouble));
	tell_news(exporter, trouble == 0, what);
}

static void take_news(struct exporter *exporter)
{
	struct feed_news news = feed_take_news(exporter->feed);
	const unsigned target = exporter->options.target;
	take_trouble(exporter, news.trouble);
	if (news.has_lost)
		tell_news(exporter, false, "records were not exported: their file is gone, was cut or is damaged");
	stats_add(exporter->options.stats, COUNTER_EXPORTED, target, news.exported);
	stats_set(exporter->options.stats, COUNTER_EXPORT_WAIT, target, news.pending_us / 1000000);
}

void exporter_measure(struct exporter *exporter)
{
	take_news(exporter);
	stats_set(exporter->options.stats, COUNTER_EXPORT_UP, exporter->options.target,
		  !exporter->is_released && exporter_is_up(exporter));
}

/* ---- batches */

static void send_next(struct exporter *exporter)
{
	if (exporter->is_sending || exporter->feed == NULL || !exporter->sender)
		return;
	if (!exporter->sender->kind->may_send(exporter->sender))
		return;
	const struct feed_batch *batch = feed_take(exporter->feed);
	if (batch == NULL)
		return;
	exporter->is_sending = true;
	exporter->sender->kind->send(exporter->sender, batch);
}

static void on_woken(void *context)
{
	struct exporter *exporter = context;
	take_news(exporter);
	send_next(exporter);
	exporter->options.on_progress(exporter->options.context);
}

static void on_settled(void *context, bool has_arrived)
{
	struct exporter *exporter = context;
	exporter->is_sending = false;
	feed_settle(exporter->feed, has_arrived);
	if (has_arrived)
		exporter->options.on_progress(exporter->options.context);
	if (exporter->is_released)
		exporter->sender->kind->rest(exporter->sender);
}

static void on_lost(void *context)
{
	struct exporter *exporter = context;
	feed_go_back(exporter->feed);
}

static void on_change(void *context, bool is_up, const char *reason)
{
	struct exporter *exporter = context;
	bool has_changed = exporter->is_down == is_up;
	exporter->is_down = !is_up;
	if (has_changed)
		tell_news(exporter, is_up, is_up ? "records go out" : reason);
}

static void on_ready(void *context)
{
	send_next(context);
}

/* ---- life */

enum status exporter_create(const struct exporter_options *options, struct exporter **out_exporter)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	if (exporter == NULL)
		return STATUS_NO_MEMORY;
	exporter->options = *options;
	enum status status = wakeup_create(options->loop, on_woken, exporter, &exporter->wakeup);
	if (status != STATUS_OK) {
		free(exporter);
		return status;
	}
	*out_exporter = exporter;
	return STATUS_OK;
}

void exporter_free(struct exporter **exporter)
{
	if (*exporter == NULL)
		return;
	if ((*exporter)->sender)
		(*exporter)->sender->kind->free(&(*exporter)->sender);
	feed_stop(&(*exporter)->feed);
	wakeup_free(&(*exporter)->wakeup);
	free(*exporter);
	*exporter = NULL;
}

struct sender_handler exporter_handler(struct exporter *exporter)
{
	return (struct sender_handler){ on_settled, on_lost, on_change, on_ready, exporter };
}

enum status exporter_start(struct exporter *exporter, struct sender *sender, struct trail *trail, int state_fd)
{
	const struct feed_options options = {
		.trail = trail,
		.state_fd = state_fd,
		.format = format_record,
		.format_context = exporter,
		.settle_ms = sender->kind->settle_ms,
		.wakeup = exporter->wakeup,
	};
	exporter->sender = sender;
	return feed_start(&options, &exporter->feed);
}

void exporter_add_file(struct exporter *exporter, int fd)
{
	if (exporter->feed)
		feed_add_file(exporter->feed, fd);
	else
		close(fd);
}

void exporter_hurry(struct exporter *exporter, bool is_wanted)
{
	feed_hurry(exporter->feed, is_wanted);
}

uint64_t exporter_find_exported(struct exporter *exporter, struct span chain_id)
{
	return feed_find_exported(exporter->feed, chain_id);
}

bool exporter_is_up(const struct exporter *exporter)
{
	return !exporter->is_down && !exporter->is_unreadable;
}

void exporter_release(struct exporter *exporter)
{
	exporter->is_released = true;
	exporter->is_down = false; /* that is the other one's to tell */
	feed_release(exporter->feed);
	if (!exporter->is_sending)
		exporter->sender->kind->rest(exporter->sender);
}
