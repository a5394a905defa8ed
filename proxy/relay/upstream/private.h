/*
 * The upstream side from inside: a pool, its connections, its attempts.
 *
 *   upstream.c    an attempt, as its owner calls it, and what its owner is told
 *   pool.c        which attempt gets which connection, when one is opened and when one is closed
 *   queue.c       which attempts wait for a connection, in fair turns
 *   share.c       how many connections one user may have
 *   yield.c       which attempt gives its connection to one that waits
 *   account.c     the accounts at the upstream: the configured one, and mailboxes of senders
 *   backoff.c     when we back off from the upstream or an account, after which failure, and for how long
 *   connection.c  a connection's life: resolve, connect, TLS, replies in, reset, quit
 *   features.c    what the upstream offers
 *   login.c       greeting, EHLO, STARTTLS, AUTH
 *   oauth.c       AUTH with a token
 *   dialog.c      MAIL and RCPT of an attempt on its connection
 *   transfer.c    DATA, the body and the dot, or BDAT
 *   class.c       what a refusal is about
 *   echo.c        a refusal without the addresses that it echoes
 *   verdict.c     what it means for the attempt, its account and the upstream
 *   trial.c       a connection of its own for an administrator, who sees its dialog
 *   neighbours.c  which connections are given up for other processes of the node that have none
 *   slots.c       how many connections to an account the processes of the node have together
 *   backoffs.c    the back-offs that a relay process and the next one must both know
 *
 * Events and calls only change states, and ask for the pool's turn at the end
 * of the loop's turn. Connections are freed, attempts are matched with
 * connections and owners are called back in the pool's turn only; so a function
 * here never finds that its connection or its attempt has vanished.
 */
#ifndef RELAY_UPSTREAM_PRIVATE_H
#define RELAY_UPSTREAM_PRIVATE_H

#include <sys/queue.h>

#include "base/arena.h"
#include "net/stream.h"
#include "relay/upstream/body_digest.h"
#include "relay/upstream/class.h"
#include "relay/upstream/sharing.h"
#include "relay/upstream/upstream.h"

#define REPLACED_MAXIMUM 10      /* an upstream that closes after each message leaves many dead connections */
#define UPSTREAM_REASON_SIZE 512 /* bytes, the NUL included: a line of the log */

/* ---- accounts */

/* Connections of an account, or of all accounts, as the pool's turn sees them. */
struct upstream_tally {
	size_t connecting, idle, busy, resetting, all;
};

/*
 * A login of ours at the upstream, with limits and back-offs of its own. `keys` are those of the back-offs that concern
 * it, the upstream's included (relay/upstream/backoffs.h). It lives as long as it has an attempt or a connection; the
 * configured one lives as long as the pool.
 */
struct upstream_account {
	TAILQ_ENTRY(upstream_account) in_pool;
	TAILQ_ENTRY(upstream_account) in_plan; /* iff placeable */
	struct upstream_pool *pool;
	struct heap lines; /* of those with a waiting attempt */
	size_t users;      /* attempts and connections */
	size_t waiting;    /* of its attempts */
	size_t placeable;  /* of those: their shares allow each a connection; valid in the pool's turn */
	size_t coming;     /* connections on their way for them; likewise */
	uint64_t keys[UPSTREAM_BACKOFF_KINDS];
	uint64_t slot_key;

	/* as surveyed at the beginning of the pool's turn */
	struct upstream_tally tally;
	enum upstream_backoff sending_backoff; /* no transaction begins; NONE: they do */
	enum upstream_backoff opening_backoff; /* no connection is opened; NONE: they are */
	bool on_probation;                     /* after a back-off: one transaction at a time, until one goes well */
	bool slots_are_taken;                  /* by another process of this node */
	bool slot_is_wanted;                   /* by another process, which has no connection */
	bool wants_slot;                       /* we told the others that we have none and want one */
	uint64_t gave_ms;                      /* when a connection was last given up for another process; 0: never */
	uint64_t got_ms;                       /* when it last got a connection that it had to wait for */
	char mailbox[];                        /* of a sender; "": the relay's `user` */
};

