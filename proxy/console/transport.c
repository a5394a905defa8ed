/* GnuTLS's sending and receiving, on the descriptor that libmicrohttpd owns. Owns nothing. */
#include "console/transport.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <sys/socket.h>

#include "base/clock.h"

static ssize_t fail_call(const struct transport *transport, int error)
{
	gnutls_transport_set_errno(transport->session, error);
	return -1;
}

static ssize_t send_bytes(gnutls_transport_ptr_t pointer, const void *bytes, size_t size)
{
	const struct transport *transport = pointer;
	ssize_t sent = send(transport->fd, bytes, size, MSG_NOSIGNAL);
	*transport->moved += sent > 0;
	return sent < 0 ? fail_call(transport, errno) : sent;
}

static ssize_t receive_bytes(gnutls_transport_ptr_t pointer, void *bytes, size_t size)
{
	const struct transport *transport = pointer;
	if (clock_monotonic_ms() > transport->until_ms)
		return fail_call(transport, ECONNRESET);
	ssize_t received = recv(transport->fd, bytes, size, 0);
	*transport->moved += received > 0;
	return received < 0 ? fail_call(transport, errno) : received;
}

enum status transport_begin(struct transport *transport, struct MHD_Connection *connection, bool has_tls)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL)
		return STATUS_UNAVAILABLE;
	transport->fd = info->connect_fd;
	if (!has_tls)
		return STATUS_OK;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info == NULL || info->tls_session == NULL)
		return STATUS_UNAVAILABLE;
	transport->session = info->tls_session;
	gnutls_transport_set_ptr(transport->session, transport);
	gnutls_transport_set_push_function(transport->session, send_bytes);
	gnutls_transport_set_pull_function(transport->session, receive_bytes);
	return STATUS_OK;
}

void transport_allow(struct transport *transport, uint64_t limit_ms)
{
	transport->until_ms = clock_monotonic_ms() + limit_ms;
}
