/*
 * The roles at the gate's doors, played: they answer as a test's friendly roles would, or as they are told, and keep
 * books on what the gate may do. A frame that breaks a promise of the gate ends the run:
 *
 *   - a login is asked for over TLS only; recipients and messages come only from a session that was granted, at the
 *     relay that holds the grant (promise 1)
 *   - bytes of a message come only after an accepted recipient, never after its end or its outcome, and no reader can
 *     take anything in them for the end (promises 3 and 6)
 *   - each transaction that the relay knows of ends with an outcome or an abort, unless it is complete
 */
#ifndef TESTS_FUZZ_GATE_ROLES_H
#define TESTS_FUZZ_GATE_ROLES_H

#include "door/messages.h"
#include "smtp/reply.h"
#include "tests/fuzz/lax_reader.h"
#include "tests/fuzz/played_net.h"

#define SESSIONS 16
#define TRANSACTIONS 1024
#define WAITING 64
#define TOKEN "as T" /* after it, in an accepting outcome, the transaction's number: no client hears it without one */

struct door {
	const struct door_handler *handler;
	void *context;
	bool is_relay;
	size_t backlog;
	struct buf payload;
};

struct seen_session {
	struct stream *stream;
	size_t lines; /* that its client said */
	bool opened, closed, granted;
	unsigned grant_epoch; /* of the relay that holds it */
};
struct seen_transaction {
	uint64_t session;
	unsigned epoch;
	size_t asked, answered, accepted;
	bool is_complete, is_over, is_sent;
	struct buf bytes;
};
struct login {
	uint64_t request, session;
	unsigned epoch; /* of the relay that is told of it */
	char answer;    /* what a friendly role would say; '-': nothing, the client has the word */
};

static struct {
	struct door *auth, *relay;
	unsigned epoch; /* of the relay role: another one with each door, and without one */
	bool attaching_relay, silent;
	struct seen_session sessions[SESSIONS + 1]; /* by number, from 1 */
	uint64_t session_count;
	struct seen_transaction transactions[TRANSACTIONS];
	uint64_t last_transaction;
	struct login logins[WAITING];
	size_t login_count;
	unsigned recipients; /* accepted so far: each reply has its number */
} roles;

static inline struct seen_session *session_of(uint64_t number)
{
	assert(number > 0 && number <= roles.session_count);
	return &roles.sessions[number];
}

static inline struct seen_transaction *transaction_of(uint64_t number)
{
	assert(number > 0 && number < TRANSACTIONS);
	return &roles.transactions[number];
}

/* ---- what the gate says to auth */

/* "good" is right, "ask" gets a challenge, and everything else is wrong. */
static inline char judge(struct span response)
{
	return span_equal(response, SPAN("good")) ? 'g' : span_equal(response, SPAN("ask")) ? 'c' : 'w';
}

static inline struct login *login_of(uint64_t request)
{
	for (size_t i = 0; i < roles.login_count; i++) {
		if (roles.logins[i].request == request)
			return &roles.logins[i];
	}
	return NULL;
}

static inline void forget_login(struct login *login)
{
	*login = roles.logins[--roles.login_count];
}

static inline void see_login(struct span payload)
{
	struct door_sasl_start m;
	assert(door_read_sasl_start(payload, &m) == STATUS_OK);
	const struct seen_session *s = session_of(m.session);
	assert(s->stream->secure && !s->granted && !s->closed && login_of(m.request) == NULL);
	assert(roles.login_count < WAITING);
	roles.logins[roles.login_count++] =
		(struct login){ m.request, m.session, roles.epoch, m.has_initial ? judge(m.initial) : 'c' };
}

static inline void see_auth_frame(uint16_t type, struct span payload)
{
	struct door_sasl_step step;
	struct door_sasl_cancel cancel;
	if (type == DOOR_SASL_START) {
		see_login(payload);
	} else if (type == DOOR_SASL_STEP) {
		assert(door_read_sasl_step(payload, &step) == STATUS_OK && login_of(step.request));
		login_of(step.request)->answer = judge(step.response);
	} else {
		assert(type == DOOR_SASL_CANCEL && door_read_sasl_cancel(payload, &cancel) == STATUS_OK);
		assert(login_of(cancel.request));
		forget_login(login_of(cancel.request));
	}
}