/* Finds or makes it, and counts one user more. NULL out of memory. */
struct upstream_account *upstream_account_hold(struct upstream_pool *pool, struct span mailbox);
void upstream_account_release(struct upstream_account **account);
/* How many connections it may have at once. */
unsigned upstream_account_limit(const struct upstream_account *account);

/* ---- connections */

enum connection_state {
	CONNECTION_RESOLVING,
	CONNECTION_CONNECTING,
	CONNECTION_SECURING,
	CONNECTION_GREETING,   /* waits for the banner */
	CONNECTION_EHLO,       /* waits for the reply to EHLO */
	CONNECTION_STARTTLS,   /* waits for the reply to STARTTLS */
	CONNECTION_CREDENTIAL, /* waits for the owner's upstream_pool_credential */
	CONNECTION_AUTH,       /* waits for a reply within AUTH */
	CONNECTION_IDLE,
	CONNECTION_BUSY,      /* carries `attempt` */
	CONNECTION_RESETTING, /* swallows `unanswered` replies, then says RSET */
	CONNECTION_QUITTING,
	CONNECTION_CLOSED, /* to be freed in the pool's turn */
	CONNECTION_STATE_COUNT
};

/* What the last EHLO offered. Limits: 0 where there is none. */
struct upstream_features {
	bool pipelining, size, eight_bit, dsn, smtputf8, chunking, starttls, auth_plain, auth_login, auth_xoauth2,
		auth_oauthbearer;
	uint64_t size_limit; /* octets of a message, RFC 1870, 4 */
	uint64_t mail_limit; /* transactions of a connection, RFC 9422, 5 */
	uint64_t rcpt_limit; /* recipients of a transaction, the same */
};

/* Reads the text of an EHLO reply. A malformed line offers nothing. */
void upstream_features_read(struct span text, struct upstream_features *out_features);

/* What is still to be said in this AUTH. */
enum auth_step {
	AUTH_SENT_ALL,         /* the verdict is next */
	AUTH_MAY_BE_EXPLAINED, /* the same, after a token: the reason for a refusal may come first */
	AUTH_WANTS_BLOB,       /* the response did not fit the command */
	AUTH_WANTS_USER,       /* LOGIN */
	AUTH_WANTS_PASSWORD    /* LOGIN */
};

/* Invariants: `stream` from CONNECTING to QUITTING; `attempt` iff BUSY; the secrets are empty except in AUTH. */
struct upstream_connection {
	TAILQ_ENTRY(upstream_connection) in_pool;
	struct upstream_pool *pool;
	struct upstream_account *account;
	unsigned slot;                /* one of the account's, held until the connection is closed */
	struct upstream_trial *trial; /* which alone may use it; or NULL */
	enum connection_state state;
	struct stream *stream;
	struct resolution *resolution;
	struct resolver_answer addresses;
	size_t next_address;
	uint64_t ready_until_ms; /* when it must be logged in */
	char host[ENDPOINT_TEXT_SIZE];
	struct upstream_features features;

	uint64_t ticket;                      /* of the credential asked for */
	enum auth_step auth_step, after_blob; /* what follows AUTH_WANTS_BLOB */
	struct secret user, password, blob;
	uint64_t serial;    /* of the token used; 0: a password */
	bool is_bearer;     /* OAUTHBEARER, else XOAUTH2 */
	bool has_new_token; /* asked for because the first one was refused */

	struct upstream_attempt *attempt;
	uint64_t transactions; /* that it has carried */
	uint64_t spoke_ms;     /* when its last reply came */
	size_t unanswered;     /* RESETTING: replies that come before RSET's */
};

/*
 * Takes over the slot. A failure to connect shows in the pool's turn. NULL out of memory, and then the slot is given
 * back.
 */
struct upstream_connection *upstream_connection_open(struct upstream_account *account, unsigned slot);
/* The same, for a trial. */
struct upstream_connection *upstream_connection_open_for(struct upstream_account *account, unsigned slot,
							 struct upstream_trial *trial);
