/*
 * A whole gate role against hostile clients, and against roles that answer late, never, or what nobody asked for.
 * gate_roles.h keeps the books. At the end each client's transcript is read: replies in wire form, never more of them
 * than lines said, those to recipients in the order that the relay gave them, and "sent" only where it was.
 *
 * The input is a script. RS (0x1E) ends a step; its first byte says what happens, the rest with what (perform() below).
 * One client is there from the beginning, under TLS; roles answer by themselves until they are told to be silent.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "gate/admission.h"
#include "tests/fuzz/gate_roles.h"

#define INPUT_MAXIMUM 8192 /* bytes: fewer transactions than the books have lines */

static struct stats *stats;
static struct config *config;
static struct role_context role;
static struct gate *gate;
static uint64_t current; /* the client that speaks */

/* ---- the census of a node with this gate alone, and one client network */

static uint64_t census_counted, census_of_network;

enum status census_join(int fd, int reading_fd, unsigned place, struct census **out_census)
{
	(void)fd, (void)reading_fd, (void)place;
	*out_census = (struct census *)&census_counted;
	return STATUS_OK;
}

void census_leave(struct census **census)
{
	assert(census_counted == 0 && census_of_network == 0);
	*census = NULL;
}

uint64_t census_weigh(struct census *census, uint64_t network, uint64_t limit)
{
	(void)census, (void)limit;
	return network ? census_of_network : census_counted;
}

uint64_t census_own_total(const struct census *census)
{
	(void)census;
	return census_counted;
}

void census_raise_total(struct census *census)
{
	(void)census;
	census_counted++;
}

void census_lower_total(struct census *census)
{
	(void)census;
	assert(census_counted-- > 0);
}

enum status census_raise(struct census *census, uint64_t network)
{
	(void)census, (void)network;
	census_of_network++;
	return STATUS_OK;
}

void census_lower(struct census *census, uint64_t network)
{
	(void)census, (void)network;
	assert(census_of_network-- > 0);
}

/* ---- what role_main.c gives a role */

int role_take_fd(const struct role_context *context, const char *name)
{
	(void)context;
	return strncmp(name, "census", 6) == 0 ? 0 : -1; /* played, too: nobody closes it */
}

enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret)
{
	(void)context;
	if (strcmp(name, "tls-tickets") == 0)
		return STATUS_NOT_FOUND;
	return secret_from_span(SPAN("pem"), out_secret);
}

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	(void)context, (void)peer, (void)instance;
}

void role_finish(const struct role_context *context)
{
	(void)context;
	assert(TAILQ_EMPTY(&gate->sessions));
}

/* ---- the gate */

/* Every option has its default but those that make a run short; no listener opens a socket. */
static const char config_text[] =
	"hostname = \"mail.example.com\"\ngates = 1\n"
	"tls { certificate = \"c.pem\" private_key = \"k.pem\" }\n"
	"listener submissions { address = {\"127.0.0.1:465\"} tls = \"implicit\" }\n"
	"listener submission { address = {\"127.0.0.1:587\"} tls = \"starttls\" }\n"
	"limits { connections = 100 message_size = 4000 recipients_per_message = 20 errors = 30\n"
	"         command_timeout = \"1m\" data_timeout = \"1m\" }\n"
	"relay fake { host = \"relay.example.net\" auth = \"none\" }\n";

static void configure(void)
{
	enum status status = config_load(span_of(config_text), "/etc/fuzz.conf", stderr, &config);
	assert(status == STATUS_OK);
	for (size_t i = 0; i < config->listener.count; i++)
		config->listener.items[i].address.count = 0;
	role = (struct role_context){
		.loop = &played_loop, .config = config, .instance = 3, .index = 1, .node = "mail.example.com"
	};
}

static void attach(enum role_kind kind)
{
	roles.attaching_relay = kind == ROLE_RELAY;
	roles.epoch += kind == ROLE_RELAY;
	gate_role.attached(gate, kind, 7, -1);
}

