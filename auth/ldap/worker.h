/*
 * One thread's view of a directory: its connections to each server, and the
 * way a question goes. Servers stand in for each other: one that can't answer
 * is skipped for a while by all threads, and the next one is asked.
 */
#ifndef AUTH_LDAP_WORKER_H
#define AUTH_LDAP_WORKER_H

#include <stdatomic.h>

#include "auth/identity.h"
#include "auth/ldap/link.h"
#include "auth/verdict.h"
#include "base/secret.h"

/* How long a server that failed is skipped: short enough to be back soon, long enough not to wait each time. */
#define LDAP_DOWN_MS 3000

/* What threads share of one server. */
struct ldap_server {
	const char *uri;
	atomic_uint_fast64_t down_until_ms; /* of the monotonic clock */
	atomic_bool down;                   /* as last logged */
};

/* What all threads of one directory share. */
struct ldap_shared {
	const struct config_ldap *config;
	struct secret bind_password;
	void *tls; /* of ldap_trust_get */
	struct ldap_watchdog *watchdog;
	char **attributes; /* NULL at the end */
	struct ldap_server *servers;
	size_t server_count;
	atomic_bool up; /* whether the last question was answered */
};

enum ldap_question {
	LDAP_PROBE,   /* does it answer at all? */
	LDAP_LOOK_UP, /* is this user there, and what may they do? */
	LDAP_CHECK,   /* the same, and is this their password? */
};

struct ldap_request {
	enum ldap_question question;
	char name[NAME_SIZE];
	char user[NAME_SIZE]; /* the one whose password may be tried; "": whoever is found */
	struct secret password;
	bool is_other; /* with NONE: found somebody else, who is in `identity`; nothing was tried */
	/* The answer. Looking up: GRANTED, NONE (no such user), DISABLED, UNAVAILABLE. */
	enum verdict verdict;
	const char *reason; /* static */
	struct identity identity;
};

struct ldap_worker;

struct ldap_worker *ldap_worker_create(struct ldap_shared *shared); /* NULL: out of memory */
void ldap_worker_free(struct ldap_worker **worker);                 /* NULL-safe; closes its connections */
/* Waits for the directory: at most `timeout` for each server. */
void ldap_worker_ask(struct ldap_worker *worker, struct ldap_request *request);

#endif
