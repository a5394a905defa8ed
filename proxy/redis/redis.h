/*
 * A Redis client on net/stream, with hiredis as codec only. It connects by
 * itself, logs in (AUTH), stays connected, comes back with back-off, and keeps
 * no command that it could not send. Commands of one turn go out together.
 *
 * A call that misses its deadline closes the connection and makes every call
 * pending on it end with STATUS_TIMEOUT: they may still run in Redis. Calls
 * made while there is no connection end with STATUS_UNAVAILABLE: they did not.
 *
 * With Sentinels, the primary is the one that more than half of them name (no
 * Sentinel cut off with a former primary leads anybody there), and it is left
 * within a second once they name another.
 *
 * All addresses of the server's name are tried in turn. A Redis that is a
 * replica (INFO, READONLY, MASTERDOWN), is still LOADING, or may drop keys (a
 * maxmemory-policy other than noeviction) counts as away, also when it comes
 * to be so later: calls pending on the connection are answered, then it is closed.
 */
#ifndef REDIS_REDIS_H
#define REDIS_REDIS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/span.h"
#include "config/config.h"
#include "net/loop.h"

#define REDIS_REPLY_MAXIMUM (4U << 20) /* bytes of one reply; a larger one ends the connection */

struct redis;

struct redis_options {
	/* "unix:/path", "redis://host:port", or "rediss://host:port" (TLS); not looked at where there are Sentinels. */
	const char *server;
	const char *user;              /* ACL user, or "" */
	const struct secret *password; /* or empty; must outlive the client */
	struct span ca_pem;    /* TLS: whose certificates are trusted, else the system's; for redis_create alone */
	uint16_t default_port; /* of a server that names none; 0: 6379 */
	const char *tls_name;  /* TLS: what the certificate must name; NULL or "": the host */
	/* "host:port", each with "rediss://" before it: TLS with them, and with the primary. NULL: none. */
	const struct config_list *sentinels;
	const char *master;                     /* what the Sentinels call the primary */
	const struct secret *sentinel_password; /* or NULL, or empty; must outlive the client */
	/* Connected, lost, or still away and for another reason; for log and gauge. May be NULL. */
	void (*on_change)(void *context, bool up, const char *reason);
	void *context;
};

/* What the configuration says of Redis; `server` as in role_context. Passwords, CA and on_change are the caller's. */
void redis_options_read(const struct config_redis *config, const char *server, struct redis_options *out_options);

/* One value of an answer. Valid during the callback. */
enum redis_type { REDIS_NIL, REDIS_INTEGER, REDIS_TEXT, REDIS_ARRAY, REDIS_ERROR };
struct redis_value;
enum redis_type redis_value_type(const struct redis_value *value);
int64_t redis_value_integer(const struct redis_value *value);  /* 0 unless REDIS_INTEGER */
struct span redis_value_text(const struct redis_value *value); /* REDIS_TEXT, REDIS_ERROR; else empty */
/* An error's text from its code on, without the words that Redis before 7 puts around a script's; empty: no error. */
struct span redis_value_error(const struct redis_value *value);
/* True for errors that come before anything is written; CLOCK is that of our own scripts. */
bool redis_value_changed_nothing(const struct redis_value *value);
size_t redis_value_count(const struct redis_value *value);
const struct redis_value *redis_value_at(const struct redis_value *value, size_t index); /* NULL past the end */

/*
 * `status`: STATUS_OK with a value (which may be a REDIS_ERROR), STATUS_TIMEOUT
 * (outcome unknown), STATUS_UNAVAILABLE (did not run).
 */
typedef void redis_callback(void *context, enum status status, const struct redis_value *value);

/* STATUS_INVALID: a server's address, or the CA's certificates. */
MUST_USE enum status redis_open(struct loop *loop, const struct redis_options *options, struct redis **out_redis);
/* The same, of one server: it looks at no Sentinels. */
MUST_USE enum status redis_create(struct loop *loop, const struct redis_options *options, struct redis **out_redis);
/* Pending calls end without a callback. Not inside a callback of its own. */
void redis_free(struct redis **redis);
bool redis_is_up(const struct redis *redis);
/* A try has failed, as on_change was told. Neither up nor away: the first one is under way. */
bool redis_is_away(const struct redis *redis);
/* How often it came up: another number says that the connection was lost in between, and maybe what Redis held. */
uint64_t redis_times_up(const struct redis *redis);

/* Sends one command. The callback is called exactly once, never inside this call. */
MUST_USE enum status redis_call(struct redis *redis, const struct span *arguments, size_t count, uint64_t limit_ms,
				redis_callback *callback, void *context);

/* A Lua script: EVALSHA, and EVAL where Redis doesn't know it yet. */
struct redis_script {
	const char *source;
	char sha1[41]; /* filled by redis_script_init */
};
#define REDIS_SCRIPT_ARGUMENTS 48 /* KEYS and ARGV together, at most */
MUST_USE enum status redis_script_init(struct redis_script *script, const char *source);
/* `script` must outlive the call. `arguments`: the first `keys` of them are KEYS, the rest ARGV. */
MUST_USE enum status redis_run_script(struct redis *redis, const struct redis_script *script,
				      const struct span *arguments, size_t count, size_t keys, uint64_t limit_ms,
				      redis_callback *callback, void *context);

#endif
