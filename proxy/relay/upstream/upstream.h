/*
 * The side of the remote servers. A pool has the connections to one upstream
 * (a `relay` section of the configuration: its account and TLS policy), and an
 * attempt gives one message to it. This room knows SMTP and TLS, but neither
 * users nor quota nor audit: relay/delivery.h decides, this does.
 *
 * The life of an attempt:
 *
 *   upstream_begin     waits for a connection (connects and logs in where needed), sends MAIL and the RCPTs in one go
 *     → on_replies     one reply a recipient; more recipients may be added with upstream_add_recipients
 *   upstream_send      DATA, and after 354 the body, all but the final dot
 *     → on_held        only the final dot is missing
 *   upstream_release   the final dot
 *     → on_done        the outcome; the attempt is over, and the connection goes back to the pool
 *
 * on_done may come at any time instead of the expected call. Exactly one
 * on_done follows upstream_begin, unless upstream_abort. The attempt is gone
 * when on_done returns. A kept connection that turns out to be dead before the
 * upstream answered DATA is replaced without a word; a silent one is not.
 *
 * An attempt whose recipients were all refused stays open, as more of them may
 * be added; its owner ends it with upstream_abort. A refusal of a RCPT that is
 * about the account and not about the recipient ends the attempt with
 * UPSTREAM_TRANSPORT or UPSTREAM_SENDER instead of on_replies.
 *
 * Waiting has an end: an attempt that got no connection in time ends with
 * UPSTREAM_BUSY. Users take turns, and no user may have so many connections
 * that others find none.
 *
 * We back off from an upstream, or an account at it, that refuses or fails in
 * ways that are not the message's (enum upstream_backoff): for a while, attempts
 * end at once with the class of the failure. After that, one connection or one
 * transaction finds out whether all is well again.
 *
 * While others wait for a connection, an attempt gives its own away (after
 * RSET) once its owner has said nothing for 2 s between on_replies and
 * upstream_send. So does an attempt that has waited 2 s for its replies, if its
 * user has other connections and the waiting user has none, or if it alone
 * holds an account on probation; with each try it may wait longer. MAIL and the
 * accepted recipients are said again when it goes on, and if one of them is not
 * accepted again, the attempt ends with UPSTREAM_TRANSPORT.
 *
 * RET, ENVID and the recipients' parameters (NOTIFY and ORCPT, RFC 3461) go to
 * an upstream that offers DSN in EHLO and is configured to have it, and are
 * dropped for others.
 *
 * A message with SMTPUTF8 goes only to an upstream whose EHLO offers it: even if
 * all addresses are ASCII, its header may need it (RFC 6531, 3.6).
 *
 * BODY=8BITMIME and SIZE go to an upstream that offers them. A message with
 * 8-bit bytes, in its body or its header, is UPSTREAM_UNABLE for one without
 * 8BITMIME (RFC 6152, 3), whatever BODY said: a conversion would change what was
 * sent. So is a message larger than the SIZE it offers. Recipients beyond what
 * it offers by LIMITS (RFC 9422) are answered 452 4.5.3 without asking it, so
 * that the client sends them in a message of their own.
 */
#ifndef RELAY_UPSTREAM_H
#define RELAY_UPSTREAM_H

#include "base/secret.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "relay/spool.h"
#include "relay/upstream/backoffs.h"
#include "relay/upstream/slots.h"
#include "smtp/reply.h"
#include "stats/stats.h"

/* What an outcome means, by code and enhanced code; FIELD.md. */
enum upstream_class {
	UPSTREAM_TRANSPORT = 0, /* the way to the upstream, the upstream itself, and whatever is in doubt */
	UPSTREAM_ACCEPTED,      /* 250 to the final dot */
	UPSTREAM_RECIPIENTS,    /* refused at DATA: it considers no recipient valid, whatever it said before */
	UPSTREAM_SENDER,        /* it does not take this sender: may reach the client as it is */
	UPSTREAM_MESSAGE,       /* it does not take this message: may reach the client as it is */
	/* it lacks what this message needs (SMTPUTF8, 8BITMIME, its size), which another may have; `reply` is ours */
	UPSTREAM_UNABLE,
	UPSTREAM_ACCOUNT,   /* the account has sent enough for the day, or is blocked */
	UPSTREAM_TENANT,    /* so have all accounts of its tenant */
	UPSTREAM_THROTTLED, /* it wants less mail at a time */
	UPSTREAM_LOGIN,     /* our authentication */
	UPSTREAM_BUSY,      /* no connection was free in time, or it is paused */
	UPSTREAM_STORAGE,   /* our own disk did not give the message back; no upstream is to blame */
	UPSTREAM_UNKNOWN,   /* gone between the final dot and its reply */
};

