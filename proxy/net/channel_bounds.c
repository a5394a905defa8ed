/*
 * The bounds of TLS, kept by the descriptor under it (tls_socket.c) and by callbacks of OpenSSL: one on records and
 * messages, one on handshakes. A callback can't fail a call, but it can say that the peer has ended: the next record is
 * dropped then.
 */
#include "net/channel_bounds.h"

#include <errno.h>
#include <sys/socket.h>

#define RECORD_COST 256U   /* bytes: the time that a record costs besides its own bytes */
#define SHAKING_COST 2048U /* in a handshake, which has a dozen records at most */
#define SHAKING_READ 576U  /* bytes of a handshake read at once: a usual hello, or as few records as a turn may take */
#define READ_PER_TURN 66600U    /* four of the largest records, and what they cost */
#define MESSAGES_MAXIMUM 16U    /* after the handshake; servers send up to four tickets */
#define MESSAGE_EARNED 1048576U /* bytes read grant one more: keys are renewed after gigabytes, if ever */

#define SHAKING_MEMORY 45056U /* bytes: 64 KiB, less what an idle connection has */
#define RECORD_MEMORY 16896U  /* bytes: of one that has come, or gone out, in part */

static size_t memory;

size_t tls_memory(void)
{
	return memory;
}

static void refuse_more(struct channel_bounds *bounds, const char *fault)
{
	SSL *ssl = bounds->ssl;
	bounds->fault = fault;
	SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

static void spend_budget(struct channel_bounds *bounds, size_t size)
{
	bounds->budget -= size < bounds->budget ? size : bounds->budget;
}

/* ---- the descriptor */

static void earn_messages(struct channel_bounds *bounds, size_t size)
{
	bounds->read += size;
	if (bounds->read < MESSAGE_EARNED)
		return;
	bounds->read = 0;
	if (bounds->messages_left < MESSAGES_MAXIMUM)
		bounds->messages_left++;
}

/* What is seen here has not been acted on. */
static bool is_small(struct channel_bounds *bounds, struct span bytes)
{
	return !bounds->server || bounds->secured ||
	       hello_take(&bounds->hello, bytes, SSL_version(bounds->ssl) <= TLS1_2_VERSION);
}

bool channel_bounds_take(struct channel_bounds *bounds, struct span bytes)
{
	spend_budget(bounds, bytes.size);
	earn_messages(bounds, bytes.size);
	if (is_small(bounds, bytes))
		return true;
	refuse_more(bounds, "handshake message too large");
	return false;
}

/* A turn without budget looks like a descriptor without bytes, which becomes ready again in the next one. */
size_t channel_bounds_room(const struct channel_bounds *bounds, size_t room)
{
	if (bounds->budget == 0 || bounds->fault)
		return 0;
	/* All that was read is acted on, be it a hundred records; the rest of one costs no more than its bytes. */
	size_t most = SHAKING_READ + bounds->hello.record_left;
	return bounds->server && !bounds->secured && room > most ? most : room;
}

/* ---- records and messages */

/* A ticket's record is about to be written; where none could be made, the reply is the first and waits for nothing. */
static void note_ticket(struct channel_bounds *bounds, int type, const unsigned char *bytes)
{
	if (!bounds->owes_ticket || type != SSL3_RT_INNER_CONTENT_TYPE)
		return;
	bounds->owes_ticket = false;
	bounds->more_follows = *bytes == SSL3_RT_HANDSHAKE;
}

static void on_message(int is_ours, int version, int type, const void *bytes, size_t size, SSL *ssl, void *context)
{
	struct channel_bounds *bounds = context;
	(void)version;
	(void)ssl;
	if (type == SSL3_RT_HANDSHAKE)
		handshake_record_take(&bounds->record, is_ours, (struct span){ bytes, size });
	if (is_ours) {
		note_ticket(bounds, type, bytes);
		return;
	}
	if (type == SSL3_RT_HEADER)
		spend_budget(bounds, bounds->secured ? RECORD_COST : SHAKING_COST);
	if (type != SSL3_RT_HANDSHAKE || !bounds->secured)
		return;
	if (bounds->messages_left == 0)
		refuse_more(bounds, "too many messages after the handshake");
	else
		bounds->messages_left--;
}

/*
 * Called at a client's new handshake before its hello is read, for which OpenSSL would make room. Not called for the
 * messages of TLS 1.3.
 */
static void on_handshake(const SSL *ssl, int what, int returned)
{
	struct channel_bounds *bounds = SSL_get_app_data(ssl);
	(void)returned;
	if ((what & SSL_CB_HANDSHAKE_START) && bounds->server && bounds->secured)
		refuse_more(bounds, "renegotiation");
}

/* ---- life */

enum status channel_bounds_watch(struct channel_bounds *bounds, SSL *ssl, int fd, const struct tls_context *context)
{
	*bounds = (struct channel_bounds){
		.ssl = ssl, .fd = fd, .messages_left = MESSAGES_MAXIMUM, .server = context->is_server ? context : NULL
	};
	channel_bounds_begin_turn(bounds);
	if (SSL_set_app_data(ssl, bounds) != 1)
		return STATUS_NO_MEMORY;
	if (context->records_handshakes)
		handshake_record_begin(&bounds->record);
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, bounds);
	SSL_set_info_callback(ssl, on_handshake);
	return STATUS_OK;
}

bool channel_bounds_begin(struct channel_bounds *bounds)
{
	const struct tls_context *server = bounds->server;
	char first;
	if (bounds->begun)
		return true;
	if (server && recv(bounds->fd, &first, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	bounds->begun = true;
	if (server && server->may_shake && !server->may_shake(server->shake_context))
		refuse_more(bounds, "no memory for one more handshake");
	return true;
}

void channel_bounds_begin_turn(struct channel_bounds *bounds)
{
	bounds->budget = READ_PER_TURN;
}

void channel_bounds_note_secured(struct channel_bounds *bounds, SSL *ssl)
{
	bounds->secured = true;
	/* Only under TLS 1.3 a signature covers what we asked. One that can't be verified is as good as none. */
	if (SSL_version(ssl) != TLS1_3_VERSION || SSL_get_verify_result(ssl) != X509_V_OK)
		handshake_record_drop(&bounds->record);
	handshake_record_end(&bounds->record);
}

static size_t measure_held(const struct channel_bounds *bounds, const SSL *ssl)
{
	if (ssl == NULL || bounds->server == NULL || !bounds->begun)
		return 0;
	if (!bounds->secured)
		return SHAKING_MEMORY;
	return (SSL_has_pending(ssl) ? RECORD_MEMORY : 0) + (bounds->writing ? RECORD_MEMORY : 0);
}

void channel_bounds_count(struct channel_bounds *bounds, const SSL *ssl)
{
	memory -= bounds->memory;
	bounds->memory = measure_held(bounds, ssl);
	memory += bounds->memory;
}
