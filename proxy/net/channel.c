/*
 * Channels. OpenSSL sits directly on the descriptor (a memory BIO pair costs
 * 40 KiB a connection). Its error list is emptied before each call, as one
 * stale entry makes the next call look failed.
 */
#include "net/channel.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_client_names.h"
#include "net/tls_context.h"
#include "net/tls_socket.h"

#define SUBJECT_MAXIMUM 512 /* bytes of a client's name in records */

void channel_init(struct channel *channel, int fd)
{
	*channel = (struct channel){ .fd = fd };
}

void channel_begin_turn(struct channel *channel)
{
	channel_bounds_begin_turn(&channel->bounds);
}

void channel_close(struct channel *channel)
{
	channel_bounds_count(&channel->bounds, NULL);
	channel_drop_handshake(channel);
	SSL_free(channel_ssl(channel));
	free(channel->error);
	if (channel->fd >= 0)
		close(channel->fd);
	channel_init(channel, -1);
}

/* ---- reasons */

__attribute__((format(printf, 2, 3))) static void note_error(struct channel *channel, const char *format, ...)
{
	va_list args;
	if (channel->error)
		return;
	va_start(args, format);
	if (vasprintf(&channel->error, format, args) < 0)
		channel->error = NULL;
	va_end(args);
}

void channel_note_errno(struct channel *channel, int error)
{
	const char *text = strerrordesc_np(error);
	note_error(channel, "%s", text ? text : "unknown system error");
}

static enum channel_result fail_errno(struct channel *channel)
{
	channel_note_errno(channel, errno);
	return CHANNEL_FAILED;
}

static enum channel_result fail_tls(struct channel *channel)
{
	long verdict = SSL_get_verify_result(channel_ssl(channel));
	channel->fault = tls_fault_of(ERR_peek_error());
	const char *reason = tls_take_reason();
	if (verdict != X509_V_OK && SSL_get_verify_mode(channel_ssl(channel)) != SSL_VERIFY_NONE)
		note_error(channel, "certificate verify failed: %s", X509_verify_cert_error_string(verdict));
	else
		note_error(channel, "TLS: %s", *reason ? reason : "protocol error");
	return CHANNEL_FAILED;
}

/* What an OpenSSL call that returned `returned` means; errno is still that call's. */
static enum channel_result judge_tls_result(struct channel *channel, int returned)
{
	int error = errno;
	channel_bounds_count(&channel->bounds, channel_ssl(channel));
	if (channel->bounds.fault) {
		note_error(channel, "TLS: %s", channel->bounds.fault);
		return CHANNEL_FAILED;
	}
	switch (SSL_get_error(channel_ssl(channel), returned)) {
	case SSL_ERROR_NONE:
		return CHANNEL_OK;
	case SSL_ERROR_WANT_READ:
		return CHANNEL_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return CHANNEL_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return CHANNEL_ENDED;
	case SSL_ERROR_SYSCALL:
		if (error == 0)
			return CHANNEL_ENDED;
		channel->fault = TLS_FAULT_LOST;
		channel_note_errno(channel, error);
		return CHANNEL_FAILED;
	default:
		return fail_tls(channel);
	}
}

/* To look costs a fraction of what it takes to empty a list that is empty. */
static void before_call(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
	errno = 0;
}

/* ---- TLS */

static bool is_address_literal(const char *name)
{
	struct in6_addr address;
	return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

/* RFC 6125: the name that the administrator wrote, not one that DNS gave. SNI is for names only (RFC 6066, 3). */
static enum status expect_name(SSL *ssl, const char *name, bool verify)
{
	bool literal = is_address_literal(name);
	if (!literal && SSL_set_tlsext_host_name(ssl, name) != 1)
		return STATUS_INVALID;
	if (!verify)
		return STATUS_OK;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	int set = literal ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) : SSL_set1_host(ssl, name);
	return set == 1 ? STATUS_OK : STATUS_INVALID;
}

static enum status set_up_client(SSL *ssl, const struct tls_context *context, struct span name)
{
	char *text = span_to_string(name);
	if (text == NULL)
		return STATUS_INVALID;
	enum status status = STATUS_OK;
	/* Verification without a name would accept any certificate of any site. */
	if (*text)
		status = expect_name(ssl, text, context->verify);
	else if (context->verify)
		status = STATUS_INVALID;
	free(text);
	SSL_set_connect_state(ssl);
	return status;
}

enum status channel_prepare_tls(struct channel *channel, struct tls_context *context, struct span name)
{
	assert(channel->ssl == NULL);
	before_call();
	SSL *ssl = tls_object_make(context->openssl);
	if (ssl == NULL)
		return STATUS_NO_MEMORY;
	enum status status = channel_bounds_watch(&channel->bounds, ssl, channel->fd, context);
	if (status == STATUS_OK)
		status = tls_socket_attach(&channel->bounds);
	/* Then only: it makes records anew, and where OpenSSL 3.5 can't it says nothing, and would crash above. */
	if (status == STATUS_OK && context->is_server)
		SSL_set_accept_state(ssl);
	else if (status == STATUS_OK)
		status = set_up_client(ssl, context, name);
	if (status == STATUS_OK)
		channel->ssl = ssl;
	else
		SSL_free(ssl);
	return status;
}

void channel_enter_tls(struct channel *channel)
{
	assert(channel->ssl);
	channel->in_tls = true;
}