/* Closes at once; freed in the pool's turn. */
void upstream_connection_close(struct upstream_connection *c);
/* Only in the pool's turn. */
void upstream_connection_free(struct upstream_connection *c);
void upstream_connection_set_state(struct upstream_connection *c, enum connection_state state);
/* The peer is gone, is silent or talks nonsense: the next address is tried, or its attempt or trial hears `reason`. */
void upstream_connection_lost(struct upstream_connection *c, const char *reason);
/* It can't be made ready, and another address would not help. */
void upstream_connection_unusable(struct upstream_connection *c, const char *reason);
/* The same, for lack of something of our own: the upstream is well, and other processes may go on. */
void upstream_connection_unequipped(struct upstream_connection *c, const char *reason);
/* Logged in, or a transaction is over: free for the next one, or QUIT. */
void upstream_connection_become_idle(struct upstream_connection *c);
/* Its transaction was given up while `unanswered` replies are still to come: RSET follows them. */
void upstream_connection_reset(struct upstream_connection *c, size_t unanswered);
void upstream_connection_quit(struct upstream_connection *c);
/* Writes, and expects a reply within `limit_ms`. False: the connection is lost. */
bool upstream_connection_say(struct upstream_connection *c, struct span bytes, uint64_t limit_ms);
/* The same where no reply is outstanding: if one is there already, it was not asked for, and the connection is lost. */
bool upstream_connection_ask(struct upstream_connection *c, struct span bytes, uint64_t limit_ms);
/*
 * True: it had spoken unasked when this turn began, so that its words would pass for the answer to our next command.
 * The connection is lost. What comes later than that can't be told from what is on its way.
 */
bool upstream_connection_lose_if_ahead(struct upstream_connection *c);
/* Passes on the replies that stream_fetch found. */
void upstream_connection_take(struct upstream_connection *c);
/* Milliseconds left until it must be logged in, at least 1. */
uint64_t upstream_connection_time_left(const struct upstream_connection *c);

/* ---- login */

void upstream_login_say_ehlo(struct upstream_connection *c);
void upstream_login_on_greeting(struct upstream_connection *c, const struct reply *reply);
void upstream_login_on_ehlo(struct upstream_connection *c, const struct reply *reply);
void upstream_login_on_starttls(struct upstream_connection *c, const struct reply *reply);
void upstream_login_on_auth(struct upstream_connection *c, const struct reply *reply);
void upstream_login_with(struct upstream_connection *c, const struct upstream_credential *credential);
void upstream_login_wipe(struct upstream_connection *c);
void upstream_login_ask_credential(struct upstream_connection *c);
/* Says `blob` in the command's line or, if it is too long for that, in a line of its own; then comes `next`. */
void upstream_login_say_blob(struct upstream_connection *c, struct span command, enum auth_step next);

/* ---- login with a token */

bool upstream_oauth_is_mechanism(struct span mechanism);
void upstream_oauth_begin(struct upstream_connection *c, const struct upstream_credential *credential);
/* 334 to a token: it is refused, and this says why. */
void upstream_oauth_on_explanation(struct upstream_connection *c, const struct reply *reply);
/* A login was refused. True: perhaps for its token, and another one was asked for. */
bool upstream_oauth_begin_anew(struct upstream_connection *c, const struct reply *reply);

/* ---- attempts */

enum upstream_state {
	UPSTREAM_WAITING,  /* in the pool's queue, for a connection */
	UPSTREAM_ENVELOPE, /* MAIL and RCPTs are under way */
	UPSTREAM_OPEN,     /* all are answered: its owner's turn */
	UPSTREAM_PARKED,   /* as OPEN, but without a connection: the envelope is replayed when it goes on */
	UPSTREAM_DATA,     /* waits for 354 */
	UPSTREAM_BODY,     /* the body goes out */
	UPSTREAM_HELD,     /* only the dot is missing: its owner's turn */
	UPSTREAM_DOT,      /* waits for the verdict */
	UPSTREAM_OVER,     /* the outcome is known, and on_done is due */
};

struct upstream_rcpt {
	struct span address, parameters;
	struct span reply; /* our text form */
	bool accepted;
	bool surplus; /* not said on this connection: the upstream told us that it takes fewer */
};

