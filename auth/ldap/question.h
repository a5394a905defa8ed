/* One question over the connections to one server, as a worker asks it. */
#ifndef AUTH_LDAP_QUESTION_H
#define AUTH_LDAP_QUESTION_H

#include "auth/ldap/worker.h"

/* The guard's places for the connections under way. */
enum { SLOT_SEARCHER, SLOT_USER };

/* What a question without an answer says of the server. */
enum blame {
	BLAME_SERVER,   /* it can't be reached, or is not up to answering */
	BLAME_SERVICE,  /* it refuses the searching account, which has been told */
	BLAME_QUESTION, /* it answers, but not this */
	BLAME_ENTRY,    /* none: what it answers is of no use, which has been told */
};

struct links {
	struct ldap_link searcher; /* open: bound as bind_dn */
	struct ldap_link user;
	unsigned epoch; /* of the server, when they were opened */
	uint64_t used_ms;
	bool given_up; /* by the question under way */
};

struct ldap_worker {
	struct ldap_shared *shared;
	struct ldap_guard guard;
	struct links *links;         /* one each server */
	char fault[LDAP_FAULT_SIZE]; /* why the last attempt failed */
	enum blame blame;            /* and on whose account */
	bool unconnected;            /* it failed before anything was asked */
	unsigned waits;              /* in vain, on the question under way */
	bool hasty;                  /* there is somewhere else to go: the wait under way is a short one */
	uint64_t ends_ms;            /* when it must be over */
};

/*
 * Opens what is closed, and asks: the verdict is the request's, too. VERDICT_UNAVAILABLE: worker->fault says why, and
 * worker->blame whose fault it is. The worker's guard must be armed.
 */
enum verdict ldap_question_ask(struct ldap_worker *worker, struct links *links, const char *uri,
			       struct ldap_request *request);
/* Sets the request's answer, which it returns. `reason` is static. */
enum verdict ldap_question_answer(struct ldap_request *request, enum verdict verdict, const char *reason);

#endif
