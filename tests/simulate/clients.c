/*
 * Gates, auth roles and clients: each session logs in, sends some mails and leaves, as the gate would have it do. A
 * client whose relay is gone hears 451, as from a gate.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/messages.h"
#include "tests/simulate/books.h"
#include "tests/simulate/nodes.h"

#define PATIENCE_US (6 * MINUTE_US) /* for any answer of a relay: more is a hang */
#define SESSIONS_MAXIMUM 64
#define LISTS_MAXIMUM 512 /* bytes */

enum stage { STAGE_AWAY, STAGE_LOGGING_IN, STAGE_IDLE, STAGE_ENVELOPE, STAGE_MESSAGE };

struct gate {
	struct node *node;
	struct door *relay, *auth; /* our ends */
	uint32_t instance;
	bool is_draining; /* so are its sessions: they end with the mail that they are at */
	bool is_gone;
};

struct session {
	unsigned place; /* at which node */
	enum stage stage;
	struct gate *gate;
	uint64_t number, transaction;
	unsigned user, mails_left;
	struct mail *mail;
	size_t sent; /* bytes of it */
	struct sim_event *next, *patience;
};

static struct gate *gates[NODES_MAXIMUM]; /* the newest of each node; NULL: none */
static struct session sessions[SESSIONS_MAXIMUM];
static unsigned session_count;
static uint64_t last_number;
static uint32_t last_instance;
static bool is_resting;

static void act_next(void *context);

static void plan_step(struct session *s, uint64_t least_us, uint64_t most_us)
{
	sim_cancel(&s->next);
	s->next = sim_turn_after(&sim_outside, sim_between(least_us, most_us), act_next, s);
}

static void lose_patience(void *context)
{
	const struct session *s = context;
	sim_fail("session %llu waits in stage %u for ever (promise 7)", (unsigned long long)s->number,
		 (unsigned)s->stage);
}

/* `stage` waits for the relay where it is not one of the client's turn. */
static void enter_stage(struct session *s, enum stage stage)
{
	s->stage = stage;
	sim_cancel(&s->patience);
	if (stage != STAGE_AWAY && stage != STAGE_IDLE)
		s->patience = sim_after(&sim_outside, PATIENCE_US, lose_patience, s);
}

static void must_send(enum status status)
{
	if (status != STATUS_OK)
		sim_note("a door is broken");
}

/* A gate that drains closes its doors after its last session. */
static void detach_if_empty(struct gate *gate)
{
	if (gate == NULL || !gate->is_draining)
		return;
	for (unsigned i = 0; i < session_count; i++)
		if (sessions[i].gate == gate)
			return;
	clients_detach(gate);
}

static void leave_gate(struct session *s)
{
	const struct door_session_closed closed = { .session = s->number, .reason = SPAN("QUIT") };
	if (s->gate && !s->gate->is_gone && s->stage != STAGE_AWAY)
		must_send(door_send_session_closed(s->gate->relay, &closed));
	struct gate *gate = s->gate;
	s->gate = NULL;
	s->mail = NULL;
	enter_stage(s, STAGE_AWAY);
	plan_step(s, 1000, 5 * SECOND_US);
	detach_if_empty(gate);
}

/* ---- what a client does next */

static void log_in(struct session *s)
{
	struct gate *gate = gates[s->place];
	struct buf senders BUF_AUTO;
	buf_init(&senders, LISTS_MAXIMUM);
	if (gate == NULL || gate->is_gone || gate->is_draining || is_resting) {
		plan_step(s, 100000, SECOND_US);
		return;
	}
	s->gate = gate;
	s->number = ++last_number;
	s->user = sim_draw(USERS);
	s->mails_left = 1 + sim_draw(5);
	struct span user = span_of(books_user(s->user));
	must_send(codec_list_add(&senders, user));
	const struct door_grant grant = { .request = s->number,
					  .gate = gate->instance,
					  .session = s->number,
					  .user = user,
					  .user_id = user,
					  .login = user,
					  .auth_method = SPAN("app_password"),
					  .senders = codec_list_of(&senders) };
	enter_stage(s, STAGE_LOGGING_IN);
	must_send(door_send_grant(gate->auth, &grant));
}

