/*
 * Connections to a syslog server, one at a time, kept while it is idle and made anew with back-off. All addresses of
 * its name are tried in turn.
 */
#include "export/syslog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"
#include "net/tls.h"

#define INPUT_MAXIMUM 4096         /* bytes: a server has nothing to say */
#define OUTPUT_MAXIMUM (96U << 20) /* bytes: a batch with the largest records (feed_thread.c) */
#define CONNECT_LIMIT_MS 10000     /* for the name, the connection and TLS, at one address */
#define ARRIVAL_LIMIT_MS 30000     /* for the acknowledgement of a batch */
#define ARRIVAL_LOOK_MS 1          /* at first; then twice as long each time */
#define ARRIVAL_LOOK_LONGEST_MS 50
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LONGEST_MS 30000
#define FAREWELL_MS 1000

enum state {
	STATE_RESTING, /* no connection is wanted yet, or any more */
	STATE_BACKING_OFF,
	STATE_RESOLVING,
	STATE_CONNECTING,
	STATE_READY,
	STATE_SENDING, /* and waiting for the acknowledgement */
};

/* Invariant: `stream` is there iff CONNECTING, READY or SENDING, over TCP; `datagrams` >= 0 iff READY, over UDP. */
struct syslog {
	struct sender sender;
	struct syslog_options options;
	struct tls_context *tls;
	enum state state;
	struct resolution *resolution;
	struct resolver_answer addresses;
	size_t next_address;
	struct stream *stream;
	int datagrams;
	struct timer *timer; /* of back-off, or of the next look at what is acknowledged */
	uint64_t backoff_ms, look_ms;
	const struct feed_batch *batch; /* on loan; NULL: none */
	struct turn_end step;           /* what a call began, done in the turn's end */
	char reason[SENDER_REASON_SIZE];
};

static void connect_next(struct syslog *syslog);
static void resolve_host(struct syslog *syslog);

/* ---- ends */

static void drop_connection(struct syslog *syslog)
{
	resolver_cancel(&syslog->resolution);
	stream_free(&syslog->stream);
	if (syslog->datagrams >= 0)
		close(syslog->datagrams);
	syslog->datagrams = -1;
	timer_clear(syslog->timer);
}

static void settle_batch(struct syslog *syslog, bool has_arrived)
{
	syslog->batch = NULL;
	syslog->options.handler.on_settled(syslog->options.handler.context, has_arrived);
}

/* Another try comes after a while. */
static void back_off(struct syslog *syslog, const char *reason)
{
	bool was_ready = syslog->state >= STATE_READY;
	snprintf(syslog->reason, sizeof(syslog->reason), "%.*s:%u: %s", SPAN_ARGS(syslog->options.server.host),
		 (unsigned)syslog->options.server.port, reason);
	drop_connection(syslog);
	syslog->state = STATE_BACKING_OFF;
	uint64_t next = syslog->backoff_ms * 2;
	syslog->backoff_ms = next == 0 ? BACKOFF_FIRST_MS : next < BACKOFF_LONGEST_MS ? next : BACKOFF_LONGEST_MS;
	timer_set(syslog->timer, syslog->backoff_ms);
	syslog->options.handler.on_change(syslog->options.handler.context, false, syslog->reason);
	if (syslog->batch)
		settle_batch(syslog, false);
	else if (was_ready)
		syslog->options.handler.on_lost(syslog->options.handler.context);
}

/* Before the connection stands, the next address has its turn. */
static void fail_connection(struct syslog *syslog, const char *reason)
{
	if (syslog->state == STATE_CONNECTING && syslog->next_address < syslog->addresses.count) {
		stream_free(&syslog->stream);
		connect_next(syslog);
	} else {
		back_off(syslog, reason);
	}
}

/* ---- a batch on its way */

static enum status write_messages(struct syslog *syslog)
{
	struct span messages = buf_span(&syslog->batch->messages);
	struct span message;
	while (feed_cut_message(&messages, &message))
		TRY(stream_write(syslog->stream, message));
	stream_set_deadline(syslog->stream, ARRIVAL_LIMIT_MS);
	stream_want_drained(syslog->stream);
	return STATUS_OK;
}

