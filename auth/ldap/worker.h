/*
 * One thread's view of a directory: its connections to each server, and the way a question goes. Servers stand in for
 * each other (server.h): those in good health are asked first, in the order of the configuration. A question waits in
 * vain for one time-out, and then for one more at most, on connections that are new.
 */
#ifndef AUTH_LDAP_WORKER_H
#define AUTH_LDAP_WORKER_H

#include "auth/identity.h"
#include "auth/ldap/finder.h"
#include "auth/ldap/link.h"
#include "auth/ldap/server.h"
#include "auth/ldap/service.h"
#include "auth/ldap/steps.h"
#include "auth/ldap/tell.h"
#include "auth/verdict.h"
#include "base/secret.h"

#define LDAP_WAITS 2 /* time-outs that one question may spend on silent servers */
/* A connection not used for so long is not used again: firewalls forget such ones without a word. */
#define LDAP_IDLE_MS 60000

/* What all threads of one directory share. */
struct ldap_shared {
	const struct config_ldap *config;
	struct secret bind_password;
	struct ldap_service service;
	struct ldap_tell tell;
	void *tls; /* of ldap_trust_get */
	struct ldap_watchdog *watchdog;
	char **attributes; /* NULL at the end */
	struct ldap_server *servers;
	struct ldap_finder finder;
	size_t server_count;
};

enum ldap_question {
	LDAP_PROBE,   /* does this server answer at all? */
	LDAP_LOOK_UP, /* is this user there, and what may they do? */
	LDAP_CHECK,   /* the same, and is this their password? */
};

struct ldap_request {
	enum ldap_question question;
	size_t server; /* of a probe */
	bool explains; /* its steps are wanted */
	char name[NAME_SIZE];
	char user[NAME_SIZE]; /* the one whose password may be tried; "": whoever is found */
	struct secret password;
	bool is_other;  /* with NONE: found somebody else, who is in `identity`; nothing was tried */
	bool was_tried; /* the password went to a server, whatever came of it */
	/* The answer. Looking up: GRANTED, NONE (no such user), DISABLED, UNAVAILABLE. */
	enum verdict verdict;
	const char *reason; /* static */
	struct identity identity;
	struct buf steps; /* a codec list (steps.h) */
};

struct ldap_worker;

struct ldap_worker *ldap_worker_create(struct ldap_shared *shared); /* NULL: out of memory */
void ldap_worker_free(struct ldap_worker **worker);                 /* NULL-safe; closes its connections */
/* Waits for the directory: at most LDAP_WAITS times its `timeout`. */
void ldap_worker_ask(struct ldap_worker *worker, struct ldap_request *request);

#endif
