/* For tests of the upstream side: a pool with a fake upstream, and attempts that note what they are told. */
#ifndef TESTS_WITH_UPSTREAM_H
#define TESTS_WITH_UPSTREAM_H

#include "with_fake_relay.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/tls_clients.h"
#include "relay/upstream/upstream.h"

#define LIMIT_MS 30000
#define TEXT_SIZE 600
#define BODY "Subject: hello\r\n\r\n..dots\r\nbye\r\n"
#define SECRET "b3BlbiBzZXNhbWU="                         /* open sesame */
#define PLAIN_BLOB "AHVzQGV4YW1wbGUuY29tAG9wZW4gc2VzYW1l" /* NUL us@example.com NUL open sesame */

struct upstream_test {
	struct loop *loop;
	struct tls_clients *tls_clients;
	struct resolver *resolver;
	struct stats *stats;
	struct spool *spool;
	struct backoffs *backoffs;
	struct slots *slots;
	struct config_relay config;
	struct upstream_options options;
	struct upstream_pool *pool;
	struct fake_relay relay;

	/* what the owner of the credentials does */
	const char *mechanism, *user, *secret;
	uint64_t serial, refused_serial; /* of a token; the last one that was told to be refused */
	const char *new_secret;          /* given once the first one is refused; NULL: none is to be had */
	bool is_mute, is_unavailable;
	unsigned asked;
	char mailbox[64]; /* the last one asked for */
	uint64_t ticket;
};

/* One attempt, and what it was told. */
struct sending {
	struct upstream_attempt *upstream;
	struct spool_message *message;
	unsigned replies, held, done;
	char reply[8][TEXT_SIZE];
	size_t reply_count;
	enum upstream_class class;
	bool dot_released;
	char last_reply[TEXT_SIZE], reason[TEXT_SIZE], host[TEXT_SIZE];
};

static inline void keep_text(char out_text[TEXT_SIZE], struct span text)
{
	snprintf(out_text, TEXT_SIZE, "%.*s", SPAN_ARGS(text));
}

static inline void note_replies(void *context, const struct span *replies, size_t count)
{
	struct sending *s = context;
	s->replies++;
	for (size_t i = 0; i < count; i++, s->reply_count++) {
		if (s->reply_count < 8)
			keep_text(s->reply[s->reply_count], replies[i]);
	}
}

static inline void note_held(void *context)
{
	struct sending *s = context;
	s->held++;
}

static inline void note_done(void *context, const struct upstream_outcome *outcome)
{
	struct sending *s = context;
	s->done++;
	s->class = outcome->class;
	s->dot_released = outcome->dot_released;
	keep_text(s->last_reply, outcome->reply);
	keep_text(s->reason, outcome->reason);
	keep_text(s->host, span_of(outcome->host));
	s->upstream = NULL;
}

static const struct upstream_handler note_all = { note_replies, note_held, note_done };

static inline void give_credential(struct upstream_test *t, uint64_t ticket)
{
	struct upstream_credential credential = { .available = !t->is_unavailable,
						  .mechanism = span_of(t->mechanism),
						  .serial = t->serial,
						  .user = span_of(t->user),
						  .secret = span_of(t->secret),
						  .reason = SPAN("the vault is shut") };
	upstream_pool_credential(t->pool, ticket, &credential);
}

static inline void on_ask(void *context, const char *relay, const char *mailbox, uint64_t ticket)
{
	struct upstream_test *t = context;
	assert_string_equal(relay, "fake");
	snprintf(t->mailbox, sizeof(t->mailbox), "%s", mailbox);
	t->asked++;
	t->ticket = ticket;
	if (!t->is_mute)
		give_credential(t, ticket);
}

static inline void on_refused(void *context, const char *relay, const char *mailbox, uint64_t serial)
{
	struct upstream_test *t = context;
	assert_string_equal(relay, "fake");
	assert_string_equal(mailbox, t->mailbox);
	t->refused_serial = serial;
	t->serial++;
	t->secret = t->new_secret;
	t->is_unavailable = t->new_secret == NULL;
}

/* A plain relay without TLS; tests change t->config before upstream_test_open. */
static inline void upstream_test_begin(struct upstream_test *t)
{
	static char name[] = "fake", host[] = "127.0.0.1", empty[] = "";
	log_open(STDERR_FILENO, LOG_LEVEL_ERROR, "test");
	*t = (struct upstream_test){ .mechanism = "plain", .user = "us@example.com", .secret = "open sesame" };
	assert_int_equal(loop_create(&t->loop), STATUS_OK);
	assert_int_equal(tls_clients_create(&t->tls_clients), STATUS_OK);
	assert_int_equal(resolver_create(t->loop, &t->resolver), STATUS_OK);
	assert_int_equal(stats_create_private(&t->stats), STATUS_OK);
	int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(spool_create(t->loop, folder, 64U << 20, 100, &t->spool), STATUS_OK);
	assert_int_equal(backoffs_create(t->loop, -1, &t->backoffs), STATUS_OK);
	assert_int_equal(slots_create(-1, &t->slots), STATUS_OK);
	fake_relay_begin(&t->relay, t->loop);
	t->config = (struct config_relay){ .name = name,
					   .host = host,
					   .port = t->relay.port,
					   .tls = RELAY_TLS_NONE,
					   .tls_verify = true,
					   .ca_file = empty,
					   .tls_name = empty,
					   .auth = RELAY_AUTH_PLAIN,
					   .user = empty,
					   .password_file = empty,
					   .connections = 2,
					   .messages_per_connection = 100,
					   .idle_timeout = 60000,
					   .connect_timeout = 2000,
					   .reply_timeout = 2000 };
}

