/*
 * For fuzz_upstream.c: what surrounds the upstream side. A spool in memory, a resolver that answers at once, and an
 * owner of attempts and credentials, who holds the upstream side to what it promises to tell.
 */
#ifndef TESTS_FUZZ_UPSTREAM_OWNER_H
#define TESTS_FUZZ_UPSTREAM_OWNER_H

#include "net/resolver.h"
#include "relay/upstream/upstream.h"
#include "tests/fuzz/played_net.h"

#define ATTEMPTS 64
#define SECRET "open sesame"
#define SECRET_PLAIN "AHVzQGV4YW1wbGUuY29tAG9wZW4gc2VzYW1l"

struct spool_message {
	struct span bytes;
	uint64_t unread_from; /* of a read that waits for its turn */
	void (*on_read)(void *context, enum status status, struct span bytes);
	void *context;
};

struct attempt {
	struct upstream_attempt *upstream; /* NULL: over */
	struct spool_message message;
	size_t asked, told, accepted, dots;
	bool is_sent, is_held, is_released;
};

#define STEP_MS 30000
#define BODY_MAXIMUM 200 /* bytes */

static struct upstream_pool *pool;
static struct attempt attempts[ATTEMPTS];
static size_t attempt_count;
static uint64_t ticket; /* of the login that waits for its credential; 0: none */
static bool is_late;    /* credentials and reads of the spool come only when told */

/* ---- the spool, with a message in memory or on a slow disk */

uint64_t spool_size(const struct spool_message *message)
{
	return message->bytes.size;
}

static bool finish_read(struct spool_message *m)
{
	void (*on_read)(void *context, enum status status, struct span bytes) = m->on_read;
	struct span rest = span_slice(m->bytes, m->unread_from, m->bytes.size);
	if (on_read == NULL)
		return false;
	m->on_read = NULL;
	on_read(m->context, rest.size ? STATUS_OK : STATUS_END, span_slice(rest, 0, 40));
	return true;
}

void spool_read(struct spool_message *message, uint64_t offset,
		void (*on_read)(void *context, enum status status, struct span bytes), void *context)
{
	assert(message->on_read == NULL && offset <= message->bytes.size);
	message->unread_from = offset;
	message->on_read = on_read;
	message->context = context;
	if (!is_late)
		finish_read(message);
}

void spool_cancel_read(struct spool_message *message)
{
	message->on_read = NULL;
}

/* ---- the resolver: two addresses, at once */

enum status resolver_ask(struct resolver *resolver, struct span host, uint16_t port, uint64_t limit_ms,
			 void (*on_answer)(void *context, const struct resolver_answer *answer), void *context,
			 struct resolution **out_resolution)
{
	struct resolver_answer answer = { .status = STATUS_OK, .count = 2, .reason = "" };
	(void)resolver, (void)host, (void)port, (void)limit_ms;
	enum status status = endpoint_parse(SPAN("192.0.2.1:25"), &answer.endpoints[0]);
	assert(status == STATUS_OK);
	answer.endpoints[1] = answer.endpoints[0];
	*out_resolution = NULL;
	on_answer(context, &answer);
	return STATUS_OK;
}

void resolver_cancel(struct resolution **resolution)
{
	assert(*resolution == NULL);
}

/* ---- the owner */

/* In what it says to our login: before that it can't know the secret, and after it we have forgotten it. */
static void expect_no_secret(struct span text)
{
	if (!span_starts_with(text, SPAN("login refused")) &&
	    !span_starts_with(text, SPAN("account resting after login failure: login refused")))
		return;
	assert(memmem(text.data, text.size, SECRET, sizeof(SECRET) - 1) == NULL);
	assert(memmem(text.data, text.size, SECRET_PLAIN, sizeof(SECRET_PLAIN) - 1) == NULL);
}

static void on_replies(void *context, const struct span *replies, size_t count)
{
	struct attempt *a = context;
	assert(a->upstream && !a->is_sent && a->told + count <= a->asked);
	a->told += count;
	for (size_t i = 0; i < count; i++) {
		struct reply reply;
		enum status status = reply_read(replies[i], &reply);
		assert(status == STATUS_OK);
		a->accepted += reply.code / 100 == 2;
	}
}

static void on_held(void *context)
{
	struct attempt *a = context;
	assert(a->upstream && a->is_sent && !a->is_held);
	a->is_held = true;
}