static void connect_client(unsigned listener)
{
	struct endpoint client = { .size = sizeof(struct sockaddr_in) };
	struct sockaddr_in *address = (struct sockaddr_in *)&client.storage;
	const struct stream *before = played_streams;
	if (roles.session_count == SESSIONS || gate->draining)
		return;
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(0xC0000207);
	admission_admit(&gate->listeners[listener], -1, &client);
	assert(played_streams != before);
	current = ++roles.session_count;
	roles.sessions[current] = (struct seen_session){ .stream = played_streams };
}

static void settle(void)
{
	do
		played_settle();
	while (!roles.silent && answer_one());
}

static void begin(void)
{
	if (stats == NULL) {
		log_open(open("/dev/null", O_WRONLY), LOG_LEVEL_ERROR, "fuzz");
		enum status status = stats_create_private(&stats);
		assert(status == STATUS_OK);
		configure();
	}
	role.stats = stats;
	played_begin();
	void *state = NULL;
	enum status status = gate_role.start(&role, &state);
	assert(status == STATUS_OK);
	gate = state;
	attach(ROLE_AUTH);
	attach(ROLE_RELAY);
	connect_client(0);
	settle();
}

/* ---- the script */

static void say(uint64_t client, struct span text)
{
	struct seen_session *s = &roles.sessions[client];
	if (client > roles.session_count)
		return;
	current = client;
	if (s->stream->ending)
		return;
	for (size_t i = 0; i < text.size; i++)
		s->lines += text.data[i] == '\n';
	enum status status = buf_append(&s->stream->coming, text);
	assert(status == STATUS_OK);
	if (s->stream->securing)
		s->stream->failing = true;
}

static void pass_time(struct span digit)
{
	uint64_t ms = 1;
	for (char c = digit.size ? digit.data[0] : '0'; c > '0' && c <= '7'; c--)
		ms *= 10;
	played_pass_time(ms);
}

/* Bytes after a type of 16 bits. A text that the books count on is not said by chance. */
static void say_raw(struct door *door, struct span text)
{
	uint16_t type;
	if (text.size < sizeof(type) || memmem(text.data, text.size, TOKEN, sizeof(TOKEN) - 1) ||
	    memmem(text.data, text.size, " R", 2))
		return;
	memcpy(&type, text.data, sizeof(type));
	say_frame(door, type, span_slice(text, sizeof(type), text.size));
}

static void answer(char kind, struct span text)
{
	uint64_t number = kind == 'M' ? roles.last_transaction : find_transaction(kind == 'm');
	char digit = text.size ? text.data[0] : '2';
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '2' || text.data[i] > '5')
			return;
	}
	if (kind == 'a' && roles.login_count)
		answer_login(&roles.logins[0], "gwtc"[(digit - '2') % 4]);
	else if (kind == 'r' && number)
		answer_envelope(number, text);
	else if ((kind == 'm' || kind == 'M') && number && transaction_of(number)->epoch == roles.epoch)
		answer_message(number, digit);
}

static void perform_on_doors(char what, struct span with)
{
	switch (what) {
	case 'A': /* a new auth role, or relay role, while the one before is there or not */
		attach(ROLE_AUTH);
		break;
	case 'R':
		attach(ROLE_RELAY);
		break;
	case 'k': /* the auth role is gone, or the relay role */
		lose_peer(roles.auth);
		break;
	case 'l':
		lose_peer(roles.relay);
		break;
	case 'b': /* the relay's door is full, and has room again */
		if (roles.relay)
			roles.relay->backlog = 2 * DOOR_PACE;
		break;
	case 'd':
		drain_door(roles.relay);
		break;
	case 'F': /* any frame from the relay, or from auth */
		say_raw(roles.relay, with);
		break;
	case 'G':
		say_raw(roles.auth, with);
		break;
	case 'q':
		roles.silent = !roles.silent;
		break;
	default: /* a: verdict on a login; r: replies to recipients; m: outcome; M: the same, at any time */
		answer(what, with);
	}
}