/* ECONNREFUSED tells of an earlier datagram. A full queue of the kernel's empties by itself. */
static void send_datagrams(struct syslog *syslog)
{
	struct span messages = buf_span(&syslog->batch->messages);
	struct span message;
	while (feed_cut_message(&messages, &message)) {
		if (send(syslog->datagrams, message.data, message.size, MSG_NOSIGNAL) < 0) {
			back_off(syslog, strerror(errno));
			return;
		}
	}
	syslog->state = STATE_READY;
	settle_batch(syslog, true);
}

static void send_batch(struct syslog *syslog)
{
	syslog->state = STATE_SENDING;
	syslog->look_ms = ARRIVAL_LOOK_MS;
	if (syslog->datagrams >= 0) {
		send_datagrams(syslog);
		return;
	}
	enum status status = write_messages(syslog);
	if (status != STATUS_OK)
		back_off(syslog, status_text(status));
}

static void look_at_arrival(struct syslog *syslog)
{
	if (stream_unacknowledged(syslog->stream)) {
		timer_set(syslog->timer, syslog->look_ms);
		syslog->look_ms *= 2;
		if (syslog->look_ms > ARRIVAL_LOOK_LONGEST_MS)
			syslog->look_ms = ARRIVAL_LOOK_LONGEST_MS;
		return;
	}
	stream_set_deadline(syslog->stream, 0);
	syslog->state = STATE_READY;
	syslog->backoff_ms = 0;
	settle_batch(syslog, true);
}

/* ---- a connection */

static void become_ready(struct syslog *syslog)
{
	syslog->state = STATE_READY;
	if (syslog->stream)
		stream_set_deadline(syslog->stream, 0);
	syslog->options.handler.on_change(syslog->options.handler.context, true, "");
	if (syslog->batch)
		send_batch(syslog);
	else
		syslog->options.handler.on_ready(syslog->options.handler.context);
}

static void on_connected(struct syslog *syslog)
{
	if (syslog->tls == NULL)
		become_ready(syslog);
	else if (stream_secure_client(syslog->stream, syslog->tls, syslog->options.server.host) != STATUS_OK)
		back_off(syslog, "TLS can't begin");
}

static void on_event(void *context, struct stream *stream, enum stream_event event)
{
	struct syslog *syslog = context;
	char reason[SENDER_REASON_SIZE];
	switch (event) {
	case STREAM_CONNECTED:
		on_connected(syslog);
		break;
	case STREAM_SECURED:
		become_ready(syslog);
		break;
	case STREAM_INPUT:
		buf_clear(stream_input(stream));
		break;
	case STREAM_DRAINED:
		if (syslog->state == STATE_SENDING)
			look_at_arrival(syslog);
		break;
	case STREAM_TIMEOUT:
		fail_connection(syslog, syslog->state == STATE_SENDING ? "it does not take what it is sent"
								       : "no connection in time");
		break;
	case STREAM_ENDED:
		fail_connection(syslog, "it closed the connection");
		break;
	case STREAM_FAILED:
	default:
		snprintf(reason, sizeof(reason), "%s", stream_error(stream));
		fail_connection(syslog, reason);
		break;
	}
}

static void open_datagrams(struct syslog *syslog)
{
	const struct endpoint *address = &syslog->addresses.endpoints[0];
	int fd = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	syslog->datagrams = fd;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address->storage, address->size) != 0)
		back_off(syslog, strerror(errno));
	else
		become_ready(syslog);
}

static void connect_next(struct syslog *syslog)
{
	const struct endpoint *address = &syslog->addresses.endpoints[syslog->next_address++];
	const struct stream_options options = {
		.input_maximum = INPUT_MAXIMUM,
		.output_maximum = OUTPUT_MAXIMUM,
		.on_event = on_event,
		.context = syslog,
	};
	syslog->state = STATE_CONNECTING;
	enum status status = stream_connect(syslog->options.loop, (const struct sockaddr *)&address->storage,
					    address->size, &options, &syslog->stream);
	if (status == STATUS_OK)
		stream_set_deadline(syslog->stream, CONNECT_LIMIT_MS);
	else
		back_off(syslog, "no socket for a connection");
}