/* Invariants: `connection` iff ENVELOPE, OPEN, DATA, BODY, HELD, DOT; once OPEN, told <= answered, written <= count. */
struct upstream_attempt {
	TAILQ_ENTRY(upstream_attempt) in_pool;
	TAILQ_ENTRY(upstream_attempt) in_line; /* iff WAITING */
	TAILQ_ENTRY(upstream_attempt) in_due;  /* iff is_due */
	struct upstream_pool *pool;
	struct upstream_account *account;
	struct upstream_trial *trial; /* whose connection it uses; or NULL */
	uint64_t user;                /* whose turn it takes: a hash of the user's name */
	struct upstream_share *share; /* the user's */
	struct upstream_line *line;   /* the user's, for this account */
	uint64_t turn;                /* WAITING: its place in the queue */
	int64_t entered;              /* WAITING: its place among those of the same turn */
	const struct upstream_handler *handler;
	void *context;
	enum upstream_state state;
	struct upstream_connection *connection;
	struct timer *timer; /* limits waiting, MAIL and RCPT */
	uint64_t limit_ms;
	uint64_t until_ms;        /* WAITING and ENVELOPE: the end of `limit_ms` */
	uint64_t silent_since_ms; /* OPEN: its owner's turn since */
	uint64_t asked_ms;        /* ENVELOPE: the upstream's turn since */
	uint64_t patience_ms;     /* how long that may last while others wait */

	struct arena arena;
	struct span mail_from, ret, envid;
	bool eight_bit, smtputf8;
	bool has_eight_bit; /* the message, known from upstream_send on */
	uint64_t size;      /* declared, or from upstream_send on the message's; 0: unknown */
	struct upstream_rcpt *rcpts;
	size_t count, capacity;
	size_t told; /* how many on_replies gave: the accepted ones must be accepted again in a replay */

	/* the envelope on this connection */
	bool mail_written, mail_answered;
	size_t written, answered; /* indexes of the next RCPT to write, and of the next to be answered */
	size_t outstanding;       /* replies to come, MAIL's included */
	size_t asked;             /* RCPTs written */
	bool is_told_apart;       /* its replies had the codes of MAIL and RCPT (RFC 3463), which no verdict has */
	unsigned replaced;        /* how often a dead connection was replaced; REPLACED_MAXIMUM: never again */

	struct spool_message *message; /* from upstream_send on */
	uint64_t step_ms;              /* for each step, likewise; 0: only reply_timeout counts */
	uint64_t offset;               /* bytes of the body that were queued for the upstream */
	bool reading;
	bool as_chunk;    /* it goes in one BDAT */
	bool is_gathered; /* nothing of it is queued before its end is: a chunk, or a small body */
	struct buf gathered;
	bool at_line_start;                    /* of what is gathered next */
	struct body_digest digest;             /* of what went out on this connection, where the audit wants it */
	char digest_hex[HASH_SHA256_HEX_SIZE]; /* "": it is not complete, or not wanted */

	bool is_due, tell_replies, tell_held, telling_done;
	struct upstream_verdict verdict; /* of the refusal judged last */
	enum upstream_class class;
	bool dot_released;
	struct buf reply;
	char reason[UPSTREAM_REASON_SIZE];
	char host[ENDPOINT_TEXT_SIZE];
};

/* How long one step of the dialog may take. */
uint64_t upstream_dialog_step_ms(const struct upstream_attempt *u);
/* `c` takes the attempt off the queue and begins its envelope. */
void upstream_dialog_begin(struct upstream_attempt *u, struct upstream_connection *c);
/* More recipients: in pace with what the upstream takes. Where no reply is outstanding, nothing has come unasked. */
void upstream_dialog_write_commands(struct upstream_attempt *u);
void upstream_dialog_on_reply(struct upstream_attempt *u, const struct reply *reply);
/* The connection is gone (its `attempt` is cleared by this). */
void upstream_dialog_on_lost(struct upstream_attempt *u, const char *reason);
/* Over for certain, before the message was sent: the connection is good for the next one. */
void upstream_dialog_refuse(struct upstream_attempt *u, enum upstream_class class, const char *what,
			    const struct reply *reply);
