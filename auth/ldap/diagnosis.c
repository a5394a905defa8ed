/* Two more connections: a bare one, for what the system says of it, and one that looks at the certificate. */
#include "auth/ldap/diagnosis.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_blame.h"

static void set_fault(char fault[LDAP_FAULT_SIZE], const char *what, const char *why)
{
	snprintf(fault, LDAP_FAULT_SIZE, "%s: %s", what, why);
}

/* 0, or an errno. */
static int connect_within(const struct addrinfo *address, uint64_t limit_ms)
{
	int error = 0;
	socklen_t size = sizeof(error);
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
		error = errno;
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	if (error == EINPROGRESS) {
		if (poll(&wait, 1, (int)limit_ms) <= 0)
			error = ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
			error = errno;
	}
	close(fd);
	return error;
}

/* Whether it can be connected to; else `fault` says why not. */
static bool look_at_address(const char *host, int port, struct ldap_guard *guard, char fault[LDAP_FAULT_SIZE])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *addresses = NULL;
	char service[8];
	int error = 0;
	snprintf(service, sizeof(service), "%u", (unsigned)port % 65536);
	int resolved = getaddrinfo(host, service, &hints, &addresses);
	if (resolved != 0) {
		set_fault(fault, "its name has no address", gai_strerror(resolved));
		return false;
	}
	for (const struct addrinfo *address = addresses; address; address = address->ai_next)
		if ((error = connect_within(address, ldap_guard_left_ms(guard))) == 0)
			break;
	freeaddrinfo(addresses);
	if (error)
		set_fault(fault, "it can't be connected to", strerrordesc_np(error));
	return error == 0;
}

static void look_at_certificate(struct ldap_link *link, const char *host, char fault[LDAP_FAULT_SIZE])
{
	struct berval der = { 0 };
	struct buf text BUF_AUTO;
	buf_init(&text, LDAP_FAULT_SIZE - 1);
	if (ldap_get_option(link->handle, LDAP_OPT_X_TLS_PEERCERT, &der) != LDAP_OPT_SUCCESS || der.bv_val == NULL)
		return;
	enum status status = tls_blame_certificate((struct span){ der.bv_val, der.bv_len }, host, &text);
	ber_memfree(der.bv_val);
	if (status == STATUS_OK || status == STATUS_TOO_LARGE)
		snprintf(fault, LDAP_FAULT_SIZE, "%.*s", SPAN_ARGS(buf_span(&text)));
}

static void look_at_tls(const struct config_ldap *config, const LDAPURLDesc *url, const char *uri,
			struct ldap_guard *guard, unsigned slot, char fault[LDAP_FAULT_SIZE])
{
	struct ldap_link link = { 0 };
	int code = ldap_link_open_unverified(&link, config, uri, guard, slot);
	if (code == LDAP_SUCCESS)
		look_at_certificate(&link, url->lud_host, fault);
	else if (code < 0 && strcmp(url->lud_scheme, "ldaps") == 0)
		set_fault(fault, "it does not speak TLS as we do", ldap_err2string(code));
	ldap_link_close(&link);
}

void ldap_diagnose(const struct config_ldap *config, const char *uri, struct ldap_guard *guard, unsigned slot,
		   char fault[LDAP_FAULT_SIZE])
{
	LDAPURLDesc *url = NULL;
	if (ldap_url_parse(uri, &url) != LDAP_URL_SUCCESS)
		return;
	bool has_tls = config->starttls || strcmp(url->lud_scheme, "ldaps") == 0;
	if (url->lud_host && look_at_address(url->lud_host, url->lud_port, guard, fault) && has_tls)
		look_at_tls(config, url, uri, guard, slot, fault);
	ldap_free_urldesc(url);
}
