/* The connection that asks. Owns its stream. One that fails is replaced at the next look. */
#include "supervise/redis_pulse.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/stream.h"
#include "stats/life.h"

/* Bytes of unsent questions, and of unread answers, which are short lines. */
#define ROOM 1024

struct redis_pulse {
	struct loop *loop;
	const char *path;
	const struct secret *password;
	struct stream *stream; /* or NULL */
	bool asked;            /* and not answered */
	bool answered;         /* since the last look */
	bool has_answered;
	uint64_t looked_ms;
	uint64_t silent_ms;
};

static void hang_up(struct redis_pulse *pulse)
{
	stream_free(&pulse->stream);
	pulse->asked = false;
}

static void take_pulse_event(void *context, struct stream *stream, enum stream_event event)
{
	struct redis_pulse *pulse = context;
	if (event == STREAM_FAILED || event == STREAM_ENDED) {
		hang_up(pulse);
		return;
	}
	if (event != STREAM_INPUT)
		return;
	struct buf *input = stream_input(stream);
	buf_consume(input, buf_size(input));
	pulse->asked = false;
	pulse->answered = true;
}

static enum status connect_pulse(struct redis_pulse *pulse)
{
	const struct stream_options options = {
		.input_maximum = ROOM, .output_maximum = ROOM, .on_event = take_pulse_event, .context = pulse
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, ROOM);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", pulse->path);
	TRY(stream_connect(pulse->loop, (const struct sockaddr *)&address, sizeof(address), &options, &pulse->stream));
	TRY(buf_printf(&text, "AUTH %.*s\r\n", SPAN_ARGS(secret_reveal(pulse->password))));
	return stream_write(pulse->stream, buf_span(&text));
}

static void send_ping(struct redis_pulse *pulse)
{
	enum status status = pulse->stream ? STATUS_OK : connect_pulse(pulse);
	if (status == STATUS_OK && !pulse->asked)
		status = stream_write(pulse->stream, SPAN("PING\r\n"));
	if (status == STATUS_OK)
		pulse->asked = true;
	else
		hang_up(pulse);
}

enum status redis_pulse_create(struct loop *loop, const char *path, const struct secret *password,
			       struct redis_pulse **out_pulse)
{
	struct redis_pulse *pulse = calloc(1, sizeof(*pulse));
	if (pulse == NULL)
		return STATUS_NO_MEMORY;
	*pulse = (struct redis_pulse){ .loop = loop, .path = path, .password = password };
	*out_pulse = pulse;
	return STATUS_OK;
}

void redis_pulse_free(struct redis_pulse **pulse)
{
	if (*pulse == NULL)
		return;
	stream_free(&(*pulse)->stream);
	free(*pulse);
	*pulse = NULL;
}

void redis_pulse_begin(struct redis_pulse *pulse, uint64_t now_ms)
{
	hang_up(pulse);
	pulse->answered = pulse->has_answered = false;
	pulse->silent_ms = 0;
	pulse->looked_ms = now_ms;
}

void redis_pulse_look(struct redis_pulse *pulse, uint64_t now_ms)
{
	uint64_t elapsed_ms = now_ms - pulse->looked_ms;
	if (elapsed_ms > LIFE_LOOK_MOST_MS)
		elapsed_ms = LIFE_LOOK_MOST_MS;
	pulse->silent_ms = pulse->answered ? 0 : pulse->silent_ms + elapsed_ms;
	pulse->has_answered |= pulse->answered;
	pulse->answered = false;
	pulse->looked_ms = now_ms;
	send_ping(pulse);
}

uint64_t redis_pulse_silent_ms(const struct redis_pulse *pulse)
{
	return pulse->silent_ms;
}

bool redis_pulse_has_answered(const struct redis_pulse *pulse)
{
	return pulse->has_answered;
}
