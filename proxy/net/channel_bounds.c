/*
 * The bounds of TLS, kept by callbacks of OpenSSL: one on the descriptor, one on
 * records and messages, one on handshakes. A callback can't fail a call, but it
 * can say that the peer has ended: the next record is dropped then.
 */
#include "net/channel_bounds.h"

#include <errno.h>
#include <openssl/bio.h>
#include <sys/socket.h>

#define RECORD_COST 256U        /* bytes: the time that a record costs besides its own bytes */
#define SHAKING_COST 2048U      /* in a handshake, which has a dozen records at most, each read by two calls */
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

static void refuse_more(struct channel_bounds *bounds, SSL *ssl, const char *fault)
{
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

/*
 * In a handshake OpenSSL asks for a record's header and then for its body, so what is seen here has not been acted on.
 */
static bool is_small(struct channel_bounds *bounds, const SSL *ssl, struct span bytes)
{
	return !bounds->server || bounds->secured ||
	       hello_take(&bounds->hello, bytes, SSL_version(ssl) <= TLS1_2_VERSION);
}

static long note_read(struct channel_bounds *bounds, SSL *ssl, struct span bytes)
{
	spend_budget(bounds, bytes.size);
	earn_messages(bounds, bytes.size);
	if (is_small(bounds, ssl, bytes))
		return 1;
	refuse_more(bounds, ssl, "handshake message too large");
	return -1;
}

/*
 * Before a read: whether it may happen. A turn without budget looks like a descriptor without bytes, which becomes
 * ready again in the next one.
 */
static long on_descriptor(BIO *bio, int operation, const char *at, size_t size, int argi, long argl, int returned,
			  size_t *processed)
{
	SSL *ssl = (SSL *)BIO_get_callback_arg(bio);
	struct channel_bounds *bounds = SSL_get_app_data(ssl);
	(void)size;
	(void)argi;
	(void)argl;
	if (operation == (BIO_CB_READ | BIO_CB_RETURN) && returned > 0 && processed)
		return note_read(bounds, ssl, (struct span){ at, *processed });
	if (operation != BIO_CB_READ || (bounds->budget && bounds->fault == NULL))
		return returned;
	BIO_clear_retry_flags(bio);
	if (bounds->fault == NULL)
		BIO_set_retry_read(bio);
	return -1;
}

/* ---- records and messages */

static void on_message(int is_ours, int version, int type, const void *bytes, size_t size, SSL *ssl, void *context)
{
	struct channel_bounds *bounds = context;
	(void)version;
	(void)bytes;
	(void)size;
	if (is_ours)
		return;
	if (type == SSL3_RT_HEADER)
		spend_budget(bounds, bounds->secured ? RECORD_COST : SHAKING_COST);
	if (type != SSL3_RT_HANDSHAKE || !bounds->secured)
		return;
	if (bounds->messages_left == 0)
		refuse_more(bounds, ssl, "too many messages after the handshake");
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
		refuse_more(bounds, (SSL *)ssl, "renegotiation");
}

/* ---- life */

enum status channel_bounds_watch(struct channel_bounds *bounds, SSL *ssl, const struct tls_context *context)
{
	*bounds = (struct channel_bounds){ .messages_left = MESSAGES_MAXIMUM,
					   .server = context->is_server ? context : NULL };
	channel_bounds_begin_turn(bounds);
	if (SSL_set_app_data(ssl, bounds) != 1)
		return STATUS_NO_MEMORY;
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, bounds);
	SSL_set_info_callback(ssl, on_handshake);
	BIO_set_callback_arg(SSL_get_rbio(ssl), (char *)ssl);
	BIO_set_callback_ex(SSL_get_rbio(ssl), on_descriptor);
	return STATUS_OK;
}

bool channel_bounds_begin(struct channel_bounds *bounds, SSL *ssl)
{
	const struct tls_context *server = bounds->server;
	char first;
	if (bounds->begun)
		return true;
	if (server && recv(SSL_get_fd(ssl), &first, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	bounds->begun = true;
	if (server && server->may_shake && !server->may_shake(server->shake_context))
		refuse_more(bounds, ssl, "no memory for one more handshake");
	return true;
}

void channel_bounds_begin_turn(struct channel_bounds *bounds)
{
	bounds->budget = READ_PER_TURN;
}

/* From here on one read(2) takes what is there, not two a record. */
void channel_bounds_note_secured(struct channel_bounds *bounds, SSL *ssl)
{
	bounds->secured = true;
	SSL_set_read_ahead(ssl, 1);
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
