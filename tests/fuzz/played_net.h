/*
 * The net room, played: a clock, timers, turns and streams in memory, so that a whole role's machine runs thousands of
 * times a second on what a hostile peer says. It keeps the promises of net/loop.h and net/stream.h: events come outside
 * of calls, one at a time; input waits while a stream is paused or full; bytes in front of a handshake fail it.
 *
 * Streams stay in `played_streams` after their owner has left them, with all that they said.
 */
#ifndef TESTS_FUZZ_PLAYED_NET_H
#define TESTS_FUZZ_PLAYED_NET_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/listener.h"
#include "net/loop_lists.h"
#include "net/stream.h"
#include "net/tls.h"

#define PLAYED_MAXIMUM (16U << 20) /* bytes of one side of one stream: never the bottleneck */

struct loop {
	uint64_t now;
	struct loop_lists lists;
};
struct timer {
	void (*on_expired)(void *context);
	void *context;
	uint64_t due; /* 0: cleared */
	struct timer *next;
};
struct stream {
	struct stream *next;
	struct stream_options options;
	struct buf input, output;
	struct buf coming; /* from the peer, not taken in yet */
	struct buf heard;  /* by the peer, all of it */
	size_t clear_size; /* of `heard`, when it is secure */
	uint64_t due;
	bool connecting, securing, secure, paused, wants_drained;
	bool stalled;       /* the peer reads nothing */
	bool ending, ended; /* the peer ended its side; its owner was told */
	bool failing, failed;
	bool gone;   /* its owner left it */
	bool closed; /* and so has its descriptor */
};

static struct loop played_loop;
static struct timer *played_timers;
static struct stream *played_streams; /* the latest first */

/* ---- the clock and timers */

uint64_t loop_now_ms(const struct loop *loop)
{
	return loop->now;
}

enum status timer_make(struct loop *loop, void (*on_expired)(void *context), void *context, struct timer **out_timer)
{
	(void)loop;
	struct timer *timer = calloc(1, sizeof(*timer));
	assert(timer);
	*timer = (struct timer){ on_expired, context, 0, played_timers };
	played_timers = timer;
	*out_timer = timer;
	return STATUS_OK;
}

void timer_set(struct timer *timer, uint64_t delay_ms)
{
	timer->due = played_loop.now + delay_ms + (delay_ms == 0);
}

void timer_clear(struct timer *timer)
{
	timer->due = 0;
}

void timer_free(struct timer **timer)
{
	struct timer **at = &played_timers;
	if (*timer == NULL)
		return;
	while (*at != *timer)
		at = &(*at)->next;
	*at = (*at)->next;
	free(*timer);
	*timer = NULL;
}

/* ---- the end of a turn */

void loop_at_turn_end(struct loop *loop, struct turn_end *hook)
{
	loop_lists_append(&loop->lists, hook);
}

void loop_after_turn_end(struct loop *loop, struct turn_end *hook)
{
	loop_lists_append_after(&loop->lists, hook);
}

void loop_forget_turn_end(struct loop *loop, struct turn_end *hook)
{
	(void)loop;
	loop_lists_forget(hook);
}

static inline void played_end_turn(void)
{
	loop_lists_run(&played_loop.lists);
}

/* ---- what nobody waits for here */

enum status watch_create(struct loop *loop, int fd, unsigned events, void (*on_ready)(void *context, unsigned events),
			 void *context, struct watch **out_watch)
{
	(void)loop, (void)fd, (void)events, (void)on_ready, (void)context, (void)out_watch;
	return STATUS_NO_MEMORY;
}

void watch_set(struct watch *watch, unsigned events)
{
	(void)watch, (void)events;
}

void watch_free(struct watch **watch)
{
	*watch = NULL;
}

static char played_context;

enum status tls_server_create(const struct tls_server_options *options, struct tls_context **out_context,
			      char **out_error)
{
	(void)options, (void)out_error;
	*out_context = (struct tls_context *)&played_context;
	return STATUS_OK;
}

enum status tls_server_add(struct tls_context *context, const struct tls_server_options *options, char **out_error)
{
	(void)context, (void)options, (void)out_error;
	return STATUS_OK;
}

enum status tls_client_create(const struct tls_client_options *options, struct tls_context **out_context,
			      char **out_error)
{
	(void)options, (void)out_error;
	*out_context = (struct tls_context *)&played_context;
	return STATUS_OK;
}

