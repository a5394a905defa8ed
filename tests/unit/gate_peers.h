/*
 * The fake auth and relay roles at the other ends of a gate's doors. They trace what they are told, and unless a test
 * says otherwise:
 *
 * AUTH PLAIN with the initial response "good" is alice, who may use alice@example.com and @team.example; "ask" gets a
 * challenge, and then "good" is right; everything else is wrong. Recipients that begin with "bad" are refused; every
 * message is accepted.
 */
#ifndef TESTS_UNIT_GATE_PEERS_H
#define TESTS_UNIT_GATE_PEERS_H

#include "gate_world.h"

/* ---- the fake auth role */

static inline void auth_answer(uint64_t request, bool granted, const char *reply)
{
	struct buf senders BUF_AUTO;
	buf_init(&senders, 4096);
	assert_int_equal(codec_list_add(&senders, SPAN("alice@example.com")), STATUS_OK);
	assert_int_equal(codec_list_add(&senders, SPAN("@team.example")), STATUS_OK);
	struct door_sasl_done done = { .request = request,
				       .granted = granted,
				       .reply = span_of(reply),
				       .user = granted ? SPAN("alice") : SPAN(""),
				       .senders = codec_list_of(&senders) };
	assert_int_equal(door_send_sasl_done(world.auth.door, &done), STATUS_OK);
}

static inline void judge_login(uint64_t request, struct span response)
{
	if (span_equal(response, SPAN("good")))
		auth_answer(request, true, "235 2.7.0 Welcome");
	else
		auth_answer(request, false, "535 5.7.8 Wrong user name or password");
}

static inline enum status on_sasl_start(struct span payload)
{
	struct door_sasl_start m;
	TRY(door_read_sasl_start(payload, &m));
	world.auth.last = m.request;
	trace_line("SASL_START %.*s initial=%u:%.*s listener=%.*s tls=%.*s helo=%.*s\n", SPAN_ARGS(m.mechanism),
		   m.has_initial, SPAN_ARGS(m.initial), SPAN_ARGS(m.client.listener), SPAN_ARGS(m.client.tls_version),
		   SPAN_ARGS(m.client.helo));
	if (world.auth.silent)
		return STATUS_OK;
	if (m.has_initial) {
		judge_login(m.request, m.initial);
		return STATUS_OK;
	}
	struct door_sasl_challenge challenge = { .request = m.request, .challenge = SPAN("d2hv") };
	return door_send_sasl_challenge(world.auth.door, &challenge);
}

static inline enum status on_auth_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_sasl_step step;
	(void)context;
	(void)door;
	switch (type) {
	case DOOR_SASL_START:
		return on_sasl_start(payload);
	case DOOR_SASL_STEP:
		TRY(door_read_sasl_step(payload, &step));
		trace_line("SASL_STEP %zu\n", step.response.size);
		if (!world.auth.silent)
			judge_login(step.request, step.response);
		return STATUS_OK;
	case DOOR_SASL_CANCEL:
		trace_line("SASL_CANCEL\n");
		return STATUS_OK;
	default:
		return STATUS_INVALID;
	}
}

/* ---- the fake relay role */

static inline void relay_answer_envelope(uint64_t transaction, const char *const *replies, size_t count)
{
	struct buf list BUF_AUTO;
	buf_init(&list, 65536);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(codec_list_add(&list, span_of(replies[i])), STATUS_OK);
	struct door_envelope_reply reply = { .transaction = transaction,
					     .message = SPAN("ID1"),
					     .replies = codec_list_of(&list) };
	assert_int_equal(door_send_envelope_reply(world.relay.door, &reply), STATUS_OK);
}

static inline void relay_answer_message(uint64_t transaction, const char *text)
{
	struct door_message_reply reply = { .transaction = transaction, .reply = span_of(text) };
	assert_int_equal(door_send_message_reply(world.relay.door, &reply), STATUS_OK);
}

static inline enum status on_envelope(struct span payload)
{
	struct door_envelope m;
	struct span address;
	const char *replies[1000];
	size_t count = 0;
	TRY(door_read_envelope(payload, &m));
	world.relay.last = m.transaction;
	trace_line("ENVELOPE from=<%.*s> parameters=%.*s size=%" PRIu64, SPAN_ARGS(m.mail_from),
		   SPAN_ARGS(m.mail_parameters), m.size);
	trace_list("to", m.recipients);
	trace_line(" helo=%.*s\n", SPAN_ARGS(m.helo));
	trace_list("PARAMETERS", m.recipient_parameters);
	trace_line("\n");
	assert_int_equal(codec_list_count(m.recipients), codec_list_count(m.recipient_parameters));
	while (codec_list_next(&m.recipients, &address))
		replies[count++] = span_starts_with(address, SPAN("bad")) ? "550 5.1.1 No such user" : "250 2.1.5 OK";
	if (!world.relay.silent)
		relay_answer_envelope(m.transaction, replies, count);
	return STATUS_OK;
}

