/*
 * The upstream side (pool, login, dialog) against hostile relays, and an owner who begins, adds, sends, releases and
 * gives up in any order that is allowed. Held to:
 *
 *   - one outcome for each attempt, none after it was given up; ACCEPTED only for a 2xx behind the final dot, and
 *     nothing but ACCEPTED, UNKNOWN or a refusal once the dot is out (promise 3)
 *   - of each message one final dot at most goes out, on any connection, and it follows exactly the message's bytes
 *   - where TLS is asked for, nothing but EHLO, STARTTLS and QUIT goes in clear; no refusal of a login quotes the secret
 *   - what goes out is lines, and the commands are those that we know
 *
 * The first byte of the input chooses the relay's options. The rest is a script: RS (0x1E) ends a step, its first byte says
 * what happens (perform() below).
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "net/resolver.h"
#include "relay/upstream/upstream.h"
#include "tests/fuzz/lax_reader.h"
#include "tests/fuzz/played_net.h"

#define INPUT_MAXIMUM 16384
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
	struct upstream *upstream; /* NULL: over */
	struct spool_message message;
	size_t asked, told, accepted, dots;
	bool is_sent, is_held, is_released;
};

#define STEP_MS 30000
#define BODY_MAXIMUM 200 /* bytes */

static struct stats *stats;
static struct config_relay relay;
static struct backoffs *backoffs;
static struct slots *slots;
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

/* In what a relay says to our login: before it, it can't know the secret; behind it, we have forgotten it. */
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
	assert(outcome->dot_released || a->dots == 0); /* the relay spoke before: the dot was held back */
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

/* ---- the script */

static struct stream *latest(void)
{
	return played_streams;
}

static void perform_on_relay(struct stream *s, char what, struct span with)
{
	enum status status;
	if (s == NULL || s->gone)
		return;
	switch (what) {
	case 'u': /* the relay says …; in front of our handshake that breaks it */
		status = buf_append(&s->coming, with);
		assert(status == STATUS_OK);
		s->failing |= s->securing;
		break;
	case 'e':
		s->ending = true;
		break;
	case 'f':
		s->failing = true;
		break;
	case 'z':
		s->stalled = !s->stalled;
		break;
	default:
		break;
	}
}

static void pass_time(struct span digit)
{
	uint64_t ms = 1;
	for (char c = digit.size ? digit.data[0] : '0'; c > '0' && c <= '6'; c--)
		ms *= 10;
	played_pass_time(ms);
}

static void perform(char what, struct span with)
{
	struct attempt *a = &attempts[attempt_count ? attempt_count - 1 : 0];
	if (attempt_count && with.size && with.data[0] >= '0' && with.data[0] <= '9')
		a = &attempts[(size_t)(with.data[0] - '0') % attempt_count];
	switch (what) {
	case 'b': /* begins with so many recipients */
		begin_attempt(with.size ? 1 + (size_t)with.data[0] % 3 : 1);
		break;
	case 'a':
		add_recipient(a);
		break;
	case 's':
		send_message(a);
		break;
	case 'r':
		release(a);
		break;
	case 'g':
		give_up(a);
		break;
	case 'l':
		is_late = !is_late;
		break;
	case 'k':
		give_credential(with);
		break;
	case 'd':
		finish_read(&a->message);
		break;
	case 't':
		pass_time(with);
		break;
	case 'D':
		upstream_pool_drain(pool);
		break;
	case 'v': /* as the rest, by the connection before the latest */
		perform_on_relay(latest() ? latest()->next : NULL, with.size ? with.data[0] : 'u',
				 span_slice(with, 1, with.size));
		break;
	default:
		perform_on_relay(latest(), what, with);
	}
}

/* ---- what went out */

/* The body in front of this dot is one that was released. */
static void expect_dot_of_a_message(struct span body)
{
	assert(lax_readers_agree_on_lines(body) && !lax_reader_stops_within(body));
	for (size_t i = 0; i < attempt_count; i++) {
		struct attempt *a = &attempts[i];
		if (a->is_released && a->dots == 0 && span_equal(a->message.bytes, body)) {
			a->dots++;
			return;
		}
	}
	assert(!"a dot that no attempt released");
}

/* As expect_dot_of_a_message, for octets behind BDAT. */
static void expect_chunk_of_a_message(struct span octets)
{
	char unstuffed[BODY_MAXIMUM];
	for (size_t i = 0; i < attempt_count; i++) {
		struct attempt *a = &attempts[i];
		size_t size = unstuff(a->message.bytes, unstuffed);
		if (a->is_released && a->dots == 0 && span_equal((struct span){ unstuffed, size }, octets)) {
			a->dots++;
			return;
		}
	}
	assert(!"a chunk that no attempt released");
}

static bool is_known_command(struct span line)
{
	static const char *const known[] = { "EHLO us.example.com",
					     "STARTTLS",
					     "AUTH PLAIN",
					     "AUTH LOGIN",
					     "MAIL FROM:<us@example.com>",
					     "RCPT TO:<",
					     "DATA",
					     "BDAT ",
					     "RSET",
					     "QUIT",
					     SECRET_PLAIN,
					     "dXNAZXhhbXBsZS5jb20=",
					     "b3BlbiBzZXNhbWU=" };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (span_starts_with(line, span_of(known[i])))
			return true;
	}
	return false;
}

