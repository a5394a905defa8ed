/*
 * A message's delivery in the relay, with everything around it (tests/unit/relay_world.h) answering in any order: gate,
 * upstreams, quota, audit, spool, time. The world's trace says what was done; held to:
 *
 *   - a final dot goes out only after a charge that was granted and not given back, and after a message.leaving of this
 *     attempt that is written (promises 4 and 5)
 *   - after a dot that a relay may have taken, nothing goes to another one (promise 3)
 *   - exactly one outcome for each message.leaving, once the audit takes it
 *   - the client hears 2xx only for what a relay accepted, and one answer at most; a charge is given back once at most,
 *     and never for a message that may have gone out
 *
 * Each step is a turn of the loop, but for those that ~ puts together into one.
 *
 * The input is a script: RS (0x1E) ends a step, its first byte says what happens, the rest with what (perform() below).
 */
#include "tests/unit/relay_world.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/log.h"

/* The attempt at hand, and the transaction's books. */
static struct books {
	unsigned n;   /* transactions so far */
	size_t asked; /* recipients that the upstream owes a reply */
	bool is_sent, is_held, is_released;
	bool is_charged, is_refunded;
	unsigned number; /* of the attempt that a message.leaving was asked for; 0: none */
	bool is_written;
	unsigned waiting[RECORDS_WAITING + 1]; /* numbers of those records that wait, oldest first */
	size_t waiting_count;
	bool may_be_out, is_accepted, is_aborted;
	unsigned answers;
} books;

static unsigned steps_in_turn; /* that are still to come in this turn of the loop */

static void forget_attempt(void)
{
	books.asked = 0;
	books.is_sent = books.is_held = books.is_released = false;
	books.number = 0;
	books.is_written = false;
}

static bool begins(struct span text, const char *with)
{
	return span_starts_with(text, span_of(with));
}

static void see_attempt(struct span addresses)
{
	struct span address;
	assert(!books.may_be_out);
	forget_attempt();
	addresses = span_trim(addresses);
	while (span_cut(&addresses, ' ', &address))
		books.asked++;
}

static void see_more(struct span addresses)
{
	struct span address;
	addresses = span_trim(addresses);
	while (span_cut(&addresses, ' ', &address))
		books.asked++;
}

static void see_leaving(struct span number)
{
	assert(books.number == 0 && number.size == 1);
	books.number = (unsigned)(number.data[0] - '0');
	books.waiting[books.waiting_count++] = books.number;
}

static void see_dot(void)
{
	assert(books.is_sent && books.is_held && !books.is_released);
	assert(books.is_charged && !books.is_refunded && books.number && books.is_written);
	books.is_released = true;
	books.may_be_out = true;
}

static void see_answer(void)
{
	assert(++books.answers == 1);
	if (world.message_reply[0] == '2')
		assert(books.is_accepted && books.is_charged && !books.is_refunded);
	else
		assert(!books.is_accepted);
}

static void see(struct span event)
{
	if (event.size > 2 && event.data[1] == ':')
		see_attempt(span_slice(event, 2, event.size));
	else if (begins(event, "more:"))
		see_more(span_slice(event, 5, event.size));
	else if (begins(event, "send"))
		books.is_sent = true;
	else if (begins(event, "DOT"))
		see_dot();
	else if (begins(event, "message.leaving"))
		see_leaving(span_slice(event, sizeof("message.leaving"), event.size));
	else if (begins(event, "answer"))
		see_answer();
	else if (begins(event, "settle"))
		assert(books.is_charged && !books.is_refunded);
	if (begins(event, "abort")) {
		assert(!books.is_released);
		forget_attempt();
	}
	if (begins(event, "refund")) {
		assert(!books.is_refunded && !books.may_be_out);
		books.is_refunded = true;
	}
}

/* What happened since the last look. */
static void look(void)
{
	struct span rest = span_of(world.trace), event;
	assert(rest.size < TEXT_SIZE - 100);
	while (rest.size && span_cut(&rest, ';', &event))
		see(span_trim(event));
	world.trace[0] = '\0';
	assert(world.outcomes <= world.leavings);
}

/* ---- what the others do, where it is their turn */

static bool is_free(void)
{
	return deliveries_count(deliveries) == 0 && world.written == NULL && world.charged == NULL;
}

static void begin_transaction(struct span count)
{
	static const char *const lists[] = { "b@x", "b@x c@x", "b@x c@x d@x", "nobody", "b@x c@x d@x e@x f@x g@x" };
	size_t chosen = count.size ? (unsigned char)(count.data[0] - '0') % 5U : 0;
	if (!is_free() || books.n == 90)
		return;
	books = (struct books){ .n = books.n + 1 };
	(void)!say_envelope(grant, books.n, "ann@example.com", lists[chosen]);
}

