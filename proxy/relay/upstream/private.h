/*
 * The upstream side from inside: a pool, its connections, its attempts.
 *
 *   upstream.c    an attempt, as its owner calls it, and what its owner is told
 *   pool.c        which attempt gets which connection, when one is opened and when one is closed
 *   queue.c       who waits for a connection, in fair turns
 *   share.c       how many connections one user may have
 *   yield.c       who gives one up for those that wait
 *   account.c     the accounts of the relay: the configured one, and mailboxes of senders
 *   backoff.c     when we back off from the upstream or an account, after which failure, and for how long
 *   connection.c  a connection's life: resolve, connect, TLS, replies in, reset, quit
 *   features.c    what the relay offers
 *   login.c       greeting, EHLO, STARTTLS, AUTH
 *   oauth.c       AUTH with a token
 *   dialog.c      MAIL and RCPT of an attempt on its connection
 *   transfer.c    DATA, the body and the dot, or BDAT
 *   class.c       what a refusal is about
 *   echo.c        a refusal without the addresses that it echoes
 *   verdict.c     what it means for the attempt, its account and its relay
 *   trial.c       a connection of its own for an administrator, who sees its dialog
 *   neighbours.c  what is given up for other processes of the node that have no connection
 *   slots.c       which connections of an account all processes of the node have
 *   backoffs.c    the back-offs that a relay process and the next one must both know
 *
 * Events and calls only change states, and ask for the pool's turn at the end
 * of the loop's turn. There alone are connections freed, attempts matched with
 * connections, and owners called back; so no function here can find its
 * connection or its attempt gone under it.
 */
#ifndef RELAY_UPSTREAM_PRIVATE_H
#define RELAY_UPSTREAM_PRIVATE_H

#include <sys/queue.h>

#include "base/arena.h"
#include "net/stream.h"
#include "relay/upstream/sharing.h"
#include "relay/upstream/upstream.h"

#define REPLACED_MAXIMUM 10      /* a relay that closes behind each message makes many connections dead ones */
#define UPSTREAM_REASON_SIZE 512 /* bytes, the NUL included: a line of the log */

/* ---- classes */

enum upstream_stage {
	STAGE_MAIL = 1,
	STAGE_RCPT = 2, /* UPSTREAM_RECIPIENTS is this recipient's refusal */
	STAGE_DATA = 4, /* the reply to DATA itself */
	STAGE_DOT = 8,  /* the reply to the message, or one that came in the midst of it */
};

/* Whose replies they are. */
enum upstream_profile { UPSTREAM_PROFILE_GENERIC, UPSTREAM_PROFILE_GMAIL, UPSTREAM_PROFILE_MICROSOFT365 };

/* By the relay's option, or by its host. */
enum upstream_profile upstream_profile_of(const struct config_relay *relay);
/* What a 4xx or 5xx means, by what it says without its echoes; UPSTREAM_TRANSPORT when in doubt. */
enum upstream_class upstream_classify(enum upstream_profile profile, enum upstream_stage stage,
				      const struct reply *reply);
/* The row of class.def that decides; as many as there are: none. */
size_t upstream_class_row(enum upstream_profile profile, enum upstream_stage stage, const struct reply *reply);
/* More than the attempt may suffer: no recipient and no recipient's server can have caused it. */
bool upstream_class_may_back_off(size_t row, enum upstream_stage stage);

#define PLAIN_SIZE 512       /* bytes of a refusal that are looked at: what it is about stands at its front */
#define UPSTREAM_ECHO '\x01' /* stands for an address; the text has no other control bytes */

/* A refusal without what it echoes. */
struct upstream_plain {
	size_t size;
	char bytes[PLAIN_SIZE]; /* on one line, the enhanced code first */
};

void upstream_plain_begin(struct upstream_plain *plain, const struct reply *reply);
/* Whole, by halves, quoted and unquoted, wherever it stands. */
void upstream_plain_take_out(struct upstream_plain *plain, struct span address);
/* As a reply; its enhanced code is read anew, as it may have been an echo. Views into `plain`. */
struct reply upstream_plain_reply(const struct upstream_plain *plain, unsigned code);

/* What a refusal leads to besides the end of its attempt. */
struct upstream_verdict {
	bool may_back_off; /* from its account or upstream */
	uint64_t hint_ms;  /* for so long, it says; 0: it does not */
};

