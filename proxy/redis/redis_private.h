/*
 * The inside of the Redis client: redis_sentinels.c opens it, and knows which server
 * is the primary; redis.c keeps the connection, redis_login.c sees that the connection can be
 * used, redis_calls.c keeps the calls pending on it, redis_state.c says whether any
 * may be made; redis_script.c has scripts, redis_value.c answers.
 */
#ifndef REDIS_REDIS_PRIVATE_H
#define REDIS_REDIS_PRIVATE_H

#include <hiredis/hiredis.h>

#include "net/resolver.h"
#include "net/stream.h"
#include "redis/redis.h"

/* The owner of a call. */
struct redis_handler {
	redis_callback *callback;
	void *context;
	void (*on_dropped)(void *context); /* instead of the callback when the client is freed; may be NULL */
};

struct redis_call {
	struct redis_handler handler;
	uint64_t deadline_ms; /* loop clock */
	struct redis_call *next;
};

#define REDIS_LOGIN_MS 3000 /* for each command of a login, and for each look at what Redis is */
#define REDIS_RETRY_FIRST_MS 100
#define REDIS_REASON_SIZE 160 /* bytes, the NUL included: a line of the log */

/* One server, as the configuration or a Sentinel names it. Views. */
#define REDIS_HOST_SIZE 256 /* bytes, the NUL included */
struct redis_address {
	struct span path; /* of a UNIX socket; else empty */
	struct span host;
	uint16_t port;
	bool is_secure; /* TLS */
};

/*
 * Who knows where the server is, each time that a connection is made. `find`: the address, valid until the loop turns;
 * or STATUS_NOT_FOUND, with why in `out_reason`.
 */
struct redis_finder {
	enum status (*find)(const void *context, struct redis_address *out_address, char out_reason[REDIS_REASON_SIZE]);
	void (*free)(void *context);
	void *context; /* NULL: there is no finder */
	bool is_secure;
};

/* Calls in the order in which they were sent; Redis answers in that order. */
struct redis_queue {
	struct redis_call *first;
	struct redis_call **last;
};

enum redis_state {
	REDIS_DOWN, /* waits for the next try */
	REDIS_RESOLVING,
	REDIS_CONNECTING, /* and, with TLS, shaking hands */
	REDIS_LOGGING_IN, /* AUTH and PING are under way: proof that it takes commands */
	REDIS_UP,
	REDIS_LEAVING, /* of no use: takes no new calls, and closes once the pending ones are answered */
};

/* Invariant: stream != NULL iff state is CONNECTING, LOGGING_IN, UP or LEAVING; else `pending` is empty. */
struct redis {
	struct loop *loop;
	struct redis_options options;
	enum redis_state state;
	struct redis_address address; /* of options.server, or of the primary that the Sentinels name */
	struct redis_finder finder;
	char host[REDIS_HOST_SIZE]; /* as the finder said it; what `address` is a view of */
	struct tls_context *tls;    /* or NULL */
	struct resolver *resolver;  /* NULL for a UNIX socket */
	struct resolution *resolution;
	struct resolver_answer addresses; /* of the server's name, while they are tried in turn */
	size_t next_address;
	struct stream *stream;
	redisReader *reader;
	size_t reply_bytes; /* fed since the last whole reply */
	struct redis_queue pending;
	struct redis_queue refused; /* never sent; told at the turn's end */
	struct turn_end tell_refused;
	struct timer *deadline; /* of the earliest pending call, and of connecting */
	uint64_t deadline_at;   /* loop clock; 0: none is set */
	struct timer *retry;
	uint64_t retry_ms;
	uint64_t times_up;
	struct timer *watch;            /* to look again at what Redis is */
	char reason[REDIS_REASON_SIZE]; /* why the connection is or was no good */
	char told[REDIS_REASON_SIZE];   /* why it is down, as on_change(false) said it last; "" since it was last up */
};

/* ---- redis_state.c */

/* Instead of the deadline before, after which on_deadline runs. */
void redis_start_deadline(struct redis *redis, uint64_t delay_ms);
void redis_clear_deadline(struct redis *redis);
/* Each try may fail for a reason of its own; the same one is told once. */
void redis_tell_down(struct redis *redis, const char *reason);
/* Calls may be made from now on. */
void redis_come_up(struct redis *redis);
/* Another connection may be better: this one takes no new calls, and closes once the pending ones are answered. */
void redis_leave(struct redis *redis, const char *reason);

/* ---- redis_address.c */

/*
 * "unix:/path", "redis://host:port", "rediss://host:port", "host:port"; the port may be left out. STATUS_INVALID. Views
 * of `text`.
 */
MUST_USE enum status redis_address_read(struct span text, uint16_t default_port, struct redis_address *out_address);
bool redis_address_is_secure(struct span text); /* "rediss://…" */

/* ---- redis.c */

/* Instead of `options->server`, `finder`, which is the client's from now on, on failure too. */
MUST_USE enum status redis_create_with_finder(struct loop *loop, const struct redis_options *options,
					      const struct redis_finder *finder, struct redis **out_redis);
/* The finder names another server, or names one again: what is pending on the former one is answered still. */
void redis_look_for_server(struct redis *redis);

/* ---- redis_login.c */

/* Sends what must be answered before the connection is used; redis_come_up or redis_leave follows. */
MUST_USE enum status redis_log_in(struct redis *redis);
/* A timer's: looks again at what Redis is, and sets redis->watch. `context`: the client. */
void redis_watch(void *context);

/* ---- redis_calls.c */
void redis_queue_init(struct redis_queue *queue);
/* Ends every call of the queue with this status; calls made by the callbacks are not among them. */
void redis_queue_fail(struct redis_queue *queue, enum status status);
/* Without a callback. */
void redis_queue_drop(struct redis_queue *queue);
/* What redis_call does. */
MUST_USE enum status redis_submit(struct redis *redis, const struct span *arguments, size_t count, uint64_t limit_ms,
				  struct redis_handler handler);
/* Writes one command to the stream, in whatever state, and queues its call. */
MUST_USE enum status redis_send(struct redis *redis, const struct span *arguments, size_t count, uint64_t limit_ms,
				struct redis_handler handler);
/* Hands every whole reply in the reader to its call; STATUS_INVALID: not RESP, or nobody asked. */
MUST_USE enum status redis_take_replies(struct redis *redis);

#endif
