/* Replies to clients. Owns nothing; what it doesn't understand becomes a 451. */
#include "relay/answers.h"

#include "smtp/reply.h"

static unsigned code_of(struct span reply)
{
	struct reply read;
	return reply_read(reply, &read) == STATUS_OK ? read.code : 0;
}

bool answers_is_accepted(struct span reply)
{
	return code_of(reply) / 100 == 2;
}

bool answers_is_refusal(struct span reply)
{
	unsigned class = code_of(reply) / 100;
	return class == 4 || class == 5;
}

struct span answers_pass(struct span reply)
{
	unsigned code = code_of(reply);
	switch (code / 100) {
	case 2:
		return reply;
	case 4:
	case 5:
		break;
	default:
		return ANSWER_UPSTREAM_TRANSPORT;
	}
	/* RFC 4954, 6: 530, 534, 535 and 538 are about authentication, ours. 421 would end the client's session. */
	bool is_ours = code == 421 || code == 530 || code == 534 || code == 535 || code == 538;
	return is_ours ? ANSWER_UPSTREAM_TRANSPORT : reply;
}

enum status answers_write_accepted(struct buf *b, struct span upstream, const char *id)
{
	struct reply reply;
	if (reply_read(upstream, &reply) != STATUS_OK)
		reply = (struct reply){ .text = SPAN("OK") };
	struct buf text BUF_AUTO;
	buf_init(&text, REPLY_SIZE_MAXIMUM + 64);
	TRY(buf_append(&text, span_is_empty(reply.text) ? SPAN("OK") : reply.text));
	TRY(buf_printf(&text, " [%s]", id));
	struct reply ours = { 250, span_is_empty(reply.enhanced) ? SPAN("2.0.0") : reply.enhanced, buf_span(&text) };
	return reply_write(b, &ours);
}