static void perform(char what, struct span with)
{
	struct stream *client = roles.sessions[current].stream;
	switch (what) {
	case 'c': /* the client says … */
		say(current, with);
		break;
	case '1':
	case '2':
	case '3': /* this one says … */
		say((uint64_t)(what - '0'), with);
		break;
	case 'n': /* a new client, under TLS; s: on the other listener, in the clear */
		connect_client(with.size && with.data[0] == 's');
		break;
	case 'e':
		client->ending = true;
		break;
	case 'f':
		client->failing = true;
		break;
	case 'z':
		client->stalled = !client->stalled;
		break;
	case 't': /* 10 ms to the power of this digit */
		pass_time(with);
		break;
	case 'D':
		gate_role.drain(gate, 1000, false);
		break;
	default:
		perform_on_doors(what, with);
	}
}

/* ---- the transcripts */

/* The number after `mark`; 0: it is not there. */
static unsigned long number_after(struct span line, const char *mark)
{
	const char *at = memmem(line.data, line.size, mark, strlen(mark));
	return at ? strtoul(at + strlen(mark), NULL, 10) : 0;
}

static void read_reply_line(uint64_t session, struct span line, unsigned long *recipient)
{
	unsigned long sent = number_after(line, TOKEN), accepted = number_after(line, "250 2.1.5 R");
	assert(line.size >= 5 && line.size <= 12290 && line.data[line.size - 1] == '\r');
	assert(line.data[0] >= '2' && line.data[0] <= '5' && (line.data[3] == ' ' || line.data[3] == '-'));
	assert(lax_readers_agree_on_lines(span_slice(line, 0, line.size - 1)) || line.data[0] == '3');
	if (sent) {
		struct seen_transaction *t = transaction_of(sent);
		assert(t->session == session && t->is_sent);
		t->is_sent = false; /* said once */
	}
	if (accepted) {
		assert(accepted > *recipient);
		*recipient = accepted;
	}
}

static void read_transcript(uint64_t session)
{
	const struct seen_session *s = &roles.sessions[session];
	struct span rest = buf_span(&s->stream->heard), line;
	unsigned long recipient = 0;
	size_t replies = 0;
	assert(rest.size == 0 || rest.data[rest.size - 1] == '\n');
	while (rest.size && span_cut(&rest, '\n', &line)) {
		read_reply_line(session, line, &recipient);
		replies += line.data[3] == ' ';
	}
	/* The greeting, one for each line, one for a line too long before its end is there, and the farewell. */
	assert(replies <= s->lines + 3);
}

static void end(void)
{
	gate_role.stop(gate);
	assert(roles.auth == NULL && roles.relay == NULL);
	for (uint64_t i = 1; i <= roles.last_transaction; i++) {
		const struct seen_transaction *t = &roles.transactions[i];
		assert(t->asked == 0 || t->is_complete || t->is_over || t->epoch != roles.epoch);
	}
	for (uint64_t i = 1; i <= roles.session_count; i++)
		read_transcript(i);
	roles_end();
	played_end();
}

static void run(struct span script)
{
	struct span step;
	begin();
	while (script.size && span_cut(&script, '\x1e', &step)) {
		if (step.size)
			perform(step.data[0], span_slice(step, 1, step.size));
		settle();
	}
}

/* Where friendly peers get no mail through, all that follows would look at nothing. */
static void expect_that_mail_flows(void)
{
	run(SPAN("cEHLO pc.local\r\nAUTH PLAIN good\r\n\x1e"
		 "cMAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.net>\r\n\x1e"
		 "cDATA\r\n\x1e"
		 "cFrom: alice@example.com\r\n\r\nhello\r\n.\r\n"));
	bool is_sent = roles.transactions[1].is_sent;
	assert(is_sent);
	end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_sound;
	if (!is_sound)
		expect_that_mail_flows();
	is_sound = true;
	if (size > INPUT_MAXIMUM)
		return 0;
	run((struct span){ (const char *)data, size });
	end();
	return 0;
}