/* When a refusal says how long it will last ("try again in 5 minutes", "resets at 2026-11-23T00:00:00Z"): milliseconds, else 0. */
uint64_t upstream_hint_ms(struct span text, uint64_t wall_ms);

/* ---- accounts */

/* As the pool's turn sees the connections of an account, or of all. */
struct upstream_tally {
	size_t connecting, idle, busy, resetting, all;
};

/*
 * A login of ours at the upstream, with limits and back-offs of its own. `keys` are those of the back-offs that concern
 * it, the upstream's included (relay/upstream/backoffs.h). Lives as long as an attempt or a connection is of it; the configured one as long as the pool.
 */
struct upstream_account {
	TAILQ_ENTRY(upstream_account) in_pool;
	struct upstream_pool *pool;
	size_t users;     /* attempts and connections */
	size_t waiting;   /* of its attempts */
	size_t placeable; /* of those: they may have a connection each, as far as shares go; in the pool's turn */
	size_t coming;    /* connections on their way for them; the same */
	uint64_t keys[UPSTREAM_BACKOFF_KINDS];
	uint64_t slot_key;

	/* as surveyed at the begin of the pool's turn */
	struct upstream_tally tally;
	enum upstream_backoff sending_backoff; /* no transaction begins; NONE: they do */
	enum upstream_backoff opening_backoff; /* no connection is opened; NONE: they are */
	bool on_probation;                     /* after a back-off: one transaction at a time, until one goes well */
	bool slots_are_taken;                  /* by another process of this node */
	bool slot_is_wanted;                   /* by another process, which has none */
	bool wants_slot;                       /* the others know that this one has none and wants one */
	uint64_t gave_ms;                      /* when a connection was last given up for another process; 0: never */
	uint64_t got_ms;                       /* when it last got one that it had to wait for */
	char mailbox[];                        /* of a sender; "": the relay's `user` */
};

/* NULL out of memory. Counts one user of it. */
struct upstream_account *upstream_account_hold(struct upstream_pool *pool, struct span mailbox);
void upstream_account_release(struct upstream_account **account);
/* Connections it may have at once. */
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

/* Reads the text of an EHLO reply. What is malformed in it is not offered. */
void upstream_features_read(struct span text, struct upstream_features *out_features);

/* What is still to be said within one AUTH. */
enum auth_step {
	AUTH_SENT_ALL,         /* the verdict is next */
	AUTH_MAY_BE_EXPLAINED, /* the same, of a token: a refusal's reason may come first */
	AUTH_WANTS_BLOB,       /* the response did not fit the command */
	AUTH_WANTS_USER,       /* LOGIN */
	AUTH_WANTS_PASSWORD    /* LOGIN */
};

/* Invariants: `stream` from CONNECTING to QUITTING; `attempt` iff BUSY; the secrets are empty but in AUTH. */
struct upstream_connection {
	TAILQ_ENTRY(upstream_connection) in_pool;
	struct upstream_pool *pool;
	struct upstream_account *account;
	unsigned slot;                /* of the account, held until it is closed */
	struct upstream_trial *trial; /* nobody else gets it; or NULL */
	enum connection_state state;
	struct stream *stream;
	struct resolution *resolution;
	struct resolver_answer addresses;
	size_t next_address;
	uint64_t ready_until_ms; /* when it must be logged in */
	char host[ENDPOINT_TEXT_SIZE];
	struct upstream_features features;

	uint64_t ticket;                       /* of the credential asked for */
	enum auth_step auth_step, behind_blob; /* what follows AUTH_WANTS_BLOB */
	struct secret user, password, blob;
	uint64_t serial;    /* of the token used; 0: a password */
	bool is_bearer;     /* OAUTHBEARER, else XOAUTH2 */
	bool has_new_token; /* asked for because the first one was refused */

	struct upstream *attempt;
	uint64_t transactions; /* carried before */
	uint64_t spoke_ms;     /* when its last reply came */
	size_t unanswered;     /* RESETTING: replies that come before RSET's */
};

/* Begins with a slot of the account, which is its own from now on; a failure shows in the pool's turn. NULL out of memory: the slot is given back. */
struct upstream_connection *upstream_connection_open(struct upstream_account *account, unsigned slot);
/* The same, for a trial. */
struct upstream_connection *upstream_connection_open_for(struct upstream_account *account, unsigned slot,
							 struct upstream_trial *trial);
