/* The libldap handle: options, TLS, the socket's registration with the watchdog, bind and search. */
#include "auth/ldap/link.h"

#include <lber.h>
#include <stdio.h>
#include <sys/time.h>

#define ENTRIES_WANTED 2 /* a second one is enough to see that a name is not unique */

/* ---- the socket */

/*
 * Connected: from here on only the watchdog keeps time. With a network time-out of its own libldap would make the
 * socket non-blocking for the handshake and, with GnuTLS, try to read it over and over until the server speaks.
 */
static int add_socket(LDAP *handle, Sockbuf *socket, LDAPURLDesc *server, struct sockaddr *address,
		      struct ldap_conncb *callback)
{
	(void)server, (void)address;
	static const struct timeval none = { .tv_sec = -1 };
	struct ldap_link *link = callback->lc_arg;
	int fd = -1;
	if (ber_sockbuf_ctrl(socket, LBER_SB_OPT_GET_FD, &fd) < 0 ||
	    ldap_set_option(handle, LDAP_OPT_NETWORK_TIMEOUT, &none) != LDAP_OPT_SUCCESS)
		return -1;
	return ldap_guard_set_socket(link->guard, link->slot, fd) ? 0 : -1;
}

static void remove_socket(LDAP *handle, Sockbuf *socket, struct ldap_conncb *callback)
{
	(void)handle, (void)socket;
	struct ldap_link *link = callback->lc_arg;
	ldap_guard_set_socket(link->guard, link->slot, -1);
}

/* ---- the handle */

static struct timeval time_left(const struct ldap_link *link)
{
	uint64_t left_ms = ldap_guard_left_ms(link->guard);
	return (struct timeval){ .tv_sec = (time_t)(left_ms / 1000), .tv_usec = (suseconds_t)(left_ms % 1000) * 1000 };
}

static int set_options(struct ldap_link *link, void *tls)
{
	int version = LDAP_VERSION3;
	int demand = LDAP_OPT_X_TLS_DEMAND;
	struct timeval left = time_left(link);
	link->callback = (struct ldap_conncb){ .lc_add = add_socket, .lc_del = remove_socket, .lc_arg = link };
	if (ldap_set_option(link->handle, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_NETWORK_TIMEOUT, &left) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_TIMEOUT, &left) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_CONNECT_CB, &link->callback) != LDAP_OPT_SUCCESS)
		return LDAP_LOCAL_ERROR;
	if (tls && ldap_set_option(link->handle, LDAP_OPT_X_TLS_CTX, tls) != LDAP_OPT_SUCCESS)
		return LDAP_LOCAL_ERROR;
	return LDAP_SUCCESS;
}

int ldap_link_open(struct ldap_link *link, const struct config_ldap *config, void *tls, const char *uri,
		   struct ldap_guard *guard, unsigned slot)
{
	ldap_link_close(link);
	link->guard = guard;
	link->slot = slot;
	int code = ldap_initialize(&link->handle, uri);
	if (code == LDAP_SUCCESS)
		code = set_options(link, tls);
	if (code == LDAP_SUCCESS && config->starttls && !span_starts_with_nocase(span_of(uri), SPAN("ldaps:")))
		code = ldap_start_tls_s(link->handle, NULL, NULL);
	return code;
}

void ldap_link_close(struct ldap_link *link)
{
	if (link->handle == NULL)
		return;
	ldap_unbind_ext(link->handle, NULL, NULL);
	ldap_guard_set_socket(link->guard, link->slot, -1);
	link->handle = NULL;
}

void ldap_link_describe(const struct ldap_link *link, int code, char fault[LDAP_FAULT_SIZE])
{
	char *diagnostic = NULL;
	if (link->handle)
		ldap_get_option(link->handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &diagnostic);
	if (diagnostic && diagnostic[0])
		snprintf(fault, LDAP_FAULT_SIZE, "%s (%s)", ldap_err2string(code), diagnostic);
	else
		snprintf(fault, LDAP_FAULT_SIZE, "%s", ldap_err2string(code));
	ldap_memfree(diagnostic);
}

/* ---- bind */

static bool says_locked(LDAP *handle, LDAPControl **controls)
{
	LDAPPasswordPolicyError error = PP_noError;
	ber_int_t expire = 0, grace = 0;
	LDAPControl *control = ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, NULL);
	return control && ldap_parse_passwordpolicy_control(handle, control, &expire, &grace, &error) == LDAP_SUCCESS &&
	       error == PP_accountLocked;
}

static int send_bind(struct ldap_link *link, const char *dn, struct span password, int *out_id)
{
	struct berval credentials = { .bv_len = password.size, .bv_val = (char *)password.data };
	LDAPControl *policy = NULL;
	int code = ldap_create_passwordpolicy_control(link->handle, &policy);
	if (code != LDAP_SUCCESS)
		return code;
	LDAPControl *controls[] = { policy, NULL };
	code = ldap_sasl_bind(link->handle, dn, LDAP_SASL_SIMPLE, &credentials, controls, NULL, out_id);
	ldap_control_free(policy);
	return code;
}

/* Waits for the answer; a code below zero is libldap's own. */
static int receive_bind(struct ldap_link *link, int id, char fault[LDAP_FAULT_SIZE],
			struct ldap_bind_answer *out_answer)
{
	struct timeval left = time_left(link);
	LDAPMessage *result = NULL;
	LDAPControl **controls = NULL;
	char *diagnostic = NULL;
	int code = LDAP_SUCCESS;
	int got = ldap_result(link->handle, id, LDAP_MSG_ALL, &left, &result);
	if (got <= 0)
		return got == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN;
	int parsed = ldap_parse_result(link->handle, result, &code, NULL, &diagnostic, NULL, &controls, 1);
	if (parsed != LDAP_SUCCESS)
		return parsed;
	snprintf(fault, LDAP_FAULT_SIZE, "%s", diagnostic ? diagnostic : "");
	*out_answer = (struct ldap_bind_answer){
		.code = code,
		.diagnostic = fault,
		.policy_locked = says_locked(link->handle, controls),
	};
	ldap_memfree(diagnostic);
	ldap_controls_free(controls);
	return LDAP_SUCCESS;
}

void ldap_link_bind(struct ldap_link *link, const char *dn, struct span password, char fault[LDAP_FAULT_SIZE],
		    struct ldap_bind_answer *out_answer)
{
	int id = 0;
	if (dn[0] && span_is_empty(password)) {
		snprintf(fault, LDAP_FAULT_SIZE, "empty password");
		*out_answer = (struct ldap_bind_answer){ .code = LDAP_INVALID_CREDENTIALS, .diagnostic = fault };
		return;
	}
	int code = send_bind(link, dn, password, &id);
	if (code == LDAP_SUCCESS)
		code = receive_bind(link, id, fault, out_answer);
	if (code == LDAP_SUCCESS)
		return;
	ldap_link_describe(link, code, fault);
	*out_answer = (struct ldap_bind_answer){ .code = code > 0 ? LDAP_UNAVAILABLE : code, .diagnostic = fault };
}

int ldap_link_search(struct ldap_link *link, const char *base, int scope, const char *filter, char **attributes,
		     LDAPMessage **out_result)
{
	struct timeval left = time_left(link);
	LDAPMessage *result = NULL;
	int code = ldap_search_ext_s(link->handle, base, scope, filter, attributes, 0, NULL, NULL, &left,
				     ENTRIES_WANTED, &result);
	if (code == LDAP_SUCCESS)
		*out_result = result;
	else
		ldap_msgfree(result);
	return code;
}