/* Over, and the two sides may not agree on where they are. `reply` may be NULL. */
void upstream_dialog_give_up(struct upstream_attempt *u, enum upstream_class class, const char *what,
			     const struct reply *reply);

/* OPEN, with a message, and nothing has come unasked. */
void upstream_transfer_send(struct upstream_attempt *u);
void upstream_transfer_release(struct upstream_attempt *u, uint64_t limit_ms);
void upstream_transfer_on_drained(struct upstream_attempt *u);
/* DATA, BODY, HELD and DOT. */
void upstream_transfer_on_reply(struct upstream_attempt *u, const struct reply *reply);

/*
 * What a 4xx or 5xx is about; what else it says is noted in `verdict`. `rcpt`: the recipient it answers. Then only that
 * address and the sender's are taken out, as there may be a thousand such replies at once; NULL: all addresses are.
 */
enum upstream_class upstream_judge(struct upstream_attempt *u, enum upstream_stage stage,
				   const struct upstream_rcpt *rcpt, const struct reply *reply);

/* Notes the outcome. The attempt leaves its connection, which is then the caller's concern. `reply` may be NULL. */
void upstream_finish(struct upstream_attempt *u, enum upstream_class class, const struct reply *reply,
		     const char *reason);
/* "what: 550 5.1.1 text", on one line, cut to the room. */
void upstream_describe(char out_reason[UPSTREAM_REASON_SIZE], const char *what, const struct reply *reply);
void upstream_wait(struct upstream_attempt *u, bool first_in_line);
/* OPEN: gives its connection away, and replays the envelope later. */
void upstream_park(struct upstream_attempt *u);
/* ENVELOPE: the same, and it waits for another connection. */
void upstream_give_way(struct upstream_attempt *u);
void upstream_leave_connection(struct upstream_attempt *u);
/* Its owner must be told something in the pool's turn. */
void upstream_is_due(struct upstream_attempt *u);
/* Calls the owner; afterwards the attempt may be gone. */
void upstream_tell(struct upstream_attempt *u);
void upstream_free(struct upstream_attempt *u);

/* ---- trials */

/* Invariant: `connection` iff it is open, with its `trial` set. */
struct upstream_trial {
	TAILQ_ENTRY(upstream_trial) in_pool;
	struct upstream_pool *pool;
	const struct upstream_trial_handler *handler;
	void *context;
	struct upstream_connection *connection;
	struct upstream_attempt *attempt; /* which uses it; or NULL */
	struct timer *timer;              /* until it asks for a slot again */
	uint64_t until_ms;                /* when it stops waiting for a slot */
	bool is_told;                     /* on_ready or on_failed */
	bool has_failed;
	char reason[UPSTREAM_REASON_SIZE];
};

