/*
 * A client's session: from its connection to its last reply.
 *
 * It is a machine of states. Each has a step that does one thing (one command, one piece of a message) and says whether
 * another may follow at once. What happens outside (input, a door's answer, a deadline) is noted on the session, which
 * is then driven until it has to wait; session_drive (session_life.h) alone frees it.
 */
#ifndef GATE_SESSION_H
#define GATE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/client_facts.h"
#include "door/codec.h"
#include "gate/gate.h"
#include "gate/replies.h"
#include "net/stream.h"

struct transaction;

enum session_state {
	SESSION_HANDSHAKE,     /* TLS is being set up */
	SESSION_GREETING,      /* the banner is to be sent */
	SESSION_COMMAND,       /* reads commands; RCPT replies may be waited for */
	SESSION_STARTTLS,      /* STARTTLS was read and not answered yet */
	SESSION_SWITCHING,     /* its 220 is on the way; nothing may come in */
	SESSION_AUTH_VERDICT,  /* the auth role is to answer; nothing is read */
	SESSION_AUTH_RESPONSE, /* the client owes a line to a 334 */
	SESSION_DATA,          /* the message comes in */
	SESSION_CHUNK,         /* the octets of one BDAT come in, to go on or to be dropped */
	SESSION_OUTCOME,       /* the relay has all of the message, and is to answer */
	SESSION_CLOSED,        /* session_drive frees it */
	SESSION_STATES
};

/* The octets after a BDAT (RFC 3030). */
struct chunk {
	uint64_t left; /* octets still to come */
	bool is_last;
	bool is_error;       /* the refusal counts as one */
	const char *refusal; /* static: they are dropped, and answered with it. NULL: they belong to the message */
};

/* What a step found: nothing more to do for now, or the next step may follow. */
enum step { STEP_WAIT, STEP_NEXT };

/*
 * Invariants: `transaction` is set only in COMMAND, DATA, CHUNK and OUTCOME, always in DATA and OUTCOME, and in CHUNK
 * with an intake unless the octets are dropped; `request` is registered only in AUTH_VERDICT and AUTH_RESPONSE; replies
 * wait only in COMMAND. `user` is set iff the auth role granted this session. The arena is empty without a transaction.
 */
struct session {
	TAILQ_ENTRY(session) in_gate;
	TAILQ_ENTRY(session) in_paced;
	struct gate *gate;
	struct gate_listener *listener;
	struct stream *stream;
	enum session_state state;
	uint64_t number; /* of this gate; with its instance it names the session everywhere */
	uint64_t opened_ms;
	uint64_t deadline_ms;      /* of the loop's clock; of the present state */
	uint64_t armed_ms;         /* the deadline that the stream was told last */
	uint64_t paused_ms;        /* since when it is paced */
	uint64_t idle_since_ms;    /* when the login or the last transaction ended */
	uint64_t data_deadline_us; /* of the message that is coming in */
	uint64_t data_taken_ms;    /* when its last bytes came */

	char address[ENDPOINT_TEXT_SIZE];
	uint16_t port;

	char *tls_client_subject;    /* of the certificate that it showed and that was verified; NULL: none */
	char *helo;                  /* what EHLO or HELO said; NULL: nothing yet */
	char *user;                  /* who is logged in, by the auth role's word; NULL: nobody yet */
	uint64_t user_place;         /* the number that it is counted under (limits_user_of); 0: none */
	struct codec_list senders;   /* their sender addresses, in the memory of `user` */
	bool senders_bind;           /* whatever `sender` says */
	uint64_t relay_epoch;        /* of the relay door when AUTH began, where the grant is */
	struct registration request; /* of the AUTH exchange */

	struct replies replies;
	struct arena arena;
	struct transaction *transaction;
	struct chunk chunk; /* in CHUNK */
	unsigned errors;    /* commands refused */
	unsigned idle;      /* commands since the last message that led to none */
	unsigned commands;  /* lines read */

	bool had_tls;             /* TLS was up: without it nobody is counted in the audit */
	bool announced;           /* SESSION_OPENED was sent: the client said AUTH, or there was an incident */
	bool ticket_sent;         /* one TLS ticket a session */
	bool data_refused;        /* the last command was a DATA that got no 354 */
	bool skips_line;          /* the rest of an overlong line is being dropped */
	bool has_ended;           /* its right to send: it ends once a message under way has its outcome */
	bool paced;               /* it is in gate->paced */
	bool peer_ended;          /* the client sends no more; what it sent is still served */
	bool peer_failed;         /* the stream is of no use any more */
	bool finish;              /* unsent replies still go out when it closes */
	const char *close_reason; /* static; for the audit */
	enum stats_refusal limit; /* that it reached, and is closed for; else OTHER */
	const char *incident;     /* static; the reason that the audit gives instead; NULL: none */
};

/* The client, as every frame that makes an audit record names it. Views of the session. */
static inline struct client_facts session_client(const struct session *s)
{
	return (struct client_facts){
		.address = span_of(s->address),
		.port = s->port,
		.listener = span_of(s->listener->config->name),
		.tls_version = span_of(stream_tls_version(s->stream)),
		.tls_cipher = span_of(stream_tls_cipher(s->stream)),
		.tls_client_subject = span_of(s->tls_client_subject),
		.helo = span_of(s->helo),
	};
}

/* A session's name in the log, as in the audit. */
#define SESSION_NAME "session %" PRIu32 "-%" PRIu64
#define SESSION_NAME_ARGS(s) (s)->gate->role->instance, (s)->number

/* The one setter of `state`: asserts that the move is legal, and starts its deadline. */
void session_set_state(struct session *s, enum session_state next);

/* Ends it at once, without a word. */
void session_drop(struct session *s, const char *reason);

/* The relay door is full: it is driven again when there is room. */
enum step session_wait_for_room(struct session *s);
/* It no longer waits for that. Does nothing for one that did not. */
void session_leave_paced(struct session *s);
/* True when it is authenticated, and the relay that holds its grant is still there. */
bool session_has_grant(const struct session *s);

#endif
