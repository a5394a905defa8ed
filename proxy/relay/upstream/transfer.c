/*
 * The message of an attempt whose envelope was taken: DATA, the body from the
 * spool as fast as the upstream takes it, and the dot (RFC 5321, 4.1.1.4). A
 * body that fits one TLS record is gathered, and goes with its dot.
 *
 * A small message goes in one BDAT (RFC 3030) to an upstream that offers
 * CHUNKING, which saves the wait for 354. It is gathered first, and nothing of
 * it is sent before the release, so the release means the same. For a larger
 * message a round trip doesn't matter. An upstream that was silent for long is
 * asked by DATA first, to see whether it is still there: if BDAT goes without an
 * answer, nobody knows whether it has the message.
 *
 * A reply too many, however old, must not become the verdict. 354 shows that the
 * two sides are in step. BDAT has no such reply, and so goes only to an upstream
 * that answered MAIL and RCPT with codes that no verdict has; and nothing may be
 * there to read when the end goes out.
 *
 * How it fails: as in dialog.c. A connection on which BDAT was refused is
 * closed, as the upstream may take the octets that it refused for commands.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "relay/upstream/private.h"

#define BODY_BACKLOG (64U << 10) /* bytes: the next piece is read once the stream has fewer to send */
#define CHUNK_FRESH_MS 2000      /* how recently the upstream must have spoken */
#define WHOLE_MAXIMUM 16381U     /* bytes of a body that leaves in one TLS record with its dot's line */

/* ---- small messages */

static bool may_be_chunk(const struct upstream_attempt *u)
{
	uint64_t now = loop_now_ms(u->pool->loop);
	return u->connection->features.chunking && !u->pool->lacks_chunking && u->is_told_apart && u->size &&
	       spool_size(u->message) <= SPOOL_MEMORY && now - u->connection->spoke_ms < CHUNK_FRESH_MS;
}

/* A chunk is without the dots that DATA needs in front of lines that begin with one. */
static enum status gather_body(struct upstream_attempt *u, struct span bytes)
{
	if (!u->as_chunk)
		return buf_append(&u->gathered, bytes);
	while (bytes.size) {
		const char *end = memchr(bytes.data, '\n', bytes.size);
		size_t size = end ? (size_t)(end - bytes.data) + 1 : bytes.size;
		struct span line = span_slice(bytes, 0, size);
		if (u->at_line_start && line.data[0] == '.')
			line = span_slice(line, 1, size);
		TRY(buf_append(&u->gathered, line));
		u->at_line_start = end != NULL;
		bytes = span_slice(bytes, size, bytes.size);
	}
	return STATUS_OK;
}

/* ---- the body */

static void hold_end(struct upstream_attempt *u)
{
	if (body_digest_end(&u->digest, u->digest_hex) != STATUS_OK) {
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "the message's digest can't be made", NULL);
		return;
	}
	if (u->as_chunk && buf_size(&u->gathered) != u->size) {
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "the message is not of the size it was said to be",
					NULL);
		return;
	}
	u->state = UPSTREAM_HELD;
	u->tell_held = true;
	stream_set_deadline(u->connection->stream, 0);
	upstream_is_due(u);
}

static void read_next(struct upstream_attempt *u);

static void take_piece(struct upstream_attempt *u, struct span bytes)
{
	u->offset += bytes.size;
	if (body_digest_add(&u->digest, bytes) != STATUS_OK) {
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "the message's digest can't be made", NULL);
	} else if (u->is_gathered) {
		if (gather_body(u, bytes) == STATUS_OK)
			read_next(u);
		else
			upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "out of memory", NULL);
	} else if (upstream_connection_say(u->connection, bytes, upstream_dialog_step_ms(u))) {
		/* Bytes already written count, too: otherwise one call would send the whole message. */
		if (bytes.size < BODY_BACKLOG && stream_backlog(u->connection->stream) < BODY_BACKLOG)
			read_next(u);
		else
			stream_want_drained(u->connection->stream);
	}
}

static void on_read(void *context, enum status status, struct span bytes)
{
	struct upstream_attempt *u = context;
	u->reading = false;
	if (status == STATUS_END)
		hold_end(u);
	else if (status != STATUS_OK)
		upstream_dialog_give_up(u, UPSTREAM_STORAGE, "the spool can't be read", NULL);
	else
		take_piece(u, bytes);
}

/* The pool's turn comes before the stream's, so that a dot released in it leaves with the body's last bytes. */
static void read_next(struct upstream_attempt *u)
{
	upstream_pool_wake(u->pool);
	u->reading = true;
	spool_read(u->message, u->offset, on_read, u);
}

static void begin_body(struct upstream_attempt *u)
{
	u->state = UPSTREAM_BODY;
	u->offset = 0;
	u->at_line_start = true;
	u->is_gathered = u->as_chunk || spool_size(u->message) <= WHOLE_MAXIMUM;
	buf_clear(&u->gathered);
	u->digest_hex[0] = '\0';
	if (u->pool->options.with_digest && body_digest_begin(&u->digest) != STATUS_OK)
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "out of memory", NULL);
	else
		read_next(u);
}

void upstream_transfer_on_drained(struct upstream_attempt *u)
{
	if (u->state == UPSTREAM_BODY && !u->reading && !u->is_gathered)
		read_next(u);
}

/* ---- its beginning and its end */

