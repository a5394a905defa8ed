/*
 * What a stream does when its descriptor is ready and at the end of a turn.
 * Events are told from here only, never from inside a call of the owner. Each
 * step gives back whether the stream still exists, as any event may end it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "net/stream_state.h"

#define READ_AT_ONCE 16384        /* bytes: one TLS record */
#define READ_PER_TURN 65536       /* bytes: so that one busy peer leaves the turn to the others */
#define WRITE_THROUGH_LEAST 16384 /* bytes: one TLS record */

/* False: the owner freed the stream in its callback, and it is gone. */
static bool tell_owner(struct stream *s, enum stream_event event)
{
	s->calling = true;
	s->options.on_event(s->options.context, s, event);
	s->calling = false;
	if (!s->freed)
		return true;
	stream_drop(s);
	return false;
}

static bool fail_stream(struct stream *s)
{
	if (s->phase == PHASE_CLOSING || s->phase == PHASE_LINGERING) {
		stream_drop(s);
		return false;
	}
	s->phase = PHASE_FAILED;
	s->blocked_on_read = s->blocked_on_write = false;
	s->clear_left = 0;
	buf_clear(&s->output);
	watch_set(s->watch, 0);
	return tell_owner(s, STREAM_FAILED);
}

static void note_block(struct stream *s, enum channel_result result)
{
	s->blocked_on_read |= result == CHANNEL_WANT_READ;
	s->blocked_on_write |= result == CHANNEL_WANT_WRITE;
}

/* ---- input */

static bool may_read(const struct stream *s)
{
	return s->phase == PHASE_OPEN && !s->paused && !s->ended;
}

static bool wants_input(const struct stream *s)
{
	return may_read(s) && !s->stuck && buf_room(&s->input) > 0;
}

/*
 * One read. While much comes, room is made at once for all that a turn takes; else the bytes go by `piece`, so that a
 * line takes no more memory than it has bytes.
 */
static enum channel_result read_some(struct stream *s, size_t room, char piece[READ_AT_ONCE], size_t *out_got)
{
	char *at = piece;
	if (s->takes_much && buf_reserve(&s->input, room < READ_PER_TURN ? room : READ_PER_TURN, &at) != STATUS_OK)
		at = piece;
	enum channel_result result = channel_read(&s->channel, at, room < READ_AT_ONCE ? room : READ_AT_ONCE, out_got);
	if (result != CHANNEL_OK)
		return result;
	s->takes_much = *out_got == READ_AT_ONCE;
	if (at != piece) {
		buf_commit(&s->input, *out_got);
		return CHANNEL_OK;
	}
	enum status status = buf_append(&s->input, (struct span){ piece, *out_got });
	if (s->input.sensitive)
		explicit_bzero(piece, *out_got); /* it may have been a password */
	if (status == STATUS_OK)
		return CHANNEL_OK;
	channel_note_errno(&s->channel, ENOMEM);
	return CHANNEL_FAILED;
}

/*
 * Reads until the channel has no more, the input is full, or `budget` is used up (then CHANNEL_OK). What TLS has
 * buffered is read beyond that, as no readiness tells of it.
 */
static enum channel_result fill_input(struct stream *s, size_t budget, size_t *out_total)
{
	char piece[READ_AT_ONCE];
	size_t total = 0, room;
	enum channel_result result = CHANNEL_OK;
	while ((total < budget || channel_has_pending(&s->channel)) && (room = buf_room(&s->input)) > 0) {
		size_t got = 0;
		result = read_some(s, room, piece, &got);
		if (result != CHANNEL_OK)
			break;
		total += got;
		/* A short read is the last one: another would cost a system call for each line of the dialog. */
		if (got < READ_AT_ONCE && got < room && !channel_has_pending(&s->channel)) {
			watch_note_emptied(s->watch);
			break;
		}
	}
	if (buf_size(&s->input) == 0)
		buf_clear(&s->input); /* room that was made for nothing */
	*out_total = total;
	return result;
}