/* For one that is over they begin it anew, and the same number says nothing of the other one. */
static void add_recipients(void)
{
	if (books.is_aborted && !is_free()) /* in the turn of its end each of them is answered */
		return;
	if (is_free())
		books = (struct books){ .n = books.n };
	if (books.n && (is_free() || books.answers == 0))
		(void)!say_envelope(grant, books.n, "ann@example.com", "h@x i@x");
}

static void say_bytes(struct span bytes, bool complete)
{
	struct door_message_data data = { .transaction = 100 + books.n, .complete = complete, .bytes = bytes };
	if (books.n)
		(void)!deliveries_take_data(deliveries, &gate, &data);
}

static void abort_transaction(struct span reply)
{
	struct door_transaction_aborted message = { .session = 1, .transaction = 100 + books.n };
	if (reply.size) {
		message.reply = SPAN("552 5.3.4 Message too large");
		message.reason = SPAN("message too large");
	}
	books.is_aborted = true;
	deliveries_abort(deliveries, &gate, grant, &message);
}

/* A digit for each recipient; the last one counts for those after it. */
static void reply_to_recipients(struct span digits)
{
	char text[TEXT_SIZE] = "";
	size_t used = 0;
	if (world.upstream == NULL || books.asked == 0)
		return;
	for (size_t i = 0; i < books.asked; i++) {
		char digit = digits.size ? digits.data[i < digits.size ? i : digits.size - 1] : '2';
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "|" : "",
					 digit == '5'   ? "550 5.1.1 No"
					 : digit == '4' ? "450 4.2.1 Later"
							: "250 2.1.5 OK");
	}
	books.asked = 0;
	upstream_says(text);
}

static void hold(void)
{
	if (world.upstream == NULL || !books.is_sent || books.is_held)
		return;
	books.is_held = true;
	upstream_holds();
}

/*
 * An upstream's end: after the dot with its verdict, before it with a failure. `late`: it was over before it heard of
 * the dot.
 */
static void end_attempt(char class, bool late)
{
	static const struct {
		char letter;
		enum upstream_class class;
		const char *reply;
	} ends[] = {
		{ 'a', UPSTREAM_ACCEPTED, "250 2.0.0 queued as 42" },
		{ 'u', UPSTREAM_UNKNOWN, "" },
		{ 'm', UPSTREAM_MESSAGE, "552 5.2.3 too big" },
		{ 's', UPSTREAM_SENDER, "553 5.1.8 unknown sender" },
		{ 'r', UPSTREAM_RECIPIENTS, "554 5.5.1 no valid recipients" },
		{ 't', UPSTREAM_TRANSPORT, "451 4.3.0 later" },
		{ 'e', UPSTREAM_TRANSPORT, "" },
		{ 'c', UPSTREAM_ACCOUNT, "550 5.4.5 daily limit" },
		{ 'h', UPSTREAM_THROTTLED, "421 4.7.0 slower" },
		{ 'l', UPSTREAM_LOGIN, "535 5.7.8 no" },
		{ 'b', UPSTREAM_BUSY, "" },
		{ 'd', UPSTREAM_STORAGE, "" },
		{ 'n', UPSTREAM_UNABLE, "550 5.6.7 SMTPUTF8 is not offered" },
	};
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		bool needs_dot = ends[i].class == UPSTREAM_ACCEPTED || ends[i].class == UPSTREAM_UNKNOWN;
		bool heard_dot = books.is_released && !late;
		if (ends[i].letter != class || world.upstream == NULL || (needs_dot && !heard_dot))
			continue;
		/* After its dot only a reply tells that the relay has not got it. */
		if (heard_dot && ends[i].reply[0] == '\0' && ends[i].class != UPSTREAM_UNKNOWN)
			return;
		books.is_accepted = ends[i].class == UPSTREAM_ACCEPTED;
		books.may_be_out = needs_dot;
		upstream_ends_with(ends[i].class, ends[i].reply, heard_dot);
		return;
	}
}

static void answer_charge(char verdict)
{
	if (world.charged == NULL)
		return;
	books.is_charged = verdict == 'g';
	quota_says(verdict == 'g'   ? QUOTA_GRANTED
		   : verdict == 'd' ? QUOTA_DAY_EXCEEDED
		   : verdict == 'b' ? QUOTA_BURST_EXCEEDED
		   : verdict == 'n' ? QUOTA_NOT_CHARGED
				    : QUOTA_UNKNOWN);
}

static void answer_record(char verdict)
{
	if (world.written == NULL)
		return;
	books.is_written |= verdict != 'f' && books.waiting[0] == books.number;
	memmove(books.waiting, books.waiting + 1, sizeof(books.waiting) - sizeof(books.waiting[0]));
	books.waiting_count--;
	audit_says(verdict == 'f' ? STATUS_SYSTEM : STATUS_OK);
}