struct upstream_outcome {
	enum upstream_class class;
	struct span reply; /* the upstream's last reply in our text form (smtp/reply.h), or empty */
	/* for log and audit: "connection refused", "login refused: 535 5.7.8 …", without secrets */
	struct span reason;
	bool dot_released;  /* the final dot was handed to TLS */
	const char *host;   /* the address it was sent to, or "" */
	struct span digest; /* SHA-256 of all octets of the message that went out, in hexadecimal, or empty */
};

struct upstream_recipient {
	struct span address;
	struct span parameters; /* "NOTIFY=NEVER", or empty; checked by its owner */
};

struct upstream_envelope {
	struct span user;      /* whose message it is: users take turns when connections are short */
	struct span mailbox;   /* the sender's own account at the upstream; empty: the relay's `user` */
	struct span mail_from; /* without brackets */
	bool eight_bit;        /* BODY=8BITMIME was given, or the message is known to need it */
	bool smtputf8;         /* SMTPUTF8 was given: addresses may hold UTF-8 */
	struct span ret;       /* RET, or empty */
	struct span envid;     /* ENVID, or empty */
	uint64_t size;         /* declared; 0: unknown */
};

struct upstream_handler {
	/*
	 * `replies`: those of the recipients given since the last call, in order, in our text form. A refusal of MAIL
	 * comes as on_done.
	 */
	void (*on_replies)(void *context, const struct span *replies, size_t count);
	void (*on_held)(void *context);
	void (*on_done)(void *context, const struct upstream_outcome *outcome);
};

/* What the pool logs in with: asked for at each login, answered at once or later by upstream_pool_credential. */
struct upstream_credential {
	bool available;
	struct span mechanism; /* "plain", "login", "xoauth2", "oauthbearer", "none" */
	uint64_t serial;       /* of a token; 0: it is a password */
	struct span user;
	struct span secret; /* wiped after use by the pool's copy */
	struct span reason; /* why not available */
};
/* `mailbox`: the sender's, or "" for the relay's `user`. */
typedef void upstream_ask_credential(void *context, const char *relay, const char *mailbox, uint64_t ticket);
/* The token of that serial was refused, and must not be given again. Another one is asked for after this call. */
typedef void upstream_refuse_credential(void *context, const char *relay, const char *mailbox, uint64_t serial);

struct tls_clients;
struct upstream_pool;
struct upstream_attempt;

struct upstream_options {
	const struct config_relay *relay;
	unsigned relay_index;            /* label of counters */
	const char *helo;                /* our name in EHLO */
	struct span ca_pem;              /* of ca_file, or empty */
	struct tls_clients *tls_clients; /* of all pools; borrowed */
	struct resolver *resolver;
	struct stats *stats;
	struct backoffs *backoffs; /* borrowed, like the slots */
	struct slots *slots;
	bool with_digest;       /* outcomes have one */
	uint64_t neighbours_ms; /* how long after our start the node's former processes may have slots */
	upstream_ask_credential *ask_credential;
	upstream_refuse_credential *refuse_credential;
	void *context;
};

/* STATUS_INVALID with a logged reason: the TLS context can't be made. */
MUST_USE enum status upstream_pool_create(struct loop *loop, const struct upstream_options *options,
					  struct upstream_pool **out_pool);
/* Attempts still there end without a callback. */
void upstream_pool_free(struct upstream_pool **pool);
/* The answer to one ask_credential; late or unknown tickets are dropped. */
void upstream_pool_credential(struct upstream_pool *pool, uint64_t ticket,
			      const struct upstream_credential *credential);
/* Idle connections QUIT at once, the others when their attempts are over. */
void upstream_pool_drain(struct upstream_pool *pool);
/* Open connections, idle and busy. */
size_t upstream_pool_size(const struct upstream_pool *pool);

/* Why we back off from an upstream, or from an account at it. */
enum upstream_backoff {
	UPSTREAM_BACKOFF_NONE,
	/* no connection is opened; those that are open go on */
	UPSTREAM_BACKOFF_CONNECT, /* it could not be reached, or made no sense */
	UPSTREAM_BACKOFF_OURS,    /* this process lacks credentials, a socket or memory; others may not */
	UPSTREAM_BACKOFF_LOGIN,   /* it refused our login */
	UPSTREAM_BACKOFF_CROWDED, /* we have too many connections there */
	/* no transaction is begun */
	UPSTREAM_BACKOFF_SILENT,    /* it left transactions without a reply */
	UPSTREAM_BACKOFF_THROTTLED, /* it wants less at a time */
	UPSTREAM_BACKOFF_ACCOUNT,   /* the account has sent enough */
	UPSTREAM_BACKOFF_TENANT,    /* its tenant has */
	UPSTREAM_BACKOFF_PAUSED,    /* by an administrator */
	UPSTREAM_BACKOFF_KINDS
};

