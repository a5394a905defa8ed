/* The libldap handle: options, TLS, the socket's registration with the watchdog, bind and search. */
#include "auth/ldap/link.h"

#include <lber.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/log.h"

#define ANSWER_MAXIMUM (16U << 20) /* bytes of one message of a server: 100,000 values of 100 bytes and more */
#define SUBJECT_SIZE 1024          /* bytes of whose rights are asked for */
#define ENTRIES_WANTED 2           /* a second one is enough to see that a name is not unique */

/* ---- the socket */

/* So that firewalls see that a connection is in use, and a dead one shows. */
static void keep_alive(int fd)
{
	static const int on = 1, idle_s = 30, interval_s = 10, unanswered = 3;
	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &unanswered, sizeof(unanswered)) != 0)
		log_debug("a connection to a directory goes without keepalive");
}

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
	ber_len_t answer_maximum = ANSWER_MAXIMUM;
	int fd = -1;
	if (ber_sockbuf_ctrl(socket, LBER_SB_OPT_GET_FD, &fd) < 0 ||
	    ber_sockbuf_ctrl(socket, LBER_SB_OPT_SET_MAX_INCOMING, &answer_maximum) < 0 ||
	    ldap_set_option(handle, LDAP_OPT_NETWORK_TIMEOUT, &none) != LDAP_OPT_SUCCESS)
		return -1;
	keep_alive(fd);
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

static int set_options(struct ldap_link *link, int certificates)
{
	int version = LDAP_VERSION3;
	struct timeval left = time_left(link);
	link->callback = (struct ldap_conncb){ .lc_add = add_socket, .lc_del = remove_socket, .lc_arg = link };
	if (ldap_set_option(link->handle, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_NETWORK_TIMEOUT, &left) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_TIMEOUT, &left) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_X_TLS_REQUIRE_CERT, &certificates) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(link->handle, LDAP_OPT_CONNECT_CB, &link->callback) != LDAP_OPT_SUCCESS)
		return LDAP_LOCAL_ERROR;
	return LDAP_SUCCESS;
}

static int make_handle(struct ldap_link *link, const char *uri, struct ldap_guard *guard, unsigned slot,
		       int certificates)
{
	ldap_link_close(link);
	link->guard = guard;
	link->slot = slot;
	int code = ldap_initialize(&link->handle, uri);
	return code == LDAP_SUCCESS ? set_options(link, certificates) : code;
}

static int connect_handle(struct ldap_link *link, const struct config_ldap *config, const char *uri)
{
	int code = ldap_connect(link->handle);
	if (code == LDAP_SUCCESS && config->starttls && !span_starts_with_nocase(span_of(uri), SPAN("ldaps:")))
		code = ldap_start_tls_s(link->handle, NULL, NULL);
	return code;
}

int ldap_link_open(struct ldap_link *link, const struct config_ldap *config, void *tls, const char *uri,
		   struct ldap_guard *guard, unsigned slot)
{
	int code = make_handle(link, uri, guard, slot, LDAP_OPT_X_TLS_DEMAND);
	if (code == LDAP_SUCCESS && tls && ldap_set_option(link->handle, LDAP_OPT_X_TLS_CTX, tls) != LDAP_OPT_SUCCESS)
		code = LDAP_LOCAL_ERROR;
	return code == LDAP_SUCCESS ? connect_handle(link, config, uri) : code;
}