/* ---- what the gate says to the relay */

static inline void expect_grant(uint64_t session)
{
	const struct seen_session *s = session_of(session);
	assert(s->granted && s->grant_epoch == roles.epoch && s->stream->secure && !s->closed);
}

static inline void see_envelope(struct span payload)
{
	struct door_envelope m;
	assert(door_read_envelope(payload, &m) == STATUS_OK);
	struct seen_transaction *t = transaction_of(m.transaction);
	size_t count = codec_list_count(m.recipients);
	expect_grant(m.session);
	assert(count > 0 && count == codec_list_count(m.recipient_parameters));
	if (t->asked == 0) {
		if (m.transaction > roles.last_transaction)
			roles.last_transaction = m.transaction;
		t->session = m.session;
		t->epoch = roles.epoch;
		buf_init(&t->bytes, PLAYED_MAXIMUM);
	}
	assert(t->session == m.session && t->epoch == roles.epoch && !t->is_over && buf_size(&t->bytes) == 0);
	t->asked += count;
}

static inline void see_data(struct span payload)
{
	struct door_message_data m;
	assert(door_read_message_data(payload, &m) == STATUS_OK);
	struct seen_transaction *t = transaction_of(m.transaction);
	expect_grant(t->session);
	assert(t->accepted > 0 && t->answered == t->asked && t->epoch == roles.epoch);
	assert(!t->is_complete && !t->is_over);
	assert(buf_append(&t->bytes, m.bytes) == STATUS_OK);
	t->is_complete = m.complete;
	if (!m.complete)
		return;
	struct span bytes = buf_span(&t->bytes);
	assert(lax_readers_agree_on_lines(bytes) && !lax_reader_stops_within(bytes));
	assert(bytes.size > 2 && bytes.data[bytes.size - 1] == '\n');
}

static inline void see_abort(struct span payload)
{
	struct door_transaction_aborted m;
	assert(door_read_transaction_aborted(payload, &m) == STATUS_OK);
	struct seen_transaction *t = transaction_of(m.transaction);
	assert(m.session <= roles.session_count);
	if (t->asked && t->epoch == roles.epoch) {
		assert(t->session == m.session && !t->is_over);
		t->is_over = true;
	}
}

static inline void see_relay_frame(uint16_t type, struct span payload)
{
	struct door_session_opened opened;
	struct door_session_refused refused;
	struct door_session_closed closed;
	struct door_sessions_anonymous anonymous;
	if (type == DOOR_ENVELOPE) {
		see_envelope(payload);
	} else if (type == DOOR_MESSAGE_DATA) {
		see_data(payload);
	} else if (type == DOOR_TRANSACTION_ABORTED) {
		see_abort(payload);
	} else if (type == DOOR_SESSION_OPENED) {
		assert(door_read_session_opened(payload, &opened) == STATUS_OK);
		assert(!session_of(opened.session)->opened);
		session_of(opened.session)->opened = true;
	} else if (type == DOOR_SESSION_REFUSED) {
		assert(door_read_session_refused(payload, &refused) == STATUS_OK);
	} else if (type == DOOR_SESSIONS_ANONYMOUS) {
		assert(door_read_sessions_anonymous(payload, &anonymous) == STATUS_OK && anonymous.count);
	} else {
		assert(type == DOOR_SESSION_CLOSED && door_read_session_closed(payload, &closed) == STATUS_OK);
		assert(!session_of(closed.session)->closed && session_of(closed.session)->opened);
		session_of(closed.session)->closed = true;
	}
}

/* ---- the doors */

enum status door_create(struct loop *loop, int fd, const struct door_handler *handler, void *context,
			struct door **out_door)
{
	(void)loop, (void)fd;
	struct door *door = calloc(1, sizeof(*door));
	assert(door);
	*door = (struct door){ .handler = handler, .context = context, .is_relay = roles.attaching_relay };
	buf_init(&door->payload, DOOR_FRAME_MAXIMUM);
	*(door->is_relay ? &roles.relay : &roles.auth) = door;
	*out_door = door;
	return STATUS_OK;
}