/* "connect", "login", …; "none". */
const char *upstream_backoff_text(enum upstream_backoff backoff);

struct upstream_pool_state {
	size_t idle, busy, waiting; /* waiting: attempts without a connection */
	uint64_t logins, messages;  /* since start */
	const char *last_error;     /* or "" */
	bool paused;
	enum upstream_backoff backoff; /* of its configured account, the one that ends last; not PAUSED */
	uint64_t backoff_left_ms;      /* 0: it is over, and one connection or transaction finds out if all is well */
	char backoff_reason[BACKOFF_REASON_SIZE];
};
void upstream_pool_show(const struct upstream_pool *pool, struct upstream_pool_state *out_state);

/* No transaction begins until it is resumed, by whichever process; those begun go on. */
void upstream_pool_pause(struct upstream_pool *pool);
/* Ends that, and every back-off: an administrator knows better. */
void upstream_pool_resume(struct upstream_pool *pool);

/*
 * Copies what it is given. `handler` is static. The callbacks come at the end of the turn or later, never inside these
 * calls. `limit_ms` bounds the wait for a connection together with MAIL and the RCPTs, for each group of them again.
 * STATUS_INVALID: an address or a parameter that can't be part of a command line.
 */
MUST_USE enum status upstream_begin(struct upstream_pool *pool, const struct upstream_envelope *envelope,
				    const struct upstream_recipient *recipients, size_t count, uint64_t limit_ms,
				    const struct upstream_handler *handler, void *context,
				    struct upstream_attempt **out_attempt);
MUST_USE enum status upstream_add_recipients(struct upstream_attempt *attempt,
					     const struct upstream_recipient *recipients, size_t count);
/*
 * After on_replies gave at least one accepted recipient. `size` is the message's without its stuffed dots (RFC 1870);
 * `eight_bit`: it has bytes above 127. `step_ms` bounds, besides reply_timeout, the wait for each reply and for each
 * piece of the body to go out, and, if the attempt needs a new connection, the wait for that. The caller still owns
 * the message, and keeps it until on_done or upstream_abort.
 */
void upstream_send(struct upstream_attempt *attempt, struct spool_message *message, uint64_t size, bool eight_bit,
		   uint64_t step_ms);
/*
 * Only after on_held, once. Nothing is sent if on_done is due already, or if the upstream spoke meanwhile
 * (`dot_released` tells). `limit_ms` bounds the wait for the verdict.
 */
void upstream_release(struct upstream_attempt *attempt, uint64_t limit_ms);
/*
 * Ends it without on_done: by RSET before DATA, later by closing the connection. Never after upstream_release: that
 * would be an error of ours. NULL-safe; sets to NULL; within its own on_done it does no more than that.
 */
void upstream_abort(struct upstream_attempt **attempt);

/*
 * A trial of an upstream, for an administrator: a new connection that nothing
 * else uses, whose dialog is told line by line. It takes a slot like any other
 * (an idle connection ends to make room) and logs in once, even while we back
 * off. What it finds out counts: a login that goes well ends the back-off.
 */
struct upstream_trial;

struct upstream_trial_handler {
	/*
	 * "C: EHLO us.example.com", "S: 250 …", "* TLSv1.3": what was said and done, without secrets. The handler must
	 * not call us from here.
	 */
	void (*on_line)(void *context, const char *line);
	/* One of these two comes, in the pool's turn: it is logged in, or over. */
	void (*on_ready)(void *context);
	void (*on_failed)(void *context, const char *reason);
};

MUST_USE enum status upstream_trial_open(struct upstream_pool *pool, const struct upstream_trial_handler *handler,
					 void *context, struct upstream_trial **out_trial);
/* As upstream_begin, on its connection, after on_ready. */
MUST_USE enum status upstream_trial_begin(struct upstream_trial *trial, const struct upstream_envelope *envelope,
					  const struct upstream_recipient *recipients, size_t count, uint64_t limit_ms,
					  const struct upstream_handler *handler, void *context,
					  struct upstream_attempt **out_attempt);
/* Its connection, if it still has one, becomes one of the pool's. NULL-safe; sets to NULL. */
void upstream_trial_close(struct upstream_trial **trial);

#endif
