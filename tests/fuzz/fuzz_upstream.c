/*
 * The upstream side (pool, login, dialog) against hostile upstreams, and an owner who begins, adds, sends, releases and
 * gives up in any order that is allowed. Held to:
 *
 *   - one outcome for each attempt, none after it was given up; ACCEPTED only for a 2xx after the final dot, and
 *     nothing but ACCEPTED, UNKNOWN or a refusal once the dot is out (promise 3)
 *   - of each message one final dot at most goes out, on any connection, and it follows exactly the message's bytes
 *   - where TLS is asked for, nothing but EHLO, STARTTLS and QUIT goes in clear
 *   - no refusal of a login quotes the secret
 *   - what goes out is lines, and the commands are those that we know
 *
 * The first byte of the input chooses the relay's options. The rest is a script: RS (0x1E) ends a step, and the first
 * byte of a step says what happens (perform() below).
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "net/tls_clients.h"
#include "tests/fuzz/lax_reader.h"
#include "tests/fuzz/upstream_owner.h"

#define INPUT_MAXIMUM 16384

static struct stats *stats;
static struct tls_clients *tls_clients;
static struct config_relay relay;
static struct backoffs *backoffs;
static struct slots *slots;

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
	case 'u': /* the upstream says …; before our handshake that breaks it */
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
	case 'v': /* as the others, but on the connection before the latest */
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

/* As expect_dot_of_a_message, for the octets after BDAT. */
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
 * A line after DATA is a body's until its dot. A DATA that is not answered with 354 has no body, and then the next line
 * is a command, which no body has.
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
		if (stats_create_private(&stats) != STATUS_OK || tls_clients_create(&tls_clients) != STATUS_OK)
			abort();
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
					    .tls_clients = tls_clients,
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

/* If even a friendly upstream got no mail, everything else would test nothing. */
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