static void say_envelope(struct session *s)
{
	static const char *const addresses[] = { "c@example.net", "d@example.net", "e@example.edu" };
	struct buf recipients BUF_AUTO, parameters BUF_AUTO;
	buf_init(&recipients, LISTS_MAXIMUM);
	buf_init(&parameters, LISTS_MAXIMUM);
	s->mail = books_write_mail(s->user);
	s->mail->relay = s->gate;
	s->sent = 0;
	s->transaction = ++last_number;
	for (unsigned i = 0; i < s->mail->recipients; i++) {
		must_send(codec_list_add(&recipients, span_of(addresses[i])));
		must_send(codec_list_add(&parameters, (struct span){ 0 }));
	}
	const struct door_envelope envelope = { .session = s->number,
						.transaction = s->transaction,
						.mail_from = span_of(books_user(s->user)),
						.recipients = codec_list_of(&recipients),
						.recipient_parameters = codec_list_of(&parameters),
						.helo = SPAN("client.example") };
	enter_stage(s, STAGE_ENVELOPE);
	sim_note("session %llu at node%u begins mail %u", (unsigned long long)s->number, s->place, s->mail->number);
	must_send(door_send_envelope(s->gate->relay, &envelope));
}

static void abort_mail(struct session *s)
{
	const struct door_transaction_aborted aborted = { .session = s->number, .transaction = s->transaction };
	must_send(door_send_transaction_aborted(s->gate->relay, &aborted));
	s->mail = NULL;
	enter_stage(s, STAGE_IDLE);
	plan_step(s, 1000, SECOND_US);
}

static void say_data(struct session *s)
{
	struct span text = span_of(s->mail->text);
	size_t left = text.size - s->sent;
	size_t size = sim_chance(300) && left > 1 ? 1 + sim_draw((uint32_t)left - 1) : left;
	char id[48];
	snprintf(id, sizeof(id), "<%u.sim@example.com>", s->mail->number);
	const struct door_message_data data = { .transaction = s->transaction,
						.complete = size == left,
						.bytes = span_slice(text, s->sent, s->sent + size),
						.header_from = span_of(books_user(s->user)),
						.message_id = span_of(id) };
	s->sent += size;
	must_send(door_send_message_data(s->gate->relay, &data));
	if (size < left)
		plan_step(s, 10, SECOND_US);
}

static void act_next(void *context)
{
	struct session *s = context;
	s->next = NULL;
	if (s->stage != STAGE_AWAY && s->gate->is_gone) {
		leave_gate(s);
		return;
	}
	if (s->stage == STAGE_AWAY)
		log_in(s);
	else if (s->stage == STAGE_MESSAGE && sim_chance(20))
		abort_mail(s);
	else if (s->stage == STAGE_MESSAGE)
		say_data(s);
	else if (s->stage == STAGE_IDLE && (s->mails_left == 0 || is_resting || s->gate->is_draining))
		leave_gate(s);
	else if (s->stage == STAGE_IDLE)
		say_envelope(s);
}

/* ---- what relays answer */

static struct session *find_session(const struct gate *gate, uint64_t number, uint64_t transaction)
{
	for (unsigned i = 0; i < session_count; i++) {
		struct session *s = &sessions[i];
		if (s->gate == gate &&
		    ((number && s->number == number) || (transaction && s->transaction == transaction)))
			return s;
	}
	return NULL;
}

static unsigned code_of(struct span reply)
{
	char text[4] = { 0 };
	if (reply.size < 3)
		return 0;
	memcpy(text, reply.data, 3);
	return (unsigned)strtoul(text, NULL, 10);
}

static void finish_mail(struct session *s, unsigned code)
{
	books_take_answer(s->mail, code);
	s->mail = NULL;
	s->mails_left--;
	enter_stage(s, STAGE_IDLE);
	plan_step(s, 1000, sim_chance(100) ? 60 * SECOND_US : 4 * SECOND_US);
}

static void take_envelope_reply(struct gate *gate, struct span payload)
{
	struct door_envelope_reply reply;
	struct span item;
	unsigned accepted = 0, refused = 0;
	must_send(door_read_envelope_reply(payload, &reply));
	struct session *s = find_session(gate, 0, reply.transaction);
	if (s == NULL || s->stage != STAGE_ENVELOPE)
		return;
	while (codec_list_next(&reply.replies, &item)) {
		if (code_of(item) / 100 == 2)
			accepted++;
		else
			refused = code_of(item);
	}
	if (accepted == 0) {
		finish_mail(s, refused);
		return;
	}
	enter_stage(s, STAGE_MESSAGE);
	plan_step(s, 100, 2 * SECOND_US);
}

