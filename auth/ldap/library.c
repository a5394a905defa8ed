/*
 * The first handle has libldap look for this machine's whole name, by which it
 * would know the certificate of "localhost". Where /etc/hosts lacks the name and
 * DNS is silent, the C library would keep it, and so all logins, waiting for
 * 10 s a name server. One question to one of them has to do.
 */
#include "auth/ldap/library.h"

#include <arpa/nameser.h>
#include <ldap.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdlib.h>

#define WAIT_S 1 /* for the name server */
#define TRIES 1

/* Of this thread alone: the others, which look for directories, ask as resolv.conf says. */
static enum status ask_dns_once(void)
{
	if (res_init() != 0)
		return STATUS_SYSTEM;
	_res.retrans = WAIT_S;
	_res.retry = TRIES;
	if (_res.nscount > 1)
		_res.nscount = 1;
	return STATUS_OK;
}

enum status ldap_library_start(void)
{
	static bool is_started;
	if (is_started)
		return STATUS_OK;
	/* The configuration is ours alone: no ldap.conf, no ldaprc, no LDAP… variables. */
	if (setenv("LDAPNOINIT", "1", 1) != 0)
		return STATUS_NO_MEMORY;
	LDAP *handle = NULL;
	TRY(ask_dns_once());
	int code = ldap_initialize(&handle, NULL);
	if (code == LDAP_SUCCESS)
		ldap_unbind_ext(handle, NULL, NULL);
	(void)res_init(); /* as resolv.conf says */
	if (code != LDAP_SUCCESS)
		return STATUS_NO_MEMORY;
	is_started = true;
	return STATUS_OK;
}