static bool receive_input(struct stream *s, size_t budget)
{
	size_t got = 0;
	enum channel_result result = fill_input(s, budget, &got);
	s->dry = result == CHANNEL_WANT_READ;
	s->stuck = result == CHANNEL_WANT_WRITE;
	s->blocked_on_write |= s->stuck;
	if (got && !tell_owner(s, STREAM_INPUT))
		return false;
	if (s->phase != PHASE_OPEN)
		return true;
	if (result == CHANNEL_FAILED)
		return fail_stream(s);
	if (result != CHANNEL_ENDED)
		return true;
	s->ended = true;
	return tell_owner(s, STREAM_ENDED);
}

bool stream_fetch(struct stream *s)
{
	size_t got = 0;
	if (!wants_input(s) || !channel_has_arrivals(&s->channel))
		return buf_size(&s->input) > 0;
	enum channel_result result = fill_input(s, READ_AT_ONCE, &got);
	s->dry = result == CHANNEL_WANT_READ;
	s->blocked_on_write |= result == CHANNEL_WANT_WRITE;
	if (result == CHANNEL_FAILED)
		s->phase = PHASE_FAILING;
	loop_at_turn_end(s->loop, &s->end);
	return buf_size(&s->input) > 0;
}

bool stream_fetch_noticed(struct stream *s)
{
	if (wants_input(s) && !channel_has_pending(&s->channel) && watch_has_been_quiet(s->watch))
		return buf_size(&s->input) > 0;
	return stream_fetch(s);
}

/* The rest of a record that did not fit; no more than one, so that a fast sender can't keep the turn from ending. */
static bool take_rest(struct stream *s)
{
	while (wants_input(s) && !s->dry && channel_has_pending(&s->channel)) {
		if (!receive_input(s, 0))
			return false;
	}
	return true;
}

/*
 * Reads and drops: closing with bytes unread sends a reset, which can make the peer lose our last words. Returns what
 * the last recv(2) did.
 */
static ssize_t throw_away(struct stream *s)
{
	char piece[READ_AT_ONCE];
	ssize_t got = 0;
	for (size_t total = 0; total < READ_PER_TURN; total += (size_t)got) {
		got = recv(s->channel.fd, piece, sizeof(piece), 0);
		if (got <= 0)
			break;
	}
	return got;
}

/* After our FIN. */
static bool discard_input(struct stream *s)
{
	ssize_t got = throw_away(s);
	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return true;
	stream_drop(s);
	return false;
}

/* ---- output */

/* The peer may have said why it hung up ("421 …"), which is worth more than "Broken pipe". */
static bool fail_writing(struct stream *s)
{
	size_t got = 0;
	if (wants_input(s)) {
		(void)fill_input(s, READ_PER_TURN, &got);
		if (got && !tell_owner(s, STREAM_INPUT))
			return false;
	}
	return fail_stream(s);
}

/* Writes up to `limit` bytes of the output. */
static enum channel_result write_output(struct stream *s, size_t limit)
{
	while (limit) {
		size_t taken = 0;
		struct span bytes = span_slice(buf_span(&s->output), 0, limit);
		enum channel_result result = channel_write(&s->channel, bytes, &taken);
		if (result != CHANNEL_OK)
			return result;
		buf_consume(&s->output, taken);
		limit -= taken;
	}
	return CHANNEL_OK;
}

void stream_write_through(struct stream *s, struct span *bytes)
{
	enum channel_result result = CHANNEL_OK;
	if (s->phase != PHASE_OPEN || s->blocked_on_write || s->stuck || buf_size(&s->output))
		return;
	while (bytes->size >= WRITE_THROUGH_LEAST && result == CHANNEL_OK) {
		size_t taken = 0;
		result = channel_write(&s->channel, *bytes, &taken);
		*bytes = span_slice(*bytes, taken, bytes->size);
	}
}

static bool flush_output(struct stream *s)
{
	size_t size = buf_size(&s->output);
	if (size) {
		enum channel_result result = write_output(s, size);
		if (result == CHANNEL_FAILED || result == CHANNEL_ENDED)
			return fail_writing(s);
		note_block(s, result);
		s->tell_drained |= result != CHANNEL_OK;
	}
	if (s->phase != PHASE_OPEN || buf_size(&s->output) || !s->tell_drained)
		return true;
	s->tell_drained = false;
	return tell_owner(s, STREAM_DRAINED);
}

