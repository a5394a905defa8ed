/*
 * Why a server can't be connected to, when libldap says no more than that it can't: asked once, when a server has gone
 * away, on the thread that found out, and within what is left of its time.
 */
#ifndef AUTH_LDAP_DIAGNOSIS_H
#define AUTH_LDAP_DIAGNOSIS_H

#include "auth/ldap/link.h"

/* Leaves `fault` as it is if nothing better is found. `guard` is armed, and `slot` of it is free. Sends no secret. */
void ldap_diagnose(const struct config_ldap *config, const char *uri, struct ldap_guard *guard, unsigned slot,
		   char fault[LDAP_FAULT_SIZE]);

#endif