/* A line of the dialog, where a trial listens. */
void upstream_trial_trace(const struct upstream_connection *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Commands as they go out: one line each. */
void upstream_trial_trace_said(const struct upstream_connection *c, struct span bytes);
void upstream_trial_trace_reply(const struct upstream_connection *c, const struct reply *reply);
/* Why its connection ends; the first reason counts. */
void upstream_trial_note(const struct upstream_connection *c, const char *reason);
void upstream_trial_on_closed(struct upstream_connection *c);
/* In the pool's turn: tells the owners of those that are ready or over. */
void upstream_trials_tell(struct upstream_pool *pool);
/* What an upstream said during AUTH, without secrets. */
void upstream_login_mask(const struct upstream_connection *c, struct span text, char *out_text, size_t size);

/* ---- the queue */

/* After those that wait; but each user has one turn a round, so that one who wants many connections delays nobody. */
void upstream_queue_enter(struct upstream_attempt *u);
/* Ahead of all others: it had its turn already. */
void upstream_queue_enter_first(struct upstream_attempt *u);
/* Only if it waits. */
void upstream_queue_leave(struct upstream_attempt *u);

/* ---- the pool */

TAILQ_HEAD(upstream_connections, upstream_connection);
TAILQ_HEAD(upstream_accounts, upstream_account);
TAILQ_HEAD(upstream_trials, upstream_trial);

/* Invariants: the first of `accounts` is the configured one. */
struct upstream_pool {
	struct loop *loop;
	struct upstream_options options;
	const struct config_relay *relay;
	enum upstream_profile profile;
	struct tls_context *tls; /* of options.tls_clients; NULL with tls = "none" */
	struct upstream_accounts accounts;
	struct upstream_connections connections;
	struct upstream_attempts attempts, due;
	struct upstream_trials trials;
	size_t waiting_count;
	struct heap lines;                /* of those with a waiting attempt */
	struct upstream_lines passed;     /* that are to be rewound */
	struct upstream_accounts planned; /* with room for an attempt that waits, as of the last plan */
	int64_t entered;                  /* numbers of the queue */
	struct map shares;                /* by user */
	size_t carried;                   /* attempts with a connection */
	uint64_t plan;
	uint64_t turn_now; /* of the queue: the last one placed */
	struct turn_end turn;
	/* for the next turn: a back-off ends, a slot may be free, or an attempt was silent for too long */
	struct timer *timer;
	uint64_t next_ticket;
	struct endpoint shunned; /* an address that could not be reached: it is tried last */
	uint64_t shunned_until_ms;
	bool draining;
	struct backoffs *own_backoffs; /* of this process only */
	uint64_t neighbours_until_ms;  /* after that, unless it drains, there is no other process */
	uint64_t looked_ms;            /* when it last asked whether another process wants a slot */

	bool proven;          /* the last login went well: several may be tried at once */
	bool backoff_is_news; /* begun since the last turn: attempts that wait hear the failure itself */
	bool lacks_chunking;  /* it offers CHUNKING, but does not know BDAT */
	unsigned silences;    /* transactions in a row that the upstream left without a reply */
	uint64_t silent_user; /* whose the first of them was */
	bool silent_to_all;   /* they are not all one user's, whose messages may be what it can't bear */
	char last_error[UPSTREAM_REASON_SIZE];
	uint64_t logins, messages;
};

/* True if the account may have one more connection: by its own limit, by that of all accounts, by other processes. */
bool upstream_pool_has_room(const struct upstream_account *account);
/* Asks for the pool's turn. */
void upstream_pool_wake(struct upstream_pool *pool);
/* A kept connection turned out to be dead: those that are idle now have been so for longer, and are closed. */
void upstream_pool_distrust_idle(struct upstream_pool *pool);
/* Counts one login in subgate_relay_logins_total. */
void upstream_pool_count_login(struct upstream_pool *pool, enum stats_result result);

/* ---- back-offs */

/* Fills in `keys`, for a new account. */
void upstream_backoff_make_keys(struct upstream_account *account);
/* Notes on the account what we back off from now. */
void upstream_backoff_survey(struct upstream_account *account);
/* Milliseconds until connections may be opened again; UINT64_MAX: they may now. */
uint64_t upstream_backoff_left_ms(const struct upstream_account *account);
/* What its attempts hear meanwhile. */
enum upstream_class upstream_backoff_explain(const struct upstream_account *account, enum upstream_backoff backoff,
					     char out_reason[UPSTREAM_REASON_SIZE]);
/* A connection could not be made ready. No other is opened for a while, which is longer each time. */
void upstream_backoff_connecting(struct upstream_pool *pool, const char *reason);
/* The same, but the fault is ours: only this process opens no other. */
void upstream_backoff_ours(struct upstream_pool *pool, const char *reason);
/* The account may not log in for a while, which is longer each time. */
void upstream_backoff_login(struct upstream_account *account, const char *reason);
/* False: not even a connection begun before may log in now. */
bool upstream_backoff_allows_login(const struct upstream_account *account);
void upstream_backoff_on_login(struct upstream_account *account);
/* A refusal that may be about more than its transaction. */
void upstream_backoff_on_refusal(struct upstream_account *account, enum upstream_class class, unsigned code,
				 const struct upstream_verdict *verdict, const char *reason);
/* A transaction broke off, or was left without a reply. */
void upstream_backoff_on_silence(const struct upstream_attempt *u, const char *reason);
void upstream_backoff_on_accepted(struct upstream_account *account);
void upstream_backoff_show(const struct upstream_pool *pool, struct upstream_pool_state *state);

#endif