/* ---- phases */

static bool finish_connect(struct stream *s)
{
	int error = 0;
	socklen_t size = sizeof(error);
	if (getsockopt(s->channel.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error) {
		channel_note_errno(&s->channel, error);
		return fail_stream(s);
	}
	s->phase = PHASE_OPEN;
	return tell_owner(s, STREAM_CONNECTED);
}

static bool write_clear(struct stream *s)
{
	size_t before = buf_size(&s->output);
	enum channel_result result = write_output(s, s->clear_left);
	s->clear_left -= before - buf_size(&s->output);
	if (result == CHANNEL_FAILED || result == CHANNEL_ENDED)
		return fail_stream(s);
	note_block(s, result);
	if (result == CHANNEL_OK) {
		channel_enter_tls(&s->channel);
		s->phase = PHASE_SHAKING;
	}
	return true;
}

static bool shake_hands(struct stream *s)
{
	enum channel_result result = channel_shake(&s->channel);
	if (result == CHANNEL_FAILED || result == CHANNEL_ENDED) {
		(void)throw_away(s);
		return fail_stream(s);
	}
	note_block(s, result);
	if (result != CHANNEL_OK)
		return true;
	s->phase = PHASE_OPEN;
	s->dry = false;
	return tell_owner(s, STREAM_SECURED);
}

static bool say_end(struct stream *s)
{
	enum channel_result result = channel_shut(&s->channel);
	if (result == CHANNEL_FAILED || s->ended) {
		stream_drop(s);
		return false;
	}
	note_block(s, result);
	if (result == CHANNEL_OK)
		s->phase = PHASE_LINGERING;
	return true;
}

/* ---- what the loop calls */

static void watch_wanted(struct stream *s)
{
	unsigned events = 0;
	if (s->phase == PHASE_CONNECTING)
		events = WATCH_WRITE;
	if (s->blocked_on_read || wants_input(s) || s->phase == PHASE_LINGERING)
		events |= WATCH_READ;
	if (s->blocked_on_write)
		events |= WATCH_WRITE;
	watch_set(s->watch, events);
	/* Full: its owner consumes at some time, from anywhere. */
	if (may_read(s) && !wants_input(s))
		loop_after_turn_end(s->loop, &s->end);
}

/* One step of its phase; false: it is gone. */
static bool step_phase(struct stream *s)
{
	switch (s->phase) {
	case PHASE_CLEARING:
		return write_clear(s);
	case PHASE_SHAKING:
		return shake_hands(s);
	case PHASE_FAILING:
		return fail_stream(s);
	case PHASE_OPEN:
		return flush_output(s) && take_rest(s);
	case PHASE_CLOSING:
		if (!flush_output(s))
			return false;
		return buf_size(&s->output) ? true : say_end(s);
	case PHASE_CONNECTING:
	case PHASE_FAILED:
	case PHASE_LINGERING:
		break;
	}
	return true;
}

static void note_turn(struct stream *s)
{
	if (s->turn == loop_turn(s->loop))
		return;
	s->turn = loop_turn(s->loop);
	channel_begin_turn(&s->channel);
}

void stream_on_turn_end(void *context)
{
	struct stream *s = context;
	enum stream_phase before;
	note_turn(s);
	do {
		before = s->phase;
		if (!step_phase(s))
			return;
	} while (s->phase != before);
	watch_wanted(s);
}

void stream_on_ready(void *context, unsigned events)
{
	struct stream *s = context;
	s->blocked_on_read = s->blocked_on_write = false;
	s->dry = s->stuck = false;
	(void)events;
	note_turn(s);
	if (s->phase == PHASE_CONNECTING && !finish_connect(s))
		return;
	if (wants_input(s) && !receive_input(s, READ_PER_TURN))
		return;
	if (s->phase == PHASE_LINGERING && !discard_input(s))
		return;
	loop_at_turn_end(s->loop, &s->end);
}

void stream_on_deadline(void *context)
{
	struct stream *s = context;
	if (s->phase == PHASE_CLOSING || s->phase == PHASE_LINGERING)
		stream_drop(s);
	else if (s->phase != PHASE_FAILED)
		tell_owner(s, STREAM_TIMEOUT);
}