/* Closes at once; freed in the pool's turn. */
void upstream_connection_close(struct upstream_connection *c);
/* Only in the pool's turn. */
void upstream_connection_free(struct upstream_connection *c);
void upstream_connection_set_state(struct upstream_connection *c, enum connection_state state);
/* The peer is gone, silent or talks nonsense: the next address is tried, or whoever depends on it hears `reason`. */
void upstream_connection_lost(struct upstream_connection *c, const char *reason);
/* It can't be made ready, and another address would not help. */
void upstream_connection_unusable(struct upstream_connection *c, const char *reason);
/* The same for want of something that this process alone lacks: the relay is well, and other processes may go on. */
void upstream_connection_unequipped(struct upstream_connection *c, const char *reason);
/* Logged in, or a transaction is over: free for the next one, or QUIT. */
void upstream_connection_become_idle(struct upstream_connection *c);
/* Its transaction was given up while `unanswered` replies are to come: RSET behind them. */
void upstream_connection_reset(struct upstream_connection *c, size_t unanswered);
void upstream_connection_quit(struct upstream_connection *c);
/* Writes, and expects a reply within `limit_ms`. A failure is a lost connection. False: it is lost. */
bool upstream_connection_say(struct upstream_connection *c, struct span bytes, uint64_t limit_ms);
/* The same where no reply is outstanding: one that is there already was not asked for, and the connection is lost. */
bool upstream_connection_ask(struct upstream_connection *c, struct span bytes, uint64_t limit_ms);
/* True: it spoke unasked, and would answer what is said next before that is heard. It is lost. */
bool upstream_connection_lose_if_ahead(struct upstream_connection *c);
/* Replies that stream_fetch found go to whoever waits for one. */
void upstream_connection_take(struct upstream_connection *c);
/* Milliseconds left to get ready, at least 1. */
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
/* The response `blob` with the command, or by itself where it is too long for that; then comes `next`. */
void upstream_login_say_blob(struct upstream_connection *c, struct span command, enum auth_step next);

/* ---- login with a token */

bool upstream_oauth_is_mechanism(struct span mechanism);
void upstream_oauth_begin(struct upstream_connection *c, const struct upstream_credential *credential);
/* 334 to a token: why it is not taken. */
void upstream_oauth_on_explanation(struct upstream_connection *c, const struct reply *reply);
/* A login was refused. True: the token may be at fault, and another one is on its way. */
bool upstream_oauth_begin_anew(struct upstream_connection *c, const struct reply *reply);

/* ---- attempts */

enum upstream_state {
	UPSTREAM_WAITING,  /* stands in the pool's queue for a connection */
	UPSTREAM_ENVELOPE, /* MAIL and RCPTs are under way */
	UPSTREAM_OPEN,     /* all are answered: its owner's turn */
	UPSTREAM_PARKED,   /* as OPEN, but without a connection: the envelope is replayed when it goes on */
	UPSTREAM_DATA,     /* waits for 354 */
	UPSTREAM_BODY,     /* the body goes out */
	UPSTREAM_HELD,     /* only the dot is missing: its owner's turn */
	UPSTREAM_DOT,      /* waits for the verdict */
	UPSTREAM_OVER,     /* the outcome stands, and on_done is due */
};

struct upstream_rcpt {
	struct span address, parameters;
	struct span reply; /* our text form */
	bool accepted;
	bool surplus; /* not asked for on this connection: the relay said that it takes fewer */
};

/* Invariants: `connection` iff ENVELOPE, OPEN, DATA, BODY, HELD or DOT; told <= answered and written <= count once OPEN. */
struct upstream {
	TAILQ_ENTRY(upstream) in_pool;
	TAILQ_ENTRY(upstream) in_waiting; /* iff WAITING */
	TAILQ_ENTRY(upstream) in_due;     /* iff is_due */
	struct upstream_pool *pool;
	struct upstream_account *account;
	struct upstream_trial *trial; /* it goes on that one's connection; or NULL */
	uint64_t user;                /* whose turn it takes: a hash of his name */
	struct upstream_share *share; /* the user's; NULL: nobody's, as of a trial */
	uint64_t turn;                /* WAITING: its place in the queue */
	const struct upstream_handler *handler;
	void *context;
	enum upstream_state state;
	struct upstream_connection *connection;
	struct timer *timer; /* limits waiting, MAIL and RCPT */
	uint64_t limit_ms;
	uint64_t until_ms;        /* WAITING and ENVELOPE: the end of `limit_ms` */
	uint64_t silent_since_ms; /* OPEN: its owner's turn since */
	uint64_t asked_ms;        /* ENVELOPE: the relay's turn since */
	uint64_t patience_ms;     /* for so long it may be, while others wait */

