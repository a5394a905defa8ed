/*
 * How one server of a directory fares, as all threads see it. A question that went unanswered puts a server in doubt:
 * it is asked last from then on, and a probe, which holds up nobody's login, finds out whether it answers. One that
 * leaves a probe without an answer is asked nothing else until a later probe is answered.
 */
#ifndef AUTH_LDAP_SERVER_H
#define AUTH_LDAP_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum ldap_health {
	LDAP_HEALTH_UP,
	LDAP_HEALTH_DOUBTED, /* asked when no other answers: it says no at once, or a probe is on its way */
	LDAP_HEALTH_SILENT,  /* asked by probes alone */
};

/* Zeroed at first, but for the texts. Every function may be called on any thread. */
struct ldap_server {
	_Atomic(const char *) uri; /* NULL: a place that is free */
	const char *directory;     /* its section's name, for the log */
	_Atomic enum ldap_health health;
	atomic_bool suspected;              /* in doubt for a wait shorter than a time-out */
	atomic_uint slowness;               /* how often such a doubt was wrong */
	atomic_uint epoch;                  /* of connections: those of an older one may be dead without a word */
	atomic_uint_fast64_t complained_ms; /* of the monotonic clock; 0: never */
};

/* Valid until the directory ends. NULL: there is none now. */
const char *ldap_server_uri(struct ldap_server *server);
/* Another one takes its place. False: it is the same. */
bool ldap_server_set_uri(struct ldap_server *server, const char *uri);
enum ldap_health ldap_server_health(struct ldap_server *server);
void ldap_server_note_answer(struct ldap_server *server);
/* `fault` is for the log. A question casts a doubt on a server that was up, and no more. */
void ldap_server_doubt(struct ldap_server *server, const char *fault);
/*
 * How long a question waits for it when it has somewhere else to go: a part of `timeout_ms`, a larger one once a
 * server was found to be slow, but there. ldap_server_suspect says that it waited so long.
 */
uint64_t ldap_server_patience_ms(struct ldap_server *server, uint64_t timeout_ms);
void ldap_server_suspect(struct ldap_server *server);
void ldap_server_note_answered_probe(struct ldap_server *server);
/* What a probe without an answer found: LDAP_HEALTH_DOUBTED or LDAP_HEALTH_SILENT. */
void ldap_server_note_failed_probe(struct ldap_server *server, enum ldap_health health, const char *fault);
/* It answers, but not as it should, which may be our configuration's fault: a log line, once in a while. */
void ldap_server_complain(struct ldap_server *server, const char *fault);

unsigned ldap_server_epoch(struct ldap_server *server);
/* A connection of `epoch` was silent: all that are as old are to be closed rather than used. */
void ldap_server_end_epoch(struct ldap_server *server, unsigned epoch);

#endif
