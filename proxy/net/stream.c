/*
 * Streams, as their owners call them. Nothing here reads or tells an event, and
 * nothing writes but what is too large to be copied: calls note what is wanted,
 * and the end of the turn does it. A fault that a call can't return becomes
 * STREAM_FAILED at the turn's end.
 */
#include "net/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream_state.h"

/* ---- life */

static enum status make_stream(struct loop *loop, int fd, const struct stream_options *options, enum stream_phase phase,
			       struct stream **out_stream)
{
	struct stream *s = calloc(1, sizeof(*s));
	unsigned events = phase == PHASE_OPEN ? WATCH_READ : phase == PHASE_CONNECTING ? WATCH_WRITE : 0;
	if (s == NULL || watch_create(loop, fd, events, stream_on_ready, s, &s->watch) != STATUS_OK) {
		free(s);
		close(fd);
		return STATUS_NO_MEMORY;
	}
	s->loop = loop;
	s->options = *options;
	s->phase = phase;
	s->end = (struct turn_end){ .run = stream_on_turn_end, .context = s };
	channel_init(&s->channel, fd);
	buf_init_sensitive(&s->input, options->input_maximum);
	buf_init_sensitive(&s->output, options->output_maximum);
	*out_stream = s;
	return STATUS_OK;
}

enum status stream_create(struct loop *loop, int fd, const struct stream_options *options, struct stream **out_stream)
{
	return make_stream(loop, fd, options, PHASE_OPEN, out_stream);
}

enum status stream_connect(struct loop *loop, const struct sockaddr *address, unsigned address_size,
			   const struct stream_options *options, struct stream **out_stream)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return STATUS_SYSTEM;
	if (address->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	int error = connect(fd, address, address_size) == 0 ? 0 : errno;
	bool failed = error && error != EINPROGRESS;
	TRY(make_stream(loop, fd, options, failed ? PHASE_FAILING : PHASE_CONNECTING, out_stream));
	if (failed) {
		channel_note_errno(&(*out_stream)->channel, error);
		loop_at_turn_end(loop, &(*out_stream)->end);
	}
	return STATUS_OK;
}

void stream_free(struct stream **stream)
{
	if (*stream == NULL)
		return;
	stream_drop(*stream);
	*stream = NULL;
}

static enum status need_timer(struct stream *s)
{
	return s->deadline ? STATUS_OK : timer_make(s->loop, stream_on_deadline, s, &s->deadline);
}

static void end_guest(void *context)
{
	stream_drop(context);
}

void stream_finish(struct stream **stream, uint64_t limit_ms)
{
	struct stream *s = *stream;
	if (s == NULL)
		return;
	/* In any other phase there is no way to get the output across. */
	if (s->phase != PHASE_OPEN || need_timer(s) != STATUS_OK) {
		stream_free(stream);
		return;
	}
	s->phase = PHASE_CLOSING;
	channel_expect_end(&s->channel);
	buf_clear(&s->input);
	timer_set(s->deadline, limit_ms);
	loop_at_turn_end(s->loop, &s->end);
	s->guest = (struct loop_guest){ .end = end_guest, .context = s };
	loop_take_in(s->loop, &s->guest);
	*stream = NULL;
}

/* ---- TLS */

static enum status begin_tls(struct stream *s, struct tls_context *context, struct span name)
{
	if (s->phase != PHASE_OPEN || s->channel.ssl || buf_size(&s->input))
		return STATUS_INVALID;
	TRY(channel_prepare_tls(&s->channel, context, name));
	s->clear_left = buf_size(&s->output);
	s->phase = PHASE_CLEARING;
	loop_at_turn_end(s->loop, &s->end);
	return STATUS_OK;
}

enum status stream_secure_server(struct stream *stream, struct tls_context *context)
{
	return begin_tls(stream, context, (struct span){ NULL, 0 });
}

enum status stream_secure_client(struct stream *stream, struct tls_context *context, struct span name)
{
	return begin_tls(stream, context, name);
}

void stream_send_ticket(struct stream *stream)
{
	channel_send_ticket(&stream->channel);
}

