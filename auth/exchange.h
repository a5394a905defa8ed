/*
 * One AUTH of one client (RFC 4954, 4): the mechanism's steps give credentials,
 * the chain judges them, the relay confirms that it holds the grant, and only
 * then does the client hear 235.
 *
 * Every refusal is answered at a time that was drawn before the verdict was known (reply_time.h), so that neither the
 * text nor the time tells an unknown user from a wrong password. An exchange ends by SASL_DONE, by the gate's cancel,
 * or with the gate's door.
 */
#ifndef AUTH_EXCHANGE_H
#define AUTH_EXCHANGE_H

#include "auth/gate_door.h"
#include "auth/relay_door.h"
#include "auth/sasl/mechanism.h"
#include "base/client_facts.h"
#include "base/map.h"

#define GRANT_TIMEOUT_MS 10000 /* the relay answers at once, or hangs */

enum exchange_state {
	EXCHANGE_STEPS,    /* the client's turn */
	EXCHANGE_CHECKING, /* the chain's turn */
	EXCHANGE_SALTED,   /* the challenge with the salt waits for its time */
	EXCHANGE_PROVED,   /* the client's turn: it hears our proof, and the relay's turn follows */
	EXCHANGE_GRANTING, /* the relay's turn */
	EXCHANGE_REFUSED,  /* the reply waits for its time */
	EXCHANGE_REGRETS,  /* the client's turn: it is told of the refusal, and its answer brings the reply */
};

/*
 * Invariants: in its gate's map for life; in auth->granting iff EXCHANGE_GRANTING; `timer` is set in every state but
 * EXCHANGE_CHECKING.
 */
struct exchange {
	struct map_link by_request;
	struct map_link by_grant;
	struct gate_door *gate;
	uint64_t request;
	uint64_t session;
	uint64_t grant; /* its number while EXCHANGE_GRANTING */
	enum exchange_state state;
	struct client_facts client; /* in `texts` */
	struct arena texts;
	const struct sasl_mechanism *mechanism;
	struct sasl_state sasl;
	char *holder;          /* EXTERNAL: whom the client's certificate names; NULL: nobody */
	const char *no_holder; /* static: why */
	struct credentials credentials;
	struct chain_ask ask;
	struct reply_draw draw; /* since the credentials were there */
	struct buf challenge;   /* while EXCHANGE_SALTED */
	const char *reply;      /* while EXCHANGE_REFUSED */
	uint64_t rights;        /* of whom it was granted to, as the directory has them */
	struct timer *timer;
};

/* What the doors tell exchanges: AUTH, steps and cancels of clients, the relay's confirmations, and their ends. */
extern const struct gate_door_handler exchange_gate_handler;
extern const struct relay_door_handler exchange_relay_handler;

#endif