/* ---- the script */

static void change_world(struct span what)
{
	static const struct config_recipients rule = { .name = "default", .redirect = "test@z" };
	switch (what.size ? what.data[0] : 0) {
	case 'r': /* a configuration is constant for the life of a message */
		if (is_free())
			grant->rule = grant->rule ? NULL : &rule;
		break;
	case 'A':
	case 'B':
		world.relay_is_down[what.data[0] - 'A'] ^= true;
		break;
	case 'a':
		world.audit_full = !world.audit_full;
		break;
	case 'k':
		world.audit_stuck = !world.audit_stuck;
		break;
	case 'q':
		world.quota_exhausted = !world.quota_exhausted;
		break;
	case 'b':
		world.quota_broken = !world.quota_broken;
		break;
	case 's':
		world.spool_status = world.spool_status == STATUS_OK ? STATUS_TOO_LARGE : STATUS_OK;
		break;
	default:
		break;
	}
}

static void perform(char what, struct span with)
{
	char choice = with.size ? with.data[0] : 0;
	switch (what) {
	case 'E': /* the gate: a new transaction, more recipients, bytes, the last bytes, its end */
		begin_transaction(with);
		break;
	case '+':
		add_recipients();
		break;
	case 'd':
		say_bytes(with, false);
		break;
	case 'c':
		say_bytes(with, true);
		break;
	case 'x':
		abort_transaction(with);
		break;
	case 'r': /* the upstream: replies to recipients, holds the dot, ends (too late to hear of the dot) */
		reply_to_recipients(with);
		break;
	case 'h':
		hold();
		break;
	case 'o':
		end_attempt(choice, false);
		break;
	case 'O':
		end_attempt(choice, true);
		break;
	case 'q':
		answer_charge(choice);
		break;
	case 'w': /* the record is written; f: it is not */
		answer_record(choice);
		break;
	case 'm': /* the copy with another header is made; f: it can't be */
		if (world.is_rewriting)
			rewriting_says(choice == 'f' ? STATUS_TOO_LARGE : STATUS_OK, 40);
		break;
	case 'v':
		change_world(with);
		break;
	case 't': /* 10 ms to the power of this digit */
		pass_time(choice >= '0' && choice <= '6'
				  ? (uint64_t[]){ 1, 10, 100, 1000, 10000, 100000, 1000000 }[choice - '0']
				  : 1);
		break;
	case '~': /* so many of the next steps happen in one turn of the loop */
		steps_in_turn = choice >= '2' && choice <= '9' ? (unsigned)(choice - '0') : 2;
		world.turn_goes_on = true;
		return;
	default:
		break;
	}
	if (steps_in_turn && --steps_in_turn)
		return;
	world.turn_goes_on = false;
	end_turn();
}

/* All that is still due is answered, and nothing is left. */
static void finish(void)
{
	world.audit_full = false;
	steps_in_turn = 0;
	world.turn_goes_on = false;
	end_turn();
	look();
	for (unsigned i = 0; i < 20 && !is_free(); i++) {
		answer_charge('u');
		look();
		answer_record('o');
		look();
		end_attempt(books.is_released ? 'u' : 'e', false);
		look();
		pass_time(1000000);
		look();
	}
	assert(is_free() && world.upstream == NULL);
	assert(world.outcomes == world.leavings);
}

static void run(struct span script)
{
	struct span step;
	world_begin(NULL);
	books = (struct books){ 0 };
	while (script.size && span_cut(&script, '\x1e', &step)) {
		if (step.size)
			perform(step.data[0], span_slice(step, 1, step.size));
		look();
	}
}

static void end(void)
{
	finish();
	world_end(NULL);
}

/* Where all are friendly and no mail goes out, all that follows would look at nothing. */
static void expect_that_mail_flows(void)
{
	log_open(open("/dev/null", O_WRONLY), LOG_LEVEL_ERROR, "fuzz");
	run(SPAN("E0\x1er2\x1e"
		 "cSubject: x\r\n\x1eqg\x1ew\x1eh\x1eoa"));
	assert(books.is_accepted && books.answers == 1);
	end();
	run(SPAN("vr\x1e"
		 "E2\x1er2\x1e"
		 "cSubject: x\r\n\x1eqg\x1em\x1ew\x1eh\x1eoa"));
	assert(books.is_accepted && books.answers == 1);
	end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_sound;
	if (!is_sound)
		expect_that_mail_flows();
	is_sound = true;
	if (size > 4096)
		return 0;
	run((struct span){ (const char *)data, size });
	end();
	return 0;
}