void stream_expect_no_secrets(struct stream *stream)
{
	channel_expect_no_secrets(&stream->channel);
	buf_expect_no_secrets(&stream->input);
	buf_expect_no_secrets(&stream->output);
}

bool stream_is_secure(const struct stream *stream)
{
	return channel_is_secure(&stream->channel);
}

const char *stream_tls_version(const struct stream *stream)
{
	return stream_is_secure(stream) ? SSL_get_version(channel_ssl(&stream->channel)) : "";
}

const char *stream_tls_cipher(const struct stream *stream)
{
	return stream_is_secure(stream) ? SSL_get_cipher_name(channel_ssl(&stream->channel)) : "";
}

char *stream_tls_client_subject(const struct stream *stream)
{
	return stream_is_secure(stream) ? channel_client_subject(&stream->channel) : NULL;
}

struct span stream_client_handshake(const struct stream *stream)
{
	return channel_client_handshake(&stream->channel);
}

void stream_drop_handshake(struct stream *stream)
{
	channel_drop_handshake(&stream->channel);
}

void stream_find_bindings(const struct stream *stream, struct stream_bindings *out_bindings)
{
	*out_bindings = (struct stream_bindings){ 0 };
	if (!stream_is_secure(stream))
		return;
	out_bindings->exporter_size = tls_bind_exporter(channel_ssl(&stream->channel), out_bindings->exporter);
	out_bindings->end_point_size = tls_bind_end_point(channel_ssl(&stream->channel), out_bindings->end_point);
}

enum tls_fault stream_tls_fault(const struct stream *stream)
{
	return stream->channel.fault;
}

bool stream_was_abused(const struct stream *stream)
{
	return stream->channel.bounds.fault != NULL;
}

/* ---- input and output */

struct buf *stream_input(struct stream *stream)
{
	return &stream->input;
}

void stream_pause(struct stream *stream)
{
	stream->paused = true;
	loop_at_turn_end(stream->loop, &stream->end);
}

void stream_resume(struct stream *stream)
{
	stream->paused = false;
	loop_at_turn_end(stream->loop, &stream->end);
}

enum status stream_write(struct stream *stream, struct span bytes)
{
	if (stream->phase == PHASE_FAILING || stream->phase == PHASE_FAILED)
		return STATUS_UNAVAILABLE;
	if (bytes.size > buf_room(&stream->output))
		return STATUS_TOO_LARGE;
	stream_write_through(stream, &bytes);
	TRY(buf_append(&stream->output, bytes));
	loop_at_turn_end(stream->loop, &stream->end);
	return STATUS_OK;
}

size_t stream_backlog(const struct stream *stream)
{
	return buf_size(&stream->output);
}

/* tcp(7): what SIOCOUTQ counts is not acknowledged yet. */
size_t stream_unacknowledged(const struct stream *stream)
{
	int unacknowledged = 0;
	if (ioctl(stream->channel.fd, SIOCOUTQ, &unacknowledged) != 0 || unacknowledged < 0)
		unacknowledged = 0;
	return stream_backlog(stream) + (size_t)unacknowledged;
}

void stream_want_drained(struct stream *stream)
{
	stream->tell_drained = true;
	loop_at_turn_end(stream->loop, &stream->end);
}

/* ---- deadline and error */

void stream_set_deadline(struct stream *stream, uint64_t delay_ms)
{
	if (delay_ms == 0) {
		if (stream->deadline)
			timer_clear(stream->deadline);
		return;
	}
	if (need_timer(stream) == STATUS_OK) {
		timer_set(stream->deadline, delay_ms);
		return;
	}
	/* Without a deadline it could stay for ever: fail it instead. */
	channel_note_errno(&stream->channel, ENOMEM);
	if (stream->phase != PHASE_FAILED)
		stream->phase = PHASE_FAILING;
	loop_at_turn_end(stream->loop, &stream->end);
}

const char *stream_error(const struct stream *stream)
{
	return stream->channel.error ? stream->channel.error : "";
}
