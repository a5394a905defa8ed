/*
 * The account that searches, bind_dn: the directory may lock it after a few wrong passwords, so a password that was
 * refused is not tried again with each login, but after a pause that grows; and until one is known to be good, one
 * thread tries it at a time.
 */
#ifndef AUTH_LDAP_SERVICE_H
#define AUTH_LDAP_SERVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Tries at 0, 2, 6, 14 and 30 minutes: fewer than five in half an hour, where five are what is often allowed. */
#define LDAP_SERVICE_PAUSE_MS 120000
#define LDAP_SERVICE_PAUSE_MOST_MS 1800000
#define LDAP_SERVICE_TURN_MS 1000  /* how long a thread waits for what another one finds out */
#define LDAP_SERVICE_GOOD_MS 60000 /* how long a success lets all threads bind at once */

enum ldap_service_result {
	LDAP_SERVICE_ACCEPTED,
	LDAP_SERVICE_REFUSED,
	LDAP_SERVICE_UNDECIDED, /* no answer */
};

struct ldap_service {
	const char *directory; /* its section's name, for the log */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool trying;
	uint64_t good_until_ms;  /* of the monotonic clock */
	uint64_t pause_until_ms; /* 0: not refused */
	uint64_t pause_ms;       /* the last one */
};

void ldap_service_init(struct ldap_service *service, const char *directory);
void ldap_service_destroy(struct ldap_service *service); /* no thread uses it any more */

/* Whether there is no point in connecting in order to bind. */
bool ldap_service_pauses(struct ldap_service *service);
/*
 * Any thread, before it binds on a connection that there is; may wait for LDAP_SERVICE_TURN_MS. False: not now. True:
 * then ldap_service_end.
 */
bool ldap_service_begin(struct ldap_service *service);
/* `uri` and `fault`, what the server said, are for the log. */
void ldap_service_end(struct ldap_service *service, enum ldap_service_result result, const char *uri,
		      const char *fault);
bool ldap_service_is_refused(struct ldap_service *service);

#endif