size_t tls_memory(void)
{
	return 0;
}

void tls_context_free(struct tls_context **context)
{
	*context = NULL;
}

/* ---- streams, as their owners call them */

enum status stream_create(struct loop *loop, int fd, const struct stream_options *options, struct stream **out_stream)
{
	(void)loop, (void)fd;
	struct stream *s = calloc(1, sizeof(*s));
	assert(s);
	s->options = *options;
	buf_init(&s->input, options->input_maximum);
	buf_init(&s->output, options->output_maximum);
	buf_init(&s->coming, PLAYED_MAXIMUM);
	buf_init(&s->heard, PLAYED_MAXIMUM);
	s->next = played_streams;
	played_streams = s;
	*out_stream = s;
	return STATUS_OK;
}

enum status stream_connect(struct loop *loop, const struct sockaddr *address, unsigned address_size,
			   const struct stream_options *options, struct stream **out_stream)
{
	(void)address, (void)address_size;
	TRY(stream_create(loop, -1, options, out_stream));
	(*out_stream)->connecting = true;
	return STATUS_OK;
}

static inline void played_move(struct buf *from, struct buf *to)
{
	enum status status = buf_append(to, buf_span(from));
	assert(status == STATUS_OK);
	buf_clear(from);
}

static inline void played_close(struct stream *s)
{
	assert(s->gone && !s->closed);
	s->closed = true;
	if (s->options.on_gone)
		s->options.on_gone(s->options.gone_context);
}

void stream_free(struct stream **stream)
{
	struct stream *s = *stream;
	*stream = NULL;
	if (s == NULL)
		return;
	s->gone = true;
	played_close(s);
}

/* What is sent goes out in a later step. */
void stream_finish(struct stream **stream, uint64_t limit_ms)
{
	struct stream *s = *stream;
	(void)limit_ms;
	if (s == NULL || s->connecting || s->securing || s->failed || s->failing) {
		stream_free(stream);
		return;
	}
	*stream = NULL;
	if (!s->stalled)
		played_move(&s->output, &s->heard);
	s->gone = true;
}

static inline enum status played_secure(struct stream *s)
{
	if (s->connecting || s->securing || s->secure || s->failed || buf_size(&s->input))
		return STATUS_INVALID;
	s->securing = true;
	s->failing |= buf_size(&s->coming) > 0; /* no TLS record begins like that */
	s->clear_size = buf_size(&s->heard) + buf_size(&s->output);
	return STATUS_OK;
}

enum status stream_secure_server(struct stream *stream, struct tls_context *context)
{
	assert(context);
	return played_secure(stream);
}

enum status stream_secure_client(struct stream *stream, struct tls_context *context, struct span name)
{
	assert(context && name.size);
	return played_secure(stream);
}

void stream_send_ticket(struct stream *stream)
{
	assert(stream->secure);
}

void stream_expect_no_secrets(struct stream *stream)
{
	(void)stream;
}

struct buf *stream_input(struct stream *stream)
{
	assert(!stream->gone);
	return &stream->input;
}

bool stream_fetch(struct stream *stream)
{
	return buf_size(stream_input(stream)) > 0;
}
bool stream_fetch_noticed(struct stream *stream)
{
	return stream_fetch(stream);
}

void stream_pause(struct stream *stream)
{
	stream->paused = true;
}

void stream_resume(struct stream *stream)
{
	stream->paused = false;
}

enum status stream_write(struct stream *stream, struct span bytes)
{
	assert(!stream->gone);
	if (stream->failed || stream->failing)
		return STATUS_UNAVAILABLE;
	return buf_append(&stream->output, bytes);
}

size_t stream_backlog(const struct stream *stream)
{
	return buf_size(&stream->output);
}

void stream_want_drained(struct stream *stream)
{
	stream->wants_drained = true;
}

void stream_set_deadline(struct stream *stream, uint64_t delay_ms)
{
	assert(!stream->gone);
	stream->due = delay_ms ? played_loop.now + delay_ms : 0;
}

bool stream_is_secure(const struct stream *stream)
{
	return stream->secure;
}

bool stream_was_abused(const struct stream *stream)
{
	(void)stream;
	return false;
}

const char *stream_tls_version(const struct stream *stream)
{
	return stream->secure ? "TLSv1.3" : "";
}