static void on_resolved(void *context, const struct resolver_answer *answer)
{
	struct syslog *syslog = context;
	syslog->resolution = NULL;
	syslog->addresses = *answer;
	syslog->next_address = 0;
	if (answer->status != STATUS_OK || answer->count == 0)
		back_off(syslog, answer->reason);
	else if (syslog->options.server.transport == CONFIG_SYSLOG_UDP)
		open_datagrams(syslog);
	else
		connect_next(syslog);
}

static void resolve_host(struct syslog *syslog)
{
	struct resolution *resolution = NULL;
	syslog->state = STATE_RESOLVING;
	enum status status =
		resolver_ask(syslog->options.resolver, syslog->options.server.host, syslog->options.server.port,
			     CONNECT_LIMIT_MS, on_resolved, syslog, &resolution);
	if (status != STATUS_OK)
		back_off(syslog, status_text(status));
	else if (syslog->state == STATE_RESOLVING) /* else it was answered within the call */
		syslog->resolution = resolution;
}

/* ---- what the exporter asks for */

static void take_step(void *context)
{
	struct syslog *syslog = context;
	if (syslog->batch == NULL)
		return;
	if (syslog->state == STATE_RESTING)
		resolve_host(syslog);
	else if (syslog->state == STATE_READY)
		send_batch(syslog);
}

static void on_timer(void *context)
{
	struct syslog *syslog = context;
	if (syslog->state == STATE_SENDING)
		look_at_arrival(syslog);
	else if (syslog->state == STATE_BACKING_OFF)
		resolve_host(syslog);
}

/* While there is no connection a batch waits for it, unless it was tried a moment ago. */
static bool syslog_may_send(const struct sender *sender)
{
	const struct syslog *syslog = (const struct syslog *)sender;
	return syslog->batch == NULL && syslog->state != STATE_BACKING_OFF;
}

static void syslog_send(struct sender *sender, const struct feed_batch *batch)
{
	struct syslog *syslog = (struct syslog *)sender;
	syslog->batch = batch;
	loop_at_turn_end(syslog->options.loop, &syslog->step);
}

static void syslog_rest(struct sender *sender)
{
	struct syslog *syslog = (struct syslog *)sender;
	if (syslog->stream && syslog->state == STATE_READY)
		stream_finish(&syslog->stream, FAREWELL_MS);
	drop_connection(syslog);
	syslog->state = STATE_RESTING;
}

static void syslog_free(struct sender **sender)
{
	struct syslog *syslog = (struct syslog *)*sender;
	if (syslog == NULL)
		return;
	syslog_rest(*sender);
	loop_forget_turn_end(syslog->options.loop, &syslog->step);
	timer_free(&syslog->timer);
	tls_context_free(&syslog->tls);
	free(syslog);
	*sender = NULL;
}

static const struct sender_kind kind_of_streams = { syslog_may_send, syslog_send, syslog_rest, syslog_free,
						    SYSLOG_SETTLE_MS };
static const struct sender_kind kind_of_datagrams = { syslog_may_send, syslog_send, syslog_rest, syslog_free, 0 };

static enum status make_tls(struct syslog *syslog, char **out_error)
{
	const struct tls_client_options options = { .verify = true, .ca_pem = syslog->options.ca_pem };
	if (syslog->options.server.transport != CONFIG_SYSLOG_TLS)
		return STATUS_OK;
	return tls_client_create(&options, &syslog->tls, out_error);
}

enum status syslog_create(const struct syslog_options *options, struct sender **out_sender, char **out_error)
{
	struct syslog *syslog = calloc(1, sizeof(*syslog));
	if (syslog == NULL)
		return STATUS_NO_MEMORY;
	syslog->sender.kind = options->server.transport == CONFIG_SYSLOG_UDP ? &kind_of_datagrams : &kind_of_streams;
	syslog->options = *options;
	syslog->datagrams = -1;
	syslog->step = (struct turn_end){ .run = take_step, .context = syslog };
	enum status status = timer_make(options->loop, on_timer, syslog, &syslog->timer);
	if (status == STATUS_OK)
		status = make_tls(syslog, out_error);
	if (status != STATUS_OK) {
		timer_free(&syslog->timer);
		free(syslog);
		return status;
	}
	*out_sender = &syslog->sender;
	return STATUS_OK;
}
