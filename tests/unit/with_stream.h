/* For tests of streams without TLS: one of them, its peer's bare descriptor, and what the stream told. */
#ifndef TESTS_WITH_STREAM_H
#define TESTS_WITH_STREAM_H

#include "with_loop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"

#define SMALL 64         /* bytes of an input buffer that fills at once */
#define LARGE (4U << 20) /* bytes: more than a socket holds */

/* A stream, its peer's bare descriptor, and what the stream told. */
struct stream_fixture {
	struct loop *loop;
	int peer;
	struct stream *stream;
	unsigned told[STREAM_FAILED + 1];
	enum stream_event last;
	enum stream_event free_at; /* frees itself when told this */
	bool frees;
	unsigned gone;
	char last_words[SMALL];
};

static inline void note_event(void *context, struct stream *stream, enum stream_event event)
{
	struct stream_fixture *f = context;
	f->told[event]++;
	f->last = event;
	struct span input = buf_span(stream_input(stream));
	if (event == STREAM_INPUT && input.size < sizeof(f->last_words))
		memcpy(f->last_words, input.data, input.size);
	if (f->frees && event == f->free_at)
		stream_free(&f->stream);
}

static inline void note_gone(void *context)
{
	((struct stream_fixture *)context)->gone++;
}

static inline struct stream_options options_of(struct stream_fixture *f, size_t input, size_t output)
{
	return (struct stream_options){
		.input_maximum = input,
		.output_maximum = output,
		.on_event = note_event,
		.context = f,
		.on_gone = note_gone,
		.gone_context = f,
	};
}

static inline void begin_with(struct stream_fixture *f, size_t input, size_t output)
{
	int fds[2];
	*f = (struct stream_fixture){ 0 };
	struct stream_options options = options_of(f, input, output);
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f->peer = fds[1];
	assert_int_equal(stream_create(f->loop, fds[0], &options, &f->stream), STATUS_OK);
}

static inline void begin_stream(struct stream_fixture *f)
{
	begin_with(f, 1024, 1024);
}

static inline void end_stream(struct stream_fixture *f)
{
	stream_free(&f->stream);
	if (f->peer >= 0)
		close(f->peer);
	loop_free(f->loop);
}

static inline void send_text(struct stream_fixture *f, const char *text)
{
	assert_int_equal(send(f->peer, text, strlen(text), 0), strlen(text));
}

static inline size_t receive_all(struct stream_fixture *f)
{
	static char sink[65536];
	size_t total = 0;
	ssize_t got;
	while ((got = recv(f->peer, sink, sizeof(sink), 0)) > 0)
		total += (size_t)got;
	return total;
}

static inline void hang_up(struct stream_fixture *f)
{
	close(f->peer);
	f->peer = -1;
}

static inline bool got_input(void *context)
{
	return ((struct stream_fixture *)context)->told[STREAM_INPUT] > 0;
}

static inline bool got_end(void *context)
{
	return ((struct stream_fixture *)context)->told[STREAM_ENDED] > 0;
}

static inline bool got_failure(void *context)
{
	return ((struct stream_fixture *)context)->told[STREAM_FAILED] > 0;
}

static inline bool got_drained(void *context)
{
	return ((struct stream_fixture *)context)->told[STREAM_DRAINED] > 0;
}

static inline bool got_timeout(void *context)
{
	return ((struct stream_fixture *)context)->told[STREAM_TIMEOUT] > 0;
}

static inline void assert_input(struct stream_fixture *f, const char *text)
{
	assert_true(span_equal(buf_span(stream_input(f->stream)), span_of(text)));
}

#endif