const char *stream_tls_cipher(const struct stream *stream)
{
	return stream->secure ? "TLS_AES_256_GCM_SHA384" : "";
}

char *stream_tls_client_subject(const struct stream *stream)
{
	(void)stream;
	return NULL;
}

struct span stream_client_handshake(const struct stream *stream)
{
	(void)stream;
	return (struct span){ 0 };
}

void stream_find_bindings(const struct stream *stream, struct stream_bindings *out_bindings)
{
	(void)stream;
	*out_bindings = (struct stream_bindings){ 0 };
}

void stream_drop_handshake(struct stream *stream)
{
	(void)stream;
}

enum tls_fault stream_tls_fault(const struct stream *stream)
{
	(void)stream;
	return TLS_FAULT_LOST;
}

const char *stream_error(const struct stream *stream)
{
	return stream->failed ? "connection reset by peer" : "";
}

/* ---- streams, as the player moves them */

static inline bool played_tell(struct stream *s, enum stream_event event)
{
	s->options.on_event(s->options.context, s, event);
	played_end_turn();
	return true;
}

static inline bool played_take_in(struct stream *s)
{
	size_t size = buf_size(&s->coming) < buf_room(&s->input) ? buf_size(&s->coming) : buf_room(&s->input);
	if (size == 0 || s->paused || s->ended)
		return false;
	enum status status = buf_append(&s->input, span_slice(buf_span(&s->coming), 0, size));
	assert(status == STATUS_OK);
	buf_consume(&s->coming, size);
	return played_tell(s, STREAM_INPUT);
}

static inline bool played_drain(struct stream *s)
{
	if (!s->stalled)
		played_move(&s->output, &s->heard);
	if (!s->wants_drained || buf_size(&s->output))
		return false;
	s->wants_drained = false;
	return played_tell(s, STREAM_DRAINED);
}

/* One event of this stream, if there is one. */
static inline bool played_step(struct stream *s)
{
	if (s->gone && !s->closed && !s->stalled)
		played_close(s);
	if (s->gone || s->failed)
		return false;
	if (s->failing) {
		s->failed = true;
		return played_tell(s, STREAM_FAILED);
	}
	if (s->connecting) {
		s->connecting = false;
		return played_tell(s, STREAM_CONNECTED);
	}
	if (s->securing) {
		played_move(&s->output, &s->heard);
		s->securing = false;
		s->secure = true;
		return played_tell(s, STREAM_SECURED);
	}
	if (played_drain(s) || s->gone || played_take_in(s))
		return true;
	if (s->ending && !s->ended && buf_size(&s->coming) == 0) {
		s->ended = true;
		return played_tell(s, STREAM_ENDED);
	}
	return false;
}

/* Until nothing more happens by itself. */
static inline void played_settle(void)
{
	bool moved = true;
	played_end_turn();
	while (moved) {
		moved = false;
		for (struct stream *s = played_streams; s; s = s->next)
			moved |= played_step(s);
	}
}

static inline bool played_fire_stream(void)
{
	for (struct stream *s = played_streams; s; s = s->next) {
		if (s->gone || s->failed || s->due == 0 || s->due > played_loop.now)
			continue;
		s->due = 0;
		return played_tell(s, STREAM_TIMEOUT);
	}
	return false;
}

static inline bool played_fire_timer(void)
{
	for (struct timer *timer = played_timers; timer; timer = timer->next) {
		if (timer->due == 0 || timer->due > played_loop.now)
			continue;
		timer->due = 0;
		timer->on_expired(timer->context);
		played_end_turn();
		return true;
	}
	return false;
}

static inline void played_pass_time(uint64_t ms)
{
	played_loop.now += ms;
	while (played_fire_stream() || played_fire_timer())
		;
	played_settle();
}

static inline void played_begin(void)
{
	played_loop = (struct loop){ .now = 1000000 };
}

/* Everything that the roles under test owned is gone by now. */
static inline void played_end(void)
{
	assert(played_timers == NULL && played_loop.lists.ends.first == NULL);
	while (played_streams) {
		struct stream *s = played_streams;
		played_streams = s->next;
		assert(s->gone);
		if (!s->closed)
			played_close(s);
		buf_free(&s->input);
		buf_free(&s->output);
		buf_free(&s->coming);
		buf_free(&s->heard);
		free(s);
	}
}

#endif