static inline enum status on_message_data(struct span payload)
{
	struct door_message_data m;
	TRY(door_read_message_data(payload, &m));
	world.relay.last = m.transaction;
	assert_int_equal(buf_append(&world.message, m.bytes), STATUS_OK);
	if (!m.complete)
		return STATUS_OK;
	trace_line("COMPLETE from=%.*s id=%.*s%s%.*s\n", SPAN_ARGS(m.header_from), SPAN_ARGS(m.message_id),
		   m.noted.size ? " noted=" : "", SPAN_ARGS(m.noted));
	if (!world.relay.silent)
		relay_answer_message(m.transaction, "250 2.0.0 Sent as ID1");
	return STATUS_OK;
}

static inline enum status on_session(uint16_t type, struct span payload)
{
	struct door_session_opened opened;
	struct door_session_closed closed;
	struct door_session_refused refused;
	struct door_sessions_anonymous anonymous;
	if (type == DOOR_SESSIONS_ANONYMOUS) {
		TRY(door_read_sessions_anonymous(payload, &anonymous));
		trace_line("SESSIONS_ANONYMOUS network=%.*s count=%" PRIu64 "\n", SPAN_ARGS(anonymous.network),
			   anonymous.count);
		return STATUS_OK;
	}
	if (type == DOOR_SESSION_REFUSED) {
		TRY(door_read_session_refused(payload, &refused));
		trace_line("SESSION_REFUSED %.*s address=%.*s listener=%.*s count=%" PRIu64 "\n",
			   SPAN_ARGS(refused.reason), SPAN_ARGS(refused.address), SPAN_ARGS(refused.listener),
			   refused.count);
		return STATUS_OK;
	}
	if (type == DOOR_SESSION_OPENED) {
		TRY(door_read_session_opened(payload, &opened));
		trace_line("SESSION_OPENED %.*s %.*s %.*s\n", SPAN_ARGS(opened.client.listener),
			   SPAN_ARGS(opened.client.address), SPAN_ARGS(opened.client.tls_version));
		return STATUS_OK;
	}
	TRY(door_read_session_closed(payload, &closed));
	trace_line("SESSION_CLOSED %.*s\n", SPAN_ARGS(closed.reason));
	return STATUS_OK;
}

static inline enum status on_relay_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_transaction_aborted aborted;
	(void)context;
	(void)door;
	switch (type) {
	case DOOR_SESSION_OPENED:
	case DOOR_SESSION_CLOSED:
	case DOOR_SESSION_REFUSED:
	case DOOR_SESSIONS_ANONYMOUS:
		return on_session(type, payload);
	case DOOR_ENVELOPE:
		return on_envelope(payload);
	case DOOR_MESSAGE_DATA:
		return on_message_data(payload);
	case DOOR_TRANSACTION_ABORTED:
		TRY(door_read_transaction_aborted(payload, &aborted));
		trace_line("ABORTED from=<%.*s> reply=%.*s reason=%.*s\n", SPAN_ARGS(aborted.mail_from),
			   SPAN_ARGS(aborted.reply), SPAN_ARGS(aborted.reason));
		return STATUS_OK;
	default:
		return STATUS_INVALID;
	}
}

static inline void on_peer_closed(void *context, struct door *door)
{
	(void)door;
	trace_line("%s\n", context == &world.auth ? "AUTH_DOOR_CLOSED" : "RELAY_DOOR_CLOSED");
}

static const struct door_handler auth_handler = { .on_frame = on_auth_frame, .on_closed = on_peer_closed };
static const struct door_handler relay_handler = { .on_frame = on_relay_frame, .on_closed = on_peer_closed };

static inline void attach_peer(struct peer *peer, enum role_kind kind, const struct door_handler *handler)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	door_free(&peer->door);
	assert_int_equal(door_create(world.peer_loop, fds[1], handler, peer, &peer->door), STATUS_OK);
	gate_role.attached(world.gate, kind, 7, fds[0]);
}

static inline void attach_auth(void)
{
	struct buf names BUF_AUTO;
	buf_init(&names, 256);
	attach_peer(&world.auth, ROLE_AUTH, &auth_handler);
	assert_int_equal(codec_list_add(&names, SPAN("PLAIN")), STATUS_OK);
	assert_int_equal(codec_list_add(&names, SPAN("LOGIN")), STATUS_OK);
	struct door_mechanisms mechanisms = { .names = codec_list_of(&names) };
	assert_int_equal(door_send_mechanisms(world.auth.door, &mechanisms), STATUS_OK);
}

static inline void attach_relay(void)
{
	attach_peer(&world.relay, ROLE_RELAY, &relay_handler);
}

#endif