/* True if the upstream lacks what the message, known now, needs. dialog.c saw to the envelope's needs. */
static bool refuse_unable(struct upstream_attempt *u)
{
	static const struct reply too_large = { .code = 552,
						.enhanced = { "5.3.4", 5 },
						.text = { "Message too large for the relay", 31 } };
	static const struct reply not_eight_bit = {
		.code = 554,
		.enhanced = { "5.6.3", 5 },
		.text = { "The message has 8-bit content, and the relay for it does not offer 8BITMIME", 75 }
	};
	const struct upstream_features *features = &u->connection->features;
	if (features->size_limit && u->size > features->size_limit)
		upstream_dialog_refuse(u, UPSTREAM_UNABLE, "larger than the SIZE it offers", &too_large);
	else if (u->has_eight_bit && !features->eight_bit)
		upstream_dialog_refuse(u, UPSTREAM_UNABLE, "it does not offer 8BITMIME", &not_eight_bit);
	return u->state == UPSTREAM_OVER;
}

void upstream_transfer_send(struct upstream_attempt *u)
{
	assert(u->state == UPSTREAM_OPEN);
	if (refuse_unable(u))
		return;
	u->as_chunk = may_be_chunk(u);
	if (u->as_chunk) {
		begin_body(u);
		return;
	}
	u->state = UPSTREAM_DATA;
	(void)upstream_connection_say(u->connection, SPAN("DATA\r\n"), upstream_dialog_step_ms(u));
}

static enum status write_end(struct upstream_attempt *u)
{
	char command[64];
	struct stream *stream = u->connection->stream;
	if (u->as_chunk) {
		snprintf(command, sizeof(command), "BDAT %zu LAST\r\n", buf_size(&u->gathered));
		TRY(stream_write(stream, span_of(command)));
	}
	TRY(stream_write(stream, buf_span(&u->gathered)));
	return u->as_chunk ? STATUS_OK : stream_write(stream, SPAN(".\r\n"));
}

/* True if something came before the end went out: it is about what was sent so far, or about nothing. */
static bool hears_early(struct upstream_attempt *u)
{
	if (!stream_fetch(u->connection->stream))
		return false;
	upstream_connection_take(u->connection);
	if (u->state != UPSTREAM_OVER)
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "it spoke within the message", NULL);
	return true;
}

void upstream_transfer_release(struct upstream_attempt *u, uint64_t limit_ms)
{
	struct stream *stream = u->connection->stream;
	if (hears_early(u))
		return;
	if (write_end(u) != STATUS_OK) {
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "the message's end could not be written", NULL);
		return;
	}
	buf_clear(&u->gathered);
	upstream_trial_trace(u->connection, "C: (the message%s)", u->as_chunk ? " by BDAT" : "");
	u->state = UPSTREAM_DOT;
	u->dot_released = true;
	stream_set_deadline(stream, limit_ms);
}

/* ---- replies */

static void on_data_reply(struct upstream_attempt *u, const struct reply *reply)
{
	if (reply->code == 354)
		begin_body(u);
	else if (reply->code / 100 < 4)
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "reply out of step to DATA", reply);
	else
		upstream_dialog_refuse(u, upstream_judge(u, STAGE_DATA, NULL, reply), "DATA refused", reply);
}

/* A message without its end isn't whole: whatever this reply says, the upstream doesn't have it. */
static void on_early_reply(struct upstream_attempt *u, const struct reply *reply)
{
	if (reply->code / 100 < 4)
		upstream_dialog_give_up(u, UPSTREAM_TRANSPORT, "reply out of step within the message", reply);
	else
		upstream_dialog_give_up(u, upstream_judge(u, STAGE_DOT, NULL, reply), "message refused before its end",
					reply);
}

/* That a command is unknown says nothing about the message. */
static void note_unknown_command(struct upstream_attempt *u, const struct reply *reply)
{
	if (!u->as_chunk || (reply->code != 500 && reply->code != 502))
		return;
	log_warning("relay %s: it offers CHUNKING and does not know BDAT: DATA is used from now on",
		    u->pool->relay->name);
	u->pool->lacks_chunking = true;
}

static enum upstream_class classify_verdict(struct upstream_attempt *u, const struct reply *reply)
{
	/* The reply to BDAT may also be what DATA would have heard. */
	enum upstream_stage stage = u->as_chunk ? STAGE_DATA | STAGE_DOT : STAGE_DOT;
	if (u->as_chunk && (reply->code == 500 || reply->code == 502))
		return UPSTREAM_TRANSPORT;
	return upstream_judge(u, stage, NULL, reply);
}

static void on_verdict(struct upstream_attempt *u, const struct reply *reply)
{
	char reason[UPSTREAM_REASON_SIZE];
	struct upstream_connection *c = u->connection;
	bool is_accepted = reply->code / 100 == 2, was_chunk = u->as_chunk;
	bool is_of_envelope = was_chunk && span_starts_with(reply->enhanced, SPAN("2.1."));
	if (reply->code / 100 == 3 || is_of_envelope) {
		upstream_dialog_give_up(u, UPSTREAM_UNKNOWN, "reply out of step to the final dot", reply);
		return;
	}
	note_unknown_command(u, reply);
	upstream_describe(reason, is_accepted ? "accepted" : "message refused", reply);
	upstream_finish(u, is_accepted ? UPSTREAM_ACCEPTED : classify_verdict(u, reply), reply, reason);
	if (reply->code == 421 || (was_chunk && !is_accepted))
		upstream_connection_close(c);
	else
		upstream_connection_become_idle(c);
}

void upstream_transfer_on_reply(struct upstream_attempt *u, const struct reply *reply)
{
	if (u->state == UPSTREAM_DATA)
		on_data_reply(u, reply);
	else if (u->state == UPSTREAM_DOT)
		on_verdict(u, reply);
	else
		on_early_reply(u, reply);
}