enum channel_result channel_shake(struct channel *channel)
{
	if (!channel_bounds_begin(&channel->bounds))
		return CHANNEL_WANT_READ;
	before_call();
	int returned = channel->bounds.fault ? -1 : SSL_do_handshake(channel_ssl(channel));
	if (returned == 1) {
		channel_bounds_note_secured(&channel->bounds, channel_ssl(channel));
		channel_bounds_count(&channel->bounds, channel_ssl(channel));
		return CHANNEL_OK;
	}
	enum channel_result result = judge_tls_result(channel, returned);
	if (result != CHANNEL_ENDED)
		return result;
	channel->fault = TLS_FAULT_LOST;
	note_error(channel, "connection closed during the TLS handshake");
	return CHANNEL_FAILED;
}

bool channel_is_secure(const struct channel *channel)
{
	/* OpenSSL says otherwise while a ticket is on its way. */
	return channel->bounds.secured;
}

char *channel_client_subject(const struct channel *channel)
{
	const X509 *certificate = SSL_get0_peer_certificate(channel_ssl(channel));
	if (certificate == NULL || SSL_get_verify_result(channel_ssl(channel)) != X509_V_OK)
		return NULL;
	char *subject = tls_write_subject(certificate);
	if (subject && strlen(subject) > SUBJECT_MAXIMUM)
		subject[SUBJECT_MAXIMUM] = '\0'; /* too long to record */
	return subject;
}

struct span channel_client_handshake(const struct channel *channel)
{
	return channel->bounds.record.state == RECORD_COMPLETE ? buf_span(&channel->bounds.record.messages)
							       : (struct span){ 0 };
}

void channel_drop_handshake(struct channel *channel)
{
	handshake_record_drop(&channel->bounds.record);
}

void channel_send_ticket(struct channel *channel)
{
	if (!channel_is_secure(channel) || (SSL_get_options(channel_ssl(channel)) & SSL_OP_NO_TICKET))
		return;
	before_call();
	/* It refuses for TLS 1.2, which has sent its ticket in the handshake. */
	channel->bounds.owes_ticket = SSL_new_session_ticket(channel_ssl(channel)) == 1;
}

void channel_expect_no_secrets(struct channel *channel)
{
	if (channel->ssl)
		SSL_clear_options(channel_ssl(channel), SSL_OP_CLEANSE_PLAINTEXT);
}

bool channel_has_pending(const struct channel *channel)
{
	return channel->in_tls && SSL_has_pending(channel_ssl(channel));
}

/* Costs a fraction of SSL_read, which makes room for a whole record before it finds that nothing is there. */
bool channel_has_arrivals(const struct channel *channel)
{
	char first;
	return channel_has_pending(channel) || recv(channel->fd, &first, 1, MSG_PEEK) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
}

/* ---- bytes */

static int cap_int(size_t size)
{
	return size > INT_MAX ? INT_MAX : (int)size;
}

enum channel_result channel_read(struct channel *channel, char *at, size_t room, size_t *out_size)
{
	if (channel->in_tls) {
		before_call();
		int got = SSL_read(channel_ssl(channel), at, cap_int(room));
		if (got <= 0 || channel->bounds.fault)
			return judge_tls_result(channel, got);
		channel_bounds_count(&channel->bounds, channel_ssl(channel));
		*out_size = (size_t)got;
		return CHANNEL_OK;
	}
	ssize_t got = recv(channel->fd, at, room, 0);
	if (got > 0) {
		*out_size = (size_t)got;
		return CHANNEL_OK;
	}
	if (got == 0)
		return CHANNEL_ENDED;
	return errno == EAGAIN || errno == EINTR ? CHANNEL_WANT_READ : fail_errno(channel);
}

enum channel_result channel_write(struct channel *channel, struct span bytes, size_t *out_size)
{
	if (channel->in_tls) {
		before_call();
		/* Of several records the last one is pushed, so that the peer wakes once for all of them. */
		channel->bounds.more_follows |= bytes.size > SSL3_RT_MAX_PLAIN_LENGTH;
		int taken = SSL_write(channel_ssl(channel), bytes.data, cap_int(bytes.size));
		channel->bounds.writing = taken <= 0 && SSL_want_write(channel_ssl(channel));
		if (taken <= 0)
			return judge_tls_result(channel, taken);
		*out_size = (size_t)taken;
		return CHANNEL_OK;
	}
	ssize_t taken = send(channel->fd, bytes.data, bytes.size, MSG_NOSIGNAL | (channel->bounds.ends ? MSG_MORE : 0));
	if (taken >= 0) {
		*out_size = (size_t)taken;
		return CHANNEL_OK;
	}
	return errno == EAGAIN || errno == EINTR ? CHANNEL_WANT_WRITE : fail_errno(channel);
}

void channel_expect_end(struct channel *channel)
{
	channel->bounds.ends = true;
}

enum channel_result channel_shut(struct channel *channel)
{
	if (channel_is_secure(channel)) {
		before_call();
		int returned = SSL_shutdown(channel_ssl(channel));
		enum channel_result result = returned < 0 ? judge_tls_result(channel, returned) : CHANNEL_OK;
		if (result == CHANNEL_WANT_WRITE)
			return result;
	}
	return shutdown(channel->fd, SHUT_WR) == 0 ? CHANNEL_OK : fail_errno(channel);
}