int ldap_link_open_unverified(struct ldap_link *link, const struct config_ldap *config, const char *uri,
			      struct ldap_guard *guard, unsigned slot)
{
	int client = 0;
	int code = make_handle(link, uri, guard, slot, LDAP_OPT_X_TLS_NEVER);
	if (code == LDAP_SUCCESS && ldap_set_option(link->handle, LDAP_OPT_X_TLS_NEWCTX, &client) != LDAP_OPT_SUCCESS)
		code = LDAP_LOCAL_ERROR;
	return code == LDAP_SUCCESS ? connect_handle(link, config, uri) : code;
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

#define PASSWORD_EXPIRED "2.16.840.1.113730.3.4.4" /* a control of Netscape's servers, and of their descendants */

static enum ldap_policy policy_of(LDAPPasswordPolicyError error, ber_int_t grace)
{
	if (error == PP_accountLocked)
		return LDAP_POLICY_LOCKED;
	if (error == PP_passwordExpired || grace >= 0)
		return LDAP_POLICY_EXPIRED;
	return error == PP_changeAfterReset ? LDAP_POLICY_MUST_CHANGE : LDAP_POLICY_SILENT;
}

/* What the server says of the password besides its result: draft-behera-ldap-password-policy, 6.2. */
static enum ldap_policy read_policy(LDAP *handle, LDAPControl **controls)
{
	LDAPPasswordPolicyError error = PP_noError;
	ber_int_t expire = -1, grace = -1;
	enum ldap_policy policy = LDAP_POLICY_SILENT;
	LDAPControl *control = ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, NULL);
	if (control && ldap_parse_passwordpolicy_control(handle, control, &expire, &grace, &error) == LDAP_SUCCESS)
		policy = policy_of(error, grace);
	if (policy == LDAP_POLICY_SILENT && ldap_control_find(PASSWORD_EXPIRED, controls, NULL))
		policy = LDAP_POLICY_MUST_CHANGE;
	return policy;
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
		.policy = read_policy(link->handle, controls),
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

static int search_entries(struct ldap_link *link, const char *base, int scope, const char *filter, char **attributes,
			  LDAPControl **controls, LDAPMessage **out_result)
{
	struct timeval left = time_left(link);
	LDAPMessage *result = NULL;
	int code = ldap_search_ext_s(link->handle, base, scope, filter, attributes, 0, controls, NULL, &left,
				     ENTRIES_WANTED, &result);
	if (code == LDAP_SUCCESS)
		*out_result = result;
	else
		ldap_msgfree(result);
	return code;
}

int ldap_link_search(struct ldap_link *link, const char *base, int scope, const char *filter, char **attributes,
		     LDAPMessage **out_result)
{
	return search_entries(link, base, scope, filter, attributes, NULL, out_result);
}

int ldap_link_search_rights(struct ldap_link *link, const char *dn, const char *subject, char **attributes,
			    LDAPMessage **out_result)
{
	char id[SUBJECT_SIZE], oid[] = LDAP_EFFECTIVE_RIGHTS;
	int size = snprintf(id, sizeof(id), "dn:%s", subject);
	if ((size_t)size >= sizeof(id))
		return LDAP_PARAM_ERROR;
	LDAPControl control = {
		.ldctl_oid = oid,
		.ldctl_value = { .bv_len = (ber_len_t)size, .bv_val = id },
		.ldctl_iscritical = 1,
	};
	LDAPControl *controls[] = { &control, NULL };
	return search_entries(link, dn, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, controls, out_result);
}

int ldap_link_compare(struct ldap_link *link, const char *dn, const char *attribute, const char *value)
{
	struct berval wanted = { .bv_len = strlen(value), .bv_val = (char *)value };
	return ldap_compare_ext_s(link->handle, dn, attribute, &wanted, NULL, NULL);
}

/* ---- pages */

#define PAGE_ENTRIES 500 /* Active Directory gives up to 1,000 */

/* Whether there is another page: the server's cookie says so. */
static void read_cookie(LDAP *handle, LDAPMessage *result, struct ldap_pages *pages)
{
	LDAPControl **controls = NULL;
	struct berval cookie = { .bv_len = 0 };
	ber_int_t estimate = 0;
	int code = LDAP_SUCCESS;
	ldap_pages_free(pages);
	pages->done = true;
	if (ldap_parse_result(handle, result, &code, NULL, NULL, NULL, &controls, 0) != LDAP_SUCCESS)
		return;
	LDAPControl *control = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	if (control && ldap_parse_pageresponse_control(handle, control, &estimate, &cookie) == LDAP_SUCCESS) {
		pages->cookie = cookie.bv_len ? ber_dupbv(NULL, &cookie) : NULL;
		pages->done = pages->cookie == NULL;
		ber_memfree(cookie.bv_val);
	}
	ldap_controls_free(controls);
}

int ldap_link_search_page(struct ldap_link *link, struct ldap_pages *pages, char **attributes, LDAPMessage **out_result)
{
	struct timeval left = time_left(link);
	LDAPMessage *result = NULL;
	LDAPControl *control = NULL;
	int code = ldap_create_page_control(link->handle, PAGE_ENTRIES, pages->cookie, 0, &control);
	if (code != LDAP_SUCCESS)
		return code;
	LDAPControl *controls[] = { control, NULL };
	code = ldap_search_ext_s(link->handle, pages->base, LDAP_SCOPE_SUBTREE, pages->filter, attributes, 0, controls,
				 NULL, &left, 0, &result);
	ldap_control_free(control);
	if (code != LDAP_SUCCESS) {
		ldap_msgfree(result);
		return code;
	}
	read_cookie(link->handle, result, pages);
	*out_result = result;
	return LDAP_SUCCESS;
}

void ldap_pages_free(struct ldap_pages *pages)
{
	ber_bvfree(pages->cookie);
	pages->cookie = NULL;
}