static bool is_harmless_in_clear(struct span line)
{
	return span_starts_with(line, SPAN("EHLO ")) || span_equal(line, SPAN("STARTTLS\r")) ||
	       span_equal(line, SPAN("QUIT\r"));
}

/*
 * A line behind DATA is a body's until its dot. What is not answered with 354 has no body: then the next line is a
 * command (a body's line is none of them).
 */
static void read_what_it_heard(const struct stream *s)
{
	struct span all = buf_span(&s->heard), rest = all, line;
	size_t body_at = 0;
	bool in_body = false;
	while (rest.size && span_cut(&rest, '\n', &line)) {
		size_t at = (size_t)(line.data - all.data);
		bool in_clear = !s->secure || at < s->clear_size;
		bool is_body = in_body && !is_known_command(line);
		if (relay.tls != RELAY_TLS_NONE && in_clear)
			assert(is_harmless_in_clear(line));
		if (rest.data == NULL)
			return; /* cut off within a line */
		assert(line.size && line.data[line.size - 1] == '\r');
		if (is_body && span_equal(line, SPAN(".\r"))) {
			expect_dot_of_a_message(span_slice(all, body_at, at));
			in_body = false;
			continue;
		}
		if (!is_body && span_starts_with(line, SPAN("BDAT "))) {
			size_t size = strtoul(line.data + 5, NULL, 10);
			if (rest.size < size)
				return; /* cut off within the chunk */
			expect_chunk_of_a_message(span_slice(rest, 0, size));
			rest = span_slice(rest, size, rest.size);
			in_body = false;
			continue;
		}
		assert(is_body || is_known_command(line));
		in_body = is_body || span_equal(line, SPAN("DATA\r"));
		if (in_body && !is_body)
			body_at = at + line.size + 1;
	}
}

/* ---- a run */

static void begin(uint8_t choice)
{
	static char name[] = "fake", host[] = "relay.example.net", empty[] = "";
	static const enum config_relay_tls tls[] = { RELAY_TLS_NONE, RELAY_TLS_STARTTLS, RELAY_TLS_IMPLICIT };
	if (stats == NULL) {
		log_open(open("/dev/null", O_WRONLY), LOG_LEVEL_ERROR, "fuzz");
		enum status status = stats_create_private(&stats);
		assert(status == STATUS_OK);
	}
	relay = (struct config_relay){ .name = name,
				       .host = host,
				       .port = 25,
				       .tls = tls[choice % 3],
				       .tls_verify = choice / 3 % 4 != 0,
				       .dsn = choice / 12 % 2,
				       .ca_file = empty,
				       .tls_name = empty,
				       .auth = choice / 24 % 4 == 0 ? RELAY_AUTH_NONE : RELAY_AUTH_PLAIN,
				       .user = empty,
				       .password_file = empty,
				       .connections = 1 + choice / 96 % 2,
				       .messages_per_connection = 3,
				       .idle_timeout = 60000,
				       .connect_timeout = 20000,
				       .reply_timeout = 30000 };
	struct upstream_options options = { .relay = &relay,
					    .relay_index = 1,
					    .helo = "us.example.com",
					    .stats = stats,
					    .ask_credential = on_ask,
					    .refuse_credential = on_refused };
	memset(attempts, 0, sizeof(attempts));
	attempt_count = 0;
	ticket = 0;
	is_late = false;
	played_begin();
	if (backoffs_create(&played_loop, -1, &backoffs) != STATUS_OK || slots_create(-1, &slots) != STATUS_OK)
		abort();
	options.backoffs = backoffs;
	options.slots = slots;
	enum status status = upstream_pool_create(&played_loop, &options, &pool);
	assert(status == STATUS_OK);
}

static void settle(void)
{
	played_settle();
	while (!is_late && ticket) {
		give_credential(SPAN("p"));
		played_settle();
	}
}

static void end(void)
{
	struct upstream_pool_state state;
	upstream_pool_show(pool, &state);
	expect_no_secret(span_of(state.last_error));
	upstream_pool_free(&pool);
	backoffs_free(&backoffs);
	slots_free(&slots);
	for (const struct stream *s = played_streams; s; s = s->next)
		read_what_it_heard(s);
	for (size_t i = 0; i < attempt_count; i++)
		assert(attempts[i].message.on_read == NULL);
	played_end();
}

static void run(uint8_t choice, struct span script)
{
	struct span step;
	begin(choice);
	while (script.size && span_cut(&script, '\x1e', &step)) {
		if (step.size)
			perform(step.data[0], span_slice(step, 1, step.size));
		settle();
	}
}

/* Where a friendly relay gets no mail, all that follows would look at nothing. */
static void expect_that_mail_flows(void)
{
	run(27, SPAN("b0\x1eu220 hello\r\n\x1eu250-relay\r\n250 AUTH PLAIN\r\n\x1eu235 ok\r\n\x1eu250 ok\r\n\x1e"
		     "u250 ok\r\n\x1es\x1eu354 go\r\n\x1er\x1eu250 queued\r\n"));
	assert(attempts[0].is_released && attempts[0].upstream == NULL);
	end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_sound;
	if (!is_sound)
		expect_that_mail_flows();
	is_sound = true;
	if (size == 0 || size > INPUT_MAXIMUM)
		return 0;
	run(data[0], (struct span){ (const char *)data + 1, size - 1 });
	end();
	return 0;
}
