/*
 * Ends LDAP operations that libldap would not: its own time-outs do not bound
 * a TLS handshake (a frozen server held one over 25 s). One thread watches the
 * deadlines of all attempts and shuts down the sockets of those that are late,
 * so that libldap returns an error to the thread that waits.
 */
#ifndef AUTH_LDAP_WATCHDOG_H
#define AUTH_LDAP_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define LDAP_GUARD_SOCKETS 2 /* of one attempt: the searcher's and the user's */

struct ldap_watchdog;

/*
 * One thread's attempt at one server, guarded by the watchdog's lock. Invariant: it is in the watchdog's list iff
 * armed.
 */
struct ldap_guard {
	struct ldap_watchdog *watchdog;
	struct ldap_guard *next;
	uint64_t deadline_ms;            /* of the monotonic clock */
	int sockets[LDAP_GUARD_SOCKETS]; /* -1: none */
	bool armed;
	bool fired;
};

MUST_USE enum status ldap_watchdog_create(struct ldap_watchdog **out_watchdog);
/* NULL-safe; sets to NULL. Every guard has been disarmed. */
void ldap_watchdog_free(struct ldap_watchdog **watchdog);

void ldap_guard_init(struct ldap_guard *guard, struct ldap_watchdog *watchdog);
void ldap_guard_arm(struct ldap_guard *guard, uint64_t timeout_ms);
/* An armed one: from now on. It stays as it is if its deadline has passed. */
void ldap_guard_extend(struct ldap_guard *guard, uint64_t timeout_ms);
void ldap_guard_disarm(struct ldap_guard *guard);
/* Whether the deadline has passed since it was armed. */
bool ldap_guard_fired(struct ldap_guard *guard);
/* Until the deadline; at least 1, as 0 means "for ever" to libldap. */
uint64_t ldap_guard_left_ms(struct ldap_guard *guard);
/* A socket was opened (before anything was sent on it), or, with -1, is about to be closed. False: too late already. */
bool ldap_guard_set_socket(struct ldap_guard *guard, unsigned slot, int fd);

#endif