	struct arena arena;
	struct span mail_from, ret, envid;
	bool eight_bit, smtputf8;
	bool has_eight_bit; /* the message, known from upstream_send on */
	uint64_t size;      /* declared, or from upstream_send on the message's; 0: unknown */
	struct upstream_rcpt *rcpts;
	size_t count, capacity;
	size_t told; /* on_replies gave so many: those accepted must be accepted again in a replay */

	/* the envelope on this connection */
	bool mail_written, mail_answered;
	size_t written, answered; /* indexes of the next RCPT to write, and of the next to be answered */
	size_t outstanding;       /* replies to come, MAIL's included */
	size_t asked;             /* RCPTs written */
	bool is_told_apart;       /* its replies had the codes of MAIL and RCPT (RFC 3463): a verdict has another */
	unsigned replaced;        /* dead connections that were replaced already; REPLACED_MAXIMUM: no more will be */

	struct spool_message *message; /* from upstream_send on */
	uint64_t step_ms;              /* the same: for each step; 0: reply_timeout alone counts */
	uint64_t offset;               /* of the body: queued for the upstream */
	bool reading;
	bool as_chunk; /* it goes in one BDAT, which is gathered in `chunk` */
	struct buf chunk;
	bool at_line_start; /* of what is gathered next */

	bool is_due, tell_replies, tell_held, telling_done;
	struct upstream_verdict verdict; /* of the refusal judged last */
	enum upstream_class class;
	bool dot_released;
	struct buf reply;
	char reason[UPSTREAM_REASON_SIZE];
	char host[ENDPOINT_TEXT_SIZE];
};

/* How long one step of the dialog may take. */
uint64_t upstream_dialog_step_ms(const struct upstream *u);
/* `c` takes the attempt off the queue and begins its envelope. */
void upstream_dialog_begin(struct upstream *u, struct upstream_connection *c);
/* More recipients: in pace with what the upstream takes. */
void upstream_dialog_write_commands(struct upstream *u);
void upstream_dialog_on_reply(struct upstream *u, const struct reply *reply);
/* The connection is gone (its `attempt` is cleared by this). */
void upstream_dialog_on_lost(struct upstream *u, const char *reason);
/* Over for certain, in front of the message: the connection is good for the next one. */
void upstream_dialog_refuse(struct upstream *u, enum upstream_class class, const char *what, const struct reply *reply);
/* Over, and the two sides may not agree on where they are. `reply` may be NULL. */
void upstream_dialog_give_up(struct upstream *u, enum upstream_class class, const char *what,
			     const struct reply *reply);

/* OPEN, with a message. */
void upstream_transfer_send(struct upstream *u);
void upstream_transfer_release(struct upstream *u, uint64_t limit_ms);
void upstream_transfer_on_drained(struct upstream *u);
/* DATA, BODY, HELD and DOT. */
void upstream_transfer_on_reply(struct upstream *u, const struct reply *reply);

/*
 * What a 4xx or 5xx is about; the rest of it is put down in `verdict`. `rcpt`: the recipient it answers, whose address
 * and the sender's alone are looked for, as there may be a thousand such replies at once; NULL: all of them.
 */
enum upstream_class upstream_judge(struct upstream *u, enum upstream_stage stage, const struct upstream_rcpt *rcpt,
				   const struct reply *reply);

/* Puts the outcome down; the attempt leaves its connection, which the caller deals with. `reply` may be NULL. */
void upstream_finish(struct upstream *u, enum upstream_class class, const struct reply *reply, const char *reason);
/* "what: 550 5.1.1 text", on one line, cut to the room. */
void upstream_describe(char out_reason[UPSTREAM_REASON_SIZE], const char *what, const struct reply *reply);
void upstream_wait(struct upstream *u, bool first_in_line);
/* OPEN: gives its connection away, to replay the envelope later. */
void upstream_park(struct upstream *u);
/* ENVELOPE: the same, and waits for another one. */
void upstream_give_way(struct upstream *u);
void upstream_leave_connection(struct upstream *u);
/* Its owner is to be told something in the pool's turn. */
void upstream_is_due(struct upstream *u);
/* Calls the owner; the attempt may be gone behind it. */
void upstream_tell(struct upstream *u);
void upstream_free(struct upstream *u);