static inline void upstream_test_open(struct upstream_test *t)
{
	t->options.relay = &t->config;
	t->options.relay_index = 1;
	t->options.helo = "us.example.com";
	t->options.tls_clients = t->tls_clients;
	t->options.resolver = t->resolver;
	t->options.stats = t->stats;
	t->options.backoffs = t->backoffs;
	t->options.slots = t->slots;
	t->options.ask_credential = on_ask;
	t->options.refuse_credential = on_refused;
	t->options.context = t;
	assert_int_equal(upstream_pool_create(t->loop, &t->options, &t->pool), STATUS_OK);
}

static inline void upstream_test_end(struct upstream_test *t)
{
	upstream_pool_free(&t->pool);
	tls_clients_free(&t->tls_clients);
	backoffs_free(&t->backoffs);
	slots_free(&t->slots);
	fake_relay_end(&t->relay);
	spool_free(&t->spool);
	resolver_free(&t->resolver);
	stats_free_private(&t->stats);
	run_for(t->loop, 5); /* streams that were finishing */
	loop_free(t->loop);
}

/* The same, with an attempt that may still be under way. */
static inline void upstream_test_end_with(struct upstream_test *t, struct sending *s)
{
	upstream_abort(&s->upstream);
	spool_message_free(&s->message);
	upstream_test_end(t);
}

static inline void begin_envelope(struct upstream_test *t, struct sending *s, const struct upstream_envelope *envelope,
				  const char *const *recipients, size_t count)
{
	struct upstream_recipient list[200];
	*s = (struct sending){ 0 };
	for (size_t i = 0; i < count; i++)
		list[i] = (struct upstream_recipient){ .address = span_of(recipients[i]) };
	assert_int_equal(upstream_begin(t->pool, envelope, list, count, LIMIT_MS, &note_all, s, &s->upstream),
			 STATUS_OK);
}

static inline void begin_sending(struct upstream_test *t, struct sending *s)
{
	static const char *const recipients[] = { "one@example.net", "two@example.net" };
	struct upstream_envelope envelope = { .mail_from = SPAN("us@example.com") };
	begin_envelope(t, s, &envelope, recipients, 2);
}

/* Without the dot in front of each line that begins with one. */
static inline uint64_t unstuffed_size(const char *body)
{
	uint64_t size = strlen(body);
	for (const char *c = body; *c; c++)
		size -= *c == '.' && (c == body || c[-1] == '\n');
	return size;
}

static inline bool has_eight_bit(const char *body)
{
	while (*body && (unsigned char)*body < 128)
		body++;
	return *body != '\0';
}

/* More than leaves in one piece with its dot. */
static inline const char *long_body(void)
{
	static char body[20000 + 1];
	memset(body, 'a', sizeof(body) - 1);
	for (size_t at = 78; at < sizeof(body); at += 80)
		memcpy(body + at, "\r\n", 2);
	return body;
}

static inline void send_text(struct upstream_test *t, struct sending *s, const char *body)
{
	assert_int_equal(spool_begin(t->spool, NULL, &s->message), STATUS_OK);
	assert_int_equal(spool_append(s->message, span_of(body)), STATUS_OK);
	upstream_send(s->upstream, s->message, unstuffed_size(body), has_eight_bit(body), LIMIT_MS);
}

static inline bool is_answered(void *context)
{
	const struct sending *s = context;
	return s->replies || s->done;
}

static inline bool is_held(void *context)
{
	const struct sending *s = context;
	return s->held || s->done;
}

static inline bool is_done(void *context)
{
	const struct sending *s = context;
	return s->done;
}

/* Up to the replies to the recipients. */
static inline void open_sending(struct upstream_test *t, struct sending *s)
{
	begin_sending(t, s);
	run_until(t->loop, is_answered, s);
}

/* Up to its early end, of which the client hears nothing but that. */
static inline void open_in_vain(struct upstream_test *t, struct sending *s, enum upstream_class class,
				const char *reason)
{
	open_sending(t, s);
	assert_int_equal(s->done, 1);
	assert_int_equal(s->class, class);
	assert_string_equal(s->last_reply, ""); /* the client never hears our login's replies */
	if (strstr(s->reason, reason) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", reason, s->reason);
}

/* No form of the password was sent, in the clear or to anyone. */
static inline void assert_no_secret_was_sent(const struct upstream_test *t)
{
	static const char *const forms[] = { "AUTH", SECRET, PLAIN_BLOB };
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		assert_false(buf_size(&t->relay.record) &&
			     memmem(t->relay.record.data, buf_size(&t->relay.record), forms[i], strlen(forms[i])));
}

/* Up to the held dot, or an early end. */
static inline void hold_sending(struct upstream_test *t, struct sending *s)
{
	open_sending(t, s);
	assert_int_equal(s->done, 0);
	send_text(t, s, BODY);
	run_until(t->loop, is_held, s);
}

/* All the way. */
static inline void send_whole(struct upstream_test *t, struct sending *s)
{
	hold_sending(t, s);
	if (!s->done)
		upstream_release(s->upstream, LIMIT_MS);
	run_until(t->loop, is_done, s);
	spool_message_free(&s->message);
}

static inline void assert_accepted(const struct sending *s)
{
	assert_string_equal(s->last_reply, "250 2.0.0 queued as 1");
	assert_int_equal(s->class, UPSTREAM_ACCEPTED);
	assert_int_equal(s->done, 1);
	assert_true(s->dot_released);
}

#endif
