/* net/stream.h, played: the calls that only look at a stream, or change what is noted of it. */
#include "tests/simulate/streams_private.h"

enum status stream_secure_server(struct stream *stream, struct tls_context *context)
{
	(void)stream, (void)context;
	return STATUS_INVALID;
}

void stream_send_ticket(struct stream *stream)
{
	(void)stream;
}

void stream_expect_no_secrets(struct stream *stream)
{
	(void)stream;
}

struct buf *stream_input(struct stream *stream)
{
	return &stream->input;
}

bool stream_fetch(struct stream *stream)
{
	return buf_size(&stream->input) > 0;
}

bool stream_fetch_noticed(struct stream *stream)
{
	return stream_fetch(stream);
}

void stream_pause(struct stream *stream)
{
	stream->is_paused = true;
}

void stream_resume(struct stream *stream)
{
	stream->is_paused = false;
}

enum status stream_write(struct stream *stream, struct span bytes)
{
	if (stream->has_failed)
		return STATUS_UNAVAILABLE;
	return buf_append(&stream->output, bytes);
}

size_t stream_backlog(const struct stream *stream)
{
	return buf_size(&stream->output);
}

size_t stream_unacknowledged(const struct stream *stream)
{
	return buf_size(&stream->output) + (stream->peer && stream->peer->there_us > sim_now_us);
}

void stream_want_drained(struct stream *stream)
{
	stream->wants_drained = true;
}

void stream_set_deadline(struct stream *stream, uint64_t delay_ms)
{
	if (delay_ms)
		timer_set(stream->deadline, delay_ms);
	else
		timer_clear(stream->deadline);
}

bool stream_is_secure(const struct stream *stream)
{
	return stream->is_secure;
}

bool stream_was_abused(const struct stream *stream)
{
	(void)stream;
	return false;
}

const char *stream_tls_version(const struct stream *stream)
{
	return stream->is_secure ? "TLSv1.3" : "";
}

const char *stream_tls_cipher(const struct stream *stream)
{
	return stream->is_secure ? "TLS_AES_256_GCM_SHA384" : "";
}

const char *stream_error(const struct stream *stream)
{
	return stream->has_failed ? stream->error : "";
}

enum tls_fault stream_tls_fault(const struct stream *stream)
{
	(void)stream;
	return TLS_FAULT_LOST;
}