static void on_done(void *context, const struct upstream_outcome *outcome)
{
	struct attempt *a = context;
	struct reply reply = { 0 };
	assert(a->upstream && (a->is_released || !outcome->dot_released));
	assert(outcome->dot_released || a->dots == 0); /* it spoke before: the dot was held back */
	if (outcome->reply.size) {
		enum status status = reply_read(outcome->reply, &reply);
		assert(status == STATUS_OK);
	}
	if (outcome->class == UPSTREAM_ACCEPTED)
		assert(outcome->dot_released && a->accepted && reply.code / 100 == 2);
	if (outcome->class == UPSTREAM_UNKNOWN)
		assert(outcome->dot_released);
	if (outcome->dot_released)
		assert(reply.code >= 300 || outcome->class == UPSTREAM_ACCEPTED || outcome->class == UPSTREAM_UNKNOWN);
	for (size_t i = 0; i < outcome->reason.size; i++)
		assert((unsigned char)outcome->reason.data[i] >= ' ');
	expect_no_secret(outcome->reason);
	a->upstream = NULL;
}

static const struct upstream_handler handler = { on_replies, on_held, on_done };

static void give_credential(struct span kind)
{
	char what = kind.size ? kind.data[0] : 'p';
	struct upstream_credential credential = {
		.available = what != 'x',
		.mechanism = what == 'l'   ? SPAN("login")
			     : what == 'n' ? SPAN("none")
			     : what == 'o' ? SPAN("xoauth2")
			     : what == 'b' ? SPAN("oauthbearer")
					   : SPAN("plain"),
		.serial = what == 'o' || what == 'b' ? 1 : 0,
		.user = SPAN("us@example.com"),
		.secret = SPAN(SECRET),
		.reason = SPAN("the vault is shut"),
	};
	uint64_t asked = ticket;
	ticket = 0;
	if (asked)
		upstream_pool_credential(pool, asked, &credential);
}

static void on_refused(void *context, const char *name, const char *mailbox, uint64_t serial)
{
	(void)context;
	(void)name;
	(void)mailbox;
	(void)serial;
}

static void on_ask(void *context, const char *name, const char *mailbox, uint64_t number)
{
	(void)context;
	assert(strcmp(name, "fake") == 0 && mailbox[0] == '\0');
	ticket = number;
}

static void begin_attempt(size_t recipient_count)
{
	static const struct upstream_recipient recipients[] = {
		{ .address = SPAN("one@example.net"), .parameters = SPAN("NOTIFY=NEVER") },
		{ .address = SPAN("two@example.net") },
		{ .address = SPAN("three@example.net") },
	};
	static const struct upstream_envelope envelope = {
		.mail_from = SPAN("us@example.com"), .eight_bit = true, .ret = SPAN("HDRS"), .size = 30
	};
	if (attempt_count == ATTEMPTS)
		return;
	struct attempt *a = &attempts[attempt_count++];
	*a = (struct attempt){ .asked = recipient_count };
	enum status status =
		upstream_begin(pool, &envelope, recipients, recipient_count, 30000, &handler, a, &a->upstream);
	assert(status == STATUS_OK);
}

static void add_recipient(struct attempt *a)
{
	static const struct upstream_recipient more = { .address = SPAN("more@example.net") };
	if (a->upstream == NULL || a->is_sent || a->asked > 20)
		return;
	a->asked++;
	enum status status = upstream_add_recipients(a->upstream, &more, 1);
	assert(status == STATUS_OK);
}

static size_t unstuff(struct span body, char out_octets[BODY_MAXIMUM])
{
	size_t size = 0;
	assert(body.size <= BODY_MAXIMUM);
	for (size_t i = 0; i < body.size; i++) {
		if (body.data[i] != '.' || (i > 0 && body.data[i - 1] != '\n'))
			out_octets[size++] = body.data[i];
	}
	return size;
}

static void send_message(struct attempt *a)
{
	static const struct span bodies[] = { SPAN("Subject: x\r\n\r\n..dot\r\nbye\r\n"), SPAN(""),
					      SPAN("Subject: a longer one, in pieces\r\n\r\n....\r\n.x\r\n"
						   "Subject: a longer one, in pieces\r\n\r\n....\r\n.x\r\n") };
	if (a->upstream == NULL || a->is_sent || a->told < a->asked || a->accepted == 0)
		return;
	a->is_sent = true;
	a->message.bytes = bodies[(size_t)(a - attempts) % 3];
	char octets[BODY_MAXIMUM];
	upstream_send(a->upstream, &a->message, unstuff(a->message.bytes, octets), false, STEP_MS);
}

static void release(struct attempt *a)
{
	if (a->upstream == NULL || !a->is_held || a->is_released)
		return;
	a->is_released = true;
	upstream_release(a->upstream, STEP_MS);
}

static void give_up(struct attempt *a)
{
	if (a->is_released)
		return;
	upstream_abort(&a->upstream);
	assert(a->message.on_read == NULL);
}

#endif