static void take_message_reply(struct gate *gate, struct span payload)
{
	struct door_message_reply reply;
	must_send(door_read_message_reply(payload, &reply));
	struct session *s = find_session(gate, 0, reply.transaction);
	if (s && s->stage == STAGE_MESSAGE) {
		sim_cancel(&s->next);
		finish_mail(s, code_of(reply.reply));
	}
}

static void take_granted(struct gate *gate, struct span payload)
{
	struct door_granted granted;
	must_send(door_read_granted(payload, &granted));
	struct session *s = find_session(gate, granted.request, 0);
	if (s && s->stage == STAGE_LOGGING_IN) {
		enter_stage(s, STAGE_IDLE);
		plan_step(s, 100, SECOND_US);
	}
}

static void answer_recheck(struct gate *gate, struct span payload)
{
	struct door_recheck recheck;
	must_send(door_read_recheck(payload, &recheck));
	const struct door_rechecked holds = { .gate = recheck.gate,
					      .session = recheck.session,
					      .verdict = RECHECK_HOLDS };
	must_send(door_send_rechecked(gate->auth, &holds));
}

static enum status take_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct gate *gate = context;
	(void)door;
	if (type == DOOR_ENVELOPE_REPLY)
		take_envelope_reply(gate, payload);
	else if (type == DOOR_MESSAGE_REPLY)
		take_message_reply(gate, payload);
	else if (type == DOOR_GRANTED)
		take_granted(gate, payload);
	else if (type == DOOR_RECHECK)
		answer_recheck(gate, payload);
	return STATUS_OK;
}

static void note_closed(void *context, struct door *door)
{
	struct gate *gate = context;
	(void)door;
	if (!gate->is_gone)
		clients_detach(gate);
}

/* ---- gates */

static struct door *open_door(struct gate *gate, int *out_fd)
{
	static const struct door_handler handler = { .on_frame = take_frame, .on_closed = note_closed };
	struct door *door;
	int fds[2];
	int failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
	enum status status = door_create(sim_outside.loop, fds[0], &handler, gate, &door);
	assert(failed == 0 && status == STATUS_OK);
	*out_fd = fds[1];
	return door;
}

struct gate *clients_attach(struct node *node, struct process *process, struct doors *out_doors)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	assert(gate);
	(void)process;
	gate->node = node;
	gate->instance = ++last_instance;
	gate->relay = open_door(gate, &out_doors->gate);
	gate->auth = open_door(gate, &out_doors->auth);
	out_doors->instance = gate->instance;
	gates[node_index(node)] = gate;
	return gate;
}

static void lose_gate(void *context)
{
	struct gate *gate = context;
	for (unsigned i = 0; i < session_count; i++) {
		struct session *s = &sessions[i];
		if (s->gate != gate)
			continue;
		if (s->mail && (s->stage == STAGE_MESSAGE || s->stage == STAGE_ENVELOPE))
			books_take_answer(s->mail, 451);
		leave_gate(s);
	}
	if (gates[node_index(gate->node)] == gate)
		gates[node_index(gate->node)] = NULL;
	door_free(&gate->relay);
	door_free(&gate->auth);
}

void clients_detach(struct gate *gate)
{
	if (gate == NULL || gate->is_gone)
		return;
	gate->is_gone = true;
	sim_turn_after(&sim_outside, 1, lose_gate, gate);
}

static void drain_gate(void *context)
{
	struct gate *gate = context;
	gate->is_draining = true;
	detach_if_empty(gate);
}

void clients_drain(struct gate *gate)
{
	sim_turn_after(&sim_outside, 1, drain_gate, gate);
}

/* ---- all of them */

void clients_begin(unsigned count, unsigned sessions_each)
{
	for (unsigned i = 0; i < count * sessions_each && i < SESSIONS_MAXIMUM; i++) {
		sessions[i] = (struct session){ .place = i % count };
		session_count++;
		plan_step(&sessions[i], 1000, 3 * SECOND_US);
	}
}

void clients_rest(void)
{
	is_resting = true;
}

bool clients_are_idle(void)
{
	for (unsigned i = 0; i < session_count; i++)
		if (sessions[i].stage != STAGE_AWAY)
			return false;
	return true;
}