void door_free(struct door **door)
{
	if (*door == NULL)
		return;
	if (*door == roles.relay)
		roles.relay = NULL;
	if (*door == roles.auth) {
		roles.auth = NULL;
		roles.login_count = 0;
	}
	buf_free(&(*door)->payload);
	free(*door);
	*door = NULL;
}

/* No descriptor comes with a frame here. */
int door_take_fd(struct door *door)
{
	(void)door;
	return -1;
}

struct buf *door_payload(struct door *door)
{
	return &door->payload;
}

enum status door_send_through(struct door *door, uint16_t type, enum status written, struct span rest)
{
	assert(written == STATUS_OK);
	assert(buf_append(&door->payload, rest) == STATUS_OK);
	if (door->is_relay)
		see_relay_frame(type, buf_span(&door->payload));
	else
		see_auth_frame(type, buf_span(&door->payload));
	buf_clear(&door->payload);
	return STATUS_OK;
}

enum status door_send_payload(struct door *door, uint16_t type, enum status written)
{
	return door_send_through(door, type, written, (struct span){ NULL, 0 });
}

void door_expect_no_secrets(struct door *door)
{
	(void)door;
}

size_t door_backlog(const struct door *door)
{
	return door->backlog;
}

static inline void lose_peer(struct door *door)
{
	if (door == NULL)
		return;
	roles.epoch += door->is_relay; /* it took its grants along */
	door->handler->on_closed(door->context, door);
}

static inline void drain_door(struct door *door)
{
	if (door && door->backlog) {
		door->backlog = 0;
		door->handler->on_drained(door->context, door);
	}
}

/* ---- what they say to the gate: whatever it is, the books follow */

static inline void note_replies(const struct door_envelope_reply *m)
{
	struct codec_list rest = m->replies;
	struct span text;
	struct reply reply;
	if (m->transaction == 0 || m->transaction > roles.last_transaction)
		return;
	struct seen_transaction *t = transaction_of(m->transaction);
	while (codec_list_next(&rest, &text)) {
		t->answered++;
		t->accepted += reply_read(text, &reply) == STATUS_OK && reply.code / 100 == 2;
	}
}

static inline void note_outcome(const struct door_message_reply *m)
{
	struct reply reply = { 0 };
	if (m->transaction == 0 || m->transaction > roles.last_transaction)
		return;
	struct seen_transaction *t = transaction_of(m->transaction);
	t->is_sent |=
		!t->is_over && t->is_complete && reply_read(m->reply, &reply) == STATUS_OK && reply.code / 100 == 2;
	t->is_over = true;
}

static inline void note_verdict(const struct door_sasl_done *m)
{
	struct login *login = login_of(m->request);
	if (login == NULL || login->answer == '-')
		return;
	struct seen_session *s = session_of(login->session);
	/* Else nobody holds the grant any more, and the client may try again. */
	if (m->granted && roles.relay && login->epoch == roles.epoch) {
		s->granted = true;
		s->grant_epoch = login->epoch;
	}
	forget_login(login);
}

static inline void say_frame(struct door *door, uint16_t type, struct span payload)
{
	struct door_envelope_reply replies;
	struct door_message_reply outcome;
	struct door_sasl_challenge challenge;
	struct door_sasl_done done;
	if (door == NULL)
		return;
	if (!door->is_relay && type == DOOR_SASL_CHALLENGE &&
	    door_read_sasl_challenge(payload, &challenge) == STATUS_OK && login_of(challenge.request))
		login_of(challenge.request)->answer = '-';
	if (door->is_relay && type == DOOR_ENVELOPE_REPLY && door_read_envelope_reply(payload, &replies) == STATUS_OK)
		note_replies(&replies);
	if (door->is_relay && type == DOOR_MESSAGE_REPLY && door_read_message_reply(payload, &outcome) == STATUS_OK)
		note_outcome(&outcome);
	if (!door->is_relay && type == DOOR_SASL_DONE && door_read_sasl_done(payload, &done) == STATUS_OK)
		note_verdict(&done);
	if (door->handler->on_frame(door->context, door, type, payload) != STATUS_OK)
		lose_peer(door);
}

