/*
 * The contract between a role and its process: a table of functions, which role/role_main.c calls on the loop's thread,
 * and the services that the role may ask for. role_main does what is the same for all roles: it takes over config and
 * descriptors, drops privileges, opens the log, keeps roles other than gates to the paths they may use (role/paths.c),
 * and after start() takes system calls away and tells the supervisor READY, once the role can serve.
 */
#ifndef ROLE_ROLE_H
#define ROLE_ROLE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/secret.h"
#include "config/config.h"
#include "net/loop.h"
#include "stats/stats.h"

struct audit_statement;

enum role_kind { ROLE_SUPERVISOR, ROLE_GATE, ROLE_AUTH, ROLE_RELAY, ROLE_ADMIN, ROLE_CONSOLE, ROLE_KINDS };

/* What a role finds at start. All of it lives as long as the process. */
struct role_context {
	struct loop *loop;
	const struct config *config;
	struct stats *stats; /* this process's slab */
	uint32_t instance;   /* of this process; never used twice */
	unsigned index;      /* gates: 1, 2, …; others 0 */
	unsigned seat;       /* among all processes of the node that live now: of the slab, and in the census */
	const char *node;    /* this node's name in records: hostname of the config */
	/* redis.server, or the UNIX socket of the embedded one; never "embedded" */
	const char *redis_server;
	unsigned seats; /* how many slabs "slabs" holds, for stats_map_all */
	/* Whose members may use the control socket, for all commands and for some; (gid_t)-1: no such group. */
	gid_t admin_group, operator_group;
};

/*
 * A descriptor handed over under this name, owned by the caller from then on;
 * -1 when there is none. Names, by role:
 *   gate:  "tls-certificate", "tls-key", "tls-tickets",
 *          "tls-certificate:NAME", "tls-key:NAME" (each certificate section), "client-ca:NAME" (of a listener),
 *          "census", "census-reading" (stats/census.h)
 *   auth:  "app-passwords" (read-write, append), "auth-key" (32 random bytes a node, for keyed hashes),
 *          "ldap-password:NAME", "relay-password:NAME", "redis-password", "sentinel-password", "redis-ca",
 *          "oauth-secret:NAME", "oauth-refresh:NAME", "oauth-account:NAME", "oauth-ca:NAME" (each oauth section),
 *          "oauth-state:NAME" (those with refresh tokens; read-write)
 *   relay: "audit" (read-write, append), "audit-earlier:0", "audit-earlier:1", … (supervise/audit_earlier.h),
 *          "audit-state", "audit-keys", "relay-rests", "redis-marker", "by-hand-0", "by-hand-1" (read-write),
 *          "spool" (a folder), "slots" (a folder), "redis-password", "sentinel-password", "redis-ca",
 *          "relay-ca:NAME", "notify-texts", "expiries" (supervise/expiry.h),
 *          "export-syslog", "export-stream", "webhook-spool" (read-write, where they are configured), "syslog-ca",
 *          "webhook-secret", "webhook-ca"
 *   admin: "control" (listening), "http" (listening), "slabs" (all slabs, see stats/stats.h),
 *          "console-state" (a folder, where there is a console)
 *   console: "console:0", "console:1", … (listening, in the order of console.address), "tls-certificate", "tls-key"
 */
int role_take_fd(const struct role_context *context, const char *name);
/* The same, read as a secret; STATUS_NOT_FOUND. The descriptor is closed. */
MUST_USE enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret);
/* Ends this process in order once the current turn is over. A drained role calls it. */
void role_finish(const struct role_context *context);
/*
 * While the role works, so many bytes that it no longer uses stay its own, for what comes next; at first 2 MiB. Once it
 * rests, nothing does.
 */
void role_keep_memory(size_t bytes);
/*
 * For auth, relay and admin: this gate, or the console, broke the rules of its door, through a fault or because it was
 * taken over. It is replaced.
 */
void role_distrust_gate(const struct role_context *context, uint32_t instance);
/*
 * The door to this peer closed. Where the peer lives on, `attached` is called with a new one. Of two neighbours only
 * one asks: the gate, or else admin, or else auth.
 */
void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance);
/* For the relay: the supervisor gives this statement to audit.anchor_command. In stop(), too. */
void role_anchor_audit(const struct role_context *context, const struct audit_statement *statement);

/* What comes after a role that is told to end. */
enum role_drain {
	ROLE_DRAIN_ENDS,      /* nothing: the node ends */
	ROLE_DRAIN_SUCCEEDED, /* others serve in its place, so nothing that was begun need be cut short */
	ROLE_DRAIN_RENEWED,   /* the same, under the same config: nobody need be sent away either */
	ROLE_DRAINS
};

struct role {
	enum role_kind kind;
	const char *name; /* "gate" */
	/* Makes the role's state. For gates it is the last chance to open anything. Logs why it failed. */
	enum status (*start)(const struct role_context *context, void **out_state);
	/*
	 * Whether what it needs of others is there, or is known not to be: it is asked until then, for 3 seconds at
	 * most, before the supervisor hears READY and former processes leave it their work. NULL: once it has started.
	 */
	bool (*can_serve)(void *state);
	/*
	 * A door to a peer; the role owns `fd`. It replaces a former door to the same kind of peer; as there are
	 * several gates, to the same instance of a gate.
	 */
	void (*attached)(void *state, enum role_kind peer, uint32_t instance, int fd);
	/* Take nothing new, finish, then call role_finish(), within limit_ms. */
	void (*drain)(void *state, uint64_t limit_ms, enum role_drain how);
	/*
	 * Listen on `fd`, which is the role's, under this name ("ADDRESS:SOCKET:LISTENER"): it replaces a socket of
	 * that name, and is added to those of others. NULL: the role never listens.
	 */
	enum status (*listen)(void *state, struct span name, int fd);
	/*
	 * Another file came into the place of the one taken under this name; `fd` is the role's. Of "audit" the name
	 * goes on: "audit:FORMER", with what the former one is called now, or nothing if it was deleted. NULL: none
	 * can.
	 */
	enum status (*take_file)(void *state, struct span name, int fd);
	/* A new key for session tickets; the role does not keep the view. NULL: the role makes no tickets. */
	enum status (*take_ticket_key)(void *state, struct span key);
	/* Free everything; the loop no longer runs. */
	void (*stop)(void *state);
};

extern const struct role gate_role;
extern const struct role auth_role;
extern const struct role relay_role;
extern const struct role admin_role;
extern const struct role console_role;

/* "gate"; static. */
const char *role_kind_text(enum role_kind kind);

/*
 * How many gates share the work of this configuration: what `gates` says; else one for every two of the machine's
 * cores, rounded up. What the gates do for a message costs about as much as what relay and Redis do for it, which need
 * the other cores (tests/bench/README.md).
 */
unsigned role_gate_count(const struct config *config);

#endif