/* ---- trials */

/* Invariant: `connection` iff it is open, with its `trial` set. */
struct upstream_trial {
	TAILQ_ENTRY(upstream_trial) in_pool;
	struct upstream_pool *pool;
	const struct upstream_trial_handler *handler;
	void *context;
	struct upstream_connection *connection;
	struct timer *timer; /* until a slot is free */
	uint64_t until_ms;   /* it is waited for */
	bool is_told;        /* on_ready or on_failed */
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
/* In the pool's turn: tells who is ready or over. */
void upstream_trials_tell(struct upstream_pool *pool);
/* What an upstream said within AUTH, without secrets. */
void upstream_login_mask(const struct upstream_connection *c, struct span text, char *out_text, size_t size);

/* ---- the queue */

TAILQ_HEAD(upstreams, upstream);

/* Behind those who wait, but each user has one turn a round: who wants many connections waits behind who wants one. */
void upstream_queue_enter(struct upstream *u);
/* Ahead of all: it had its turn already. */
void upstream_queue_enter_first(struct upstream *u);
/* Only if it waits. */
void upstream_queue_leave(struct upstream *u);

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
	struct tls_context *tls; /* NULL with tls = "none" */
	struct upstream_accounts accounts;
	struct upstream_connections connections;
	struct upstreams attempts, waiting, due;
	struct upstream_trials trials;
	size_t waiting_count;
	struct upstream_shares shares[UPSTREAM_SHARE_BUCKETS]; /* by user */
	size_t carried;                                        /* attempts with a connection */
	uint64_t plan;
	uint64_t turn_now; /* of the queue: the last one placed */
	struct turn_end turn;
	struct timer *
		timer; /* the turn is wanted again: a back-off ends, a slot may be free, or an attempt has been silent */
	uint64_t next_ticket;
	struct endpoint shunned; /* an address that could not be reached: tried last */
	uint64_t shunned_until_ms;
	bool draining;
	struct backoffs *own_backoffs; /* of this process alone */
	uint64_t neighbours_until_ms;  /* later, unless it drains, no other process is there any more */
	uint64_t looked_ms;            /* when it last asked whether one wants a slot */

	bool proven;          /* the last login went well: several may be tried at once */
	bool backoff_is_news; /* begun since the last turn: whoever waited hears the failure, whoever comes later the back-off */
	bool lacks_chunking;  /* it offers CHUNKING, and does not know BDAT */
	unsigned silences;    /* transactions in a row that the relay left without a reply */
	uint64_t silent_user; /* whose the first of them was */
	bool silent_to_all;   /* they are not one user's alone: his messages may be what it can't bear */
	char last_error[UPSTREAM_REASON_SIZE];
	uint64_t logins, messages;
};

/* One more connection of the account may be opened: by its own limit, that of all accounts, and that of other processes. */
bool upstream_pool_has_room(const struct upstream_account *account);
/* Asks for the pool's turn. */
void upstream_pool_wake(struct upstream_pool *pool);
/* A kept connection turned out dead: those that are idle now have been so for longer, and are closed. */
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
/* A connection could not be made ready. No other is opened for a while, longer each time. */
void upstream_backoff_connecting(struct upstream_pool *pool, const char *reason);
/* The same, but the fault is ours: only this process opens no other. */
void upstream_backoff_ours(struct upstream_pool *pool, const char *reason);
/* The account may not log in for a while, longer each time. */
void upstream_backoff_login(struct upstream_account *account, const char *reason);
/* False: not even a connection begun before may log in now. */
bool upstream_backoff_allows_login(const struct upstream_account *account);
void upstream_backoff_on_login(struct upstream_account *account);
/* A refusal that may be about more than its transaction. */
void upstream_backoff_on_refusal(struct upstream_account *account, enum upstream_class class, unsigned code,
				 const struct upstream_verdict *verdict, const char *reason);
/* A transaction broke off, or was left without a reply. */
void upstream_backoff_on_silence(const struct upstream *u, const char *reason);
void upstream_backoff_on_accepted(struct upstream_account *account);
void upstream_backoff_show(const struct upstream_pool *pool, struct upstream_pool_state *state);

#endif
