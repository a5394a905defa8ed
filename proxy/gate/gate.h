/*
 * The gate role's own state: what all sessions of one gate process share. Private to the room. Owned by gate.c, made
 * before the sandbox, constant but for the doors, the lists and the counters.
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include <sys/queue.h>

#include "base/log_pace.h"
#include "gate/anonymous.h"
#include "gate/auth_door.h"
#include "gate/limits.h"
#include "gate/networks.h"
#include "gate/refused.h"
#include "gate/registry.h"
#include "gate/relay_door.h"
#include "net/listener.h"
#include "net/tls.h"
#include "role/role.h"
#include "smtp/size.h"

struct session;
TAILQ_HEAD(session_list, session);
struct arrival;
TAILQ_HEAD(arrival_list, arrival);

/* One listener section: its sockets (one for each address, or more) and its TLS context. */
struct gate_listener {
	struct gate *gate;
	const struct config_listener *config;
	unsigned index; /* of the section; the label of its counters */
	struct tls_context *tls;
	struct secret client_crl; /* PEM, while `tls` is made */
	struct secret client_ca;  /* PEM, while `tls` is made; empty: clients are not asked for a certificate */
	struct port *ports;       /* list: what it listens on */
	struct networks proxies;  /* whose PROXY headers are believed */
	struct networks served;   /* empty: all */
};

struct handshake_failures {
	uint64_t told_ms; /* of the last line in the log; 0: none yet */
	uint64_t silent;  /* failures since then */
};

/*
 * Invariants: every session is in `sessions` exactly once, and in `paced` iff it waits for room in the relay door;
 * `requests` and `transactions` hold only what waits for an answer of a door.
 */
struct gate {
	const struct role_context *role;
	struct loop *loop;
	const struct config *config;
	struct gate_listener *listeners;
	size_t listener_count;
	struct limits limits;
	char too_large[SIZE_REFUSAL_MAXIMUM]; /* the reply to a message that is */
	struct session_list sessions;
	struct session_list paced;
	struct tls_tickets *tickets;   /* NULL: no session is resumed */
	struct arrival_list arrivals;  /* connections that wait for their PROXY header */
	uint64_t arrival_warned_ms;    /* of the last warning of a bad one; 0: none yet */
	struct registry *requests;     /* AUTH exchanges by number */
	struct registry *transactions; /* mail transactions by number */
	struct auth_door auth;
	struct tls_challenge challenge; /* the auth role's, for requests for certificates */
	struct relay_door relay;
	struct refused refused;
	struct anonymous anonymous;
	struct handshake_failures handshake_failures;
	struct gate_lines {
		struct log_pace no_memory, surplus, senders, messages;
	} lines;                                               /* of the log, which clients cause */
	uint64_t last_session, last_request, last_transaction; /* numbers given so far */
	uint64_t open_count, authenticated_count;              /* sessions; disjoint */
	struct timer *drain_timer;
	bool draining;
	enum role_drain drain;  /* what it was told */
	uint64_t drain_rest_ms; /* RENEWED: of its time, once nobody who is idle stays any longer; 0: that is so */
};

#endif