#define SAY(door, TYPE, name, ...)                                          \
	do {                                                                \
		struct buf frame_ BUF_AUTO;                                 \
		struct door_##name message_ = { __VA_ARGS__ };              \
		buf_init(&frame_, DOOR_FRAME_MAXIMUM);                      \
		assert(door_write_##name(&frame_, &message_) == STATUS_OK); \
		say_frame(door, DOOR_##TYPE, buf_span(&frame_));            \
	} while (0)

static inline void answer_login(struct login *login, char answer)
{
	struct buf senders BUF_AUTO;
	uint64_t request = login->request;
	buf_init(&senders, 4096);
	assert(codec_list_add(&senders, SPAN("alice@example.com")) == STATUS_OK);
	if (answer == 'g') {
		SAY(roles.auth, SASL_DONE, sasl_done, .request = request, .granted = 1,
		    .reply = SPAN("235 2.7.0 Welcome"), .user = SPAN("alice"), .senders = codec_list_of(&senders));
	} else if (answer == 'c') {
		SAY(roles.auth, SASL_CHALLENGE, sasl_challenge, .request = request, .challenge = SPAN("d2hv"));
	} else {
		SAY(roles.auth, SASL_DONE, sasl_done, .request = request, .granted = 0,
		    .reply = answer == 't' ? SPAN("454 4.7.0 Later") : SPAN("535 5.7.8 Wrong"));
	}
}

/* A reply for each recipient not answered yet, as far as there are digits. */
static inline void answer_envelope(uint64_t number, struct span digits)
{
	struct seen_transaction *t = transaction_of(number);
	struct buf replies BUF_AUTO;
	buf_init(&replies, DOOR_FRAME_MAXIMUM);
	for (size_t i = 0; i < digits.size && t->answered + i < t->asked; i++) {
		struct buf text BUF_AUTO;
		buf_init(&text, 100);
		if (digits.data[i] == '2')
			assert(buf_printf(&text, "250 2.1.5 R%u", ++roles.recipients) == STATUS_OK);
		else
			assert(buf_printf(&text, "%c50 5.1.1 No", digits.data[i]) == STATUS_OK);
		assert(codec_list_add(&replies, buf_span(&text)) == STATUS_OK);
	}
	SAY(roles.relay, ENVELOPE_REPLY, envelope_reply, .transaction = number, .message = SPAN("ID"),
	    .replies = codec_list_of(&replies));
}

static inline void answer_message(uint64_t number, char digit)
{
	struct buf text BUF_AUTO;
	buf_init(&text, 100);
	if (digit == '2')
		assert(buf_printf(&text, "250 2.0.0 Sent " TOKEN "%u.", (unsigned)number) == STATUS_OK);
	else
		assert(buf_printf(&text, "%c51 %c.3.0 Not sent", digit, digit) == STATUS_OK);
	SAY(roles.relay, MESSAGE_REPLY, message_reply, .transaction = number, .reply = buf_span(&text));
}

/* The first that waits for this kind of answer; 0: none. */
static inline uint64_t find_transaction(bool is_complete)
{
	for (uint64_t i = 1; i <= roles.last_transaction; i++) {
		const struct seen_transaction *t = &roles.transactions[i];
		bool waits = is_complete ? t->is_complete : t->answered < t->asked;
		if (t->asked && !t->is_over && t->epoch == roles.epoch && waits)
			return i;
	}
	return 0;
}

/* What friendly roles would say by now; true when they said something. */
static inline bool answer_one(void)
{
	uint64_t number;
	for (size_t i = 0; i < roles.login_count; i++) {
		if (roles.logins[i].answer != '-') {
			answer_login(&roles.logins[i], roles.logins[i].answer);
			return true;
		}
	}
	if (roles.relay && (number = find_transaction(false)) != 0) {
		answer_envelope(number, SPAN("222522222422222222222222222222"));
		return true;
	}
	if (roles.relay && (number = find_transaction(true)) != 0) {
		answer_message(number, '2');
		return true;
	}
	return false;
}

static inline void roles_end(void)
{
	for (uint64_t i = 1; i < TRANSACTIONS; i++)
		buf_free(&roles.transactions[i].bytes);
	memset(&roles, 0, sizeof(roles));
}

#endif
